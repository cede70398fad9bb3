"""What can be looked up: rows as the REST interface shows them, amounts as decimal strings.

Reads only, inside the tenant's transaction; another tenant's rows do not exist here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from dunning_common.money import to_decimal_string
from invoice_ingest.adapters import sql_charges, sql_debtors, sql_invoices
from invoice_ingest.domain.charge import Charge
from invoice_ingest.domain.debtor import Debtor
from invoice_ingest.domain.instalments import as_document, current
from invoice_ingest.domain.invoice import Invoice

View = dict[str, Any]

_NAMED = f"""
SELECT {sql_invoices.COLUMNS} FROM invoice WHERE tenant = $1 AND invoice_id = $2
UNION ALL SELECT {sql_invoices.COLUMNS} FROM invoice WHERE tenant = $1 AND document_id = $2
"""
_INVOICES = f"""
SELECT {sql_invoices.COLUMNS} FROM invoice
WHERE tenant = $1 AND ($2::text IS NULL OR debtor_id = $2) AND ($3::text IS NULL OR status = $3)
    AND invoice_id > $4 AND ($6::boolean IS NULL OR (charges_open_minor > 0) = $6)
ORDER BY invoice_id LIMIT $5
"""
_COVERS_OF_INVOICES = """
SELECT invoice_id, kind, credit_id, amount_minor, booked_minor, effective_on, reversed_on FROM cover
WHERE tenant = $1 AND invoice_id = ANY($2::text[]) ORDER BY effective_on, kind, credit_id
"""
_CHARGES = f"""
SELECT {sql_charges.COLUMNS} FROM charge
WHERE tenant = $1 AND invoice_id = ANY($2::text[]) AND NOT is_void ORDER BY assessed_on, charge_id
"""
_COVERS_OF_CHARGES = """
SELECT charge_id, credit_id, amount_minor, booked_minor, effective_on, reversed_on
FROM charge_cover
WHERE tenant = $1 AND invoice_id = ANY($2::text[]) ORDER BY effective_on, credit_id
"""
_CHARGES_BY_CREDIT = """
SELECT cover.invoice_id, charge_id, charge.kind, cover.amount_minor
FROM charge_cover AS cover JOIN charge USING (tenant, charge_id)
WHERE tenant = $1 AND cover.kind = $2 AND credit_id = $3 AND cover.amount_minor > 0
ORDER BY cover.invoice_id, charge_id
"""
_CREDIT = """
SELECT kind, credit_id, debtor_id, currency, amount_minor, dated_on, unallocated_minor, reversed_on,
    payment_order
FROM credit WHERE tenant = $1 AND kind = $2 AND credit_id = $3
"""
_COVERS_BY_CREDIT = """
SELECT invoice_id, amount_minor FROM cover
WHERE tenant = $1 AND kind = $2 AND credit_id = $3 AND amount_minor > 0 ORDER BY invoice_id
"""
_DEBTOR = f"SELECT {sql_debtors.COLUMNS} FROM debtor WHERE tenant = $1 AND debtor_id = $2"
_DEBTORS = f"""
SELECT {sql_debtors.COLUMNS} FROM debtor
WHERE tenant = $1 AND debtor_id > $2 ORDER BY debtor_id LIMIT $3
"""
_BALANCES = """
SELECT currency, sum(open_minor)::bigint AS open_minor, sum(charges)::bigint AS charges_minor,
    sum(unallocated_minor)::bigint AS unallocated_minor
