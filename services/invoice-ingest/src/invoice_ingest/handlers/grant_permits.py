"""Send permits: a reminder asks right before it goes out, and a payment waits for it to be gone.

Together they keep the promise that no reminder leaves after a payment was acknowledged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dunning_common.waiting import wait_for_event
from invoice_ingest.domain.permit import PermitAnswer, PermitRequest, answer
from invoice_ingest.domain.touched import Touched
from invoice_ingest.handlers.attempt import attempt
from invoice_ingest.handlers.ports import Desk

_LOOK_AGAIN_S = 0.25
"""A ring may be missed (another replica, a lost connection); looking again costs little."""


async def grant_permits(
    desk: Desk, requests: Sequence[PermitRequest], *, lease_s: float
) -> list[PermitAnswer]:
    """Judge all requests under the invoices' locks and store what is granted; one transaction."""

    async def transaction() -> list[PermitAnswer]:
        async with desk.db.worker() as connection:
            refs = {(r.tenant, invoice_id) for r in requests for invoice_id, _ in r.invoices}
            answers = answer(requests, await desk.permits.standings(connection, refs))
            granted = [given for given in answers if given.is_granted]
            await desk.permits.grant(connection, granted, lease_s=lease_s)
        return answers

    return await attempt(transaction)


async def return_permits(desk: Desk, permit_ids: Collection[str]) -> None:
    """Give permits back; unknown ones are no error, they may have expired."""
    async with desk.db.worker() as connection:
        await desk.permits.give_back(connection, permit_ids)


async def acknowledge(desk: Desk, tenant: str, touched: Touched) -> None:
    """Return when the permits that are live now are gone: at the latest when their leases end.

    Call it after the change was committed: from then on no new permit is granted on the old facts,
    so that later ones are no reason to wait.
    """
    if not touched:
        return
    async with desk.db.tenant(tenant) as connection:
        waiting_for = await desk.permits.live(connection, tenant, touched)
    while waiting_for:
        ring = desk.bell.next_ring()
        async with desk.db.tenant(tenant) as connection:
            rest_s = await desk.permits.rest_s(connection, waiting_for)
        if rest_s <= 0:
            return
        await wait_for_event(ring, min(rest_s, _LOOK_AGAIN_S))
