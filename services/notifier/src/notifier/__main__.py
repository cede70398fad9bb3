"""`python -m notifier`: runs the service until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal

from dunning_common.kafka import KafkaBus
from dunning_common.service import serve
from dunning_common.telemetry import configure_logging, configure_tracing
from notifier.bootstrap import build
from notifier.settings import Settings


async def main() -> None:
    """Build the service from the environment and serve it."""
    settings = Settings()
    configure_logging(json=settings.log_json, level=settings.log_level)
    configure_tracing()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, stop.set)
    service = await build(settings, bus=KafkaBus(settings.kafka_bootstrap))
    await serve([service], stop=stop)


if __name__ == "__main__":
    asyncio.run(main())
