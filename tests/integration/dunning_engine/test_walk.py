"""A sandbox clock walks: what goes out on which day, and what a killed walk leaves behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from dunning_common.events.dunning import (
    CaseClosedV1,
    CaseHandedOverV1,
    CaseOpenedV1,
    ChargeAssessedV1,
    LevelServedV1,
    NoticeRequestedV2,
)
from dunning_common.events.envelope import Envelope
from dunning_engine.adapters.pg_signals import settled, wait_for
from dunning_engine.handlers.set_clock import BackwardsError, RealClockError, set_clock
from dunning_engine.testing import Bench, Ledger, Running

START = date(2026, 3, 1)
DUE = date(2026, 4, 1)
END = date(2026, 6, 30)
WALKING = "SELECT 1 FROM tenant_clock WHERE tenant = $1 AND NOT settled"
FRENCH_LADDER = [
    ("i1", "courtesy", date(2026, 3, 27), "served"),
    ("i1", "first_reminder", date(2026, 4, 8), "served"),
    ("i1", "second_reminder", date(2026, 4, 22), "served"),
    ("i1", "formal_notice", date(2026, 5, 7), "served"),
    ("i1", "hand_over", date(2026, 5, 18), "served"),
]


async def _one_invoice(bench: Bench, ledger: Ledger) -> None:
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))


async def test_the_french_ladder_goes_out_day_by_day(bench: Bench) -> None:
    await _one_invoice(bench, Ledger())

    async with Running(bench):
        await bench.advance("acme", END)

    assert await bench.levels() == FRENCH_LADDER
    assert len(await bench.sent(CaseOpenedV1)) == 1
    assert len(await bench.sent(NoticeRequestedV2)) == 4
    assert len(await bench.sent(LevelServedV1)) == 5
    assert len(await bench.sent(CaseHandedOverV1)) == 1
    assert [e.data["reason"] for e in await bench.sent(CaseClosedV1)] == ["handed_over"]


async def test_each_level_goes_out_when_its_window_opens_in_the_debtors_zone(bench: Bench) -> None:
    await _one_invoice(bench, Ledger())

    async with Running(bench):
        await bench.advance("acme", END)

    first = await bench.sent(NoticeRequestedV2)
    assert first[0].data["decided_at"] == "2026-03-27T07:00:00Z"  # 08:00 in Paris, winter
    assert first[1].data["decided_at"] == "2026-04-08T06:00:00Z"  # 08:00 in Paris, summer


async def test_charges_are_announced_once_their_notice_was_served(bench: Bench) -> None:
    await _one_invoice(bench, Ledger())

    async with Running(bench):
        await bench.advance("acme", END)

    events = await bench.sent(NoticeRequestedV2, LevelServedV1, ChargeAssessedV1)
    kinds = [event.type for event in events]
    assert kinds.count("ChargeAssessedV1") == 2
    assert kinds.index("ChargeAssessedV1") > kinds.index("LevelServedV1")
    assert {e.data["kind"] for e in events if e.type == "ChargeAssessedV1"} == {
        "interest",
        "compensation",
    }
    (case,) = await bench.rows("SELECT interest_through, compensation_charged FROM dunning_case")
    assert case == {"interest_through": date(2026, 5, 7), "compensation_charged": True}


async def test_a_paid_invoice_stops_the_ladder(bench: Bench) -> None:
    ledger = Ledger()
    await _one_invoice(bench, ledger)

    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 20))
        await bench.feed(ledger.paid(on=date(2026, 4, 20)))
        await bench.advance("acme", END)

    assert await bench.levels() == FRENCH_LADDER[:2]
    closed = await bench.sent(CaseClosedV1)
    assert [(e.data["reason"], e.data["effective_at"]) for e in closed] == [
        ("paid", "2026-04-19T22:00:00Z")
    ]


async def test_an_invoice_whose_payment_bounced_goes_on_where_it_stopped(bench: Bench) -> None:
    ledger = Ledger()
    await _one_invoice(bench, ledger)

    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 10))
        await bench.feed(ledger.paid(on=date(2026, 4, 10)))
        await bench.advance("acme", date(2026, 4, 25))
        await bench.feed(ledger.reversed(on=date(2026, 4, 25)))
        await bench.advance("acme", date(2026, 5, 1))

    assert await bench.levels() == [
        *FRENCH_LADDER[:2],
        ("i1", "second_reminder", date(2026, 4, 27), "served"),
    ]
    assert len(await bench.sent(CaseOpenedV1)) == 2


async def test_walking_in_one_go_or_day_by_day_gives_the_same_levels(bench: Bench) -> None:
    for tenant in ("in-one-go", "by-day"):
        ledger = Ledger(tenant)
        await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
        await bench.feed(
            *(
                ledger.invoice(f"i{n}", issued_on=START, due_on=DUE + timedelta(days=n))
                for n in range(4)
            )
        )

    async with Running(bench):
        await bench.advance("in-one-go", END)
        for day in range((END - START).days + 1):
            await bench.advance("by-day", START + timedelta(days=day))

    rows = await bench.rows(
        "SELECT tenant, invoice_id, level, decided_at, outcome FROM case_level "
        "ORDER BY decided_at, invoice_id, level_no"
    )
    one, other = (
        [{**row, "tenant": None} for row in rows if row["tenant"] == tenant]
        for tenant in ("in-one-go", "by-day")
    )
    assert one == other
    assert len(one) == 20


async def test_a_walk_that_is_killed_goes_on_where_it_was(bench: Bench) -> None:
    await _one_invoice(bench, Ledger())
    async with bench.rooms.tenant("acme") as stores:
        await set_clock(stores.clock, "acme", END)

    # Kill the engine again and again: each new one sees only what is in PostgreSQL.
    for _ in range(12):
        engine = Bench(bench.db)
        async with Running(engine):
            walk = asyncio.create_task(engine.walker.walk("acme"))
            done, _pending = await asyncio.wait([walk], timeout=0.15)
            walk.cancel()
            with suppress(asyncio.CancelledError):
                await walk
        if done:
            break
    survivor = Bench(bench.db)
    async with Running(survivor):
        await survivor.walker.walk("acme")

    assert await bench.levels() == FRENCH_LADDER
    notices = [e.data["notice_id"] for e in await bench.sent(NoticeRequestedV2)]
    assert len(notices) == len(set(notices)) == 4


async def test_the_clock_stands_still_while_a_notice_is_in_flight(bench: Bench) -> None:
    await _one_invoice(bench, Ledger())
    bench.postman.choose = lambda _request, _message: "silence"

    async with Running(bench):
        with pytest.raises(TimeoutError):
            await bench.advance("acme", END, timeout_s=1)

    assert await bench.clock("acme") == datetime(2026, 3, 27, 7, tzinfo=UTC)
    async with bench.rooms.tenant("acme") as stores:
        pending = await stores.clock.pending("acme", await bench.clock("acme"))
    assert pending.words == ["notices in flight: 1"]
    assert (("notifications.v1",), "acme", None) in bench.asked


async def test_a_waiting_clock_asks_the_notifiers_feed_for_lost_news(bench: Bench) -> None:
    await _one_invoice(bench, Ledger())

    async def lose(*envelopes: Envelope) -> None:
        bench.pending += envelopes

    bench.postman.hand_over = lose

    async with Running(bench):
        await bench.advance("acme", END)

    assert await bench.levels() == FRENCH_LADDER


async def test_the_ledger_is_asked_before_the_first_step_and_before_settling(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START))
    bench.pending = [ledger.debtor(), ledger.invoice(issued_on=START, due_on=DUE)]

    async with Running(bench):
        await bench.advance("acme", END)

    assert await bench.levels() == FRENCH_LADDER
    asked = (("tenants.v1", "receivables.v1", "contacts.v1"), "acme", None)
    assert bench.asked[0] == asked
    assert bench.asked[-1] == asked


async def test_a_silent_ledger_keeps_the_clock_from_moving(bench: Bench) -> None:
    await _one_invoice(bench, Ledger())
    bench.answering = False

    async with Running(bench):
        with pytest.raises(TimeoutError):
            await bench.advance("acme", END, timeout_s=0.5)
        (clock,) = await bench.rows("SELECT now, settled, trouble FROM tenant_clock")
        bench.answering = True
        await bench.walker.walk("acme")

    assert not clock["settled"]
    assert clock["now"] == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert "does not answer" in clock["trouble"]
    assert await bench.levels() == FRENCH_LADDER


async def test_the_clock_of_one_tenant_does_not_move_another(bench: Bench) -> None:
    for tenant in ("moved", "still"):
        ledger = Ledger(tenant)
        await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
        await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    async with Running(bench):
        await bench.advance("moved", END)

    assert await bench.clock("still") == datetime(2026, 2, 28, 23, tzinfo=UTC)
    rows = await bench.rows("SELECT DISTINCT tenant FROM case_level")
    assert [row["tenant"] for row in rows] == ["moved"]


async def test_the_real_sweeper_never_touches_a_sandbox(bench: Bench) -> None:
    await _one_invoice(bench, Ledger())  # its first day lies long before the real clock

    swept = await bench.sweep()

    assert swept == 0
    assert await bench.levels() == []


async def test_an_idle_sandbox_does_not_act_by_itself(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=date(2026, 6, 1)), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    async with Running(bench):
        before = await bench.levels()
        await bench.advance("acme", datetime(2026, 6, 1, 6, tzinfo=UTC))

    assert before == []
    assert await bench.levels() == [
        ("i1", "courtesy", date(2026, 6, 1), "lapsed"),
        ("i1", "first_reminder", date(2026, 6, 1), "served"),
    ]


async def test_several_clocks_are_walked_by_the_loop(bench: Bench) -> None:
    tenants = [f"t{n}" for n in range(6)]
    for tenant in tenants:
        ledger = Ledger(tenant)
        await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
        await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    async with Running(bench):
        loop = asyncio.create_task(bench.walker.run())
        for tenant in tenants:
            async with bench.rooms.tenant(tenant) as stores:
                await set_clock(stores.clock, tenant, END)
        for tenant in tenants:
            with bench.signals.subscribe(settled(tenant)) as arrived:
                while await bench.rows(WALKING, tenant):
                    await wait_for(arrived, 1)
        loop.cancel()
        await asyncio.wait([loop])

    rows = await bench.rows("SELECT tenant, count(*) AS n FROM case_level GROUP BY 1 ORDER BY 1")
    assert rows == [{"tenant": tenant, "n": 5} for tenant in tenants]


async def test_a_clock_never_goes_backwards(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START))
    async with Running(bench):
        await bench.advance("acme", DUE)

    with pytest.raises(BackwardsError):
        await bench.advance("acme", START)


async def test_a_real_tenants_clock_cannot_be_moved(bench: Bench) -> None:
    await bench.feed(Ledger().registered())

    with pytest.raises(RealClockError):
        await bench.advance("acme", END)


async def test_the_clock_waits_a_little_for_the_ledger_to_book_charges(bench: Bench) -> None:
    patient = Bench(
        bench.db,
        settings=bench.settings.model_copy(update={"ledger_patience_s": 600.0}),
    )
    ledger = Ledger()
    await _one_invoice(patient, ledger)

    async with Running(patient):
        with pytest.raises(TimeoutError):
            await patient.advance("acme", END, timeout_s=3)
        stuck = await patient.clock("acme")
        charges = await patient.sent(ChargeAssessedV1)
        await patient.feed(*(ledger.charged(UUID(e.data["charge_id"])) for e in charges))
        await patient.walker.walk("acme")

    assert stuck == datetime(2026, 5, 7, 6, tzinfo=UTC)
    assert await patient.levels() == FRENCH_LADDER


async def test_one_account_that_cannot_be_written_does_not_stop_the_clock(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START))
    for n in range(5):
        await bench.feed(
            ledger.debtor(f"d{n}"),
            ledger.invoice(f"i{n}", debtor_id=f"d{n}", issued_on=START, due_on=DUE),
        )
    await bench.rows(
        "INSERT INTO case_level (tenant, invoice_id, level_no, try_no, debtor_id, level, "
        "decision_id, decided_at, decided_on, outcome) VALUES ('acme', 'i3', 1, 1, 'd3', 'x', "
        "gen_random_uuid(), now(), current_date, 'returned')"
    )

    async with Running(bench):
        await bench.advance("acme", DUE)

    served = [invoice for invoice, *_, outcome in await bench.levels() if outcome == "served"]
    assert served == ["i0", "i1", "i2", "i4"]
    (row,) = await bench.rows("SELECT debtor_id FROM account WHERE trouble IS NOT NULL")
    assert row["debtor_id"] == "d3"
