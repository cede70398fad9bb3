"""How fast the kpi service folds events, beside how fast the same facts are merely stored."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta

import pytest

from dunning_common.consumer import Consumed
from dunning_common.db import Database
from kpi.adapters.sql_facts import SqlFactStore
from kpi.handlers.fold import Fold
from kpi.handlers.intake import take_in
from kpi.schema import SCHEMA
from kpi.testing import Story
from tests.benchmarks.conftest import Record
from tests.benchmarks.measure import scaled
from tests.conftest import Databases

pytestmark = pytest.mark.benchmark
BATCH = 1_000


async def test_kpi_fold(databases: Databases, record: Record) -> None:
    events = told(scaled(4_000))
    store_db, fold_db = await databases.open(SCHEMA), await databases.open(SCHEMA)
    fold = Fold(SqlFactStore)

    async def store(db: Database, batch: Sequence[Consumed]) -> None:
        async with db.worker() as connection:
            await SqlFactStore(connection).record(take_in(batch).facts, [])

    async def apply(db: Database, batch: Sequence[Consumed]) -> None:
        async with db.worker() as connection:
            await fold.apply(connection, batch)

    limit = await rate(store, store_db, events)
    value = await rate(apply, fold_db, events)
    async with fold_db.worker() as connection:
        assert await fold.rebuild(connection, "acme")

    record("kpi_fold", value, "events/s", limit)


async def rate(
    work: Callable[[Database, Sequence[Consumed]], Awaitable[None]],
    db: Database,
    events: Sequence[Consumed],
) -> float:
    started = time.perf_counter()
    for start in range(0, len(events), BATCH):
        await work(db, events[start : start + BATCH])
    return len(events) / (time.perf_counter() - started)


def told(invoices: int) -> list[Consumed]:
    """Invoices over a year, a third of them reminded, all paid, some in part."""
    dice, story = random.Random(1), Story().register()
    due = {}
    for number in range(invoices):
        on = date(2025, 1, 1) + timedelta(days=dice.randrange(365))
        name, due[number] = f"I{number}", on + timedelta(days=30)
        story.issue(
            name, dice.randrange(100, 10**6), on=on, due_on=due[number],
            debtor_id=f"D{number % 300}",
        )  # fmt: skip
    for number in dice.sample(range(invoices), invoices):
        name = f"I{number}"
        if number % 3 == 0:
            story.remind([name], at=due[number] + timedelta(days=7))
        part = story.open_minor(name) // 2 if number % 5 == 0 else None
        story.pay(name, part, on=due[number] + timedelta(days=dice.randrange(-10, 30)))
    return story.events
