"""Debtors over REST."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from dunning_common.problems import ProblemError
from invoice_ingest.adapters import sql_views
from invoice_ingest.domain.outcome import Status
from invoice_ingest.entrypoints.answers import Allocated, DebtorPage, DebtorView, Erased, Taken
from invoice_ingest.entrypoints.bodies import AllocateBody, DebtorBody
from invoice_ingest.entrypoints.drafts import debtor_draft
from invoice_ingest.entrypoints.edge import (
    Cursor,
    Limit,
    StrictRoute,
    accepted,
    after,
    page,
    problems,
    tenant_with,
)
from invoice_ingest.entrypoints.fields import Id
from invoice_ingest.handlers.grant_permits import acknowledge
from invoice_ingest.handlers.keep_debtors import erase_debtor, keep_debtors
from invoice_ingest.handlers.ports import Desk
from invoice_ingest.handlers.post_orders import allocate_cash

Reader = Annotated[str, Depends(tenant_with("ledger:read"))]
Writer = Annotated[str, Depends(tenant_with("ledger:write"))]


def debtor_routes(desk: Desk) -> APIRouter:
    """`/v1/debtors`."""
    router = APIRouter(prefix="/v1/debtors", tags=["debtors"], route_class=StrictRoute)

    @router.put("/{debtor_id}", summary="Send a debtor", responses=problems(400, 404, 409, 422))
    async def put(debtor_id: Id, body: DebtorBody, tenant: Writer) -> Taken:
        """Create a debtor or replace what is known about it, contacts included."""
        [outcome] = await keep_debtors(desk, tenant, [debtor_draft(debtor_id, body)])
        return Taken(id=debtor_id, status=accepted(outcome))

    @router.get("/{debtor_id}", summary="Show a debtor", responses=problems(404, 422))
    async def get(debtor_id: Id, tenant: Reader) -> DebtorView:
        """A debtor with contacts and balances; after erasure only what the books need."""
        async with desk.db.tenant(tenant) as connection:
            found = await sql_views.debtor(connection, tenant, debtor_id)
        if found is None:
            raise ProblemError(404, "unknown-debtor", "There is no such debtor.")
        return DebtorView.model_validate(found)

    @router.get("", summary="List debtors", responses=problems(422))
    async def index(tenant: Reader, limit: Limit = 100, cursor: Cursor = None) -> DebtorPage:
        """Debtors by id."""
        async with desk.db.tenant(tenant) as connection:
            found: list[dict[str, Any]] = await sql_views.debtors(
                connection, tenant, after=after(cursor), limit=limit + 1
            )
        return DebtorPage.model_validate(page(found, limit=limit, key="debtor_id"))

    @router.delete("/{debtor_id}", summary="Erase a debtor", responses=problems(404, 422))
    async def delete(debtor_id: Id, tenant: Writer) -> Erased:
        """Forget the person for good: contacts and key are destroyed everywhere, books stay."""
        status = accepted(await erase_debtor(desk, tenant, debtor_id))
        return Erased(id=debtor_id, status="erased" if status is Status.UPDATED else "unchanged")

    @router.post(
        "/{debtor_id}/allocate-cash",
        summary="Use a debtor's unallocated cash",
        responses=problems(400, 404, 422),
    )
    async def allocate(debtor_id: Id, body: AllocateBody, tenant: Writer) -> Allocated:
        """Cover what is open with money that covers nothing yet: oldest first on both sides.

        Answered when no reminder about these invoices is on its way out any more.
        """
        posted = await allocate_cash(desk, tenant, debtor_id, on=body.effective_on)
        status = accepted(posted.outcomes[0])
        await acknowledge(desk, tenant, posted.touched)
        return Allocated(id=debtor_id, status=status, invoices=sorted(posted.touched.invoices))

    return router
