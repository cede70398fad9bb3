"""The route of the audit: who wrote what and when. Takes the scope `audit:read`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.entrypoints.hold_edges import IdFilter
from dunning_engine.entrypoints.web import Caller, Cursor, Limit, caller, from_cursor, page
from dunning_engine.work_records import AuditFilter, AuditRow

READ_AUDIT = Depends(caller("audit:read"))
POSITION_MAX = 2**63
LAST_YEAR = 9999
Action = Annotated[
    str | None, Query(max_length=100, pattern=r"^[a-z_.]*$", description="Such as `hold.insert`.")
]
Instant = Annotated[AwareDatetime | None, Query()]


def audit_routes(rooms: StoreRoom) -> APIRouter:
    """Read the audit."""
    router = APIRouter(prefix="/v1", tags=["audit"])

    @router.get("/audit")
    async def list_entries(
        subject: IdFilter = None,
        action: Action = None,
        target: IdFilter = None,
        debtor_id: IdFilter = None,
        since: Instant = None,
        until: Instant = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Caller = READ_AUDIT,
    ) -> dict[str, Any]:
        """Every write of the API, the newest first; `since` and `until` are real time."""
        before = from_cursor(cursor, _position, None)
        wanted = AuditFilter(
            subject=subject, action=action, target=target, debtor_id=debtor_id,
            since=_sane(since), until=_sane(until),
        )  # fmt: skip
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.audit.listing(who.tenant, wanted, before=before, limit=limit + 1)
        return page(rows, limit, _show, lambda row: [row.position])

    return router


def _sane(at: datetime | None) -> datetime | None:
    """Instants at the edges of the calendar cannot be moved to UTC; they restrict nothing."""
    return at if at and 1 < at.year < LAST_YEAR else None


def _show(row: AuditRow) -> dict[str, Any]:
    return {
        "entry": row.position,
        "at": row.at,
        "subject": row.subject,
        "action": row.action,
        "target": row.target,
        "debtor_id": row.debtor_id,
        "context": row.context,
        "before": row.before,
        "after": row.after,
    }


def _position(values: list[Any]) -> int:
    (position,) = values
    if type(position) is not int or not 0 <= position < POSITION_MAX:
        raise ValueError("not a position")
    return position
