"""Routes of holds: stop reminders for a debtor or an invoice, and let them go on."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from dunning_common.ids import account_key
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.entrypoints.web import (
    Caller,
    Cursor,
    Limit,
    caller,
    from_cursor,
    invalid,
    not_found,
    page,
)
from dunning_engine.handlers.place_hold import (
    EndsBeforeItBeginsError,
    HoldError,
    UnknownHoldError,
    place_hold,
    release_hold,
)
from dunning_engine.handlers.walk_clock import LEDGER, TENANTS, CatchUp
from dunning_engine.records import HoldRow

LAST_YEAR = 2300
NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
READ = Depends(caller("dunning:read"))
WRITE = Depends(caller("dunning:write"))


class Placing(BaseModel):
    """A hold to place. Without `invoice_id` it covers all of the debtor's invoices.

    `until` is exclusive and on the tenant's clock; without it somebody must release the hold.
    """

    model_config = ConfigDict(extra="forbid")

    debtor_id: str = Field(min_length=1, max_length=200, pattern=NO_CONTROL)
    invoice_id: str | None = Field(default=None, min_length=1, max_length=200, pattern=NO_CONTROL)
    reason: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")
    until: AwareDatetime | None = None

    @field_validator("until")
    @classmethod
    def _in_range(cls, until: AwareDatetime | None) -> AwareDatetime | None:
        if until and until.year > LAST_YEAR:
            raise ValueError(f"must be before the year {LAST_YEAR}; leave it out for no end")
        return until


def hold_routes(rooms: StoreRoom, catch_up: CatchUp) -> APIRouter:
    """Place, release and list holds."""
    router = APIRouter(prefix="/v1", tags=["holds"])

    @router.post("/holds", status_code=201)
    async def place(body: Placing, who: Caller = WRITE) -> dict[str, Any]:
        try:
            return _hold(await _place(rooms, body, who))
        except EndsBeforeItBeginsError as error:
            raise invalid(error.field, str(error)) from error
        except HoldError:
            # The debtor or invoice may be on its way: ask the ledger before refusing.
            key = account_key(who.tenant, body.debtor_id)
            await catch_up([TENANTS], tenant=who.tenant)
            await catch_up([LEDGER], keys=[key])
        try:
            return _hold(await _place(rooms, body, who))
        except HoldError as error:
            raise invalid(error.field, str(error)) from error

    @router.post("/holds/{hold_id}/release")
    async def release(hold_id: UUID, response: Response, who: Caller = WRITE) -> dict[str, Any]:
        try:
            async with rooms.tenant(who.tenant) as stores:
                hold, now_released = await release_hold(
                    stores.holds, tenant=who.tenant, hold_id=hold_id, released_by=who.subject
                )
        except UnknownHoldError as error:
            raise not_found("hold") from error
        response.headers["x-status"] = "released" if now_released else "unchanged"
        return _hold(hold)

    @router.get("/holds")
    async def list_holds(
        debtor_id: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
        released: Annotated[bool, Query(description="Also those that ended.")] = False,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        after = from_cursor(cursor, lambda values: UUID(values[0]), None)
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.holds.listing(
                who.tenant, debtor_id=debtor_id, released=released, after=after, limit=limit + 1
            )
        return page(rows, limit, lambda row: _hold(HoldRow(**row)), lambda row: [row["hold_id"]])

    return router


async def _place(rooms: StoreRoom, body: Placing, who: Caller) -> HoldRow:
    async with rooms.tenant(who.tenant) as stores:
        return await place_hold(
            stores.holds,
            tenant=who.tenant,
            debtor_id=body.debtor_id,
            invoice_id=body.invoice_id,
            reason=body.reason,
            until=body.until,
            placed_by=who.subject,
        )


def _hold(hold: HoldRow) -> dict[str, Any]:
    return {
        "hold_id": hold.hold_id,
        "debtor_id": hold.debtor_id,
        "invoice_id": hold.invoice_id,
        "kind": hold.kind,
        "reason": hold.reason,
        "until": hold.until,
        "placed_at": hold.placed_at,
        "placed_by": hold.placed_by,
        "released_at": hold.released_at,
        "released_by": hold.released_by,
    }
