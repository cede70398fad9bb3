"""Facts arrive twice, late, and in any order across topics; the rows end the same."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest

from dunning_common.db import Database
from dunning_common.events.dunning import CaseOpenedV1, NoticeRequestedV2
from dunning_common.events.envelope import Envelope
from dunning_engine.schema import SCHEMA
from dunning_engine.testing import Bench, Ledger, Running, always_open, quiet_settings
from tests.conftest import Databases

START = date(2026, 3, 1)
DUE = date(2026, 4, 1)
FACTS = (
    "SELECT invoice_id, debtor_id, due_on, open_minor, status, version, balances::text "
    "FROM dunning_case ORDER BY 1"
)


def _today() -> date:
    return datetime.now(UTC).date()


async def test_an_invoice_that_is_due_is_decided_by_the_real_clock(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=_today() - timedelta(days=60), due_on=_today()))

    swept = await bench.sweep()

    assert swept == 1
    (case,) = await bench.rows("SELECT policy_id, policy_version, state FROM dunning_case")
    assert (case["policy_id"], case["policy_version"]) == ("france-b2b", 1)
    assert case["state"] in ("scheduled", "in_flight")
    assert len(await bench.sent(CaseOpenedV1)) == 1
    assert await bench.sweep() == 0


async def test_an_account_waits_for_its_tenant_and_is_decided_when_it_arrives(
    bench: Bench,
) -> None:
    ledger = Ledger()
    await bench.feed(ledger.debtor(), ledger.invoice(issued_on=START, due_on=DUE))
    before = await bench.sweep()
    (waiting,) = await bench.rows("SELECT time_source, next_action_at FROM account")

    await bench.feed(ledger.registered())
    after = await bench.sweep()

    assert before == 0
    assert waiting == {"time_source": "unknown", "next_action_at": None}
    assert after == 1


async def test_a_sandbox_account_that_came_before_its_tenant_follows_its_clock(
    bench: Bench,
) -> None:
    ledger = Ledger()
    await bench.feed(ledger.debtor(), ledger.invoice(issued_on=START, due_on=DUE))
    await bench.feed(ledger.registered(sandbox_from=START))

    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 10))

    assert [level for _, level, _, _ in await bench.levels()] == ["courtesy", "first_reminder"]
    assert await bench.sweep() == 0


async def test_an_invoice_that_came_before_its_debtors_terms_waits_for_them(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(), ledger.invoice(issued_on=START, due_on=DUE))
    before = await bench.sweep()

    await bench.feed(ledger.debtor(country="DE", zone="Europe/Berlin"))
    after = await bench.sweep()

    assert (before, after) == (0, 1)
    (case,) = await bench.rows("SELECT policy_id FROM dunning_case")
    assert case["policy_id"] == "germany-b2b"


async def test_events_that_arrive_twice_change_nothing(bench: Bench) -> None:
    ledger = Ledger()
    events = [
        ledger.registered(sandbox_from=START),
        ledger.debtor(),
        ledger.invoice(issued_on=START, due_on=DUE),
        ledger.paid(on=DUE, amount_minor=40_00),
    ]
    await bench.feed(*events)
    once = await bench.rows(FACTS)

    await bench.feed(*events)
    await bench.feed(events[2])

    assert await bench.rows(FACTS) == once
    assert once[0]["open_minor"] == 60_00
    assert once[0]["balances"] == '[["2026-03-01", 10000], ["2026-04-02", 6000]]'


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_across_keys_and_batches_ends_in_the_same_levels(
    bench: Bench, seed: int
) -> None:
    ledger = Ledger()
    streams: list[list[Envelope]] = [[ledger.registered(sandbox_from=START)]]
    for n in range(3):
        debtor_id, invoice_id = f"d{n}", f"i{n}"
        streams.append(
            [
                ledger.debtor(debtor_id),
                ledger.invoice(invoice_id, debtor_id=debtor_id, issued_on=START, due_on=DUE),
                ledger.amended(invoice_id, on=START, due_on=DUE + timedelta(days=n)),
            ]
        )
        streams.append([ledger.contacts(debtor_id)])
    rng = random.Random(seed)
    while any(streams):
        stream = rng.choice([stream for stream in streams if stream])
        await bench.feed(*[stream.pop(0) for _ in range(rng.randint(1, len(stream)))])

    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 15))

    assert await bench.levels() == [
        ("i0", "courtesy", date(2026, 3, 27), "served"),
        ("i1", "courtesy", date(2026, 3, 30), "served"),
        ("i2", "courtesy", date(2026, 3, 30), "served"),
        ("i0", "first_reminder", date(2026, 4, 8), "served"),
        ("i1", "first_reminder", date(2026, 4, 9), "served"),
        ("i2", "first_reminder", date(2026, 4, 10), "served"),
    ]


async def test_the_last_version_of_an_invoice_wins_whatever_comes_after_it(bench: Bench) -> None:
    ledger = Ledger()
    issued = ledger.invoice(issued_on=START, due_on=DUE)
    amended = ledger.amended(on=START, due_on=DUE + timedelta(days=30))
    await bench.feed(ledger.registered(), ledger.debtor())

    await bench.feed(amended)
    await bench.feed(issued)

    (row,) = await bench.rows("SELECT due_on, version FROM dunning_case")
    assert row == {"due_on": DUE + timedelta(days=30), "version": 2}


async def test_the_kind_of_clock_never_changes_under_running_cases(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())

    await bench.feed(ledger.registered())

    (tenant,) = await bench.rows("SELECT sandbox FROM tenant")
    (account,) = await bench.rows("SELECT time_source FROM account")
    assert (tenant["sandbox"], account["time_source"]) == (True, "sandbox")


async def test_the_invoices_policy_wins_over_the_debtors_and_the_tenants(bench: Bench) -> None:
    ledger = Ledger()
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.set_default("acme", "uk-b2b")
    await bench.feed(
        ledger.registered(),
        ledger.debtor("plain"),
        ledger.debtor("german", policy_id="germany-b2b"),
        ledger.invoice("a", debtor_id="plain", issued_on=START, due_on=DUE),
        ledger.invoice("b", debtor_id="german", issued_on=START, due_on=DUE),
        ledger.invoice(
            "c", debtor_id="german", issued_on=START, due_on=DUE, policy_id="france-b2b"
        ),
    )

    await bench.sweep()

    rows = await bench.rows("SELECT invoice_id, policy_id FROM dunning_case ORDER BY 1")
    assert [row["policy_id"] for row in rows] == ["uk-b2b", "germany-b2b", "france-b2b"]


async def test_an_invoice_that_asks_for_an_unknown_policy_is_not_given_another(
    bench: Bench,
) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE, policy_id="typo"))

    await bench.sweep()

    (row,) = await bench.rows("SELECT policy_id, state, state_reason FROM dunning_case")
    assert row == {"policy_id": None, "state": "blocked", "state_reason": "policy_missing"}
    assert await bench.sent(NoticeRequestedV2, CaseOpenedV1) == []


async def test_an_account_that_cannot_be_decided_does_not_stop_the_others(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(
        ledger.registered(),
        ledger.debtor("broken", zone="Europe/Paris"),
        ledger.debtor("sound"),
        ledger.invoice("i1", debtor_id="broken", issued_on=START, due_on=DUE),
        ledger.invoice("i2", debtor_id="sound", issued_on=START, due_on=DUE),
    )
    await bench.rows("UPDATE account SET zone = 'Nowhere/Land' WHERE debtor_id = 'broken'")

    await bench.sweep()

    rows = await bench.rows(
        "SELECT debtor_id, trouble, next_action_at > clock_timestamp() + interval '50 minutes' "
        "AS later FROM account ORDER BY 1"
    )
    assert "Nowhere/Land" in rows[0]["trouble"]
    assert rows[0]["later"]
    assert rows[1]["trouble"] is None
    (case,) = await bench.rows("SELECT state FROM dunning_case WHERE invoice_id = 'i2'")
    assert case["state"] != "waiting"


async def test_a_charge_that_was_given_up_is_owed_no_more_and_the_principal_stays(
    bench: Bench,
) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await bench.feed(ledger.amended(on=START, charges_open_minor=500))
    before = await bench.rows("SELECT charges_open_minor FROM dunning_case")
    facts = await bench.rows(FACTS)

    await bench.feed(ledger.waived(on=DUE))

    assert before == [{"charges_open_minor": 500}]
    assert await bench.rows("SELECT charges_open_minor FROM dunning_case") == [
        {"charges_open_minor": 0}
    ]
    assert await bench.rows(FACTS) == [{**facts[0], "version": 3}]


async def test_a_payment_of_charges_lowers_what_is_asked_beside_the_principal(
    bench: Bench,
) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await bench.feed(ledger.amended(on=START, charges_open_minor=500))
    facts = await bench.rows(FACTS)
    owed = "SELECT charges_open_minor, balances, status FROM dunning_case"

    await bench.feed(ledger.charge_paid(on=DUE, amount_minor=400))
    paid = await bench.rows(owed)
    await bench.feed(ledger.charge_unpaid(on=DUE, covered_on=DUE, amount_minor=400))

    assert paid == [{"charges_open_minor": 100, "balances": [], "status": "open"}]
    assert await bench.rows(owed) == [{"charges_open_minor": 500, "balances": [], "status": "open"}]
    assert await bench.rows(FACTS) == [{**facts[0], "version": 4}]


LONG_S = 3_000.0
"""Longer than any test takes."""
NEXT = "SELECT next_action_at, next_action_at > clock_timestamp() AS later FROM account"


@pytest.fixture
async def settling(databases: Databases) -> Bench:
    """A bench on which new invoices wait for more of them; one policy speaks at any hour."""
    return await _settling(await databases.open(SCHEMA), settle_s=LONG_S)


async def _settling(db: Database, *, settle_s: float) -> Bench:
    bench = Bench(db, settings=quiet_settings(settle_s=settle_s, sweep_idle_s=LONG_S))
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", always_open("always"), source="", stored_by="me")
        await stores.policies.set_default("acme", "always")
    return bench


def _due(ledger: Ledger, invoice_id: str) -> Envelope:
    today = _today()
    return ledger.invoice(invoice_id, issued_on=today - timedelta(days=30), due_on=today)


async def test_new_invoices_that_come_one_after_the_other_share_one_notice(
    settling: Bench,
) -> None:
    ledger = Ledger()
    swept = []
    await settling.feed(ledger.registered())
    for events in (
        [ledger.debtor(zone="UTC"), _due(ledger, "i1")],
        [_due(ledger, "i2"), ledger.contacts()],
        [_due(ledger, "i3")],
    ):
        await settling.feed(*events)
        swept.append(await settling.sweep())
    await settling.rows("UPDATE account SET next_action_at = clock_timestamp()")

    swept.append(await settling.sweep())

    assert swept == [0, 0, 0, 1]
    (request,) = await settling.sent(NoticeRequestedV2)
    assert [item["invoice_id"] for item in request.data["items"]] == ["i1", "i2", "i3"]


async def test_settling_never_puts_off_what_was_to_be_done_earlier(settling: Bench) -> None:
    ledger = Ledger()
    await settling.feed(ledger.registered(), ledger.debtor(zone="UTC"), _due(ledger, "i1"))
    (first,) = await settling.rows(NEXT)

    await settling.feed(_due(ledger, "i2"))

    assert first["later"]
    assert await settling.rows(NEXT) == [first]


@pytest.mark.parametrize(
    "what", ["paid", "amended", "cancelled", "waived", "charge paid", "unallocated"]
)
async def test_what_is_more_than_a_new_invoice_is_decided_at_once(
    settling: Bench, what: str
) -> None:
    ledger = Ledger()
    await settling.feed(ledger.registered(), ledger.debtor(zone="UTC"), _due(ledger, "i1"))
    event = {
        "paid": lambda: ledger.paid(on=_today(), amount_minor=1),
        "amended": lambda: ledger.amended(on=_today(), due_on=_today()),
        "cancelled": lambda: ledger.cancelled(on=_today()),
        "waived": lambda: ledger.waived(on=_today()),
        "charge paid": lambda: ledger.charge_paid(on=_today()),
        "unallocated": lambda: ledger.unallocated(1, on=_today()),
    }[what]()
    before = await settling.sweep()

    await settling.feed(_due(ledger, "i2"), event)

    assert (before, await settling.sweep()) == (0, 1)


async def test_a_sandbox_clock_waits_for_nothing_to_settle(settling: Bench) -> None:
    ledger = Ledger()

    await settling.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await settling.feed(ledger.invoice(issued_on=START, due_on=DUE))

    (account,) = await settling.rows(NEXT)
    assert account["next_action_at"] == await settling.clock("acme")


async def test_a_sweeper_comes_back_when_all_has_settled(databases: Databases) -> None:
    bench = await _settling(await databases.open(SCHEMA), settle_s=0.2)
    ledger = Ledger()
    await bench.feed(ledger.registered(), ledger.debtor(zone="UTC"))

    async with Running(bench), asyncio.timeout(60):
        sweeping = asyncio.create_task(bench.sweeper.run())
        await bench.feed(_due(ledger, "i1"))
        while not await bench.sent(NoticeRequestedV2):  # noqa: ASYNC110 -- it is in the database
            await asyncio.sleep(0.05)
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping

    (notice,) = await bench.sent(NoticeRequestedV2)
    assert [item["invoice_id"] for item in notice.data["items"]] == ["i1"]
