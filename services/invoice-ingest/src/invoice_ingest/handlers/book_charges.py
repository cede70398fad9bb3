"""Books the charges that the engine assessed; nothing else on `dunning.v1` is for the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.events.dunning import ChargeAssessedV1
from invoice_ingest.domain.charging import Charge, post_charges
from invoice_ingest.handlers import publish
from invoice_ingest.handlers.ports import SOURCE, ChargeStore


async def book_charges(
    connection: AsyncConnection,
    assessed: Sequence[tuple[str, ChargeAssessedV1]],
    *,
    store: ChargeStore,
) -> None:
    """Book (tenant, charge) pairs inside the consumer's transaction, each once however often told.

    Raises:
        ChargeError: a charge does not fit the ledger; the consumer parks it.
    """
    charges = [_charge(tenant, event) for tenant, event in assessed]
    if not charges:
        return
    invoices, known = await store.load(connection, charges)
    charged = post_charges(charges, invoices=invoices, known=known)
    await store.save(connection, charged)
    await outbox.append(connection, publish.outgoing(charged.facts), source=SOURCE)


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
