"""Payments and credit notes over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from dunning_common.money import to_decimal_string
from dunning_common.problems import ProblemError
from invoice_ingest.adapters import sql_views
from invoice_ingest.domain.credit import CreditKey, CreditKind
from invoice_ingest.domain.outcome import Status
from invoice_ingest.entrypoints.answers import (
    ChargeShareView,
    CreditView,
    ShareView,
    TakenCredit,
)
from invoice_ingest.entrypoints.bodies import ClosingBody, CreditNoteBody, PaymentBody
from invoice_ingest.entrypoints.drafts import credit_note_draft, payment_draft
from invoice_ingest.entrypoints.edge import StrictRoute, accepted, problems, tenant_with
from invoice_ingest.entrypoints.fields import Id
from invoice_ingest.handlers.grant_permits import acknowledge
from invoice_ingest.handlers.ports import Desk
from invoice_ingest.handlers.post_orders import Posted, post_credits, reverse_payment

Reader = Annotated[str, Depends(tenant_with("ledger:read"))]
Writer = Annotated[str, Depends(tenant_with("ledger:write"))]


def credit_routes(desk: Desk) -> APIRouter:
    """`/v1/payments` and `/v1/credit-notes`."""
    router = APIRouter(prefix="/v1", route_class=StrictRoute)
    refusals = problems(400, 404, 409, 422)

    @router.put(
        "/payments/{payment_id}", tags=["payments"], summary="Send a payment", responses=refusals
    )
    async def put_payment(payment_id: Id, body: PaymentBody, tenant: Writer) -> TakenCredit:
        """Book a payment: on the invoices it names, or on the oldest due first; the rest waits.

        It covers principal and charges in the tenant's payment order.

        Answered when no reminder about these invoices is on its way out any more.
        """
        posted = await post_credits(desk, tenant, [payment_draft(payment_id, body)])
        return await _taken(desk, tenant, CreditKey("payment", payment_id), posted)

    @router.post(
        "/payments/{payment_id}/reverse",
        tags=["payments"],
        summary="Reverse a payment",
        responses=refusals,
    )
    async def reverse(payment_id: Id, body: ClosingBody, tenant: Writer) -> TakenCredit:
        """A payment bounced or was charged back: what it covered is owed again."""
        posted = await reverse_payment(
            desk, tenant, payment_id, reason=body.reason, on=body.effective_on
        )
        return await _taken(desk, tenant, CreditKey("payment", payment_id), posted)

    @router.get(
        "/payments/{payment_id}",
        tags=["payments"],
        summary="Show a payment",
        responses=problems(404, 422),
    )
    async def get_payment(payment_id: Id, tenant: Reader) -> CreditView:
        """A payment and what it covers now."""
        return await _view(desk, tenant, "payment", payment_id)

    @router.put(
        "/credit-notes/{credit_note_id}",
        tags=["credit notes"],
        summary="Send a credit note",
        responses=refusals,
    )
    async def put_note(credit_note_id: Id, body: CreditNoteBody, tenant: Writer) -> TakenCredit:
        """Book a credit note: on the invoice it names, or on the oldest due first."""
        posted = await post_credits(desk, tenant, [credit_note_draft(credit_note_id, body)])
        return await _taken(desk, tenant, CreditKey("credit_note", credit_note_id), posted)

    @router.get(
        "/credit-notes/{credit_note_id}",
        tags=["credit notes"],
        summary="Show a credit note",
        responses=problems(404, 422),
    )
    async def get_note(credit_note_id: Id, tenant: Reader) -> CreditView:
        """A credit note and what it covers now."""
        return await _view(desk, tenant, "credit_note", credit_note_id)

    return router


async def _taken(desk: Desk, tenant: str, key: CreditKey, posted: Posted) -> TakenCredit:
    status = accepted(posted.outcomes[0])
    await acknowledge(desk, tenant, posted.touched)
    if status is Status.UNCHANGED:  # the sheet holds the credit, but not what it covers
        view = await _view(desk, tenant, key.kind, key.credit_id)
        return TakenCredit(
            id=key.credit_id,
            status=status,
            unallocated=view.unallocated,
            allocations=view.allocations,
            charges=view.charges,
        )
    credit = posted.book.credits[key]
    currency = credit.draft.currency
    return TakenCredit(
        id=key.credit_id,
        status=status,
        unallocated=to_decimal_string(credit.unallocated_minor, currency),
        allocations=[
            ShareView(
                invoice_id=cover.invoice_id, amount=to_decimal_string(cover.amount_minor, currency)
            )
            for cover in posted.book.covers_by(key)
        ],
        charges=[
            ChargeShareView(
                invoice_id=cover.invoice_id,
                charge_id=cover.charge_id,
                kind=posted.book.charges[cover.charge_id].kind,
                amount=to_decimal_string(cover.amount_minor, currency),
            )
            for cover in posted.book.charge_covers_by(key)
        ],
    )


async def _view(desk: Desk, tenant: str, kind: CreditKind, credit_id: str) -> CreditView:
    async with desk.db.tenant(tenant) as connection:
        found = await sql_views.credit(connection, tenant, kind, credit_id)
    if found is None:
        noun = kind.replace("_", "-")
        raise ProblemError(404, f"unknown-{noun}", f"There is no such {noun.replace('-', ' ')}.")
    return CreditView.model_validate(found)
