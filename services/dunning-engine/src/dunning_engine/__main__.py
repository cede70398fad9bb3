"""`python -m dunning_engine`: serves, from environment settings, until SIGTERM or SIGINT.

`python -m dunning_engine sweep` only decides about what is due: any number of them may help.
"""

from __future__ import annotations

import sys

from dunning_common.kafka import KafkaBus
from dunning_common.process import run_services
from dunning_common.service import Service
from dunning_engine.bootstrap import build, build_sweeper
from dunning_engine.settings import Settings


def main() -> int:
    """The process's exit status: 70 asks the supervisor for a restart."""
    settings = Settings()

    async def service() -> list[Service]:
        if sys.argv[1:] == ["sweep"]:
            return [build_sweeper(settings)]
        return [await build(settings, bus=KafkaBus(settings.kafka_bootstrap))]

    return run_services(settings, service)


if __name__ == "__main__":
    sys.exit(main())
