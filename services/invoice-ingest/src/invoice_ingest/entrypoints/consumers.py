"""What the ledger hears from the others: charges on `dunning.v1`, corrections on `responses.v1`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.consumer import ApplyEvents, Consumed
from dunning_common.events.dunning import ChargeAssessedV1
from dunning_common.events.responses import ContactCorrectedV1
from invoice_ingest.handlers.book_charges import book_charges
from invoice_ingest.handlers.correct_contacts import correct_contacts
from invoice_ingest.handlers.ports import Desk

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
        corrected = [
            (event.envelope.tenant, event.payload)
            for event in events
            if isinstance(event.payload, ContactCorrectedV1)
        ]
        if corrected:
            await correct_contacts(desk, connection, corrected)

    return apply
