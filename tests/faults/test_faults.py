"""Kills, pauses, racing payments and lying providers, on the real services, for a short while.

The long run is `make faults`; the table that it printed stands in docs/reliability.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import Databases
from tests.faults.experiment import Plan, Result, run
from tests.faults.nursery import Nursery
from tests.faults.variants import POINTS, VARIANTS
from tests.faults.world import Machine

QUICK = ("A", "B", "C2", "D1", "I")
"""Planted bugs that show themselves within a few seconds; the others take long pauses and luck."""

AT_ONCE = 3
"""Runs beside each other: most of their time they wait for leases."""

pytestmark = pytest.mark.timeout(1_200)


@pytest.fixture
async def machine(
    databases: Databases, kafka_bootstrap: str, tmp_path: Path, scratch: Path
) -> AsyncIterator[Machine]:
    folder = scratch / f"faults-{tmp_path.name}"
    folder.mkdir()
    async with Nursery() as nursery:
        yield Machine(databases=databases, kafka=kafka_bootstrap, nursery=nursery, folder=folder)


async def test_nothing_goes_out_twice_or_after_a_payment_and_nothing_is_forgotten(
    machine: Machine,
) -> None:
    """Given two postmen and a ledger that are killed and paused, payers that race every second
    message, and providers that lose answers, take late and report in disorder,

    when everything has settled, then no message was taken twice, none after a payment on it was
    acknowledged, and what became of each is known, or it is listed as unknown.
    """
    plans = [Plan(email_via=via, kills=5, pauses=2, debtors=160) for via in ("sendgrid", "smtp")]

    results = await asyncio.gather(*(run(machine, plan) for plan in plans))

    assert [result.violations for result in results] == [[], []]
    for result in results:  # where nothing goes wrong, nothing is proved
        assert result.kills >= 5
        assert result.pauses >= 2
        assert result.taken > 0
        assert result.payments > 0


async def test_planted_bugs_are_caught_by_the_same_checker(machine: Machine) -> None:
    await all_are_caught(machine, QUICK)


@pytest.mark.slow
async def test_the_other_planted_bugs_are_caught_too(machine: Machine) -> None:
    await all_are_caught(machine, [name for name in VARIANTS if name and name not in QUICK])


async def all_are_caught(machine: Machine, names: Sequence[str]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def exposed(name: str) -> Result:
        async with room:
            return await run(machine, Plan(variant=name, kills=1_000, longest_s=600.0, debtors=400))

    results = await asyncio.gather(*(exposed(name) for name in names))

    missed = [r for r in results if VARIANTS[r.plan.variant].symptom not in r.rules]
    assert missed == []


def test_every_named_point_is_one_of_the_protocol() -> None:
    source = (
        Path(__file__).resolve().parents[2] / "services/notifier/src/notifier/handlers/send.py"
    ).read_text()

    assert [point for point in POINTS if f'self._crash("{point}")' not in source] == []
