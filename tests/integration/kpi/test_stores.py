"""The store in PostgreSQL and the one in memory are the same to the fold."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest

from kpi.adapters.sql_facts import SqlFactStore
from kpi.domain.facts import Outcome
from kpi.domain.tally import MEASURES
from kpi.handlers.fold import Fold
from kpi.testing import MemoryFactStore, Story, set_k
from tests.integration.kpi.conftest import Books

NO_CONNECTION: Any = None


@pytest.mark.parametrize("seed", range(4))
async def test_both_stores_hold_the_same_sums(books: Books, seed: int) -> None:
    dice, story = random.Random(seed), set_k(Story())
    for name in ("mar-open", "jan-open"):
        story.amend(name, on=date(2026, 3, 20), due_on=date(2026, 4, 30))
        story.charge(name, 4_000, on=date(2026, 3, 21))
        story.remind(
            [name, "old-open"],
            at=date(2026, 3, 22),
            outcomes=[Outcome.SENT, list(Outcome)[seed + 1]],
        )
        story.pay(name, on=date(2026, 3, 15))
    story.cash(500, on=date(2026, 3, 1)).cash(20, on=date(2026, 2, 1)).register(zone="Asia/Tokyo")
    events = dice.sample(story.events, len(story.events))
    store = MemoryFactStore()

    for start in range(0, len(events), 6):
        batch = events[start : start + 9]
        await books.apply(batch)
        await Fold(lambda _: store).apply(NO_CONNECTION, batch)

    assert all(list(store.tally.rows(measure)) for measure in MEASURES)
    assert await books.sums() == store.tally


async def test_facts_of_many_invoices_are_rebuilt_in_portions(books: Books) -> None:
    story = Story().register()
    for number in range(37):
        story.issue(f"I{number}", number + 1, on=date(2026, 1, 1), due_on=date(2026, 2, 1))
    books.fold = Fold(lambda connection: SqlFactStore(connection, portion=10))
    await books.apply(story.events)

    assert await books.rebuild()
    assert (await books.at(date(2026, 3, 1))).overdue_minor == 37 * 38 // 2
