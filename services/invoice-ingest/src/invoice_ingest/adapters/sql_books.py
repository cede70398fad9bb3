"""Worksheets in PostgreSQL: a handful of statements for any number of orders.

Lock order, the same everywhere: accounts (debtor rows) by id, then invoices by id. Whoever holds an
account's lock is alone in changing its invoices, charges, credits, covers and cash; send permits
take the invoices' locks alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from invoice_ingest.adapters import sql_charged, sql_charges, sql_credits, sql_invoices
from invoice_ingest.domain.book import Book, Loaded, Needs, Party
from invoice_ingest.domain.charge import Charge
from invoice_ingest.domain.charging import ChargeRef
from invoice_ingest.domain.credit import CreditKey
from invoice_ingest.domain.instalments import instalment_id
from invoice_ingest.domain.invoice import Invoice

_LOCK_ACCOUNTS = """
SELECT debtor_id, country, contact IS NULL AS is_erased FROM debtor
WHERE tenant = $1 AND debtor_id = ANY($2::text[])
ORDER BY debtor_id FOR NO KEY UPDATE
"""
_OWNERS = """
SELECT debtor_id FROM invoice WHERE tenant = $1 AND invoice_id = ANY($2::text[])
UNION SELECT debtor_id FROM invoice WHERE tenant = $1 AND document_id = ANY($2::text[])
UNION SELECT debtor_id FROM credit
WHERE tenant = $1 AND kind = 'payment' AND credit_id = ANY($3::text[])
"""
_COVERED_BY = """
SELECT invoice_id FROM cover
WHERE tenant = $1 AND kind = 'payment' AND credit_id = ANY($2::text[]) AND amount_minor > 0
UNION SELECT invoice_id FROM charge_cover
WHERE tenant = $1 AND kind = 'payment' AND credit_id = ANY($2::text[]) AND amount_minor > 0
"""
# The lateral lock makes PostgreSQL look each id up by the primary key, in the order of the ids,
# whatever its statistics say: a fresh bulk load has none. OFFSET 0 does the same for documents.
_LOCK_INVOICES = f"""
SELECT locked.* FROM (
    SELECT unnest($2::text[]) AS id
    UNION SELECT part.invoice_id FROM unnest($2::text[]) AS named (id) CROSS JOIN LATERAL (
        SELECT invoice_id FROM invoice WHERE tenant = $1 AND document_id = named.id OFFSET 0
    ) AS part
    UNION SELECT invoice_id FROM invoice
    WHERE tenant = $1 AND debtor_id = ANY($3::text[]) AND status = 'open'
    UNION SELECT invoice_id FROM invoice
    WHERE tenant = $1 AND debtor_id = ANY($3::text[]) AND charges_open_minor > 0
    ORDER BY id
) AS asked CROSS JOIN LATERAL (
    SELECT {sql_invoices.COLUMNS} FROM invoice WHERE tenant = $1 AND invoice_id = asked.id
    FOR NO KEY UPDATE
) AS locked
"""
_INSTALMENTS = """
SELECT document_id, count(*) AS known FROM invoice
WHERE tenant = $1 AND document_id = ANY($2::text[]) GROUP BY document_id
"""
_CASH = """
SELECT debtor_id, currency, unallocated_minor FROM cash
WHERE tenant = $1 AND debtor_id = ANY($2::text[])
"""
_PUT_CASH = """
INSERT INTO cash (tenant, debtor_id, currency, unallocated_minor)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
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
            row["debtor_id"]: Party(country=row["country"], is_erased=row["is_erased"])
            for row in await raw.fetch(_LOCK_ACCOUNTS, tenant, accounts)
        }
        bounced = await _covered_by(raw, tenant, needs.reversals)
        parts = await _ids_of_instalments(raw, tenant, needs.documents)
        invoices = await _invoices(raw, tenant, needs.invoices | bounced | parts, needs.open_of)
        shrinking = _shrinking(invoices, needs)
        coverable = set(invoices) if needs.cash_of else set()
        covers = await sql_credits.covers_of(raw, tenant, bounced | shrinking | coverable)
        payable = _owing_charges(invoices.values()) if needs.credits or needs.cash_of else set()
        settled = bounced | needs.charges_of | _parts_of(invoices, needs.charges_of)
        charges = await sql_charges.of_invoices(raw, tenant, payable | settled)
        charge_covers = await sql_charges.covers_of(
            raw, tenant, {i for i, c in charges.items() if c.invoice_id in coverable | settled}
        )
        credits_ = await sql_credits.of_keys(
            raw,
            tenant,
            needs.credits
            | {CreditKey("payment", payment_id) for payment_id in needs.reversals}
            | {key for key, _ in (*covers, *charge_covers)}
            | await sql_credits.unallocated(raw, tenant, needs.cash_of),
        )
        moves_cash = needs.credits or needs.reversals or needs.cash_of or shrinking or charge_covers
        cash = await raw.fetch(_CASH, tenant, accounts) if moves_cash else []
        return Loaded(
            debtors=debtors,
            invoices=invoices,
            credits=credits_,
            covers=covers,
            charges=charges,
            charge_covers=charge_covers,
            cash={(row["debtor_id"], row["currency"]): row["unallocated_minor"] for row in cash},
        )

    async def load_charged(
        self, connection: AsyncConnection, charges: Sequence[Charge]
    ) -> tuple[dict[str, Loaded], frozenset[ChargeRef]]:
        """Lock and read, by tenant, what booking these charges needs; which are booked already."""
        return await sql_charged.load(await driver(connection), charges)

    async def save(self, connection: AsyncConnection, *books: Book) -> None:
        """Write what has changed on the sheets, each of another tenant."""
        raw = await driver(connection)
        await sql_invoices.insert(raw, [i for book in books for i in book.new_invoices()])
        await sql_invoices.update(raw, [i for book in books for i in book.changed_invoices()])
        await sql_charges.insert(raw, [c for book in books for c in book.new_charges()])
        await sql_charges.update(raw, [c for book in books for c in book.changed_charges()])
        await sql_credits.put(raw, [(b.tenant, c) for b in books for c in b.changed_credits()])
        await sql_credits.put_covers(
            raw, [(b.tenant, c) for b in books for c in b.changed_covers()]
        )
        await sql_charges.put_covers(
            raw, [(book.tenant, c) for book in books for c in book.changed_charge_covers()]
        )
        if cash := [(book.tenant, *row) for book in books for row in book.changed_cash()]:
            await raw.execute(_PUT_CASH, *sql_invoices.columns_of(cash))


