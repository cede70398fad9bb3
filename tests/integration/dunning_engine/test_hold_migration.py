"""Holds that were placed before holds could name several invoices."""

from __future__ import annotations

import asyncio

import asyncpg

from dunning_common.migrate import provision, upgrade
from dunning_engine.schema import SCHEMA
from tests.conftest import PASSWORD, Databases

BEFORE = """
INSERT INTO engine.tenant (tenant) VALUES ('acme');
INSERT INTO engine.account (tenant, debtor_id) VALUES ('acme', 'd1');
INSERT INTO engine.hold (tenant, hold_id, debtor_id, invoice_id, kind, reason, placed_at, placed_by,
    released_at, released_by)
SELECT 'acme', gen_random_uuid(), 'd1', invoice_id, 'manual', reason, now(), 'me', released_at, by
FROM (VALUES
    (NULL, 'whole', NULL, NULL),
    ('i1', 'one', NULL, NULL),
    ('i2', 'by hand', now(), 'me'),
    ('i3', 'by the clock', now(), NULL)
) AS v (invoice_id, reason, released_at, by);
"""


async def test_old_holds_keep_their_invoice_and_how_they_ended(databases: Databases) -> None:
    name = "holds_before"
    admin = await asyncpg.connect(databases.admin_url("postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    url = databases.admin_url(name)
    await provision(url, SCHEMA, password=PASSWORD)
    await asyncio.to_thread(upgrade, url, SCHEMA, "engine_0002")
    connection = await asyncpg.connect(url)
    await connection.execute(BEFORE)

    await asyncio.to_thread(upgrade, url, SCHEMA)

    rows = await connection.fetch("SELECT reason, invoice_ids, outcome FROM engine.hold")
    await connection.close()
    assert {row["reason"]: (row["invoice_ids"], row["outcome"]) for row in rows} == {
        "whole": ([], None),
        "one": (["i1"], None),
        "by hand": (["i2"], "released"),
        "by the clock": (["i3"], "ended"),
    }
