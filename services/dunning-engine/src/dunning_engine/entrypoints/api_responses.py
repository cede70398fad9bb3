"""Routes about debtors' answers: what was made of them. Nothing is answered from here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from dunning_engine.adapters.sql_responses import ResponsePlace
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.entrypoints.web import Caller, Cursor, Limit, caller, from_cursor, page
from dunning_engine.response_records import ResponseRow

READ = Depends(caller("dunning:read"))
DebtorId = Annotated[
    str, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="Whose.")
]


def response_routes(rooms: StoreRoom) -> APIRouter:
    """Lists the answers of a debtor."""
    router = APIRouter(prefix="/v1", tags=["responses"])

    @router.get("/responses")
    async def list_responses(
        debtor_id: DebtorId, limit: Limit = 100, cursor: Cursor = None, who: Caller = READ
    ) -> dict[str, Any]:
        """What the debtor answered, in the order in which it came, and what was made of it.

        The words, names and addresses of an answer are with the notifier, under its `response_id`.
        """
        after = from_cursor(cursor, _place, None)
        async with rooms.tenant(who.tenant) as stores:
            rows = await stores.responses.listing(
                who.tenant, debtor_id, after=after, limit=limit + 1
            )
        return page(rows, limit, _show, lambda row: [row.taken_at, row.response_id])

    return router


def _show(row: ResponseRow) -> dict[str, Any]:
    return {
        "response_id": row.response_id,
        "debtor_id": row.debtor_id,
        "kind": row.kind,
        "source": row.source,
        "invoice_ids": list(row.invoice_ids),
        "notice_id": row.notice_id,
        "effective_at": row.effective_at,
        "taken_at": row.taken_at,
        "state": row.state,
        "reason": row.reason,
        "detail": row.detail,
        "hold_ids": list(row.hold_ids),
    }


def _place(values: list[Any]) -> ResponsePlace:
    """A cursor's values as a place in the list."""
    at, response_id = values
    found = datetime.fromisoformat(at)
    if found.tzinfo is None:
        raise ValueError("not an instant")
    return found, UUID(response_id)
