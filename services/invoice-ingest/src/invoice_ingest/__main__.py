"""Runs the ledger from environment settings, or makes a master key.

`python -m invoice_ingest` serves until SIGTERM or SIGINT.
`python -m invoice_ingest make-master-key FILE` writes a new key, unless there is one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dunning_common.kafka import KafkaBus
from dunning_common.process import run_services
from dunning_common.service import Service
from invoice_ingest.adapters.master_key import make_master_key
from invoice_ingest.bootstrap import build
from invoice_ingest.settings import Settings


def main(arguments: list[str]) -> int:
    """The process's exit status: 70 asks the supervisor for a restart."""
    match arguments:
        case ["make-master-key", file]:
            make_master_key(Path(file))
            return 0
        case []:
            return serve()
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2


def serve() -> int:
    """Serve until a signal ends it; the exit status."""
    settings = Settings()

    async def service() -> list[Service]:
        return [await build(settings, bus=KafkaBus(settings.kafka_bootstrap))]

    return run_services(settings, service)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
