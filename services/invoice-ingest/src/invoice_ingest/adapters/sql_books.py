"""Worksheets in PostgreSQL: a handful of statements for any number of orders.

Lock order, the same everywhere: accounts (debtor rows) by id, then invoices by id. Whoever holds an
account's lock is alone in changing its credits, covers and cash; only charges change an invoice
without it, and they lock the invoice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from invoice_ingest.adapters import sql_invoices
from invoice_ingest.domain.allocation import Wanted
from invoice_ingest.domain.book import Book, CoverKey, Loaded, Needs
from invoice_ingest.domain.credit import Cover, Credit, CreditDraft, CreditKey
from invoice_ingest.domain.invoice import Invoice

_LOCK_ACCOUNTS = """
SELECT debtor_id, contact IS NULL AS erased FROM debtor
WHERE tenant = $1 AND debtor_id = ANY($2::text[])
ORDER BY debtor_id FOR NO KEY UPDATE
"""
_OWNERS = """
SELECT debtor_id FROM invoice WHERE tenant = $1 AND invoice_id = ANY($2::text[])
UNION SELECT debtor_id FROM credit
WHERE tenant = $1 AND kind = 'payment' AND credit_id = ANY($3::text[])
"""
_COVERED_BY = """
SELECT DISTINCT invoice_id FROM cover
WHERE tenant = $1 AND kind = 'payment' AND credit_id = ANY($2::text[]) AND amount_minor > 0
"""
# The lateral lock makes PostgreSQL look each id up by the primary key, in the order of the ids,
# whatever its statistics say: a fresh bulk load has none.
_LOCK_INVOICES = f"""
SELECT locked.* FROM (
    SELECT unnest($2::text[]) AS id
    UNION SELECT invoice_id FROM invoice
    WHERE tenant = $1 AND debtor_id = ANY($3::text[]) AND status = 'open'
    ORDER BY id
) AS asked CROSS JOIN LATERAL (
    SELECT {sql_invoices.COLUMNS} FROM invoice WHERE tenant = $1 AND invoice_id = asked.id
    FOR NO KEY UPDATE
) AS locked
"""
_COVERS = """
SELECT kind, credit_id, invoice_id, booked_minor, amount_minor, effective_on, reversed_on
FROM cover WHERE tenant = $1 AND invoice_id = ANY($2::text[]) AND amount_minor > 0
"""
_CREDITS = """
SELECT kind, credit_id, debtor_id, currency, amount_minor, dated_on, wanted, unallocated_minor,
    reversed_on
FROM credit JOIN unnest($2::text[], $3::text[]) AS asked (kind, credit_id) USING (kind, credit_id)
WHERE tenant = $1
"""
_UNALLOCATED = """
SELECT kind, credit_id FROM credit
WHERE tenant = $1 AND debtor_id = ANY($2::text[]) AND unallocated_minor > 0
"""
_CASH = """
SELECT debtor_id, currency, unallocated_minor FROM cash
WHERE tenant = $1 AND debtor_id = ANY($2::text[])
"""
_PUT_CREDITS = """
INSERT INTO credit (tenant, kind, credit_id, debtor_id, currency, amount_minor, dated_on, wanted,
    unallocated_minor, reversed_on)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::date[],
    $8::jsonb[], $9::bigint[], $10::date[])
ON CONFLICT (tenant, kind, credit_id) DO UPDATE SET
    unallocated_minor = excluded.unallocated_minor, reversed_on = excluded.reversed_on,
    changed_at = now()
"""
_PUT_COVERS = """
INSERT INTO cover (tenant, kind, credit_id, invoice_id, booked_minor, amount_minor, effective_on,
    reversed_on)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
    $7::date[], $8::date[])
ON CONFLICT (tenant, kind, credit_id, invoice_id) DO UPDATE SET
    booked_minor = excluded.booked_minor, amount_minor = excluded.amount_minor,
    effective_on = excluded.effective_on, reversed_on = excluded.reversed_on
"""
_PUT_CASH = """
INSERT INTO cash (tenant, debtor_id, currency, unallocated_minor)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[])
ON CONFLICT (tenant, debtor_id, currency) DO UPDATE SET
    unallocated_minor = excluded.unallocated_minor
