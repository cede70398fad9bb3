"""Gives up one charge on an invoice; the principal stays as it is."""

from __future__ import annotations

from datetime import date

from invoice_ingest.domain import charging
from invoice_ingest.domain.book import Needs
from invoice_ingest.handlers.ports import Desk
from invoice_ingest.handlers.post_orders import Posted, post


async def waive_charge(
    desk: Desk,
    tenant: str,
    invoice_id: str,
    charge_id: str,
    *,
    reason: str,
    on: date | None,
    open_part_only: bool,
) -> Posted:
    """Give one charge up, as of `on` (None is today); one transaction."""
    ids = frozenset({invoice_id})
    return await post(
        desk,
        tenant,
        Needs(owners_of=ids, invoices=ids, charges_of=ids),
        lambda book: [
            charging.waive(
                book, invoice_id, charge_id, reason=reason, on=on, open_part_only=open_part_only
            )
        ],
    )
