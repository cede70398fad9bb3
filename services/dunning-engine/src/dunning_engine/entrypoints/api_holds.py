"""Routes of holds: stop reminders for a debtor or for invoices, and let them go on."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, Field, field_validator, model_validator

from dunning_common.problems import FieldError, ProblemError
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.domain.account import HoldKind
from dunning_engine.entrypoints.hold_edges import (
    READ,
    WRITE,
    Body,
    Covering,
    Day,
    Id,
    IdempotencyKey,
    IdFilter,
    Line,
    Text,
    asking_ledger,
    in_range,
    place_of,
    problem_of,
    resend_of,
    show_hold,
)
from dunning_engine.entrypoints.web import Caller, Cursor, Limit, from_cursor, not_found, page
from dunning_engine.handlers.keep_hold import HoldError
from dunning_engine.handlers.place_hold import SimpleKind, place_hold, release_hold
from dunning_engine.handlers.walk_clock import CatchUp
from dunning_engine.records import HoldRow, Resend


class Placing(Covering):
    """A hold to place. Without invoices it covers all of the debtor's, later ones too.

    `until` is exclusive and on the tenant's clock; without it somebody must release the hold, but a
    breathing space in England and Wales ends after 60 days. An insolvency carries the
    `jurisdiction`, the day on which it was published (`began_on`), and the last day to declare the
    claim (`deadline_on`, in France two months later). One invoice may be given as `invoice_id`.
    """

    invoice_id: Id | None = None
    kind: SimpleKind = "manual"
    reason: Text
    until: AwareDatetime | None = None
    source: Line | None = None
    owner: Line | None = None
    deadline_on: Day | None = None
    jurisdiction: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    began_on: Day | None = None

    _in_range = field_validator("until")(in_range)

    @model_validator(mode="after")
    def _one_form(self) -> Placing:
        if self.invoice_id and self.invoice_ids:
            raise ValueError("give invoice_id or invoice_ids, not both")
        return self

    @property
    def covered(self) -> tuple[str, ...]:
        """The invoices named, in either form."""
        return (self.invoice_id,) if self.invoice_id else self.invoice_ids


class Releasing(Body):
    """Why a hold is released."""

    note: Text | None = None


def hold_routes(rooms: StoreRoom, catch_up: CatchUp) -> APIRouter:
    """Place, release and list holds."""
    router = APIRouter(prefix="/v1", tags=["holds"])

    @router.post("/holds", status_code=201)
    async def place(
        body: Placing,
        response: Response,
        idempotency_key: IdempotencyKey = None,
        who: Caller = WRITE,
    ) -> dict[str, Any]:
        """Stop reminders of a debtor, or of some of its invoices."""
        resend = resend_of(who, idempotency_key, body)
        try:
            hold, created = await asking_ledger(
                catch_up, who, body.debtor_id, lambda: _place(rooms, body, who, resend)
            )
        except ProblemError as problem:
            raise _in_old_form(problem, body) from problem
        response.status_code = 201 if created else 200
        return show_hold(hold)

    @router.post("/holds/{hold_id}/release")
    async def release(
        hold_id: UUID, response: Response, body: Releasing | None = None, who: Caller = WRITE
    ) -> dict[str, Any]:
        """Let reminders go on now. A dispute that is released so counts as withdrawn."""
        try:
            async with rooms.tenant(who.tenant) as stores:
                hold, now_released = await release_hold(
                    stores.holds,
                    stores.policies,
                    tenant=who.tenant,
                    hold_id=hold_id,
                    released_by=who.subject,
                    note=body.note if body else None,
                )
        except HoldError as error:
            raise problem_of(error) from error
        response.headers["x-status"] = "released" if now_released else "unchanged"
        return show_hold(hold)

    @router.get("/holds")
    async def list_holds(
        debtor_id: IdFilter = None,
        invoice_id: IdFilter = None,
        kind: HoldKind | None = None,
        released: Annotated[bool, Query(description="Also those that ended.")] = False,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        """Holds in the order in which they were placed."""
        after = from_cursor(cursor, place_of, None)
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.holds.listing(
                who.tenant,
                debtor_id=debtor_id,
                invoice_id=invoice_id,
                kind=kind,
                released=released,
                after=after,
                limit=limit + 1,
            )
        return page(rows, limit, show_hold, lambda row: [row.placed_at, row.hold_id])

    @router.get("/holds/{hold_id}")
    async def get_hold(hold_id: UUID, who: Caller = READ) -> dict[str, Any]:
        async with rooms.tenant(who.tenant) as stores:
            hold = await stores.holds.read(who.tenant, hold_id)
        if hold is None:
            raise not_found("hold")
        return show_hold(hold)

    return router


async def _place(
    rooms: StoreRoom, body: Placing, who: Caller, resend: Resend | None
) -> tuple[HoldRow, bool]:
    async with rooms.tenant(who.tenant) as stores:
        return await place_hold(
            stores.holds,
            tenant=who.tenant,
            debtor_id=body.debtor_id,
            invoice_ids=body.covered,
            kind=body.kind,
            reason=body.reason,
            until=body.until,
            placed_by=who.subject,
            source=body.source,
            owner=body.owner,
            deadline_on=body.deadline_on,
            jurisdiction=body.jurisdiction,
            began_on=body.began_on,
            resend=resend,
        )


def _in_old_form(problem: ProblemError, body: Placing) -> ProblemError:
    """Point to the member that the caller wrote."""
    if body.invoice_id:
        problem.errors = tuple(
            FieldError(pointer="/invoice_id", detail=error.detail)
            if error.pointer == "/invoice_ids/0"
            else error
            for error in problem.errors
        )
    return problem
