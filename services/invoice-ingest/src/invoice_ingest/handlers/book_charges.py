"""Books the charges that the engine assessed; nothing else on `dunning.v1` is for the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.events.dunning import ChargeAssessedV1
from invoice_ingest.domain.charge import Charge
from invoice_ingest.domain.charging import post_charges
from invoice_ingest.handlers import publish
from invoice_ingest.handlers.ports import SOURCE, Desk
from invoice_ingest.handlers.post_orders import make_book


async def book_charges(
    desk: Desk, connection: AsyncConnection, assessed: Sequence[tuple[str, ChargeAssessedV1]]
) -> None:
    """Book (tenant, charge) pairs inside the consumer's transaction, each once however often told.

    Raises:
        ChargeError: a charge does not fit the ledger; the consumer parks it.
    """
    charges = [_charge(tenant, event) for tenant, event in assessed]
    if not charges:
        return
    setups = await desk.tenants.setup(connection, {charge.tenant for charge in charges})
    loaded, known = await desk.books.load_charged(connection, charges)
    books = {
        tenant: make_book(desk, tenant, setup, loaded[tenant])
        for tenant, setup in sorted(setups.items())
    }
    post_charges(books, charges, known=known)
    await desk.books.save(connection, *books.values())
    facts = [fact for book in books.values() for fact in book.facts]
    await outbox.append(connection, publish.outgoing(facts), source=SOURCE)


def _charge(tenant: str, event: ChargeAssessedV1) -> Charge:
    return Charge(
        tenant=tenant,
        charge_id=str(event.charge_id),
        invoice_id=event.invoice_id,
        kind=event.kind,
        currency=event.currency,
        amount_minor=event.amount_minor,
        assessed_on=event.assessed_on,
        basis=event.basis,
    )
