"""A process that only sends, to be killed: `python -m tests.integration.notifier.doomed …`."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry

from dunning_common.clock import SystemClock
from dunning_common.db import Database
from notifier.adapters.sql_inbox import WORK
from notifier.adapters.sql_messages import SqlMessages
from notifier.adapters.thread_pool import ThreadPool
from notifier.channels.base import Channel
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.channels.smtp import SmtpChannel, SmtpServer
from notifier.domain.outcome import RetryPolicy
from notifier.entrypoints.loops import listen, turn
from notifier.handlers.send import Sender, Timing
from notifier.handlers.settling import Settler
from notifier.handlers.sweep import Sweeper
from notifier.handlers.write import Scribe
from notifier.ports.ledger import DebtorKey
from notifier.schema import SCHEMA
from notifier.testing import FakeLedger, PlainRenderer

TIMING = Timing(lease_s=1.0, max_send_s=0.5, margin_s=0.1, claim_s=1.0, batch=20, parallel=5)


def key_of(debtor_id: str) -> bytes:
    return hashlib.sha256(debtor_id.encode()).digest()


class KnowingLedger(FakeLedger):
    """Knows everybody's key."""

    async def keys(self, debtors: Collection[DebtorKey]) -> Mapping[DebtorKey, bytes]:
        return {debtor: key_of(debtor[1]) for debtor in debtors}


async def nothing_missing(*_: object, **__: object) -> bool:
    return True


async def main(api_url: str, worker_url: str, smtp_port: int, spool: Path) -> None:
    db = Database(api_url=api_url, worker_url=worker_url, schema=SCHEMA.schema)
    channels: dict[str, Channel] = {
        "email": SmtpChannel(SmtpServer(host="127.0.0.1", port=smtp_port, local_hostname="doomed")),
        "letter": LetterSpoolChannel(spool, kind="letter"),
    }
    settler = Settler(SqlMessages(), currency="EUR", registry=CollectorRegistry())
    sweeper = Sweeper(db=db, messages=SqlMessages(), settler=settler, channels=channels)
    wake = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(listen(db, {WORK: [wake]}))
        group.create_task(turn("sweep", sweeper.sweep, wake=asyncio.Event(), poll_s=0.1))
        for number in range(2):
            sender = Sender(
                db=db,
                queue=SqlMessages(),
                settler=settler,
                ledger=KnowingLedger(),
                channels=channels,
                writer=Scribe(PlainRenderer(), channels, ThreadPool(1)),
                catch_up=nothing_missing,
                timing=TIMING,
                retry=RetryPolicy(base_s=0.05),
                clock=SystemClock(),
                worker=f"doomed/{number}",
            )
            group.create_task(turn(f"send-{number}", sender.send_due, wake=wake, poll_s=0.1))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
