"""One connection to a mail relay, from the envelope on, so that each step of it is known.

aiosmtplib opens it (greeting, EHLO, TLS, login) and `take_over` continues on its transport: where
the relay allows it (PIPELINING, RFC 2920) commands go in one write, which that library cannot do.
Decides nothing and tries nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Self

import aiosmtplib

_REPLY_BYTES_MAX = 32 * 1024
_START_INPUT = 354
_DONE = frozenset({250})
_FORWARDED = frozenset({250, 251, 252})
_GO_ON = frozenset({_START_INPUT})

Step = tuple[str, frozenset[int]]
"""A command, and the codes of a good answer (RFC 5321, 4.3.2)."""


class SmtpLine(asyncio.Protocol):
    """What is said and answered. Everything raises `SMTPServerDisconnected` once it is closed."""

    def __init__(self, transport: Any, *, pipelining: bool) -> None:
        """Args: transport of an open connection, on which no answer is outstanding."""
        self._transport = transport
        self._pipelining = pipelining
        self._read = b""
        self._words: list[str] = []
        self._replies: deque[aiosmtplib.SMTPResponse] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_lost = False
        self._is_in_envelope = False

    @classmethod
    def take_over(cls, client: aiosmtplib.SMTP) -> Self:
        """Continue on the connection of a client that is logged in."""
        transport = client.transport
        if transport is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        line = cls(transport, pipelining=client.supports_extension("pipelining"))
        transport.set_protocol(line)
        return line

    @property
    def is_open(self) -> bool:
        """Whether something can be said, and nothing was said that nobody asked for."""
        return not (self._is_lost or self._transport.is_closing() or self._replies)

    def close(self) -> None:
        """Hang up at the end of a mail."""
        self._transport.close()

    def cut(self) -> None:
        """Hang up in the middle: what was written and has not left must not leave any more.

        A relay drops the text whose final dot it did not get.
        """
        self._transport.abort()

    async def begin(self, sender: str, recipient: str) -> None:
        """Name both ends and ask for the text to be taken.

        Raises:
            aiosmtplib.SMTPResponseException: the relay refused one of them.
            ValueError: an address that cannot stand in a command.
        """
        steps: list[Step] = [
            (f"MAIL FROM:<{_safe(sender)}>", _DONE),
            (f"RCPT TO:<{_safe(recipient)}>", _FORWARDED),
            ("DATA", _GO_ON),
        ]
        if self._is_in_envelope:  # of a mail that was refused
            steps.insert(0, ("RSET", _DONE))
        self._is_in_envelope = True
        replies = await (self._together(steps) if self._pipelining else self._in_turn(steps))
        for reply, (_, good) in zip(replies, steps, strict=False):
            if reply.code not in good:
                if replies[-1].code == _START_INPUT:
                    self.cut()  # it waits for a text that nobody is to get
                raise aiosmtplib.SMTPResponseException(reply.code, reply.message)
        self._is_in_envelope = False  # the text ends it

    def say(self, data: bytes) -> None:
        """Write; nothing is known of whether it arrives."""
        if self._is_lost or self._transport.is_closing():
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        self._transport.write(data)

    async def flush(self) -> None:
        """Wait until what was written has left our buffer."""
        pause_s = 0.0
        while not self._transport.is_closing() and self._transport.get_write_buffer_size() > 0:
            await asyncio.sleep(pause_s)
            pause_s = 0.001

    def unasked(self) -> aiosmtplib.SMTPResponse | None:
        """What the relay said though nobody asked: it will not take the text."""
        return self._replies.popleft() if self._replies else None

    async def reply(self) -> aiosmtplib.SMTPResponse:
        """The next answer."""
        while not self._replies:
            if self._is_lost or self._transport.is_closing():
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._replies.popleft()

    async def _together(self, steps: Sequence[Step]) -> list[aiosmtplib.SMTPResponse]:
        self.say("".join(f"{command}\r\n" for command, _ in steps).encode("ascii"))
        return [await self.reply() for _ in steps]

    async def _in_turn(self, steps: Sequence[Step]) -> list[aiosmtplib.SMTPResponse]:
        replies: list[aiosmtplib.SMTPResponse] = []
        for command, good in steps:
            self.say(f"{command}\r\n".encode("ascii"))
            replies.append(await self.reply())
            if replies[-1].code not in good:
                break
        return replies

    def data_received(self, data: bytes) -> None:
        """Called by the loop: read as many answers as are complete."""
        *lines, self._read = (self._read + data).split(b"\n")
        try:
            for line in lines:
                self._take(line.decode("utf-8", "surrogateescape").rstrip("\r"))
        except ValueError:
            self._give_up()
        if len(self._read) + sum(map(len, self._words)) > _REPLY_BYTES_MAX:
            self._give_up()
        self._wake()

    def _give_up(self) -> None:
        """This is no mail relay: nothing that it says can be told apart any more."""
        self._transport.abort()
        self._is_lost = True

    def _take(self, line: str) -> None:
        code = int(line[:3])
        self._words.append(line[4:].strip())
        if line[3:4] != "-":
            self._replies.append(aiosmtplib.SMTPResponse(code, "\n".join(self._words)))
            self._words = []

    def eof_received(self) -> bool:
        """Called by the loop when the relay hung up."""
        self._is_lost = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """Called by the loop when the connection is gone."""
        self._is_lost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _safe(address: str) -> str:
    """An address that ends where it ends.

    Raises:
        ValueError: it holds what could end the command or begin another.
    """
    if not address.isascii() or not address.isprintable() or any(c in address for c in "<> "):
        raise ValueError("the address cannot stand in an SMTP command")
    return address
