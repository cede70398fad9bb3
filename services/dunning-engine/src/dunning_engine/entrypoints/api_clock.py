"""Routes of the clock: what time it is for a tenant, and, in a sandbox, moving it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict

from dunning_common.clock import monotonic
from dunning_common.problems import ProblemError
from dunning_engine.adapters.pg_signals import Signals, settled, wait_for
from dunning_engine.adapters.sql_stores import StoreRoom, Stores
from dunning_engine.entrypoints.web import Caller, caller
from dunning_engine.handlers.set_clock import BackwardsError, RealClockError, set_clock
from dunning_engine.handlers.walk_clock import TENANTS, CatchUp

WAIT_MAX_S = 300.0
FIRST_YEAR, LAST_YEAR = 1970, 2300
READ = Depends(caller("dunning:read"))
MOVE = Depends(caller("clock:write"))


def _instant(value: object) -> datetime | date:
    """A date or an instant in ISO 8601; pydantic alone would take numbers, too."""
    if not isinstance(value, str):
        raise ValueError('send a date such as "2026-03-01" or an instant in ISO 8601')  # noqa: TRY004
    try:
        found: datetime | date = date.fromisoformat(value)
    except ValueError:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError('send a date such as "2026-03-01" or an instant in ISO 8601') from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(f"send a year between {FIRST_YEAR} and {LAST_YEAR}")
    return found


class Advance(BaseModel):
    """Where to move the clock. A date means 00:00 in the tenant's zone."""

    model_config = ConfigDict(extra="forbid")

    advance_to: Annotated[datetime | date, BeforeValidator(_instant)]


def clock_routes(rooms: StoreRoom, signals: Signals, catch_up: CatchUp) -> APIRouter:
    """Look at the clock, and move it."""
    router = APIRouter(prefix="/v1", tags=["clock"])

    @router.get("/clock")
    async def get_clock(who: Caller = READ) -> dict[str, Any]:
        await _known(rooms, catch_up, who.tenant)
        async with rooms.tenant(who.tenant) as stores:
            return await _show(stores, who.tenant)

    @router.post("/clock")
    async def move_clock(
        body: Advance,
        wait_s: Annotated[
            float, Query(ge=0, le=WAIT_MAX_S, description="How long to wait for the arrival.")
        ] = 0.0,
        who: Caller = MOVE,
    ) -> dict[str, Any]:
        await _known(rooms, catch_up, who.tenant)
        with signals.subscribe(settled(who.tenant)) as arrived:
            await _aim(rooms, who.tenant, body.advance_to)
            deadline = monotonic() + wait_s
            while True:
                arrived.clear()
                async with rooms.tenant(who.tenant) as stores:
                    shown = await _show(stores, who.tenant)
                left = deadline - monotonic()
                if shown["settled"] or left <= 0:
                    return shown
                await wait_for(arrived, min(left, 1.0))

    return router


async def _known(rooms: StoreRoom, catch_up: CatchUp, tenant: str) -> bool:
    """Whether the tenant is a sandbox; asks the ledger before saying that it is unknown."""
    for last_try in (False, True):
        async with rooms.tenant(tenant) as stores:
            sandbox = await stores.clock.is_sandbox(tenant)
        if sandbox is not None:
            return sandbox
        if not last_try:
            await catch_up([TENANTS], tenant=tenant)
    raise ProblemError(
        404,
        "unknown-tenant",
        "This tenant is not known here.",
        detail="Register it with PUT /v1/tenants/{tenant} of invoice-ingest first.",
    )


async def _aim(rooms: StoreRoom, tenant: str, advance_to: datetime | date) -> None:
    try:
        async with rooms.tenant(tenant) as stores:
            await set_clock(stores.clock, tenant, advance_to)
    except RealClockError as error:
        raise ProblemError(
            409, "real-clock", "This clock cannot be moved.", detail=str(error)
        ) from error
    except BackwardsError as error:
        raise ProblemError(
            409,
            "clock-backwards",
            "The clock never goes backwards.",
            detail=str(error),
            extra={
                "now": error.clock.now.isoformat(),
                "target": error.clock.target.isoformat(),
            },
        ) from error


async def _show(stores: Stores, tenant: str) -> dict[str, Any]:
    clock = await stores.clock.read(tenant)
    if clock is None:
        now = await stores.clock.real_now()
        return {
            "now": now, "target": now, "settled": True, "waiting_for": [], "sandbox": False,
        }  # fmt: skip
    waiting: list[str] = []
    if not clock.settled:
        waiting = [clock.trouble] if clock.trouble else []
        waiting += (await stores.clock.pending(tenant, clock.now)).words
    return {
        "now": clock.now,
        "target": clock.target,
        "settled": clock.settled,
        "waiting_for": waiting,
        "sandbox": True,
    }
