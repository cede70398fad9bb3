"""All services in one process on one event loop: `python -m standalone.services`.

Each service is built by its own bootstrap from its own environment variables, exactly as in a
container. When one of their loops dies the process ends with status 70 and is started again.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog
import uvloop

import dunning_engine.bootstrap
import dunning_engine.settings
import invoice_ingest.bootstrap
import invoice_ingest.settings
import kpi.bootstrap
import kpi.settings
import notifier.bootstrap
import notifier.settings
from dunning_common.kafka import KafkaBus
from dunning_common.service import EXIT_RESTART_ME, Service, serve
from dunning_common.telemetry import configure_logging, configure_tracing

log = structlog.get_logger()


async def main() -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    services = await _build()
    try:
        await serve(services, stop=stop)
    except BaseExceptionGroup:
        log.exception("services_died")
        return EXIT_RESTART_ME
    return 0


async def _build() -> list[Service]:
    """The four services; a bus for each, as they would have in processes of their own."""
    ingest = invoice_ingest.settings.Settings()
    engine = dunning_engine.settings.Settings()
    sender = notifier.settings.Settings()
    figures = kpi.settings.Settings()
    configure_logging(json=ingest.log_json, level=ingest.log_level)
    configure_tracing()
    return [
        await invoice_ingest.bootstrap.build(ingest, bus=KafkaBus(ingest.kafka_bootstrap)),
        await dunning_engine.bootstrap.build(engine, bus=KafkaBus(engine.kafka_bootstrap)),
        await notifier.bootstrap.build(sender, bus=KafkaBus(sender.kafka_bootstrap)),
        await kpi.bootstrap.build(figures, bus=KafkaBus(figures.kafka_bootstrap)),
    ]


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
