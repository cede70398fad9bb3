"""`python -m kpi`: the service on its own, as in a container."""

from __future__ import annotations

import asyncio
import signal

from dunning_common.kafka import KafkaBus
from dunning_common.service import serve
from dunning_common.telemetry import configure_logging, configure_tracing
from kpi.bootstrap import build
from kpi.settings import Settings


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings()
    configure_logging(json=settings.log_json, level=settings.log_level)
    configure_tracing()
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = await build(settings, bus=KafkaBus(settings.kafka_bootstrap))
    await serve([service], stop=stop)


if __name__ == "__main__":
    main()