async def _covered_by(raw: _Raw, tenant: str, payment_ids: Collection[str]) -> set[str]:
    """Invoices that the payments cover; their accounts are locked, so these stay the same."""
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


async def _ids_of_instalments(
    raw: _Raw, tenant: str, documents: Mapping[str, int]
) -> frozenset[str]:
    """Every id that an instalment of these documents has or may get; nothing without documents."""
    if not documents:
        return frozenset()
    rows = await raw.fetch(_INSTALMENTS, tenant, list(documents))
    known = {row["document_id"]: row["known"] for row in rows}
    return frozenset(
        instalment_id(document_id, ordinal)
        for document_id, added in documents.items()
        for ordinal in range(1, known.get(document_id, 0) + added + 1)
    )


def _shrinking(invoices: Mapping[str, Invoice], needs: Needs) -> set[str]:
    """The invoices that are covered beyond the least that they may get; any part of a document."""
    plain = {
        invoice_id
        for invoice_id, least_minor in needs.shrinking.items()
        if invoice_id in invoices and invoices[invoice_id].covered_minor > least_minor
    }
    closing = needs.documents.keys() | needs.charges_of
    return plain | {i for i in _parts_of(invoices, closing) if invoices[i].covered_minor}


def _parts_of(invoices: Mapping[str, Invoice], document_ids: Collection[str]) -> set[str]:
    """The instalments of these documents, among invoices at hand."""
    if not document_ids:
        return set()
    return {i.invoice_id for i in invoices.values() if i.document_id in document_ids}


def _owing_charges(invoices: Collection[Invoice]) -> set[str]:
    return {invoice.invoice_id for invoice in invoices if invoice.charges_open_minor}
