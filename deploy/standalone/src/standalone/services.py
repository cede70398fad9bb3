"""All services in one process on one event loop: `python -m standalone.services`.

Each service is built by its own bootstrap from its own environment variables, exactly as in a
container. When one of their loops dies the process ends with status 70 and is started again.
"""

from __future__ import annotations

import sys

import dunning_engine.bootstrap
import dunning_engine.settings
import invoice_ingest.bootstrap
import invoice_ingest.settings
import kpi.bootstrap
import kpi.settings
import notifier.bootstrap
import notifier.settings
from dunning_common.kafka import KafkaBus
from dunning_common.process import run_services
from dunning_common.service import Service


def main() -> int:
    """The process's exit status: 70 asks the supervisor for a restart."""
    ingest = invoice_ingest.settings.Settings()
    engine = dunning_engine.settings.Settings()
    sender = notifier.settings.Settings()
    figures = kpi.settings.Settings()

    async def services() -> list[Service]:
        """A bus for each, as they would have in processes of their own."""
        return [
            await invoice_ingest.bootstrap.build(ingest, bus=KafkaBus(ingest.kafka_bootstrap)),
            await dunning_engine.bootstrap.build(engine, bus=KafkaBus(engine.kafka_bootstrap)),
            await notifier.bootstrap.build(sender, bus=KafkaBus(sender.kafka_bootstrap)),
            await kpi.bootstrap.build(figures, bus=KafkaBus(figures.kafka_bootstrap)),
        ]

    return run_services(ingest, services)


if __name__ == "__main__":
    sys.exit(main())
