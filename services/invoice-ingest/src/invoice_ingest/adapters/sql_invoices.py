"""Invoices as rows: reading and writing sets of them. Shared by worksheets and charges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson

from invoice_ingest.domain.invoice import Invoice

COLUMNS = """tenant, invoice_id, debtor_id, number, issued_on, due_on, currency, amount_minor,
    covered_minor, written_off_minor, charges_open_minor, status, covered_on, settled_on,
    revision, version, policy_id, tags, document_id"""

_INSERT = """
INSERT INTO invoice (tenant, invoice_id, debtor_id, number, issued_on, due_on, currency,
    amount_minor, covered_minor, written_off_minor, open_minor, charges_open_minor, status,
    covered_on, settled_on, revision, version, policy_id, tags, document_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::date[], $6::date[],
    $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[],
    $13::text[], $14::date[], $15::date[], $16::bigint[], $17::bigint[], $18::text[], $19::jsonb[],
    $20::text[])
"""
_UPDATE = """
UPDATE invoice SET
    number = new.number, issued_on = new.issued_on, due_on = new.due_on,
    amount_minor = new.amount_minor, covered_minor = new.covered_minor,
    written_off_minor = new.written_off_minor, open_minor = new.open_minor,
    charges_open_minor = new.charges_open_minor, status = new.status,
    covered_on = new.covered_on, settled_on = new.settled_on, revision = new.revision,
    version = new.version, policy_id = new.policy_id, tags = new.tags, changed_at = now()
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::date[], $6::date[],
    $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[],
    $13::text[], $14::date[], $15::date[], $16::bigint[], $17::bigint[], $18::text[], $19::jsonb[])
    AS new (tenant, invoice_id, debtor_id, number, issued_on, due_on, currency,
        amount_minor, covered_minor, written_off_minor, open_minor, charges_open_minor, status,
        covered_on, settled_on, revision, version, policy_id, tags)
WHERE invoice.tenant = new.tenant AND invoice.invoice_id = new.invoice_id
"""


def invoice_of(row: asyncpg.Record) -> Invoice:
    """The invoice in a row that was read with `COLUMNS`."""
    return Invoice(
        tenant=row["tenant"],
        invoice_id=row["invoice_id"],
        debtor_id=row["debtor_id"],
        number=row["number"],
        issued_on=row["issued_on"],
        due_on=row["due_on"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        covered_minor=row["covered_minor"],
        written_off_minor=row["written_off_minor"],
        charges_open_minor=row["charges_open_minor"],
        cancelled=row["status"] == "cancelled",
        covered_on=row["covered_on"],
        settled_on=row["settled_on"],
        revision=row["revision"],
        version=row["version"],
        policy_id=row["policy_id"],
        tags=tuple(row["tags"]),
        document_id=row["document_id"],
    )


async def insert(raw: asyncpg.Connection[Any], invoices: Sequence[Invoice]) -> None:
    """Write new invoices; one statement."""
    if invoices:
        documents = [invoice.document_id for invoice in invoices]
        columns = columns_of([_row(invoice) for invoice in invoices])
        await raw.execute(_INSERT, *columns, documents)


async def update(raw: asyncpg.Connection[Any], invoices: Sequence[Invoice]) -> None:
    """Write changed invoices, whose rows are locked; one statement."""
    if invoices:
        await raw.execute(_UPDATE, *columns_of([_row(invoice) for invoice in invoices]))


def columns_of(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows turned into one array per column, for `unnest`."""
    return [list(column) for column in zip(*rows, strict=True)]


def tags_json(tags: Sequence[str]) -> str:
    """Tags as they lie in a jsonb column."""
    return orjson.dumps(tags).decode() if tags else "[]"


def _row(invoice: Invoice) -> tuple[Any, ...]:
    return (
        invoice.tenant,
        invoice.invoice_id,
        invoice.debtor_id,
        invoice.number,
        invoice.issued_on,
        invoice.due_on,
        invoice.currency,
        invoice.amount_minor,
        invoice.covered_minor,
        invoice.written_off_minor,
        invoice.open_minor,
        invoice.charges_open_minor,
        invoice.status,
        invoice.covered_on,
        invoice.settled_on,
        invoice.revision,
        invoice.version,
        invoice.policy_id,
        tags_json(invoice.tags),
    )
