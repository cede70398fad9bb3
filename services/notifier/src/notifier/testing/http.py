"""A provider's HTTP API on loopback: enough of HTTP/1.1 to hang up at any point."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from notifier.testing.behaviour import AcceptLog, Behaviour, Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An HTTP request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class HttpProvider(Behaviour):
    """A provider's HTTP API: enough of HTTP/1.1 to hang up at any point."""

    def __init__(self, log: AcceptLog | None = None, *, port: int = 0) -> None:
        super().__init__(log)
        self.heard: list[Heard] = []
        self._port = port

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    async def listen(self) -> asyncio.Server:
        """Start listening."""
        return await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    def take(self, request: Heard) -> tuple[int, dict[str, str], Any]:
        """Accept a request and say what to answer."""
        raise NotImplementedError

    def complain(self, status: int) -> Any:
        """The body of an error in the provider's own shape."""
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                mode = None
                request = await _read_request(reader)
                if request is None:
                    return
                self.heard.append(request)
                mode = self.next_mode()
                answer = await self._answer(mode, request)
                if answer is None:
                    writer.transport.abort()
                    return
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, mode: Mode, request: Heard) -> bytes | None:
        match mode:
            case Mode.CUT:
                return None
            case Mode.BUSY:
                return _response(429, {}, self.complain(429))
            case Mode.REFUSE:
                return _response(400, {}, self.complain(400))
            case Mode.LATE:
                await asyncio.sleep(self.late_s)
                answer = self.take(request)
            case _:
                answer = self.take(request)
        if mode is Mode.LOST:
            return None
        if mode is Mode.BROKEN:
            return _response(502, {}, {"message": "bad gateway"})
        if mode is Mode.SLOW:
            await asyncio.sleep(self.delay_s)
        return _response(*answer)


async def _read_request(reader: asyncio.StreamReader) -> Heard | None:
    head = await reader.readline()
    if not head:
        return None
    method, path, _ = head.decode().split(" ", 2)
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(method=method, path=path, headers=headers, body=body)


def _response(status: int, headers: Mapping[str, str], body: Any) -> bytes:
    content = b"" if body is None else orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} Fake", f"content-length: {len(content)}"]
    lines += ["content-type: application/json", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content
