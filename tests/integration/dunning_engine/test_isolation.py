"""Row-level security of every table of the engine."""

from __future__ import annotations

from datetime import date

import asyncpg
import pytest

from dunning_common.db import driver
from dunning_common.events.responses import ReplyReceivedV1
from dunning_common.ids import new_id
from dunning_engine.domain.work_item import ItemKey
from dunning_engine.handlers.notes import write_note
from dunning_engine.handlers.place_hold import place_hold
from dunning_engine.schema import SCHEMA
from dunning_engine.testing import Bench, Ledger, Running, always_open, answered
from dunning_engine.work_records import Mark, RetryFilter, RetryRow, WorkRules
from tests.conftest import Databases


async def test_every_tenant_table_forces_row_level_security(databases: Databases) -> None:
    name = await databases.clone(SCHEMA)
    connection = await asyncpg.connect(databases.admin_url(name))
    try:
        rows = await connection.fetch(
            """
            SELECT c.relname AS table, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
                   array_agg(p.polname::text) AS policies
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
            LEFT JOIN pg_policy p ON p.polrelid = c.oid
            WHERE n.nspname = 'engine' AND c.relkind = 'r' GROUP BY 1, 2, 3
            """
        )
        keys = await connection.fetch(
            """
            SELECT c.relname AS table, i.indexrelid::regclass::text AS index, a.attname AS first
            FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
            WHERE n.nspname = 'engine' AND i.indisunique
            """
        )
    finally:
        await connection.close()

    assert len(rows) >= 15
    for row in rows:
        assert row["enabled"], row["table"]
        assert row["forced"], row["table"]
        assert set(row["policies"]) == {"tenant_rows", "all_rows"}, row["table"]
    tenant_tables = {row["table"] for row in rows}
    flow = {"stream_head", "outbox", "stream_position", "parked_event"}
    for key in keys:
        if key["table"] in tenant_tables - flow:
            assert key["first"] == "tenant", key["index"]


async def _fill(bench: Bench, tenant: str) -> None:
    """Put something of the tenant into every table."""
    ledger = Ledger(tenant)
    start, due = date(2026, 3, 1), date(2026, 4, 1)
    await bench.feed(ledger.registered(sandbox_from=start), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=start, due_on=due))
    await bench.feed(answered(ReplyReceivedV1, tenant=tenant, channel="email"))
    async with bench.rooms.tenant(tenant) as stores:
        await stores.policies.add(tenant, always_open("ours"), source="", stored_by="me")
        await stores.policies.set_default(tenant, "ours")
    async with Running(bench):
        await bench.advance(tenant, date(2026, 6, 1))
    async with bench.rooms.tenant(tenant) as stores:
        await place_hold(
            stores.holds, tenant=tenant, debtor_id="d1", reason="talks",
            until=None, placed_by="me",
        )  # fmt: skip
    async with bench.rooms.tenant(tenant) as stores:
        await write_note(stores.notes, tenant=tenant, debtor_id="d1", words="called", by="me")
        await stores.work.save_rules(tenant, WorkRules())
        clock = await stores.work.clock(tenant)
        mark = Mark(key=ItemKey("stale_feed", "EUR"), sets={"assignee": "me"})
        await stores.work.mark(tenant, [mark], at=clock.now, by="me")
        await stores.retries.keep(
            RetryRow(
                tenant=tenant, retry_id=new_id(), wanted=RetryFilter(), cases=1, debtors=1,
                asked_at=clock.now, asked_by="me",
            )
        )  # fmt: skip
    async with bench.db.worker() as connection:
        sql = await driver(connection)
        await sql.execute(
            "INSERT INTO stray_notification SELECT $1, gen_random_uuid(), gen_random_uuid(), "
            "'d1', 'NoticeSentV1', ''",
            tenant,
        )
        await sql.execute(
            "INSERT INTO plan_rules (tenant, document, stored_by) VALUES ($1, '{}', 'me')", tenant
        )
        await sql.execute(
            "INSERT INTO policy_rules (tenant, version, source, document, sha256, stored_by) "
            "VALUES ($1, 1, '', '{}', '', 'me')",
            tenant,
        )
        await sql.execute(
            "INSERT INTO policy_activation (tenant, policy_id, number, version, percent, migrate,"
            " state, started_at, started_by) "
            "VALUES ($1, 'ours', 1, 1, 10, 'keep', 'running', now(), 'me')",
            tenant,
        )
        await sql.execute(
            "INSERT INTO policy_migration (tenant, migration_id, from_policy_id, policy_id,"
            " version, percent, requested_at, requested_by) "
            "VALUES ($1, gen_random_uuid(), 'ours', 'ours', 1, 100, now(), 'me')",
            tenant,
        )
        await sql.execute(
            "INSERT INTO case_to_migrate (tenant, migration_id, invoice_id, debtor_id) "
            "SELECT tenant, migration_id, 'i1', 'd1' FROM policy_migration WHERE tenant = $1",
            tenant,
        )
        await sql.execute(
            "INSERT INTO charge (tenant, charge_id, invoice_id) VALUES ($1, 'c', 'i1')", tenant
        )
        for table in ("stream_position", "parked_event"):
            await sql.execute(
                f"INSERT INTO {table} (topic, key, tenant, sequence"
                + (", envelope) " if table == "parked_event" else ") ")
                + "SELECT 'x', $1, $1, 1"
                + (", ''::bytea" if table == "parked_event" else ""),
                tenant,
            )


async def test_the_api_role_sees_and_writes_only_its_tenants_rows(bench: Bench) -> None:
    for tenant in ("acme", "other"):
        await _fill(bench, tenant)
    tables = [
        row["table_name"]
        for row in await bench.rows(
            "SELECT table_name FROM information_schema.columns "
            "WHERE table_schema = 'engine' AND column_name = 'tenant'"
        )
    ]

    assert len(tables) >= 15
    for table in tables:
        both = await bench.rows(f"SELECT DISTINCT tenant FROM {table} ORDER BY 1")
        assert [row["tenant"] for row in both] == ["acme", "other"], table
        async with bench.db.tenant("acme") as connection:
            sql = await driver(connection)
            seen = await sql.fetch(f"SELECT DISTINCT tenant FROM {table}")
            moved = await sql.execute(f"UPDATE {table} SET tenant = tenant WHERE tenant <> 'acme'")
            gone = await sql.execute(f"DELETE FROM {table} WHERE tenant = 'other'")
        assert [row["tenant"] for row in seen] == ["acme"], table
        assert (moved, gone) == ("UPDATE 0", "DELETE 0"), table
        async with bench.db.tenant("") as connection:
            unset = await (await driver(connection)).fetch(f"SELECT 1 FROM {table}")
        assert unset == [], table


async def test_the_api_role_cannot_write_in_another_tenants_name(bench: Bench) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with bench.db.tenant("acme") as connection:
            await (await driver(connection)).execute(
                "INSERT INTO default_policy (tenant, policy_id) VALUES ('other', 'x')"
            )
