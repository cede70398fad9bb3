"""Invoices over REST."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends

from dunning_common.money import to_decimal_string
from dunning_common.problems import ProblemError
from invoice_ingest.adapters import sql_views
from invoice_ingest.domain.instalments import as_document
from invoice_ingest.entrypoints.answers import InvoicePage, InvoiceView, TakenInvoice, WaivedCharge
from invoice_ingest.entrypoints.bodies import ClosingBody, InvoiceBody, WaiverBody
from invoice_ingest.entrypoints.drafts import invoice_draft
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
from invoice_ingest.handlers.ports import Desk
from invoice_ingest.handlers.post_orders import (
    Posted,
    cancel_invoice,
    post_invoices,
    write_off_invoice,
)
from invoice_ingest.handlers.waive_charge import waive_charge

Reader = Annotated[str, Depends(tenant_with("ledger:read"))]
Writer = Annotated[str, Depends(tenant_with("ledger:write"))]
InvoiceStatus = Literal["open", "paid", "cancelled", "written_off"]


def invoice_routes(desk: Desk) -> APIRouter:
    """`/v1/invoices`."""
    router = APIRouter(prefix="/v1/invoices", tags=["invoices"], route_class=StrictRoute)
    refusals = problems(400, 404, 409, 422)

    @router.put("/{invoice_id}", summary="Send an invoice", responses=refusals)
    async def put(invoice_id: Id, body: InvoiceBody, tenant: Writer) -> TakenInvoice:
        """Create an invoice or amend it; whatever was sent before may be sent again.

        With `instalments`, each of them becomes an invoice of its own, and this id stands for all.
        """
        posted = await post_invoices(desk, tenant, [invoice_draft(invoice_id, body)])
        return await _taken(desk, tenant, invoice_id, posted)

    @router.post("/{invoice_id}/cancel", summary="Cancel an invoice", responses=refusals)
    async def cancel(invoice_id: Id, body: ClosingBody, tenant: Writer) -> TakenInvoice:
        """Nothing is owed any more; what had been paid becomes unallocated cash.

        Answered when no reminder about the invoice is on its way out any more.
        """
        posted = await cancel_invoice(
            desk, tenant, invoice_id, reason=body.reason, on=body.effective_on
        )
        return await _taken(desk, tenant, invoice_id, posted)

    @router.post("/{invoice_id}/write-off", summary="Write an invoice off", responses=refusals)
    async def write_off(invoice_id: Id, body: ClosingBody, tenant: Writer) -> TakenInvoice:
        """Give up what is open.

        Answered when no reminder about the invoice is on its way out any more.
        """
        posted = await write_off_invoice(
            desk, tenant, invoice_id, reason=body.reason, on=body.effective_on
        )
        return await _taken(desk, tenant, invoice_id, posted)

    @router.post(
        "/{invoice_id}/charges/{charge_id}/waive", summary="Waive a charge", responses=refusals
    )
    async def waive(
        invoice_id: Id, charge_id: Id, body: WaiverBody, tenant: Writer
    ) -> WaivedCharge:
        """Give up one charge: nothing of it is owed any more; the principal stays as it is.

        What was paid of it becomes unallocated cash; with `open_part_only` it stays paid.

        Answered when no reminder about the invoice is on its way out any more.
        """
        posted = await waive_charge(
            desk,
            tenant,
            invoice_id,
            charge_id,
            reason=body.reason,
            on=body.effective_on,
            open_part_only=body.open_part_only,
        )
        status = accepted(posted.outcomes[0])
        await acknowledge(desk, tenant, posted.touched)
        invoice = posted.book.invoices[invoice_id]
        return WaivedCharge(
            id=charge_id,
            status=status,
            invoice_id=invoice_id,
            charges_open=to_decimal_string(invoice.charges_open_minor, invoice.currency),
            version=invoice.version,
        )

    _add_views(router, desk)
    return router


def _add_views(router: APIRouter, desk: Desk) -> None:
    @router.get("/{invoice_id}", summary="Show an invoice", responses=problems(404, 422))
    async def get(invoice_id: Id, tenant: Reader) -> InvoiceView:
        """An invoice with what covers it, its charges, and what each of them still owes.

        One that is due in parts is shown with its instalments.
        """
        async with desk.db.tenant(tenant) as connection:
            found = await sql_views.invoice(connection, tenant, invoice_id)
        if found is None:
            raise ProblemError(404, "unknown-invoice", "There is no such invoice.")
        return InvoiceView.model_validate(found)

    @router.get("", summary="List invoices", responses=problems(422))
    async def index(
        tenant: Reader,
        debtor_id: Id | None = None,
        status: InvoiceStatus | None = None,
        charges_open: bool | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> InvoicePage:
        """Invoices by id, of a debtor or in a status if wanted.

        `charges_open=true` gives those with charges that are still owed, paid invoices too.
        """
        async with desk.db.tenant(tenant) as connection:
            found = await sql_views.invoices(
                connection,
                tenant,
                debtor_id=debtor_id,
                status=status,
                charges_open=charges_open,
                after=after(cursor),
                limit=limit + 1,
            )
        return InvoicePage.model_validate(page(found, limit=limit, key="invoice_id"))


async def _taken(desk: Desk, tenant: str, invoice_id: str, posted: Posted) -> TakenInvoice:
    status = accepted(posted.outcomes[0])
    await acknowledge(desk, tenant, posted.touched)
    invoice = posted.book.invoices.get(invoice_id)
    if invoice is None:
        invoice = as_document(posted.book.instalments_of(invoice_id))
    return TakenInvoice(
        id=invoice_id,
        status=status,
        version=invoice.version,
        open=to_decimal_string(invoice.open_minor, invoice.currency),
        invoice_status=invoice.status,
    )
