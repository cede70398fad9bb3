"""Cases from before the work list had columns of its own."""

from __future__ import annotations

import asyncio

import asyncpg

from dunning_common.migrate import provision, upgrade
from dunning_engine.schema import SCHEMA
from tests.conftest import PASSWORD, Databases

STATES = {
    "waiting": ("waiting", None),
    "held": ("held", "stale_feed"),
    "blocked": ("blocked", "no_address"),
    "awaiting_approval": ("awaiting_approval", None),
    "exhausted": ("exhausted", None),
    "scheduled": (None, None),
    "in_flight": (None, None),
    "closed": (None, None),
}
BEFORE = """
INSERT INTO engine.account (tenant, debtor_id) VALUES ('acme', 'd1');
INSERT INTO engine.dunning_case (tenant, invoice_id, debtor_id, number, issued_on, due_on, currency,
    amount_minor, open_minor, charges_open_minor, status, version, state, state_reason)
SELECT 'acme', state, 'd1', 'N1', '2026-01-01', '2026-01-31', 'EUR', 1, 1, 0, 'open', 1, state,
    reason
FROM (VALUES ('waiting', NULL), ('held', 'stale_feed'), ('blocked', 'no_address'),
    ('awaiting_approval', NULL), ('exhausted', NULL), ('scheduled', NULL),
    ('in_flight', 'too_early'), ('closed', 'paid')) AS v (state, reason);
"""


async def test_old_cases_are_on_the_work_list_where_somebody_has_to_act(
    databases: Databases,
) -> None:
    name = "cases_before"
    admin = await asyncpg.connect(databases.admin_url("postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    url = databases.admin_url(name)
    await provision(url, SCHEMA, password=PASSWORD)
    await asyncio.to_thread(upgrade, url, SCHEMA, "engine_0005")
    connection = await asyncpg.connect(url)
    await connection.execute(BEFORE)

    await asyncio.to_thread(upgrade, url, SCHEMA)

    rows = await connection.fetch("SELECT state, work_state, work_reason FROM engine.dunning_case")
    await connection.close()
    assert {row["state"]: (row["work_state"], row["work_reason"]) for row in rows} == STATES
