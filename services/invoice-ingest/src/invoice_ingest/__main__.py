"""Runs the ledger from environment settings, or makes a master key.

`python -m invoice_ingest` serves until SIGTERM or SIGINT.
`python -m invoice_ingest make-master-key FILE` writes a new key, unless there is one.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from dunning_common.kafka import KafkaBus
from dunning_common.service import EXIT_RESTART_ME, serve
from dunning_common.telemetry import configure_logging, configure_tracing
from invoice_ingest.adapters.master_key import make_master_key
from invoice_ingest.bootstrap import build
from invoice_ingest.settings import Settings

log = structlog.get_logger()


async def run(settings: Settings) -> int:
    """Serve until a signal asks to stop; the exit status."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = await build(settings, bus=KafkaBus(settings.kafka_bootstrap))
    status = 0
    try:
        await serve([service], stop=stop)
    except* Exception:
        log.exception("service_died")
        status = EXIT_RESTART_ME
    return status


def main(arguments: list[str]) -> int:
    """The process's exit status: 70 asks the supervisor for a restart."""
    match arguments:
        case ["make-master-key", file]:
            make_master_key(Path(file))
            return 0
        case []:
            settings = Settings()
            configure_logging(json=settings.log_json, level=settings.log_level)
            configure_tracing()
            return uvloop.run(run(settings))
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
