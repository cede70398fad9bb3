"""Charges and what payments cover of them as rows: reading and writing sets. For worksheets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import asyncpg

from invoice_ingest.adapters.sql_invoices import columns_of
from invoice_ingest.domain.book import ChargeCoverKey
from invoice_ingest.domain.charge import Charge, ChargeCover
from invoice_ingest.domain.credit import CreditKey

_Raw: TypeAlias = "asyncpg.Connection[Any]"

COLUMNS = """tenant, charge_id, invoice_id, kind, currency, amount_minor, assessed_on, basis,
    is_void, covered_minor, given_up_minor, waived_on, waived_reason"""

# Whoever changes a charge holds its invoice's lock, so charges need none of their own.
_OF_INVOICES = f"SELECT {COLUMNS} FROM charge WHERE tenant = $1 AND invoice_id = ANY($2::text[])"
_COVERS = """
SELECT kind, credit_id, charge_id, invoice_id, booked_minor, amount_minor, effective_on, reversed_on
FROM charge_cover WHERE tenant = $1 AND charge_id = ANY($2::text[]) AND amount_minor > 0
"""
_INSERT = f"""
INSERT INTO charge ({COLUMNS})
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
    $7::date[], $8::text[], $9::boolean[], $10::bigint[], $11::bigint[], $12::date[], $13::text[])
"""
_UPDATE = """
UPDATE charge SET covered_minor = new.covered_minor, given_up_minor = new.given_up_minor,
    waived_on = new.waived_on, waived_reason = new.waived_reason
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::date[], $6::text[])
    AS new (tenant, charge_id, covered_minor, given_up_minor, waived_on, waived_reason)
WHERE charge.tenant = new.tenant AND charge.charge_id = new.charge_id
"""
_PUT_COVERS = """
INSERT INTO charge_cover (tenant, kind, credit_id, charge_id, invoice_id, booked_minor,
    amount_minor, effective_on, reversed_on)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
    $7::bigint[], $8::date[], $9::date[])
ON CONFLICT (tenant, kind, credit_id, charge_id) DO UPDATE SET
    booked_minor = excluded.booked_minor, amount_minor = excluded.amount_minor,
    effective_on = excluded.effective_on, reversed_on = excluded.reversed_on
"""


async def of_invoices(raw: _Raw, tenant: str, invoice_ids: Collection[str]) -> dict[str, Charge]:
    """Every charge of these invoices, which are locked."""
    if not invoice_ids:
        return {}
    rows = await raw.fetch(_OF_INVOICES, tenant, invoice_ids)
    return {row["charge_id"]: Charge(**row) for row in rows}


async def covers_of(
    raw: _Raw, tenant: str, charge_ids: Collection[str]
) -> dict[ChargeCoverKey, ChargeCover]:
    """What payments cover of these charges now."""
    if not charge_ids:
        return {}
    covers = [
        ChargeCover(
            key=CreditKey(row["kind"], row["credit_id"]),
            charge_id=row["charge_id"],
            invoice_id=row["invoice_id"],
            booked_minor=row["booked_minor"],
            amount_minor=row["amount_minor"],
            effective_on=row["effective_on"],
            reversed_on=row["reversed_on"],
        )
        for row in await raw.fetch(_COVERS, tenant, charge_ids)
    ]
    return {(cover.key, cover.charge_id): cover for cover in covers}


async def insert(raw: _Raw, charges: Sequence[Charge]) -> None:
    """Write new charges; one statement."""
    if charges:
        rows = [
            (
                charge.tenant,
                charge.charge_id,
                charge.invoice_id,
                charge.kind,
                charge.currency,
                charge.amount_minor,
                charge.assessed_on,
                charge.basis,
                charge.is_void,
                charge.covered_minor,
                charge.given_up_minor,
                charge.waived_on,
                charge.waived_reason,
            )
            for charge in charges
        ]
        await raw.execute(_INSERT, *columns_of(rows))


async def update(raw: _Raw, charges: Sequence[Charge]) -> None:
    """Write what can change of charges; one statement."""
    if charges:
        rows = [
            (
                charge.tenant,
                charge.charge_id,
                charge.covered_minor,
                charge.given_up_minor,
                charge.waived_on,
                charge.waived_reason,
            )
            for charge in charges
        ]
        await raw.execute(_UPDATE, *columns_of(rows))


async def put_covers(raw: _Raw, covers: Sequence[tuple[str, ChargeCover]]) -> None:
    """Write what payments cover of charges, each with its tenant; one statement."""
    if covers:
        rows = [
            (
                tenant,
                cover.key.kind,
                cover.key.credit_id,
                cover.charge_id,
                cover.invoice_id,
                cover.booked_minor,
                cover.amount_minor,
                cover.effective_on,
                cover.reversed_on,
            )
            for tenant, cover in covers
        ]
        await raw.execute(_PUT_COVERS, *columns_of(rows))
