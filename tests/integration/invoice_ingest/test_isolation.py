"""Row-level security: a tenant sees and touches nothing of another, by design of the database."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx
import pytest

from dunning_common.db import driver
from invoice_ingest.schema import SCHEMA
from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE, House, Ledger

WITHOUT_TENANT = {"alembic_version", "relay_cursor", "feed_cursor", "consumer_lease"}
"""Tables that hold no tenant's data; anything else must be protected."""


async def protection(house: House) -> dict[str, dict[str, Any]]:
    async with house.db.worker() as connection:
        raw = await driver(connection)
        rows = await raw.fetch(
            """
            SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
                ARRAY(SELECT p.policyname::text FROM pg_policies p
                    WHERE p.schemaname = $1 AND p.tablename = c.relname ORDER BY 1) AS policies,
                ARRAY(SELECT a.attname::text FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
            """,
            SCHEMA.schema,
        )
    return {row["name"]: dict(row) for row in rows}


async def test_every_table_with_tenants_is_under_row_level_security(house: House) -> None:
    tables = await protection(house)

    for name, table in tables.items():
        if name in WITHOUT_TENANT:
            assert "tenant" not in table["columns"], name
            continue
        assert table["enabled"], name
        assert table["forced"], name
        assert table["policies"] == ["all_rows", "tenant_rows"], name
    assert {"tenant", "debtor", "debtor_key", "invoice", "credit", "permit", "outbox"} <= set(
        tables
    )


async def test_every_key_of_the_ledger_begins_with_the_tenant(house: House) -> None:
    """A key without it would tell one tenant which ids another one uses."""
    async with house.db.worker() as connection:
        raw = await driver(connection)
        rows = await raw.fetch(
            """
            SELECT t.relname AS name, i.relname AS index, a.attname AS first
            FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid
            JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = t.relnamespace
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
            WHERE n.nspname = $1 AND x.indisunique
            """,
            SCHEMA.schema,
        )

    flow = {
        "outbox",
        "stream_head",
        "stream_position",
        "parked_event",
    }  # keys there hold the tenant
    ours = [row for row in rows if row["name"] not in flow | WITHOUT_TENANT]
    assert len(ours) >= 9
    assert {row["index"]: row["first"] for row in ours if row["first"] != "tenant"} == {}


async def test_the_api_role_owns_nothing_and_rules_nothing(house: House) -> None:
    async with house.db.worker() as connection:
        raw = await driver(connection)
        roles = await raw.fetch(
            "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = ANY($1::text[])",
            [SCHEMA.api_role, SCHEMA.worker_role],
        )
        owned = await raw.fetch(
            "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tableowner = ANY($2::text[])",
            SCHEMA.schema,
            [SCHEMA.api_role, SCHEMA.worker_role],
        )

    assert [tuple(role) for role in roles] == [(False, False)] * 2
    assert owned == []


async def test_without_a_tenant_the_api_role_sees_nothing(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    async with ledger.house.db.tenant("") as connection:
        raw = await driver(connection)
        assert await raw.fetchval("SELECT count(*) FROM tenant") == 0
        assert await raw.fetchval("SELECT count(*) FROM debtor") == 0


async def test_the_api_role_cannot_write_for_another_tenant(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    async def intrude() -> None:
        async with ledger.house.db.tenant("intruder") as connection:
            raw = await driver(connection)
            await raw.execute("INSERT INTO cash VALUES ($1, 'd1', 'EUR', 1)", ledger.name)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await intrude()


async def test_another_tenants_ids_are_unknown_in_the_same_words_as_missing_ones(
    ledger: Ledger, acme: httpx.AsyncClient
) -> None:
    await acme.put("/v1/invoices/i1", json=INVOICE)
    payment = {"debtor_id": "d1", "currency": "EUR", "amount": "1.00", "value_date": "2026-01-01"}
    await acme.put("/v1/payments/p1", json=payment)
    other = await ledger.registered(f"{ledger.name}-other")
    reason = {"reason": "mischief"}

    for method, path, body in (
        ("GET", "/v1/invoices/{}", None),
        ("GET", "/v1/payments/{}", None),
        ("GET", "/v1/credit-notes/{}", None),
        ("GET", "/v1/debtors/{}", None),
        ("DELETE", "/v1/debtors/{}", None),
        ("POST", "/v1/invoices/{}/cancel", reason),
        ("POST", "/v1/invoices/{}/write-off", reason),
        ("POST", "/v1/payments/{}/reverse", reason),
    ):
        foreign_id = {"invoices": "i1", "debtors": "d1"}.get(path.split("/")[2], "p1")
        foreign = await other.request(method, path.format(foreign_id), json=body)
        missing = await other.request(method, path.format("nobody"), json=body)
        assert (foreign.status_code, foreign.content) == (404, missing.content), path

    assert (await other.get("/v1/invoices")).json()["items"] == []
    assert (await acme.get("/v1/invoices/i1")).json()["status"] == "open"


async def test_two_tenants_may_use_the_same_ids(ledger: Ledger, acme: httpx.AsyncClient) -> None:
    other = await ledger.registered(f"{ledger.name}-other")
    await other.put("/v1/debtors/d1", json=DEBTOR | {"name": "Somebody Else"})

    await acme.put("/v1/invoices/i1", json=INVOICE)
    await other.put("/v1/invoices/i1", json=INVOICE | {"amount": "7.00"})

    assert (await acme.get("/v1/invoices/i1")).json()["amount"] == "100.00"
    assert (await other.get("/v1/invoices/i1")).json()["amount"] == "7.00"
