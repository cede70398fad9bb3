"""Gives up one charge on an invoice; the principal stays as it is."""

from __future__ import annotations

from datetime import date

from dunning_common import outbox
from invoice_ingest.domain import charging
from invoice_ingest.domain.book import Needs
from invoice_ingest.domain.fact import ChargeWaived
from invoice_ingest.handlers import publish
from invoice_ingest.handlers.attempt import attempt
from invoice_ingest.handlers.ports import SOURCE, Desk
from invoice_ingest.handlers.post_orders import Posted, open_book


async def waive_charge(
    desk: Desk, tenant: str, invoice_id: str, charge_id: str, *, reason: str, on: date | None
) -> Posted:
    """Give one charge up, as of `on` (None is today); one transaction."""
    ids = frozenset({invoice_id})

    async def transaction() -> Posted:
        async with desk.db.tenant(tenant) as connection:
            book = await open_book(desk, connection, tenant, Needs(owners_of=ids, invoices=ids))
            charge = await desk.charges.find(connection, tenant, invoice_id, charge_id)
            outcome = charging.waive(book, invoice_id, charge, reason=reason, on=on)
            await desk.books.save(connection, book)
            waived = [fact for fact in book.facts if isinstance(fact, ChargeWaived)]
            await desk.charges.waive(connection, waived)
            await outbox.append(connection, publish.outgoing(book.facts), source=SOURCE)
        return Posted(outcomes=[outcome], book=book)

    return await attempt(transaction)
