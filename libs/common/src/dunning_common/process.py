"""Runs built services as one process: logging, traces, event loop, signals and the exit status.

For `__main__` modules only: everything here changes the whole process.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence

import structlog
import uvloop

from dunning_common.service import EXIT_RESTART_ME, Service, serve
from dunning_common.settings import ServiceSettings
from dunning_common.telemetry import configure_logging, configure_tracing

log = structlog.get_logger()

# Batches are many small values that live as long as their batch: with Python's own thresholds the
# collector looks through all of them again and again, for a fifth of a sweep's time.
_GC_THRESHOLDS = (50_000, 20, 50)

Build = Callable[[], Awaitable[Sequence[Service]]]


def run_services(settings: ServiceSettings, build: Build) -> int:
    """Build and serve until SIGTERM or SIGINT.

    Args:
        settings: how to log; those of any of the services.
        build: makes the services, inside the running event loop.

    Returns:
        The process's exit status: 0, or 70 when something died and a clean process should start.
    """
    gc.set_threshold(*_GC_THRESHOLDS)
    configure_logging(json=settings.log_json, level=settings.log_level)
    configure_tracing()
    return uvloop.run(_serve(build))


async def _serve(build: Build) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    services = await build()
    status = 0
    try:
        await serve(services, stop=stop)
    except* Exception:
        log.exception("services_died")
        status = EXIT_RESTART_ME
    return status
