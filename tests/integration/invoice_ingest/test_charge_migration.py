"""Charges that were booked before payments could cover them keep what is owed of them."""

from __future__ import annotations

import asyncio

import asyncpg

from dunning_common.migrate import provision, upgrade
from invoice_ingest.schema import SCHEMA
from tests.conftest import PASSWORD, Databases

BEFORE = """
INSERT INTO ingest.tenant (tenant, zone, profile) VALUES ('acme', 'Europe/Paris', '{}');
INSERT INTO ingest.debtor (tenant, debtor_id, kind, country, zone, language, contact)
VALUES ('acme', 'd1', 'business', 'FR', 'Europe/Paris', 'fr', '{}');
INSERT INTO ingest.invoice (tenant, invoice_id, debtor_id, number, issued_on, due_on, currency,
    amount_minor, covered_minor, written_off_minor, open_minor, charges_open_minor, status,
    revision, version)
VALUES
    ('acme', 'open', 'd1', 'n', '2026-01-01', '2026-01-31', 'EUR', 100, 0, 0, 100, 45, 'open', 1, 1),
    ('acme', 'gone', 'd1', 'n', '2026-01-01', '2026-01-31', 'EUR', 100, 0, 0, 0, 0, 'cancelled', 1, 1),
    ('acme', 'back', 'd1', 'n', '2026-01-01', '2026-01-31', 'EUR', 100, 0, 60, 40, 7, 'open', 1, 1);
INSERT INTO ingest.charge (tenant, charge_id, invoice_id, kind, currency, amount_minor, assessed_on,
    basis, is_void, waived_on, waived_reason, booked_at)
SELECT 'acme', charge_id, invoice_id, 'fee', 'EUR', minor, '2026-03-01', 'b', void,
    CASE WHEN reason IS NOT NULL THEN date '2026-03-02' END, reason, booked_at
FROM (VALUES
    ('owed', 'open', 40, false, NULL, timestamptz '2026-03-01 08:00Z'),
    ('owed too', 'open', 5, false, NULL, timestamptz '2026-03-01 08:00Z'),
    ('waived', 'open', 9, false, 'goodwill', timestamptz '2026-03-01 08:00Z'),
    ('of a cancelled one', 'gone', 40, false, NULL, timestamptz '2026-03-01 08:00Z'),
    ('void', 'gone', 3, true, NULL, timestamptz '2026-03-01 09:00Z'),
    ('written off', 'back', 40, false, NULL, timestamptz '2026-03-01 08:00Z'),
    ('after the bounce', 'back', 7, false, NULL, timestamptz '2026-04-01 08:00Z')
) AS v (charge_id, invoice_id, minor, void, reason, booked_at);
INSERT INTO ingest.credit (tenant, kind, credit_id, debtor_id, currency, amount_minor, dated_on,
    wanted, unallocated_minor)
VALUES ('acme', 'payment', 'p1', 'd1', 'EUR', 10, '2026-03-01', '[["open", 10]]', 10);
"""


async def test_charges_keep_what_was_owed_of_them(databases: Databases) -> None:
    name = "charges_before"
    admin = await asyncpg.connect(databases.admin_url("postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    url = databases.admin_url(name)
    await provision(url, SCHEMA, password=PASSWORD)
    await asyncio.to_thread(upgrade, url, SCHEMA, "0002")
    connection = await asyncpg.connect(url)
    await connection.execute(BEFORE)

    await asyncio.to_thread(upgrade, url, SCHEMA)

    rows = await connection.fetch(
        "SELECT charge_id, amount_minor - covered_minor - given_up_minor FROM ingest.charge"
    )
    wrong = await connection.fetch(
        "SELECT invoice_id FROM ingest.invoice i JOIN ingest.charge c USING (tenant, invoice_id)"
        " GROUP BY tenant, invoice_id, charges_open_minor HAVING charges_open_minor"
        " <> sum(c.amount_minor - c.covered_minor - c.given_up_minor)"
    )
    orders = await connection.fetch(
        "SELECT automatic_order, allocated_order, payment_order FROM ingest.tenant, ingest.credit"
    )
    await connection.close()
    assert {charge_id: owed for charge_id, owed in rows if owed} == {
        "owed": 40,
        "owed too": 5,
        "after the bounce": 7,
    }
    assert wrong == []
    assert [tuple(row) for row in orders] == [("principal_first", "principal_first", None)]
