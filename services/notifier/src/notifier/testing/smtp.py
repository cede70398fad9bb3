"""A mail server on loopback that misbehaves on request."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from typing import Any

from aiosmtpd import smtp as aiosmtpd_smtp

from notifier.testing.behaviour import AcceptLog, Behaviour, Mode


class FakeSmtp(Behaviour):
    """A mail server.

    `lost` and `slow` concern the reply after the final dot; `broken` is a 554 there, and the mail
    is not accepted: unlike over HTTP, an SMTP error reply is a definite no.
    """

    def __init__(self, log: AcceptLog | None = None, *, port: int = 0) -> None:
        super().__init__(log)
        self.mails: list[bytes] = []
        self.keep_mails = True
        self.pipelining = True
        self.connections = 0
        self._port = port

    async def listen(self) -> asyncio.Server:
        """Start listening."""
        return await asyncio.get_running_loop().create_server(
            self._connection, "127.0.0.1", self._port
        )

    def _connection(self) -> aiosmtpd_smtp.SMTP:
        self.connections += 1
        return _SmtpConnection(_SmtpHandler(self), hostname="fake.test", ident="fake")


class _SmtpConnection(aiosmtpd_smtp.SMTP):
    """aiosmtpd, and a way to hang up before it takes the text."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 -- aiosmtpd's name
        if not (
            self.envelope and self.envelope.rcpt_tos
        ):  # said together with a recipient that was refused
            await super().smtp_DATA(arg)
            return
        mode = self.event_handler.mode = self.event_handler.server.next_mode()
        if mode is Mode.CUT:
            _hang_up(self.transport)
            return
        await super().smtp_DATA(arg)


class _SmtpHandler:
    def __init__(self, server: FakeSmtp) -> None:
        self.server = server
        self.mode = Mode.OK

    async def handle_EHLO(  # noqa: N802 -- aiosmtpd's name
        self, _: Any, session: Any, __: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if self.server.pipelining:
            responses.insert(-1, "250-PIPELINING")
        return responses

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name
        self, _: Any, __: Any, envelope: Any, address: str, ___: Any
    ) -> str:
        script = self.server.script
        upcoming = script[0] if script else self.server.mode
        if upcoming is Mode.REFUSE:
            self.server.next_mode()
            return f"550 5.1.1 <{address}> user unknown"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, smtp: Any, _: Any, envelope: Any) -> str:  # noqa: N802
        if self.mode is Mode.BUSY:
            return "451 4.3.0 try again later"
        if self.mode is Mode.BROKEN:
            return "554 5.6.0 not taken"
        raw: bytes = envelope.original_content
        message_id = str(message_from_bytes(raw)["Message-ID"]).strip("<>").partition("@")[0]
        # A server that has the final dot may take the mail though its client hung up since.
        await asyncio.shield(asyncio.ensure_future(self._take(message_id, envelope, raw)))
        if self.mode is Mode.LOST:
            _hang_up(smtp.transport)
            return "250 nobody hears this"
        if self.mode is Mode.SLOW:
            await asyncio.sleep(self.server.delay_s)
        return f"250 2.0.0 queued as {message_id[:8]}"

    async def _take(self, message_id: str, envelope: Any, raw: bytes) -> None:
        if self.mode is Mode.LATE:
            await asyncio.sleep(self.server.late_s)
        self.server.accept(message_id, envelope.rcpt_tos[0], raw)
        if self.server.keep_mails:
            self.server.mails.append(raw)


def _hang_up(transport: Any) -> None:
    if transport is not None:
        transport.abort()
