"""What the ledger hears from the others: charges on `dunning.v1`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.consumer import ApplyEvents, Consumed
from dunning_common.events.dunning import ChargeAssessedV1
from invoice_ingest.handlers.book_charges import book_charges
from invoice_ingest.handlers.ports import Desk

TOPICS = ("dunning.v1",)


def apply_events(desk: Desk) -> ApplyEvents:
    """The consumer's handler; everything that is not a charge is heard and left."""

    async def apply(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        assessed = [
            (event.envelope.tenant, event.payload)
            for event in events
            if isinstance(event.payload, ChargeAssessedV1)
        ]
        await book_charges(desk, connection, assessed)

    return apply
