"""Sweeping real tenants: nobody decides twice, and the cost follows what is due."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta

from dunning_common.db import driver
from dunning_common.events.dunning import NoticeRequestedV2
from dunning_engine.adapters.sql_stores import Stores
from dunning_engine.domain.record import recompute
from dunning_engine.handlers.sweep_accounts import sweep_accounts
from dunning_engine.testing import Bench, Ledger, always_open


async def _many(
    bench: Bench, accounts: int, *, per_account: int = 1, due_on: date | None = None
) -> Ledger:
    """Accounts of a real tenant whose first level is due now, at any hour of any day."""
    ledger = Ledger()
    today = datetime.now(UTC).date()
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", always_open("always"), source="", stored_by="me")
        await stores.policies.set_default("acme", "always")
    await bench.feed(ledger.registered())
    await bench.feed(*(ledger.debtor(f"d{n}", zone="UTC") for n in range(accounts)))
    await bench.feed(
        *(
            ledger.invoice(
                f"i{n}-{m}",
                debtor_id=f"d{n}",
                issued_on=today - timedelta(days=30),
                due_on=due_on or today,
            )
            for n in range(accounts)
            for m in range(per_account)
        )
    )
    return ledger


async def _counted(stores: Stores, what: str) -> tuple[int, ...]:
    """What PostgreSQL counts about the table of cases, up to now."""
    (row,) = await stores.sql.fetch(
        f"SELECT {what} FROM pg_stat_xact_user_tables WHERE relid = 'dunning_case'::regclass"
    )
    return tuple(row)


async def test_due_invoices_of_a_debtor_share_one_notice(bench: Bench) -> None:
    await _many(bench, 1, per_account=3)

    await bench.sweep()

    (request,) = await bench.sent(NoticeRequestedV2)
    assert [item["invoice_id"] for item in request.data["items"]] == ["i0-0", "i0-1", "i0-2"]
    assert [m["channel"] for m in request.data["messages"]] == ["email"]


async def test_two_sweepers_never_decide_about_the_same_debtor(bench: Bench) -> None:
    await _many(bench, 300)
    others = [Bench(bench.db) for _ in range(3)]
    small = bench.settings.model_copy(update={"sweep_batch": 20})
    for other in others:
        other.sweeper._settings = small

    async def until_empty(sweeper: Bench) -> int:
        total = 0
        while count := await sweeper.sweep():
            total += count
        return total

    totals = await asyncio.gather(*(until_empty(other) for other in others))

    assert sum(totals) == 300
    requests = await bench.sent(NoticeRequestedV2)
    assert len(requests) == 300
    assert max(Counter(e.data["notice_id"] for e in requests).values()) == 1
    assert [len(await bench.rows("SELECT 1 FROM case_level"))] == [300]


async def test_a_batch_takes_the_same_statements_however_many_accounts_it_has(
    bench: Bench,
) -> None:
    await _many(bench, 231)
    statements = []
    for size in (20, 1, 10, 200):
        async with bench.db.worker() as connection:
            stores = await bench.rooms.bind(connection)
            seen: list[str] = []
            with (await driver(connection)).query_logger(
                lambda query, seen=seen: seen.append(query.query)
            ):
                claimed = await stores.sweep.claim_real(size)
                await sweep_accounts(stores.sweep, stores.policies, bench.law, claimed)
        assert len(claimed) == size
        # asyncpg itself asks for types on a connection's first use.
        statements.append([query for query in seen if "pg_type" not in query])

    assert statements[1] == statements[2] == statements[3]
    assert len(statements[1]) <= 14


async def test_a_case_goes_to_its_next_level_without_a_new_entry_in_any_index(
    bench: Bench,
) -> None:
    today = datetime.now(UTC).date()
    ledger = await _many(bench, 3, due_on=today + timedelta(days=5))
    await bench.sweep()  # opens them; nothing is due
    await bench.feed(*(ledger.amended(f"i{n}-0", on=today, due_on=today) for n in range(3)))

    async with bench.rooms.worker() as stores:
        claimed = await stores.sweep.claim_real(3)
        updated, in_place = await _counted(stores, "n_tup_upd, n_tup_hot_upd")
        await sweep_accounts(stores.sweep, stores.policies, bench.law, claimed)
        updated_now, in_place_now = await _counted(stores, "n_tup_upd, n_tup_hot_upd")

    assert {row["state"] for row in await bench.rows("SELECT state FROM dunning_case")} == {
        "in_flight"
    }
    assert updated_now - updated == in_place_now - in_place == 3


async def test_closed_invoices_of_a_debtor_cost_a_sweep_nothing(bench: Bench) -> None:
    await _many(bench, 1)
    await bench.rows(
        "INSERT INTO dunning_case (tenant, invoice_id, debtor_id, number, issued_on, due_on, "
        "currency, amount_minor, open_minor, charges_open_minor, status, version, closed) "
        "SELECT 'acme', 'c' || n, 'd0', 'c', '2026-01-01', '2026-01-10', 'EUR', 100, 0, 0, 'paid', "
        "1, 'paid' FROM generate_series(1, 5000) AS n"
    )

    async with bench.rooms.worker() as stores:
        await stores.sql.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        (before,) = await _counted(stores, "seq_tup_read + idx_tup_fetch")
        (dossier,) = await stores.sweep.claim_real(1)
        (after,) = await _counted(stores, "seq_tup_read + idx_tup_fetch")

    assert [stored.case.invoice_id for stored in dossier.cases] == ["i0-0"]
    assert after - before < 10


async def test_idle_accounts_are_not_looked_at_again(bench: Bench) -> None:
    await _many(bench, 5)
    await bench.sweep()
    await bench.postman.deliver()
    await bench.sweep()

    assert await bench.sweep() == 0
    (row,) = await bench.rows(
        "SELECT min(next_action_at) > clock_timestamp() AS later FROM account"
    )
    assert row["later"]


async def test_a_decision_that_changes_nothing_leaves_no_record(bench: Bench) -> None:
    ledger = await _many(bench, 1)
    await bench.sweep()
    await bench.postman.deliver()
    await bench.sweep()
    before = len(await bench.rows("SELECT 1 FROM decision"))

    await bench.feed(ledger.debtor("d0", zone="UTC"))
    swept = await bench.sweep()

    assert swept == 1
    assert before == 1
    assert len(await bench.rows("SELECT 1 FROM decision")) == before


async def test_every_recorded_decision_computes_to_the_same_bytes(bench: Bench) -> None:
    await _many(bench, 3, per_account=2)
    await bench.sweep()

    async with bench.rooms.tenant("acme") as stores:
        ids = [row["decision_id"] for row in await bench.rows("SELECT decision_id FROM decision")]
        records = await stores.cases.records("acme", ids)

    assert len(records) == 3
    assert all(recompute(record) == record for record in records.values())


async def test_a_payment_is_decided_at_once(bench: Bench) -> None:
    ledger = await _many(bench, 1)
    await bench.sweep()

    await bench.feed(ledger.paid("i0-0", on=date(2026, 1, 1)))
    await bench.sweep()

    kinds = [event.type for event in await bench.sent()]
    assert kinds == ["CaseOpenedV1", "NoticeRequestedV2", "CaseClosedV1", "NoticeRevokedV1"]


async def test_one_account_that_cannot_be_written_does_not_stop_the_others(bench: Bench) -> None:
    await _many(bench, 12)
    await bench.rows(
        "INSERT INTO case_level (tenant, invoice_id, level_no, try_no, debtor_id, level, "
        "decision_id, decided_at, decided_on, outcome) VALUES ('acme', 'i7-0', 1, 1, 'd7', 'x', "
        "gen_random_uuid(), now(), current_date, 'returned')"
    )

    await bench.sweep()

    assert len(await bench.sent(NoticeRequestedV2)) == 11
    (row,) = await bench.rows("SELECT debtor_id, trouble FROM account WHERE trouble IS NOT NULL")
    assert row["debtor_id"] == "d7"
    assert "UniqueViolation" in row["trouble"]
    assert await bench.sweep() == 0
