"""Routes of approvals: what waits for a yes, what a yes would send, yes and no.

Reading takes `dunning:read`, saying yes or no `dunning:approve`; `dunning:write` is not needed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from dunning_common.problems import ProblemError
from dunning_engine.adapters.sql_approvals import ApprovalFilter, ApprovalPlace
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.domain.work_item import SEPARATOR, ItemKey
from dunning_engine.entrypoints.hold_edges import READ, Body, IdFilter, Text, amount
from dunning_engine.entrypoints.web import (
    Caller,
    Cursor,
    ExternalId,
    Limit,
    caller,
    from_cursor,
    not_found,
    page,
)
from dunning_engine.handlers.approve_level import (
    ApprovalRuling,
    StaleLevelError,
    UnknownCaseError,
    WouldSend,
    decide_level,
    preview_approvals,
)
from dunning_engine.handlers.notes import write_note
from dunning_engine.handlers.sweep_accounts import Law
from dunning_engine.work_records import LevelAsk, WaitingCase

APPROVE = Depends(caller("dunning:approve"))
PAGE_MAX = 200
LEVELS_MAX = 1000
LevelFilter = Annotated[int | None, Query(ge=1, le=LEVELS_MAX)]


class Deciding(Body):
    """The level that was looked at, and why it may go out or not."""

    level_no: int = Field(ge=1, le=LEVELS_MAX)
    note: Text | None = None


def approval_routes(rooms: StoreRoom, law: Law) -> APIRouter:
    """List what waits for a person; approve and reject."""
    router = APIRouter(prefix="/v1", tags=["approvals"])

    @router.get("/approvals")
    async def list_approvals(
        debtor_id: IdFilter = None,
        level_no: LevelFilter = None,
        policy_id: IdFilter = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Caller = READ,
    ) -> dict[str, Any]:
        """Levels that wait, the longest waiting first, each with what would be sent today."""
        after = from_cursor(cursor, _place, None)
        limit = min(limit, PAGE_MAX)
        wanted = ApprovalFilter(debtor_id=debtor_id, level_no=level_no, policy_id=policy_id)
        async with rooms.tenant(who.tenant) as stores:
            cases = await stores.approvals.waiting(who.tenant, wanted, after=after, limit=limit + 1)
            sends = await preview_approvals(
                stores.approvals, stores.policies, law.rates, tenant=who.tenant,
                cases=cases[:limit],
            )  # fmt: skip
        return page(
            cases,
            limit,
            lambda case: _waiting(case, sends.get(case.invoice_id)),
            lambda case: [case.since, case.invoice_id],
        )

    @router.post("/cases/{invoice_id}/approve")
    async def approve(
        invoice_id: ExternalId, body: Deciding, who: Caller = APPROVE
    ) -> dict[str, Any]:
        """Let the level go out; refused when it is not the one that waits."""
        return await _decide(rooms, invoice_id, body, who, approved=True)

    @router.post("/cases/{invoice_id}/reject")
    async def reject(
        invoice_id: ExternalId, body: Deciding, who: Caller = APPROVE
    ) -> dict[str, Any]:
        """Skip the level; refused when it is not the one that waits."""
        return await _decide(rooms, invoice_id, body, who, approved=False)

    return router


async def _decide(
    rooms: StoreRoom, invoice_id: str, body: Deciding, who: Caller, *, approved: bool
) -> dict[str, Any]:
    ask = LevelAsk(invoice_id=invoice_id, level_no=body.level_no)
    try:
        async with rooms.tenant(who.tenant) as stores:
            ruling = await decide_level(
                stores.approvals, tenant=who.tenant, ask=ask, approved=approved, by=who.subject
            )
            if body.note and ruling.case and ruling.status == "done":
                said = "approved" if approved else "rejected"
                await write_note(
                    stores.notes,
                    tenant=who.tenant,
                    debtor_id=ruling.case.debtor_id,
                    invoice_id=invoice_id,
                    words=f"Level {body.level_no} {said}: {body.note}",
                    by=who.subject,
                )
    except UnknownCaseError as error:
        raise not_found("case") from error
    except StaleLevelError as error:
        raise stale_level(error) from error
    return _ruling(ruling, who, approved=approved)


def stale_level(error: StaleLevelError) -> ProblemError:
    """What the caller is told whose screen is old."""
    return ProblemError(
        409,
        "stale-level",
        "Another level waits than the one you looked at.",
        detail=str(error),
        extra={"waiting_level_no": error.waiting_level_no},
    )


def _ruling(ruling: ApprovalRuling, who: Caller, *, approved: bool) -> dict[str, Any]:
    case = ruling.case
    return {
        "invoice_id": ruling.ask.invoice_id,
        "level_no": ruling.ask.level_no,
        "level": case.level if case and case.level_no == ruling.ask.level_no else None,
        "approved": approved,
        "status": ruling.status,
        "by": who.subject if ruling.status == "done" or case is None else case.approval_by,
    }


def _waiting(case: WaitingCase, sends: WouldSend | None) -> dict[str, Any]:
    target = f"{case.invoice_id}{SEPARATOR}{case.level_no}"
    return {
        "item_id": ItemKey("approval", target).item_id,
        "invoice_id": case.invoice_id,
        "number": case.number,
        "debtor_id": case.debtor_id,
        "due_on": case.due_on,
        "level_no": case.level_no,
        "level": case.level,
        "policy_id": case.policy_id,
        "policy_version": case.policy_version,
        "currency": case.currency,
        "open": amount(case.open_minor, case.currency),
        "charges_open": amount(case.charges_open_minor, case.currency),
        "since": case.since,
        "would_send": sends and would_send_shown(sends, case.currency),
    }


def would_send_shown(sends: WouldSend, currency: str) -> dict[str, Any]:
    """What a yes would send, as JSON."""
    return {
        "channels": list(sends.channels),
        "template": sends.level.template,
        "final": sends.level.final,
        "asks_for": amount(sends.asks_minor, currency),
        "disputed": amount(sends.disputed_minor, currency),
        "charges": [
            {
                "kind": charge.kind,
                "amount": amount(charge.amount_minor, charge.currency),
                "currency": charge.currency,
                "basis": charge.basis,
            }
            for charge in sends.charges
        ],
        "pay_by": sends.pay_by,
        "missing_rate": sends.missing_rate,
    }


def _place(values: list[Any]) -> ApprovalPlace:
    since, invoice_id = values
    at = datetime.fromisoformat(since)
    if at.tzinfo is None or not isinstance(invoice_id, str) or "\x00" in invoice_id:
        raise ValueError("not a place of this list")
    return at.astimezone(UTC), invoice_id
