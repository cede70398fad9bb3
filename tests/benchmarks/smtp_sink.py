"""A mail server that takes everything and keeps nothing, as a process: `smtp_sink.py PORT`.

A process of its own, so that its work is not counted as the notifier's; and no more than the few
commands of RFC 5321 that a client says (with PIPELINING, RFC 2920), because a real relay stands on
another machine and must not take the processors that are measured here.
"""

from __future__ import annotations

import asyncio
import sys

_END_OF_TEXT = b"\r\n.\r\n"
_ANSWERS = {
    b"EHLO": b"250-sink.example.com\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._takes_text = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink.example.com ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer whatever commands are complete."""
        self._rest += data
        answers = []
        while (answer := self._next()) is not None:
            answers.append(answer)
        self._transport.write(b"".join(answers))

    def _next(self) -> bytes | None:
        """The answer to what came first, or None when it is not there to its end."""
        end = _END_OF_TEXT if self._takes_text else b"\r\n"
        first, found, rest = self._rest.partition(end)
        if not found:
            return None
        self._rest = rest
        if self._takes_text:
            self._takes_text = False
            return b"250 2.0.0 queued\r\n"
        verb = first[:4].upper()
        self._takes_text = verb == b"DATA"
        return _ANSWERS.get(verb, b"250 ok\r\n")


async def main(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
