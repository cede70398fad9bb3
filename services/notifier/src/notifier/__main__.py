"""`python -m notifier`: serves, from environment settings, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog
import uvloop

from dunning_common.kafka import KafkaBus
from dunning_common.service import EXIT_RESTART_ME, serve
from dunning_common.telemetry import configure_logging, configure_tracing
from notifier.bootstrap import build
from notifier.settings import Settings

log = structlog.get_logger()


async def run(settings: Settings) -> int:
    """Serve until a signal asks to stop; the exit status."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = await build(settings, bus=KafkaBus(settings.kafka_bootstrap))
    try:
        await serve([service], stop=stop)
    except* Exception:
        log.exception("service_died")
        status = EXIT_RESTART_ME
    else:
        status = 0
    return status


def main() -> int:
    """The process's exit status: 70 asks the supervisor for a restart."""
    settings = Settings()
    configure_logging(json=settings.log_json, level=settings.log_level)
    configure_tracing()
    return uvloop.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
