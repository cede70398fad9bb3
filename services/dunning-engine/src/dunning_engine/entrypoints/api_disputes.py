"""Routes of disputes: open, assign, resolve; the file of all of them, also as CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from dunning_engine.adapters.sql_disputes import DisputeFilter, DisputeRow, DisputeState
from dunning_engine.adapters.sql_holds import HoldPlace
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.entrypoints.csv_text import csv_lines
from dunning_engine.entrypoints.hold_edges import (
    READ,
    WRITE,
    Amount,
    Body,
    Day,
    Id,
    IdempotencyKey,
    IdFilter,
    Line,
    Text,
    amount,
    asking_ledger,
    place_of,
    problem_of,
    resend_of,
)
from dunning_engine.entrypoints.web import Caller, Cursor, Limit, from_cursor, not_found, page
from dunning_engine.handlers.keep_hold import HoldError
from dunning_engine.handlers.settle_dispute import (
    ReasonCode,
    Resolution,
    assign_dispute,
    open_dispute,
    resolve_dispute,
)
from dunning_engine.handlers.walk_clock import CatchUp
from dunning_engine.records import HoldRow, Resend

PAGE = 1000
COLUMNS = (
    "dispute_id", "state", "debtor_id", "invoice_id", "invoice_number", "currency",
    "disputed", "owed_when_opened", "owed_now", "reason_code", "reason", "owner", "deadline_on",
    "overdue", "opened_at", "opened_by", "resolution", "note", "resolved_at", "resolved_by",
    "ended_at",
)  # fmt: skip


class Opening(Body):
    """A dispute to open. Without `amount` the whole invoice is disputed."""

    debtor_id: Id
    invoice_id: Id
    amount: Amount | None = None
    reason_code: ReasonCode
    reason: Text
    owner: Line | None = None
    deadline_on: Day | None = None


class Assigning(Body):
    """Who looks after it, and by when; null takes it away, a deadline left out stays."""

    owner: Line | None
    deadline_on: Day | None = None


class Resolving(Body):
    """Is the debtor right? Reminders go on now, or on the day `rest_until`."""

    resolution: Resolution
    note: Text
    rest_until: Day | None = None


def dispute_filter(
    state: DisputeState | None = None,
    reason_code: ReasonCode | None = None,
    owner: IdFilter = None,
    debtor_id: IdFilter = None,
    invoice_id: IdFilter = None,
    overdue: Annotated[bool, Query(description="Only open ones past their deadline.")] = False,
) -> DisputeFilter:
    """The filters of the list and of the CSV file."""
    return DisputeFilter(
        state=state,
        reason_code=reason_code,
        owner=owner,
        debtor_id=debtor_id,
        invoice_id=invoice_id,
        overdue=overdue,
    )


WANTED = Depends(dispute_filter)


def dispute_routes(rooms: StoreRoom, catch_up: CatchUp) -> APIRouter:
    """Open, assign, resolve, list and export disputes."""
    router = APIRouter(prefix="/v1", tags=["disputes"])
    _writes(router, rooms, catch_up)

    @router.get("/disputes")
    async def list_disputes(
        wanted: DisputeFilter = WANTED,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        """The file of disputes, in the order in which they were opened."""
        after = from_cursor(cursor, place_of, None)
        today, rows = await _rows(rooms, who.tenant, wanted, after, limit + 1)
        return page(rows, limit, lambda row: _show(row, today), _place)

    @router.get("/disputes.csv", response_class=StreamingResponse)
    async def export_disputes(
        wanted: DisputeFilter = WANTED, who: Caller = READ
    ) -> StreamingResponse:
        """The same as CSV: everything that the filters let through, however much it is."""
        first = await _rows(rooms, who.tenant, wanted, None, PAGE)
        return StreamingResponse(
            _sheet(rooms, who.tenant, wanted, *first),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": 'attachment; filename="disputes.csv"'},
        )

    @router.get("/disputes/{dispute_id}")
    async def get_dispute(dispute_id: UUID, who: Caller = READ) -> dict[str, Any]:
        return await _read(rooms, who.tenant, dispute_id)

    return router


def _writes(router: APIRouter, rooms: StoreRoom, catch_up: CatchUp) -> None:
    @router.post("/disputes", status_code=201)
    async def open_one(
        body: Opening,
        response: Response,
        idempotency_key: IdempotencyKey = None,
        who: Caller = WRITE,
    ) -> dict[str, Any]:
        """Take what a debtor objects to out of the reminders."""
        resend = resend_of(who, idempotency_key, body)
        dispute, created = await asking_ledger(
            catch_up, who, body.debtor_id, lambda: _open(rooms, body, who, resend)
        )
        response.status_code = 201 if created else 200
        return await _read(rooms, who.tenant, dispute.hold_id)

    @router.post("/disputes/{dispute_id}/assign")
    async def assign(dispute_id: UUID, body: Assigning, who: Caller = WRITE) -> dict[str, Any]:
        """Give an open dispute to somebody."""
        try:
            async with rooms.tenant(who.tenant) as stores:
                await assign_dispute(
                    stores.holds,
                    tenant=who.tenant,
                    hold_id=dispute_id,
                    owner=body.owner,
                    deadline_on=body.deadline_on,
                    keep_deadline="deadline_on" not in body.model_fields_set,
                )
        except HoldError as error:
            raise problem_of(error, what="dispute") from error
        return await _read(rooms, who.tenant, dispute_id)

    @router.post("/disputes/{dispute_id}/resolve")
    async def resolve(
        dispute_id: UUID, body: Resolving, response: Response, who: Caller = WRITE
    ) -> dict[str, Any]:
        """Say who was right."""
        try:
            async with rooms.tenant(who.tenant) as stores:
                _, now_resolved = await resolve_dispute(
                    stores.holds,
                    stores.policies,
                    tenant=who.tenant,
                    hold_id=dispute_id,
                    resolution=body.resolution,
                    note=body.note,
                    rest_until=body.rest_until,
                    resolved_by=who.subject,
                )
        except HoldError as error:
            raise problem_of(error, what="dispute") from error
        response.headers["x-status"] = "resolved" if now_resolved else "unchanged"
        return await _read(rooms, who.tenant, dispute_id)


async def _open(
    rooms: StoreRoom, body: Opening, who: Caller, resend: Resend | None
) -> tuple[HoldRow, bool]:
    async with rooms.tenant(who.tenant) as stores:
        return await open_dispute(
            stores.holds,
            tenant=who.tenant,
            debtor_id=body.debtor_id,
            invoice_id=body.invoice_id,
            amount=body.amount,
            reason_code=body.reason_code,
            reason=body.reason,
            owner=body.owner,
            deadline_on=body.deadline_on,
            opened_by=who.subject,
            resend=resend,
        )


async def _read(rooms: StoreRoom, tenant: str, dispute_id: UUID) -> dict[str, Any]:
    async with rooms.tenant(tenant) as stores:
        row = await stores.disputes.read(tenant, dispute_id)
        today = await stores.disputes.today(tenant)
    if row is None:
        raise not_found("dispute")
    return _show(row, today)


async def _rows(
    rooms: StoreRoom, tenant: str, wanted: DisputeFilter, after: HoldPlace | None, limit: int
) -> tuple[date, list[DisputeRow]]:
    async with rooms.tenant(tenant) as stores:
        today = await stores.disputes.today(tenant)
        rows = await stores.disputes.listing(tenant, wanted, today=today, after=after, limit=limit)
    return today, rows


async def _sheet(
    rooms: StoreRoom, tenant: str, wanted: DisputeFilter, today: date, rows: list[DisputeRow]
) -> AsyncIterator[str]:
    yield csv_lines([COLUMNS])
    while rows:
        shown = (_show(row, today) for row in rows)
        yield csv_lines([dispute[name] for name in COLUMNS] for dispute in shown)
        if len(rows) < PAGE:
            return
        _, rows = await _rows(rooms, tenant, wanted, _place(rows[-1]), PAGE)


def _place(row: DisputeRow) -> HoldPlace:
    return (row.hold.placed_at, row.hold.hold_id)


def _show(row: DisputeRow, today: date) -> dict[str, Any]:
    hold = row.hold
    return {
        "dispute_id": hold.hold_id,
        "state": row.state,
        "debtor_id": hold.debtor_id,
        "invoice_id": hold.invoice_ids[0],
        "invoice_number": row.number,
        "currency": hold.currency,
        "disputed": amount(hold.disputed_minor or hold.baseline_minor, hold.currency),
        "whole": hold.disputed_minor is None,
        "owed_when_opened": amount(hold.baseline_minor, hold.currency),
        "owed_now": amount(row.open_minor, hold.currency),
        "reason_code": hold.reason_code,
        "reason": hold.reason,
        "owner": hold.owner,
        "deadline_on": hold.deadline_on,
        "overdue": row.is_overdue(today),
        "opened_at": hold.placed_at,
        "opened_by": hold.placed_by,
        "resolution": hold.resolution,
        "note": hold.note,
        "resolved_at": hold.resolved_at,
        "resolved_by": hold.resolved_by,
        "rests_until": hold.until if hold.released_at is None else None,
        "ended_at": hold.released_at,
    }
