"""How fast two years of invoices are played again under a policy, beside the engine's decisions alone.

Processes for all cores, as `dunning simulate` uses them; the limit is the same `decide` on the same
situations, without anything around it: measured in one process on a part of the debtors, and taken
for each of the cores.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.adapters.holiday_calendar import calendar_for
from dunning_engine.adapters.process_pool import Crunchers
from dunning_engine.adapters.rate_files import load_rates
from dunning_engine.domain.account import Account
from dunning_engine.domain.decision import decide
from dunning_engine.domain.outcome import Decision
from dunning_engine.domain.schedule import local_midnight
from dunning_engine.domain.simulation import USUAL, Walk
from dunning_engine.domain.simulation_job import Job
from dunning_engine.domain.simulation_scenario import Scenario
from dunning_engine.domain.story import PastInvoice, Story, story_of
from dunning_engine.handlers.run_simulation import run_simulation
from tests.benchmarks.conftest import Record
from tests.benchmarks.measure import scaled

pytestmark = pytest.mark.benchmark

INVOICES = 100_000
INVOICES_PER_DEBTOR = 25
BATCH_DEBTORS = 20
SAMPLE_DEBTORS = 100
BEGINS, ENDS = date(2024, 1, 1), date(2026, 1, 1)
POLICY = builtin_policies()["france-b2b"]


async def test_simulation(record: Record) -> None:
    stories = portfolio(scaled(INVOICES) // INVOICES_PER_DEBTOR, seed=1)
    invoices = sum(story.invoices for story in stories)
    job = Job(
        purpose="backtest",
        kind="backtest",
        a=Scenario(name="france", policies={POLICY.key: POLICY}, override=POLICY.key),
        starts_on=BEGINS,
        ends_on=ENDS,
    )

    started = time.perf_counter()
    async with Crunchers(job) as crunchers:
        report = await run_simulation(job, batches(stories), crunchers)
    value = invoices / (time.perf_counter() - started)

    assert report["totals"]["invoices"] == invoices
    assert report["totals"]["messages"] > invoices
    assert report["troubles"]["total"] == 0
    sample = stories[: min(SAMPLE_DEBTORS, len(stories))]
    record("simulation", value, "invoices/s", deciding_alone(sample) * crunchers.workers)


def deciding_alone(stories: Sequence[Story]) -> float:
    """Invoices a second of one process that only decides."""
    situations = []
    for story in stories:
        walk = Recorder(
            story,
            {POLICY.key: POLICY},
            calendar_for("FR", None, range(2023, 2030)),
            load_rates(),
            USUAL,
        )
        walk.run(at(BEGINS), at(ENDS))
        situations += recorded.pop(id(walk))
    started = time.perf_counter()
    for arguments in situations:
        decide(*arguments)
    return sum(story.invoices for story in stories) / (time.perf_counter() - started)


recorded: dict[int, list[tuple[Any, ...]]] = {}


class Recorder(Walk):
    """Remembers what was decided about."""

    def decided(self, now: datetime) -> Decision:
        cases = list(self.live.values())
        situation = (self.account, cases, self.used, now, self.calendar, self.rates)
        recorded.setdefault(id(self), []).append(situation)
        return super().decided(now)


def portfolio(debtors: int, *, seed: int) -> list[Story]:
    """Debtors who mostly pay in time, often late, sometimes in parts, now and then never."""
    dice = random.Random(seed)
    return [debtor(number, dice) for number in range(debtors)]


def debtor(number: int, dice: random.Random) -> Story:
    account = Account(tenant="bench", debtor_id=f"D{number:06}", country="FR", zone="Europe/Paris")
    return story_of(
        account,
        [invoice(f"{account.debtor_id}-{n:02}", dice) for n in range(INVOICES_PER_DEBTOR)],
    )


def invoice(invoice_id: str, dice: random.Random) -> PastInvoice:
    issued_on = BEGINS + timedelta(days=dice.randrange((ENDS - BEGINS).days))
    due_on = issued_on + timedelta(days=30)
    amount_minor = dice.randrange(50_00, 20_000_00)
    fate, payments = dice.random(), []
    if fate < 0.60:
        payments = [(due_on - timedelta(days=dice.randrange(12)), amount_minor)]
    elif fate < 0.90:
        payments = [(due_on + timedelta(days=1 + int(dice.expovariate(1 / 12))), amount_minor)]
    elif fate < 0.97:
        part = amount_minor // 2
        payments = [
            (due_on + timedelta(days=dice.randrange(1, 20)), part),
            (due_on + timedelta(days=dice.randrange(20, 60)), amount_minor - part),
        ]
    return PastInvoice(
        invoice_id=invoice_id,
        number=invoice_id,
        issued_on=issued_on,
        due_on=due_on,
        currency="EUR",
        amount_minor=amount_minor,
        payments=tuple(payments),
        policy=POLICY.key,
    )


async def batches(stories: Sequence[Story]) -> AsyncIterator[Sequence[Story]]:
    for first in range(0, len(stories), BATCH_DEBTORS):
        yield stories[first : first + BATCH_DEBTORS]


def at(day: date) -> datetime:
    return local_midnight(day, "Europe/Paris")
