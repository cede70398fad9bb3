"""Credits and what they cover of invoices as rows: reading and writing sets. For worksheets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import asyncpg
import orjson

from invoice_ingest.adapters.sql_invoices import columns_of
from invoice_ingest.domain.allocation import Wanted
from invoice_ingest.domain.book import CoverKey
from invoice_ingest.domain.credit import Cover, Credit, CreditDraft, CreditKey

_Raw: TypeAlias = "asyncpg.Connection[Any]"

COLUMNS = """kind, credit_id, debtor_id, currency, amount_minor, dated_on, wanted,
    unallocated_minor, reversed_on, payment_order"""

_CREDITS = f"""
SELECT {COLUMNS}
FROM credit JOIN unnest($2::text[], $3::text[]) AS asked (kind, credit_id) USING (kind, credit_id)
WHERE tenant = $1
"""
_UNALLOCATED = """
SELECT kind, credit_id FROM credit
WHERE tenant = $1 AND debtor_id = ANY($2::text[]) AND unallocated_minor > 0
"""
_COVERS = """
SELECT kind, credit_id, invoice_id, booked_minor, amount_minor, effective_on, reversed_on
FROM cover WHERE tenant = $1 AND invoice_id = ANY($2::text[]) AND amount_minor > 0
"""
_PUT = f"""
INSERT INTO credit (tenant, {COLUMNS})
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
    $7::date[], $8::jsonb[], $9::bigint[], $10::date[], $11::text[])
ON CONFLICT (tenant, kind, credit_id) DO UPDATE SET
    unallocated_minor = excluded.unallocated_minor, reversed_on = excluded.reversed_on,
    payment_order = excluded.payment_order, changed_at = now()
"""
_PUT_COVERS = """
INSERT INTO cover (tenant, kind, credit_id, invoice_id, booked_minor, amount_minor, effective_on,
    reversed_on)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
    $7::date[], $8::date[])
ON CONFLICT (tenant, kind, credit_id, invoice_id) DO UPDATE SET
    booked_minor = excluded.booked_minor, amount_minor = excluded.amount_minor,
    effective_on = excluded.effective_on, reversed_on = excluded.reversed_on
"""


async def of_keys(raw: _Raw, tenant: str, keys: Collection[CreditKey]) -> dict[CreditKey, Credit]:
    """Those of these credits that are known."""
    if not keys:
        return {}
    kinds, ids = zip(*keys, strict=True)
    credits_ = [credit_of(row) for row in await raw.fetch(_CREDITS, tenant, kinds, ids)]
    return {credit.draft.key: credit for credit in credits_}


async def unallocated(raw: _Raw, tenant: str, debtors: Collection[str]) -> set[CreditKey]:
    """The debtors' credits that have something left."""
    if not debtors:
        return set()
    rows = await raw.fetch(_UNALLOCATED, tenant, debtors)
    return {CreditKey(row["kind"], row["credit_id"]) for row in rows}


async def covers_of(raw: _Raw, tenant: str, invoice_ids: Collection[str]) -> dict[CoverKey, Cover]:
    """What covers these invoices' principal now."""
    if not invoice_ids:
        return {}
    covers = [
        Cover(
            key=CreditKey(row["kind"], row["credit_id"]),
            invoice_id=row["invoice_id"],
            booked_minor=row["booked_minor"],
            amount_minor=row["amount_minor"],
            effective_on=row["effective_on"],
            reversed_on=row["reversed_on"],
        )
        for row in await raw.fetch(_COVERS, tenant, invoice_ids)
    ]
    return {(cover.key, cover.invoice_id): cover for cover in covers}


def credit_of(row: asyncpg.Record) -> Credit:
    """The credit in a row that was read with `COLUMNS`."""
    wanted = row["wanted"]
    return Credit(
        draft=CreditDraft(
            kind=row["kind"],
            credit_id=row["credit_id"],
            debtor_id=row["debtor_id"],
            currency=row["currency"],
            amount_minor=row["amount_minor"],
            dated_on=row["dated_on"],
            wanted=None
            if wanted is None
            else tuple(
                Wanted(invoice_id=i, amount_minor=a, covers=covers[0] if covers else None)
                for i, a, *covers in wanted
            ),
        ),
        unallocated_minor=row["unallocated_minor"],
        reversed_on=row["reversed_on"],
        payment_order=row["payment_order"],
    )


async def put(raw: _Raw, credits_: Sequence[tuple[str, Credit]]) -> None:
    """Write credits, each with its tenant; one statement."""
    if credits_:
        rows = [_row(tenant, credit) for tenant, credit in credits_]
        await raw.execute(_PUT, *columns_of(rows))


async def put_covers(raw: _Raw, covers: Sequence[tuple[str, Cover]]) -> None:
    """Write what credits cover of invoices, each with its tenant; one statement."""
    if covers:
        rows = [
            (
                tenant,
                cover.key.kind,
                cover.key.credit_id,
                cover.invoice_id,
                cover.booked_minor,
                cover.amount_minor,
                cover.effective_on,
                cover.reversed_on,
            )
            for tenant, cover in covers
        ]
        await raw.execute(_PUT_COVERS, *columns_of(rows))


def _row(tenant: str, credit: Credit) -> tuple[Any, ...]:
    draft = credit.draft
    wanted = (
        None
        if draft.wanted is None
        else orjson.dumps([_wanted(want) for want in draft.wanted]).decode()
    )
    return (
        tenant,
        draft.kind,
        draft.credit_id,
        draft.debtor_id,
        draft.currency,
        draft.amount_minor,
        draft.dated_on,
        wanted,
        credit.unallocated_minor,
        credit.reversed_on,
        credit.payment_order,
    )


def _wanted(want: Wanted) -> tuple[Any, ...]:
    plain = (want.invoice_id, want.amount_minor)
    return plain if want.covers is None else (*plain, want.covers)
