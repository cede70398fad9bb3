"""Charges in PostgreSQL, read and written across tenants for the consumer."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from invoice_ingest.adapters import sql_invoices
from invoice_ingest.domain.charging import Charge, Charged, ChargeRef
from invoice_ingest.domain.fact import ChargeWaived
from invoice_ingest.domain.invoice import Invoice
from invoice_ingest.domain.permit import InvoiceRef

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
_INSERT = """
INSERT INTO charge (tenant, charge_id, invoice_id, kind, currency, amount_minor, assessed_on,
    basis, is_void)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
    $7::date[], $8::text[], $9::boolean[])
"""


_FIND = """
SELECT tenant, charge_id, invoice_id, kind, currency, amount_minor, assessed_on, basis, is_void,
    waived_on
FROM charge WHERE tenant = $1 AND charge_id = $2 AND invoice_id = $3 FOR NO KEY UPDATE
"""
_WAIVE = """
UPDATE charge SET waived_on = w.waived_on, waived_reason = w.reason
FROM unnest($1::text[], $2::text[], $3::date[], $4::text[])
    AS w (tenant, charge_id, waived_on, reason)
WHERE charge.tenant = w.tenant AND charge.charge_id = w.charge_id
"""


class SqlCharges:
    """Keeps charges, across tenants."""

    async def load(
        self, connection: AsyncConnection, charges: Sequence[Charge]
    ) -> tuple[dict[InvoiceRef, Invoice], frozenset[ChargeRef]]:
        """Lock the charged invoices; say which of the charges are already booked."""
        raw = await driver(connection)
        tenants = [charge.tenant for charge in charges]
        rows = await raw.fetch(_LOCK_INVOICES, tenants, [charge.invoice_id for charge in charges])
        known = await raw.fetch(_KNOWN, tenants, [charge.charge_id for charge in charges])
        invoices = [sql_invoices.invoice_of(row) for row in rows]
        return (
            {(invoice.tenant, invoice.invoice_id): invoice for invoice in invoices},
            frozenset((row["tenant"], row["charge_id"]) for row in known),
        )

    async def save(self, connection: AsyncConnection, charged: Charged) -> None:
        """Write new charges and changed invoices."""
        raw = await driver(connection)
        if charged.charges:
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
                )
                for charge in charged.charges
            ]
            await raw.execute(_INSERT, *sql_invoices.columns_of(rows))
        await sql_invoices.update(raw, charged.invoices)

    async def find(
        self, connection: AsyncConnection, tenant: str, invoice_id: str, charge_id: str
    ) -> Charge | None:
        """Lock and read one charge of an invoice; its invoice is locked already."""
        raw = await driver(connection)
        row = await raw.fetchrow(_FIND, tenant, charge_id, invoice_id)
        return None if row is None else Charge(**row)

    async def waive(self, connection: AsyncConnection, waived: Sequence[ChargeWaived]) -> None:
        """Mark charges as given up."""
        if waived:
            raw = await driver(connection)
            rows = [(w.invoice.tenant, w.charge_id, w.effective_on, w.reason) for w in waived]
            await raw.execute(_WAIVE, *sql_invoices.columns_of(rows))
