"""What booking charges needs, read across tenants in a handful of statements.

Locks as `sql_books` does: accounts by tenant and id, then invoices by tenant and id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

from invoice_ingest.adapters import sql_credits, sql_invoices
from invoice_ingest.domain.book import CashKey, Loaded, Party
from invoice_ingest.domain.charge import Charge
from invoice_ingest.domain.charging import ChargeRef
from invoice_ingest.domain.credit import Credit, CreditKey
from invoice_ingest.domain.invoice import Invoice

# The lateral look-ups make PostgreSQL go by the primary key, in the order of the ids.
_LOCK_ACCOUNTS = """
SELECT locked.* FROM (
    SELECT DISTINCT charged.tenant, owner.debtor_id
    FROM unnest($1::text[], $2::text[]) AS charged (tenant, invoice_id) CROSS JOIN LATERAL (
        SELECT debtor_id FROM invoice
        WHERE tenant = charged.tenant AND invoice_id = charged.invoice_id LIMIT 1
    ) AS owner
    ORDER BY tenant, debtor_id
) AS asked CROSS JOIN LATERAL (
    SELECT tenant, debtor_id, country, contact IS NULL AS is_erased FROM debtor
    WHERE tenant = asked.tenant AND debtor_id = asked.debtor_id
    FOR NO KEY UPDATE
) AS locked
"""
_LOCK_INVOICES = f"""
SELECT locked.* FROM (
    SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS charged (tenant, invoice_id)
    ORDER BY tenant, invoice_id
) AS asked CROSS JOIN LATERAL (
    SELECT {sql_invoices.COLUMNS} FROM invoice
    WHERE tenant = asked.tenant AND invoice_id = asked.invoice_id
    FOR NO KEY UPDATE
) AS locked
"""
_KNOWN = """
SELECT tenant, charge_id FROM charge
JOIN unnest($1::text[], $2::text[]) AS asked (tenant, charge_id) USING (tenant, charge_id)
"""
_LEFT_OVER = f"""
SELECT asked.tenant, payment.* FROM unnest($1::text[], $2::text[]) AS asked (tenant, debtor_id)
CROSS JOIN LATERAL (
    SELECT {sql_credits.COLUMNS} FROM credit
    WHERE tenant = asked.tenant AND debtor_id = asked.debtor_id AND unallocated_minor > 0
        AND kind = 'payment'
) AS payment
"""
_CASH = """
SELECT tenant, debtor_id, currency, unallocated_minor FROM cash
JOIN unnest($1::text[], $2::text[]) AS asked (tenant, debtor_id) USING (tenant, debtor_id)
"""

_Raw: TypeAlias = "asyncpg.Connection[Any]"


async def load(
    raw: _Raw, charges: Sequence[Charge]
) -> tuple[dict[str, Loaded], frozenset[ChargeRef]]:
    """Lock and read by tenant: accounts, charged invoices, payments that have something left.

    Returns:
        What was found of each tenant, and which of the charges are booked already.
    """
    tenants = [charge.tenant for charge in charges]
    invoice_ids = [charge.invoice_id for charge in charges]
    accounts = await raw.fetch(_LOCK_ACCOUNTS, tenants, invoice_ids)
    invoices = await raw.fetch(_LOCK_INVOICES, tenants, invoice_ids)
    known = await raw.fetch(_KNOWN, tenants, [charge.charge_id for charge in charges])
    owners = ([row["tenant"] for row in accounts], [row["debtor_id"] for row in accounts])
    payments = await raw.fetch(_LEFT_OVER, *owners)
    cash = await raw.fetch(_CASH, *owners) if payments else []
    sheets = _Sheets(accounts=accounts, invoices=invoices, payments=payments, cash=cash)
    return (
        {tenant: sheets.of(tenant) for tenant in set(tenants)},
        frozenset((row["tenant"], row["charge_id"]) for row in known),
    )


class _Sheets:
    """Rows of many tenants, sorted out."""

    def __init__(
        self,
        *,
        accounts: Sequence[asyncpg.Record],
        invoices: Sequence[asyncpg.Record],
        payments: Sequence[asyncpg.Record],
        cash: Sequence[asyncpg.Record],
    ) -> None:
        self._debtors: defaultdict[str, dict[str, Party]] = defaultdict(dict)
        self._invoices: defaultdict[str, dict[str, Invoice]] = defaultdict(dict)
        self._credits: defaultdict[str, dict[CreditKey, Credit]] = defaultdict(dict)
        self._cash: defaultdict[str, dict[CashKey, int]] = defaultdict(dict)
        for row in accounts:
            party = Party(country=row["country"], is_erased=row["is_erased"])
            self._debtors[row["tenant"]][row["debtor_id"]] = party
        for row in invoices:
            self._invoices[row["tenant"]][row["invoice_id"]] = sql_invoices.invoice_of(row)
        for row in payments:
            credit = sql_credits.credit_of(row)
            self._credits[row["tenant"]][credit.draft.key] = credit
        for row in cash:
            key = (row["debtor_id"], row["currency"])
            self._cash[row["tenant"]][key] = row["unallocated_minor"]

    def of(self, tenant: str) -> Loaded:
        """What is one tenant's."""
        return Loaded(
            debtors=self._debtors[tenant],
            invoices=self._invoices[tenant],
            credits=self._credits[tenant],
            cash=self._cash[tenant],
        )
