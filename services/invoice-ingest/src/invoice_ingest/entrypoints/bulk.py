"""Bulk over REST: many items in one request, one result per item, good ones taken beside bad ones.

A thousand items are one transaction. Items are handled in order: the same key twice in one request
is the same as two requests. Sending a request again is harmless, whatever became of the first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from dunning_common.problems import ProblemError, field_errors
from invoice_ingest.domain.outcome import Outcome, Refusal
from invoice_ingest.domain.touched import Touched
from invoice_ingest.entrypoints import bodies, drafts
from invoice_ingest.entrypoints.answers import BulkAnswer
from invoice_ingest.entrypoints.edge import problem_of, problems, tenant_with
from invoice_ingest.entrypoints.items import RawItem, spool
from invoice_ingest.handlers.grant_permits import acknowledge
from invoice_ingest.handlers.keep_debtors import keep_debtors
from invoice_ingest.handlers.ports import Desk
from invoice_ingest.handlers.post_orders import post_credits, post_invoices

B = TypeVar("B", bound=bodies.Body)
D = TypeVar("D")
Result = dict[str, Any]
Took = tuple[Sequence[Outcome], Touched]
"""One outcome per draft, and what the acknowledgement speaks of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[B, D]):
    """What can be sent in bulk."""

    name: str
    id_field: str
    item: type[B]
    draft: Callable[[B], D]
    take: Callable[[Desk, str, Sequence[D]], Awaitable[Took]]


async def _take_debtors(desk: Desk, tenant: str, items: Sequence[Any]) -> Took:
    return await keep_debtors(desk, tenant, items), Touched()


async def _take_invoices(desk: Desk, tenant: str, items: Sequence[Any]) -> Took:
    posted = await post_invoices(desk, tenant, items)
    return posted.outcomes, posted.touched


async def _take_credits(desk: Desk, tenant: str, items: Sequence[Any]) -> Took:
    posted = await post_credits(desk, tenant, items)
    return posted.outcomes, posted.touched


DEBTORS: Kind[bodies.DebtorItem, Any] = Kind(
    name="debtors",
    id_field="debtor_id",
    item=bodies.DebtorItem,
    draft=lambda item: drafts.debtor_draft(item.debtor_id, item),
    take=_take_debtors,
)
INVOICES: Kind[bodies.InvoiceItem, Any] = Kind(
    name="invoices",
    id_field="invoice_id",
    item=bodies.InvoiceItem,
    draft=lambda item: drafts.invoice_draft(item.invoice_id, item),
    take=_take_invoices,
)
PAYMENTS: Kind[bodies.PaymentItem, Any] = Kind(
    name="payments",
    id_field="payment_id",
    item=bodies.PaymentItem,
    draft=lambda item: drafts.payment_draft(item.payment_id, item),
    take=_take_credits,
)
CREDIT_NOTES: Kind[bodies.CreditNoteItem, Any] = Kind(
    name="credit-notes",
    id_field="credit_note_id",
    item=bodies.CreditNoteItem,
    draft=lambda item: drafts.credit_note_draft(item.credit_note_id, item),
    take=_take_credits,
)


def bulk_routes(desk: Desk) -> APIRouter:
    """`/v1/bulk/{kind}`."""
    router = APIRouter(prefix="/v1/bulk", tags=["bulk"])
    kinds: tuple[Kind[Any, Any], ...] = (DEBTORS, INVOICES, PAYMENTS, CREDIT_NOTES)
    for kind in kinds:
        router.add_api_route(
            f"/{kind.name}",
            _endpoint(desk, kind),
            methods=["POST"],
            name=f"bulk_{kind.name}",
            summary=f"Send many {kind.name.replace('-', ' ')}",
            response_model=BulkAnswer,
            responses=problems(400, 404, 413, 415, 422),
            openapi_extra={"requestBody": _request_body(kind)},
        )
    return router


def _endpoint(desk: Desk, kind: Kind[Any, Any]) -> Callable[..., Awaitable[Response]]:
    async def take(
        request: Request, tenant: Annotated[str, Depends(tenant_with("ledger:write"))]
    ) -> Response:
        """Take the good items, say what is wrong with the others; in order, one result each.

        The same key twice in a request is handled in order, as in two requests. A broken line is an
        invalid item; a body that is not UTF-8 is refused as a whole.
        """
        body = await spool(request)
        results: list[Result] = []
        touched = Touched()
        try:
            for chunk in body.chunks():
                taken, moved = await take_chunk(desk, tenant, kind, chunk)
                results += taken
                touched |= moved
        finally:
            body.close()
        await acknowledge(desk, tenant, touched)
        summary = dict.fromkeys(("created", "updated", "unchanged", "stale", "invalid"), 0)
        for result in results:
            summary[result["status"]] += 1
        answer = orjson.dumps({"summary": summary, "items": results})
        return Response(answer, media_type="application/json")

    return take


async def take_chunk(
    desk: Desk, tenant: str, kind: Kind[Any, Any], chunk: Sequence[RawItem]
) -> tuple[list[Result], Touched]:
    """One transaction: the results of a chunk, and what their acknowledgement speaks of."""
    read = [_read(kind, raw) for raw in chunk]
    good = [draft for draft in read if not isinstance(draft, ProblemError)]
    outcomes, touched = await kind.take(desk, tenant, good)
    remaining = iter(outcomes)
    results = []
    for raw, draft in zip(chunk, read, strict=True):
        item_id = _id_of(raw.value, kind.id_field)
        if isinstance(draft, ProblemError):
            results.append(_invalid(raw.index, item_id, draft))
            continue
        outcome = next(remaining)
        if isinstance(outcome, Refusal):
            results.append(_invalid(raw.index, item_id, problem_of(outcome)))
        else:
            results.append({"index": raw.index, "id": item_id, "status": outcome.value})
    return results, touched


def read_item(kind: Kind[B, D], value: Any) -> D:
    """The draft in an item's JSON value.

    Raises:
        ProblemError: 422, naming what is wrong.
    """
    try:
        item = kind.item.model_validate(value)
    except ValidationError as error:
        errors = field_errors(error.errors(include_url=False, include_input=False))
        raise ProblemError(
            422, "invalid-request", "Some fields are missing or wrong.", errors=errors
        ) from None
    return kind.draft(item)


def _read(kind: Kind[B, D], raw: RawItem) -> D | ProblemError:
    if raw.problem is not None:
        return raw.problem
    try:
        return read_item(kind, raw.value)
    except ProblemError as problem:
        return problem


def _invalid(index: int, item_id: str | None, problem: ProblemError) -> Result:
    return {"index": index, "id": item_id, "status": "invalid", "problem": problem.body()}


def _id_of(value: Any, field: str) -> str | None:
    found = value.get(field) if isinstance(value, dict) else None
    return found[:100] if isinstance(found, str) else None


def _request_body(kind: Kind[Any, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{kind.item.__name__}"}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": schema}},
            "application/x-ndjson": {"schema": schema},
        },
    }
