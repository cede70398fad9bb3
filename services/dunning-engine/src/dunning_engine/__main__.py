"""`python -m dunning_engine`: the engine as a process of its own, settings from `ENGINE_*`."""

from __future__ import annotations

import asyncio
import signal
import sys

from dunning_common.kafka import KafkaBus
from dunning_common.service import EXIT_RESTART_ME, serve
from dunning_common.telemetry import configure_logging, configure_tracing
from dunning_engine.bootstrap import build
from dunning_engine.settings import Settings


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings()
    configure_logging(json=settings.log_json, level=settings.log_level)
    configure_tracing()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    service = await build(settings, bus=KafkaBus(settings.kafka_bootstrap))
    await serve([service], stop=stop)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except* Exception:  # noqa: BLE001 -- already logged by the loop that died
        sys.exit(EXIT_RESTART_ME)
