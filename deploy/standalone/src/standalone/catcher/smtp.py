"""The SMTP side of the catcher: accepts everything for everybody, relays nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP

from standalone.catcher import caught
from standalone.catcher.accepts import AcceptLog

_SIZE_LIMIT_BYTES = 32 * 1024 * 1024
log = structlog.get_logger()


class _Handler:
    def __init__(self, accepts: AcceptLog) -> None:
        self._accepts = accepts

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Called after the final dot; what it returns is the server's answer."""
        raw = bytes(envelope.original_content or envelope.content)
        summary = caught.of_email(
            raw, sender=envelope.mail_from or "", recipients=envelope.rcpt_tos
        )
        try:
            taken = await self._accepts.append(raw, summary)
        except OSError:
            log.exception("accept_not_stored")
            return "452 4.3.1 cannot store the message now"
        return f"250 2.0.0 accepted as {taken.id}"


async def start(accepts: AcceptLog, *, host: str, port: int) -> asyncio.Server:
    """Listen; the caller closes the server."""
    handler = _Handler(accepts)
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(
            handler,
            hostname="catcher.localhost",
            ident="dunning catcher",
            data_size_limit=_SIZE_LIMIT_BYTES,
            enable_SMTPUTF8=True,
            loop=loop,
        )

    return await loop.create_server(protocol, host, port)
