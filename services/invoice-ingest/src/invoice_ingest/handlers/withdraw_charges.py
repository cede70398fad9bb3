"""Gives up what is still owed of charges that the engine withdraws: the law does not allow them.

What was paid of them stays paid. Told twice, or of a charge that is owed no more, it does nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.events.dunning import ChargeWithdrawnV1
from invoice_ingest.domain import charging
from invoice_ingest.domain.book import Needs
from invoice_ingest.handlers import publish
from invoice_ingest.handlers.ports import SOURCE, Desk
from invoice_ingest.handlers.post_orders import open_book


async def withdraw_charges(
    desk: Desk, connection: AsyncConnection, withdrawn: Sequence[tuple[str, ChargeWithdrawnV1]]
) -> None:
    """Give up the open part of these charges (tenant, event) inside the consumer's transaction."""
    by_tenant: defaultdict[str, list[ChargeWithdrawnV1]] = defaultdict(list)
    for tenant, event in withdrawn:
        by_tenant[tenant].append(event)
    for tenant, events in sorted(by_tenant.items()):  # a batch is nearly always of one tenant
        ids = frozenset(event.invoice_id for event in events)
        needs = Needs(owners_of=ids, invoices=ids, charges_of=ids)
        book = await open_book(desk, connection, tenant, needs)
        for event in events:
            charging.waive(
                book,
                event.invoice_id,
                str(event.charge_id),
                reason=event.reason,
                on=None,
                open_part_only=True,
            )
        await desk.books.save(connection, book)
        await outbox.append(connection, publish.outgoing(book.facts), source=SOURCE)
