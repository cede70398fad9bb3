"""What the ledger hears from the others: charges on `dunning.v1`, corrections on `responses.v1`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.consumer import ApplyEvents, Consumed
from dunning_common.events.dunning import ChargeAssessedV1, ChargeWithdrawnV1
from dunning_common.events.responses import ContactCorrectedV1
from invoice_ingest.handlers.book_charges import book_charges
from invoice_ingest.handlers.correct_contacts import correct_contacts
from invoice_ingest.handlers.ports import Desk
from invoice_ingest.handlers.withdraw_charges import withdraw_charges

TOPICS = ("dunning.v1", "responses.v1")


def apply_events(desk: Desk) -> ApplyEvents:
    """The consumer's handler; what is neither a charge nor a correction is left."""

    async def apply(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        assessed = [
            (event.envelope.tenant, event.payload)
            for event in events
            if isinstance(event.payload, ChargeAssessedV1)
        ]
        await book_charges(desk, connection, assessed)
        withdrawn = [
            (event.envelope.tenant, event.payload)
            for event in events
            if isinstance(event.payload, ChargeWithdrawnV1)
        ]
        if withdrawn:  # after the booking: of what is withdrawn in the same batch, too
            await withdraw_charges(desk, connection, withdrawn)
        corrected = [
            (event.envelope.tenant, event.payload)
            for event in events
            if isinstance(event.payload, ContactCorrectedV1)
        ]
        if corrected:
            await correct_contacts(desk, connection, corrected)

    return apply