"""

_Raw: TypeAlias = "asyncpg.Connection[Any]"


class SqlBooks:
    """Loads and saves worksheets."""

    async def load(self, connection: AsyncConnection, tenant: str, needs: Needs) -> Loaded:
        """Lock and read what the batch needs; accounts first, then invoices, each by id."""
        raw = await driver(connection)
        accounts = set(needs.accounts)
        if needs.owners_of or needs.reversals:
            owners = await raw.fetch(_OWNERS, tenant, needs.owners_of, needs.reversals)
            accounts |= {row["debtor_id"] for row in owners}
        debtors = {
            row["debtor_id"]: row["erased"]
            for row in await raw.fetch(_LOCK_ACCOUNTS, tenant, accounts)
        }
        bounced = await _covered_by(raw, tenant, needs.reversals)
        invoices = await _invoices(raw, tenant, needs.invoices | bounced, needs.open_of)
        shrinking = {
            invoice_id
            for invoice_id, least_minor in needs.shrinking.items()
            if invoice_id in invoices and invoices[invoice_id].covered_minor > least_minor
        }
        coverable = set(invoices) if needs.cash_of else set()
        covers = await _covers(raw, tenant, bounced | shrinking | coverable)
        credits_ = await _credits(
            raw,
            tenant,
            needs.credits
            | {CreditKey("payment", payment_id) for payment_id in needs.reversals}
            | {key for key, _ in covers}
            | await _unallocated(raw, tenant, needs.cash_of),
        )
        moves_cash = bool(needs.credits or needs.reversals or needs.cash_of or shrinking)
        cash = await raw.fetch(_CASH, tenant, accounts) if moves_cash else []
        return Loaded(
            debtors=debtors,
            invoices=invoices,
            credits=credits_,
            covers=covers,
            cash={(row["debtor_id"], row["currency"]): row["unallocated_minor"] for row in cash},
        )

    async def save(self, connection: AsyncConnection, book: Book) -> None:
        """Write what has changed on the sheet."""
        raw = await driver(connection)
        await sql_invoices.insert(raw, book.new_invoices())
        await sql_invoices.update(raw, book.changed_invoices())
        await _put(raw, _PUT_CREDITS, book.tenant, [_credit_row(c) for c in book.changed_credits()])
        await _put(raw, _PUT_COVERS, book.tenant, [_cover_row(c) for c in book.changed_covers()])
        await _put(raw, _PUT_CASH, book.tenant, book.changed_cash())


async def _put(raw: _Raw, sql: str, tenant: str, rows: list[Any]) -> None:
    if rows:
        await raw.execute(sql, tenant, *sql_invoices.columns_of(rows))


async def _covered_by(raw: _Raw, tenant: str, payment_ids: Collection[str]) -> set[str]:
    """Invoices that the payments cover. A payment never gets new ones, so this needs no lock."""
    if not payment_ids:
        return set()
    rows = await raw.fetch(_COVERED_BY, tenant, payment_ids)
    return {row["invoice_id"] for row in rows}


async def _invoices(
    raw: _Raw, tenant: str, ids: Collection[str], open_of: Collection[str]
) -> dict[str, Invoice]:
    if not ids and not open_of:
        return {}
    rows = await raw.fetch(_LOCK_INVOICES, tenant, ids, open_of)
    return {row["invoice_id"]: sql_invoices.invoice_of(row) for row in rows}


async def _covers(raw: _Raw, tenant: str, invoice_ids: Collection[str]) -> dict[CoverKey, Cover]:
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


async def _unallocated(raw: _Raw, tenant: str, debtors: Collection[str]) -> set[CreditKey]:
    if not debtors:
        return set()
    rows = await raw.fetch(_UNALLOCATED, tenant, debtors)
    return {CreditKey(row["kind"], row["credit_id"]) for row in rows}


async def _credits(
    raw: _Raw, tenant: str, keys: Collection[CreditKey]
) -> Mapping[CreditKey, Credit]:
    if not keys:
        return {}
    kinds, ids = zip(*keys, strict=True)
    credits_ = [credit_of(row) for row in await raw.fetch(_CREDITS, tenant, kinds, ids)]
    return {credit.draft.key: credit for credit in credits_}


def credit_of(row: asyncpg.Record) -> Credit:
    """The credit in a row."""
    wanted = row["wanted"]
    return Credit(
        draft=CreditDraft(
            kind=row["kind"],
            credit_id=row["credit_id"],
            debtor_id=row["debtor_id"],
            currency=row["currency"],
            amount_minor=row["amount_minor"],
            dated_on=row["dated_on"],
            wanted=wanted
            if wanted is None
            else tuple(Wanted(invoice_id=i, amount_minor=a) for i, a in wanted),
        ),
        unallocated_minor=row["unallocated_minor"],
        reversed_on=row["reversed_on"],
    )


def _credit_row(credit: Credit) -> tuple[Any, ...]:
    draft = credit.draft
    wanted = (
        None
        if draft.wanted is None
        else orjson.dumps([(w.invoice_id, w.amount_minor) for w in draft.wanted]).decode()
    )
    return (
        draft.kind,
        draft.credit_id,
        draft.debtor_id,
        draft.currency,
        draft.amount_minor,
        draft.dated_on,
        wanted,
        credit.unallocated_minor,
        credit.reversed_on,
    )


def _cover_row(cover: Cover) -> tuple[Any, ...]:
    return (
        cover.key.kind,
        cover.key.credit_id,
        cover.invoice_id,
        cover.booked_minor,
        cover.amount_minor,
        cover.effective_on,
        cover.reversed_on,
    )
