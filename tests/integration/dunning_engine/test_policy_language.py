"""What the policy language needs of the shell: contacts, gates, approvals and blocks are kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import text

from dunning_common.events.dunning import (
    CaseHandedOverV1,
    CreditBlockChangedV1,
    NoticeRequestedV2,
)
from dunning_common.values import replace
from dunning_engine.domain.conditions import Conditions
from dunning_engine.domain.policy import ContactBudget, Level, Policy
from dunning_engine.testing import Bench, Ledger, Running, policies
from dunning_engine.testing.policies import level

START = date(2026, 3, 2)  # a Monday
DUE = date(2026, 3, 10)


def policy(*levels: Level, **changes: Any) -> Policy:
    """A policy that may speak every day."""
    every_day: dict[str, Any] = {"weekdays": frozenset(range(7)), "observe_holidays": False}
    return policies.policy(*levels, **every_day | changes)


async def sandbox(bench: Bench, own: Policy, **registration: Any) -> Ledger:
    """A sandbox tenant whose default is the policy, with one debtor."""
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", own, source="", stored_by="me")
        await stores.policies.set_default("acme", "own")
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START, **registration), ledger.debtor())
    return ledger


def days_of(levels: list[tuple[str, str, date, str]]) -> list[tuple[str, str, str]]:
    return [(invoice, name, on.isoformat()) for invoice, name, on, _ in levels]


async def test_the_contact_budget_counts_what_went_out_before(bench: Bench) -> None:
    own = policy(level(1, 0), budget=ContactBudget(max_contacts=1, days=5))
    ledger = await sandbox(bench, own)
    dues = [DUE, DUE + timedelta(days=1), DUE + timedelta(days=2)]
    await bench.feed(
        *(ledger.invoice(f"i{n}", issued_on=START, due_on=due) for n, due in enumerate(dues))
    )

    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 1))

    assert days_of(await bench.levels()) == [
        ("i0", "level_1", "2026-03-10"),
        ("i1", "level_1", "2026-03-15"),
        ("i2", "level_1", "2026-03-15"),
    ]


async def test_a_notice_that_did_not_go_out_is_no_contact(bench: Bench) -> None:
    own = policy(level(1, 0), budget=ContactBudget(max_contacts=1, days=30), max_attempts=5)
    ledger = await sandbox(bench, own)
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    answers = iter(["failed", "failed", "sent"])
    bench.postman.choose = lambda _request, _message: next(answers)  # type: ignore[return-value]

    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 1))

    assert [(on.isoformat(), outcome) for *_, on, outcome in await bench.levels()] == [
        ("2026-03-10", "failed"),
        ("2026-03-11", "failed"),
        ("2026-03-12", "served"),
    ]
    (account,) = await bench.rows("SELECT contacted_on FROM account")
    assert account == {"contacted_on": [date(2026, 3, 12)]}


async def test_a_risk_class_chooses_the_level(bench: Bench) -> None:
    risky = Conditions(risks=frozenset({"high"}))
    own = policy(level(1, 0, when=risky), level(2, 5))
    ledger = await sandbox(bench, own)
    await bench.feed(
        ledger.debtor("d2", risk="high"),
        ledger.invoice("calm", issued_on=START, due_on=DUE),
        ledger.invoice("risky", debtor_id="d2", issued_on=START, due_on=DUE),
    )

    async with Running(bench):
        await bench.advance("acme", date(2026, 3, 16))

    assert [(i, name, outcome) for i, name, _, outcome in await bench.levels()] == [
        ("calm", "level_1", "lapsed"),
        ("risky", "level_1", "served"),
        ("calm", "level_2", "served"),
    ]


async def test_money_without_an_invoice_holds_back_until_it_is_allocated(bench: Bench) -> None:
    ledger = await sandbox(bench, policy(level(1, 0), unmatched_receipts="hold"))
    await bench.feed(
        ledger.invoice(issued_on=START, due_on=DUE), ledger.unallocated(100_00, on=START)
    )

    async with Running(bench):
        await bench.advance("acme", date(2026, 3, 20))
        held = await bench.levels()
        await bench.feed(ledger.unallocated(0, on=date(2026, 3, 20)))
        await bench.advance("acme", date(2026, 3, 21))

    assert held == []
    assert days_of(await bench.levels()) == [("i1", "level_1", "2026-03-20")]


async def test_a_stale_feed_holds_back_until_payments_are_known_further(bench: Bench) -> None:
    fresh = datetime.combine(DUE, time(9), UTC)
    ledger = await sandbox(
        bench,
        policy(level(1, 0), payment_feed_hours=24),
        payments_fresh_until=fresh - timedelta(days=5),
    )
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    async with Running(bench):
        await bench.advance("acme", DUE + timedelta(days=3))
        held = await bench.levels()
        again = ledger.registered(
            sandbox_from=START, payments_fresh_until=fresh + timedelta(days=3)
        )
        await bench.feed(again)
        await bench.advance("acme", DUE + timedelta(days=4))

    assert held == []
    assert days_of(await bench.levels()) == [("i1", "level_1", "2026-03-13")]


async def test_a_level_that_needs_approval_waits_for_it(bench: Bench) -> None:
    ledger = await sandbox(bench, policy(level(1, 0, needs_approval=True)))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    async with Running(bench):
        await bench.advance("acme", DUE + timedelta(days=2))
        (case,) = await bench.rows("SELECT state, next_level FROM dunning_case")
        waited = await bench.sent(NoticeRequestedV2)
        async with bench.db.worker() as connection:
            await connection.execute(
                text("UPDATE dunning_case SET approval_level_no = 1, approved = true")
            )
        await bench.feed(ledger.debtor())  # any fact has the account decided again
        await bench.advance("acme", DUE + timedelta(days=3))

    assert case == {"state": "awaiting_approval", "next_level": "level_1"}
    assert waited == []
    assert days_of(await bench.levels()) == [("i1", "level_1", "2026-03-12")]


async def test_a_credit_block_is_asked_for_and_lifted_once(bench: Bench) -> None:
    ledger = await sandbox(bench, policy(level(1, 0, credit_block=True), level(2, 60)))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    async with Running(bench):
        await bench.advance("acme", DUE + timedelta(days=5))
        await bench.feed(ledger.paid(on=DUE + timedelta(days=5)))
        await bench.advance("acme", DUE + timedelta(days=6))

    asked = [event.data["blocked"] for event in await bench.sent(CreditBlockChangedV1)]
    assert asked == [True, False]


async def test_a_final_level_says_what_it_is(bench: Bench) -> None:
    last = Level(code="court", level_no=2, threshold_days=10, gap_days=5, final="court_file")
    ledger = await sandbox(bench, policy(level(1, 0, credit_block=True), last))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    async with Running(bench):
        await bench.advance("acme", DUE + timedelta(days=30))

    (handed_over,) = await bench.sent(CaseHandedOverV1)
    (case,) = await bench.rows("SELECT closed, final_action FROM dunning_case")
    assert handed_over.data["action"] == "court_file"
    assert case == {"closed": "handed_over", "final_action": "court_file"}
    blocks = [event.data["blocked"] for event in await bench.sent(CreditBlockChangedV1)]
    assert blocks == [True], "an invoice that is with a court keeps the block"


async def test_separate_notices_fly_and_land_on_their_own(bench: Bench) -> None:
    own = replace(policy(level(1, 0)), consolidation="invoice")
    ledger = await sandbox(bench, own)
    await bench.feed(*(ledger.invoice(f"i{n}", issued_on=START, due_on=DUE) for n in range(3)))

    async with Running(bench):
        await bench.advance("acme", DUE + timedelta(days=1))

    notices = await bench.sent(NoticeRequestedV2)
    assert [[item["invoice_id"] for item in notice.data["items"]] for notice in notices] == [
        ["i0"],
        ["i1"],
        ["i2"],
    ]
    assert {outcome for *_, outcome in await bench.levels()} == {"served"}


async def test_a_level_may_be_a_telephone_call_and_an_entry_in_the_erp(bench: Bench) -> None:
    own = policy(level(1, 0, channels=("call", "in_app"), fallback=("letter",)))
    ledger = await sandbox(bench, own)
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    bench.postman.choose = lambda _, message: "sent" if message.channel == "letter" else "failed"

    async with Running(bench):
        await bench.advance("acme", DUE + timedelta(days=2))

    notices = await bench.sent(NoticeRequestedV2)
    channels = [[message["channel"] for message in one.data["messages"]] for one in notices]
    assert channels == [["call", "in_app"], ["letter"]]