FROM (
    SELECT currency, open_minor, charges_open_minor AS charges, 0 AS unallocated_minor
    FROM invoice WHERE tenant = $1 AND debtor_id = $2
    UNION ALL
    SELECT currency, 0, 0, unallocated_minor FROM cash WHERE tenant = $1 AND debtor_id = $2
) AS parts GROUP BY currency ORDER BY currency
"""


async def invoice(connection: AsyncConnection, tenant: str, invoice_id: str) -> View | None:
    """One invoice with what covers it and its charges; a document with its instalments."""
    raw = await driver(connection)
    named = [sql_invoices.invoice_of(row) for row in await raw.fetch(_NAMED, tenant, invoice_id)]
    if not named:
        return None
    plain = [found for found in named if found.invoice_id == invoice_id]
    shown = plain or current(named)
    views = await _with_history(raw, tenant, shown)
    if plain:
        return views[0]
    together = {
        part: [entry for view in views for entry in view[part]]
        for part in ("allocations", "charges")
    }
    return _invoice(as_document(named)) | together | {"instalments": views}


async def _with_history(
    raw: asyncpg.Connection[Any], tenant: str, found: Sequence[Invoice]
) -> list[View]:
    """These invoices with what covers each and its charges."""
    ids = [invoice.invoice_id for invoice in found]
    covers: defaultdict[str, list[asyncpg.Record]] = defaultdict(list)
    for cover in await raw.fetch(_COVERS_OF_INVOICES, tenant, ids):
        covers[cover["invoice_id"]].append(cover)
    charges: defaultdict[str, list[Charge]] = defaultdict(list)
    for row in await raw.fetch(_CHARGES, tenant, ids):
        charges[row["invoice_id"]].append(Charge(**row))
    paid_by: defaultdict[str, list[asyncpg.Record]] = defaultdict(list)
    for payment in await raw.fetch(_COVERS_OF_CHARGES, tenant, ids) if charges else []:
        paid_by[payment["charge_id"]].append(payment)
    return [
        _invoice(invoice)
        | {
            "allocations": [
                _allocation(cover, invoice.currency) for cover in covers[invoice.invoice_id]
            ],
            "charges": [
                _charge(charge, invoice.status, paid_by[charge.charge_id])
                for charge in charges[invoice.invoice_id]
            ],
        }
        for invoice in found
    ]


async def invoices(
    connection: AsyncConnection,
    tenant: str,
    *,
    debtor_id: str | None,
    status: str | None,
    charges_open: bool | None,
    after: str,
    limit: int,
) -> list[View]:
    """Invoices by id, behind `after`."""
    raw = await driver(connection)
    rows = await raw.fetch(_INVOICES, tenant, debtor_id, status, after, limit, charges_open)
    return [_invoice(sql_invoices.invoice_of(row)) for row in rows]


async def credit(
    connection: AsyncConnection, tenant: str, kind: str, credit_id: str
) -> View | None:
    """One payment or credit note with what it covers now."""
    raw = await driver(connection)
    row = await raw.fetchrow(_CREDIT, tenant, kind, credit_id)
    if row is None:
        return None
    currency = row["currency"]
    covers = await raw.fetch(_COVERS_BY_CREDIT, tenant, kind, credit_id)
    charges = await raw.fetch(_CHARGES_BY_CREDIT, tenant, kind, credit_id)
    return {
        "id": row["credit_id"],
        "debtor_id": row["debtor_id"],
        "currency": currency,
        "amount": to_decimal_string(row["amount_minor"], currency),
        "dated_on": row["dated_on"],
        "unallocated": to_decimal_string(row["unallocated_minor"], currency),
        "reversed_on": row["reversed_on"],
        "payment_order": row["payment_order"],
        "allocations": [
            {
                "invoice_id": cover["invoice_id"],
                "amount": to_decimal_string(cover["amount_minor"], currency),
            }
            for cover in covers
        ],
        "charges": [
            {
                "invoice_id": cover["invoice_id"],
                "charge_id": cover["charge_id"],
                "kind": cover["kind"],
                "amount": to_decimal_string(cover["amount_minor"], currency),
            }
            for cover in charges
        ],
    }


async def debtor(connection: AsyncConnection, tenant: str, debtor_id: str) -> View | None:
    """One debtor with contacts and balances; `contacts` is None after erasure."""
    raw = await driver(connection)
    row = await raw.fetchrow(_DEBTOR, tenant, debtor_id)
    if row is None:
        return None
    balances = await raw.fetch(_BALANCES, tenant, debtor_id)
    return _debtor(sql_debtors.debtor_of(row)) | {
        "balances": [
            {
                "currency": balance["currency"],
                "open": to_decimal_string(balance["open_minor"], balance["currency"]),
                "charges_open": to_decimal_string(balance["charges_minor"], balance["currency"]),
                "unallocated": to_decimal_string(balance["unallocated_minor"], balance["currency"]),
            }
            for balance in balances
        ]
    }


async def debtors(
    connection: AsyncConnection, tenant: str, *, after: str, limit: int
) -> list[View]:
    """Debtors by id, behind `after`."""
    raw = await driver(connection)
    rows = await raw.fetch(_DEBTORS, tenant, after, limit)
    return [_debtor(sql_debtors.debtor_of(row)) for row in rows]


def _invoice(found: Invoice) -> View:
    currency = found.currency
    return {
        "invoice_id": found.invoice_id,
        "debtor_id": found.debtor_id,
        "number": found.number,
        "issued_on": found.issued_on,
        "due_on": found.due_on,
        "currency": currency,
        "amount": to_decimal_string(found.amount_minor, currency),
        "open": to_decimal_string(found.open_minor, currency),
        "charges_open": to_decimal_string(found.charges_open_minor, currency),
        "status": found.status,
        "settled_on": found.settled_on,
        "revision": found.revision,
        "version": found.version,
        "policy_id": found.policy_id,
        "tags": found.tags,
        "document_id": found.document_id,
    }


def _allocation(cover: asyncpg.Record, currency: str) -> View:
    return {
        "kind": cover["kind"],
        "id": cover["credit_id"],
        "amount": to_decimal_string(cover["amount_minor"], currency),
        "booked": to_decimal_string(cover["booked_minor"], currency),
        "effective_on": cover["effective_on"],
        "reversed_on": cover["reversed_on"],
    }


def _charge(charge: Charge, invoice_status: str, payments: Sequence[asyncpg.Record]) -> View:
    currency = charge.currency
    return {
        "charge_id": charge.charge_id,
        "kind": charge.kind,
        "status": _charge_status(charge, invoice_status),
        "amount": to_decimal_string(charge.amount_minor, currency),
        "open": to_decimal_string(charge.open_minor, currency),
        "paid": to_decimal_string(charge.covered_minor, currency),
        "given_up": to_decimal_string(charge.given_up_minor, currency),
        "payments": [
            {
                "payment_id": payment["credit_id"],
                "amount": to_decimal_string(payment["amount_minor"], currency),
                "booked": to_decimal_string(payment["booked_minor"], currency),
                "effective_on": payment["effective_on"],
                "reversed_on": payment["reversed_on"],
            }
            for payment in payments
        ],
        "assessed_on": charge.assessed_on,
        "basis": charge.basis,
        "waived_on": charge.waived_on,
        "waived_reason": charge.waived_reason,
    }


def _charge_status(charge: Charge, invoice_status: str) -> str:
    if charge.open_minor:
        return "open"
    if charge.waived_on is not None:
        return "waived"
    if charge.given_up_minor:
        return "cancelled" if invoice_status == "cancelled" else "written_off"
    return "paid"


def _debtor(found: Debtor) -> View:
    terms = found.terms
    contact = found.contact
    address = contact and contact.address
    return {
        "debtor_id": found.debtor_id,
        "name": contact and contact.name,
        "kind": terms.kind,
        "country": terms.country,
        "region": terms.region,
        "zone": terms.zone,
        "language": terms.language,
        "segment": terms.segment,
        "risk": terms.risk,
        "policy_id": terms.policy_id,
        "tags": terms.tags,
        "is_erased": found.is_erased,
        "contacts": contact
        and {
            "emails": contact.emails,
            "phones": contact.phones,
            "address": address
            and {
                "lines": address.lines,
                "postcode": address.postcode,
                "city": address.city,
                "country": address.country,
            },
        },
    }
