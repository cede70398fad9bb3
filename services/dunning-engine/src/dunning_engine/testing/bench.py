"""The engine's parts on a database: no broker, no HTTP, everything done by hand and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import date, datetime, time
from typing import Any, Self

from prometheus_client import CollectorRegistry

from dunning_common.consumer import Consumed
from dunning_common.db import Database, driver
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.registry import parse_payload
from dunning_engine.adapters.pg_signals import Signals
from dunning_engine.adapters.public_law import PublicLaw
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.bootstrap import recorder
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.entrypoints.loops import ClockWalker, FlightWatch, Metrics, Sweeper
from dunning_engine.handlers.set_clock import set_clock
from dunning_engine.settings import Settings
from dunning_engine.testing.postman import Postman


class Bench:
    """The engine's parts on a database: events are fed by hand, sweeps are run by hand."""

    def __init__(self, db: Database, *, settings: Settings | None = None) -> None:
        self.db = db
        self.settings = settings or quiet_settings()
        self.rooms = StoreRoom(
            db, patience_s=self.settings.ledger_patience_s, settle_s=self.settings.settle_s
        )
        self.law = PublicLaw()
        self.signals = Signals(db)
        self.pending: list[Envelope] = []
        self.asked: list[tuple[tuple[str, ...], str | None, tuple[str, ...] | None]] = []
        self.answering = True
        parts: dict[str, Any] = {
            "rooms": self.rooms,
            "settings": self.settings,
            "catch_up": self.catch_up,
            "metrics": Metrics(CollectorRegistry()),
        }
        self.watch = FlightWatch(**parts)
        parts |= {"law": self.law, "signals": self.signals}
        self.sweeper = Sweeper(**parts)
        self.walker = ClockWalker(**parts)
        self.postman = Postman(self)

    async def feed(self, *envelopes: Envelope) -> None:
        """Apply events as the consumer would: one batch, one transaction."""
        if not envelopes:
            return
        events = [Consumed(envelope, parse_payload(envelope)) for envelope in envelopes]
        async with self.db.worker() as connection:
            await recorder(self.rooms, self.law)(connection, events)

    async def catch_up(
        self,
        topics: Sequence[str],
        *,
        tenant: str | None = None,
        keys: Sequence[str] | None = None,
    ) -> bool:
        """Stands for the consumer's: brings what is `pending`, unless the feeds do not answer."""
        self.asked.append((tuple(topics), tenant, None if keys is None else tuple(keys)))
        if not self.answering:
            return False
        wanted = [e for e in self.pending if parse_payload(e).topic in topics]
        self.pending = [e for e in self.pending if e not in wanted]
        await self.feed(*wanted)
        return True

    async def sweep(self) -> int:
        """Decide about everything that is due by the real clock."""
        return await self.sweeper.sweep_once()

    async def sent(self, *types: type[Payload]) -> list[Envelope]:
        """The engine's own events in the order in which they were written."""
        async with self.db.worker() as connection:
            rows = await (await driver(connection)).fetch(
                "SELECT envelope FROM outbox ORDER BY position"
            )
        envelopes = [Envelope.from_bytes(row["envelope"]) for row in rows]
        names = {kind.__name__ for kind in types}
        return [envelope for envelope in envelopes if not names or envelope.type in names]

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of a query across tenants."""
        async with self.db.worker() as connection:
            found = await (await driver(connection)).fetch(query, *arguments)
        return [dict(row) for row in found]

    async def advance(self, tenant: str, to: datetime | date, *, timeout_s: float = 60) -> datetime:
        """Move a sandbox clock and wait until it has arrived. Returns where it stands."""
        async with self.rooms.tenant(tenant) as stores:
            await set_clock(stores.clock, tenant, to)
        async with asyncio.timeout(timeout_s):
            await self.walker.walk(tenant)
        return await self.clock(tenant)

    async def walk_for(self, tenant: str, seconds: float) -> None:
        """Walk until nothing moves any more without somebody else, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.walker.walk(tenant)

    async def clock(self, tenant: str) -> datetime:
        """Where a sandbox clock stands."""
        (row,) = await self.rows("SELECT now FROM tenant_clock WHERE tenant = $1", tenant)
        now: datetime = row["now"]
        return now

    async def levels(self) -> list[tuple[str, str, date, str]]:
        """(invoice, level, day, outcome) of every level, in the order of decisions."""
        rows = await self.rows(
            "SELECT invoice_id, level, decided_on, outcome FROM case_level "
            "ORDER BY decided_at, invoice_id, level_no, try_no"
        )
        return [(r["invoice_id"], r["level"], r["decided_on"], r["outcome"]) for r in rows]


class Running:
    """A bench whose signals are heard and whose postman answers in the background."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start."""
        for work in (self._bench.signals.run(), self._bench.postman.run()):
            task = asyncio.create_task(work)
            self._stack.push_async_callback(_stop, task)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self._stack.aclose()


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task  # a fake that died must not go unnoticed


def quiet_settings(**changes: Any) -> Settings:
    """Settings for tests: nothing is connected by them."""
    fields: dict[str, Any] = {
        "api_database_url": "postgresql+asyncpg://unused",
        "worker_database_url": "postgresql+asyncpg://unused",
        "public_url": "http://engine.test",
        "token_keys_file": "unused",
        "service_token": "unused",
        "ingest_url": "http://ingest.test",
        "engine_url": "http://engine.test",
        "notifier_url": "http://notifier.test",
        "kpi_url": "http://kpi.test",
        "ledger_patience_s": 0.0,
        "settle_s": 0.0,
        "clock_silence_s": 0.2,
    }
    return Settings(**(fields | changes))


def always_open(policy_id: str, version: int = 1) -> Policy:
    """A policy that may speak at any hour: first at the due date, then every ten days."""
    return Policy(
        policy_id=policy_id,
        version=version,
        name="Always open",
        country=None,
        levels=tuple(
            Level(
                code=f"level_{number}",
                level_no=number,
                threshold_days=10 * (number - 1),
                gap_days=0 if number == 1 else 10,
                channels=("email",),
                template="first_reminder",
            )
            for number in (1, 2, 3)
        ),
        weekdays=frozenset(range(7)),
        opens=time(0),
        closes=time(23, 59),
        observe_holidays=False,
    )
