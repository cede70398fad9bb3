"""Runs the catcher: `python -m standalone.catcher`, configured by `CATCHER_…` variables."""

from __future__ import annotations

import asyncio
import signal

import uvicorn

from dunning_common.clock import SystemClock
from dunning_common.telemetry import configure_logging
from standalone.catcher import smtp, web
from standalone.catcher.accepts import AcceptLog
from standalone.catcher.letters import Spool
from standalone.catcher.settings import CatcherSettings


async def main(settings: CatcherSettings) -> None:
    """Serve SMTP and HTTP until SIGTERM or SIGINT."""
    accepts = AcceptLog(
        settings.folder,
        SystemClock(),
        segment_messages=settings.segment_messages,
        segments_max=settings.segments_max,
    )
    writer = asyncio.create_task(accepts.run())
    mail = await smtp.start(accepts, host=settings.host, port=settings.smtp_port)
    server = uvicorn.Server(
        uvicorn.Config(
            web.create_app(accepts, Spool(settings.spool_folder)),
            host=settings.host,
            port=settings.http_port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, setattr, server, "should_exit", True)
    await server.serve()
    mail.close()
    writer.cancel()


if __name__ == "__main__":
    configure_logging(json=False, level="info")
    asyncio.run(main(CatcherSettings()))
