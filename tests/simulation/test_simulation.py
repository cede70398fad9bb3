"""Engine, notifier and clock in virtual time, with kills, lost answers and mixed-up events.

2,000 seeds of sixty days each. One seed with its diary:

    DUNNING_SIM_SEED=123 pytest -s tests/simulation -k one_seed
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.nature import Bug
from tests.simulation.world import BrokenPromiseError, World

SEEDS = int(os.environ.get("DUNNING_SIM_SEEDS", "2000"))
PARTS = 20
SEEDS_OF_A_BUG = 300


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the services log about faults is not what is tested."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("part", range(PARTS))
def test_never_twice_never_after_a_payment_never_forgotten(part):
    for seed in range(part * SEEDS // PARTS, (part + 1) * SEEDS // PARTS):
        World(seed).live()


def test_one_seed_and_its_diary():
    world = World(int(os.environ.get("DUNNING_SIM_SEED", "0")))
    try:
        world.live()
    finally:
        print("\n".join(world.nature.diary))

    assert world.nature.diary


def test_a_seed_is_the_same_story_every_time():
    first, again = World(7), World(7)
    first.live()
    again.live()

    assert first.nature.diary == again.nature.diary


def test_every_kind_of_fault_happens():
    """A simulation in which nothing goes wrong proves nothing."""
    story = ""
    for seed in range(100):
        world = World(seed)
        world.live()
        story += "\n".join(world.nature.diary)

    faults = (
        "worker a was killed",
        "worker b was killed",
        "unknown (no answer)",
        "unknown (cut before it was taken)",
        "unknown (lease_expired)",
        "sent (proved_by_provider)",
        "planned (busy)",
        "planned (waiting_for_ledger)",
        "failed (550)",
        "suppressed (no_address)",
        "suppressed (revoked)",
        "returned (permit_refused: changed)",
        "returned (permit_refused: paid)",
        "PaymentReversedV1",
        "InvoiceAmendedV1",
        "ChargePostedV1",
        "held for",
        "taken back (bounced)",
    )
    assert [fault for fault in faults if fault not in story] == []


@pytest.mark.parametrize(
    ("bug", "symptom"),
    [
        ("no_permit", "INVOICE"),
        ("ack_without_waiting", "INVOICE"),
        ("resend_unknown", "TWICE"),
        ("mark_before_send", "counts as sent, and was not"),
        ("no_fence", "TWICE"),
        ("no_sweeper", "FORGOTTEN"),
        ("bounce_counts", "counts as served and did not arrive"),
    ],
)
def test_planted_bugs_are_caught(bug: Bug, symptom: str):
    for seed in range(SEEDS_OF_A_BUG):
        try:
            World(seed, bug).live()
        except BrokenPromiseError as broken:
            if symptom in str(broken):
                return
    pytest.fail(f"{SEEDS_OF_A_BUG} seeds did not show {bug}: the simulation proves nothing")
