"""The page of the work list at `/work`, with its forms. No script; forms are checked for origin.

Shows and does what the API does, through the same handlers; decides nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from dunning_common.problems import ProblemError
from dunning_common.web import Pages, Viewer, same_origin
from dunning_engine.acting import SUBJECT
from dunning_engine.adapters.sql_stores import StoreRoom, Stores
from dunning_engine.desk.view import KEPT, SAID, TEXT_MAX, Asked, clean, in_words
from dunning_engine.domain.schedule import local_date
from dunning_engine.domain.work_item import SEPARATOR, WORK_KINDS, UnknownItemError, item_key
from dunning_engine.entrypoints.api_work import place_of_item, show_item, work_place
from dunning_engine.entrypoints.web import from_cursor, to_cursor
from dunning_engine.handlers.approve_level import (
    StaleLevelError,
    UnknownCaseError,
    WouldSend,
    decide_level,
    preview_approvals,
)
from dunning_engine.handlers.retry_failed import (
    RETRIABLE,
    NotRetriableError,
    behind,
    retry_failed,
)
from dunning_engine.handlers.sweep_accounts import Law
from dunning_engine.handlers.work_list import assign_work, finish_work, list_work
from dunning_engine.work_records import LevelAsk, WorkItem

SHOWN = 50
Back = Annotated[str, Form(max_length=2000)]
Who = Annotated[str, Form(max_length=TEXT_MAX)]


def desk_routes(pages: Pages, rooms: StoreRoom, law: Law) -> APIRouter:
    """The page and its forms."""
    router = APIRouter(include_in_schema=False)

    @router.get("/work")
    async def show(
        request: Request, viewer: Viewer = Depends(pages.viewer("dunning:read"))
    ) -> HTMLResponse:
        asked = Asked.of(request.query_params)
        items: list[dict[str, Any]] = []
        more = ""
        if viewer.tenant:
            async with rooms.tenant(viewer.tenant) as stores:
                after = _after(request)
                found = await list_work(
                    stores.work, viewer.tenant, asked.filter, after=after, limit=SHOWN + 1
                )
                shown = found[:SHOWN]
                items = await _shown(stores, law, viewer.tenant, shown)
            if len(found) > SHOWN:
                cursor = to_cursor(list(place_of_item(shown[-1])))
                more = urlencode(asked.query | {"cursor": cursor})
        return pages.render(
            request,
            "work.html",
            viewer=viewer,
            asked=asked,
            kinds=WORK_KINDS,
            retriable=RETRIABLE,
            items=items,
            more=more,
            back=urlencode(asked.query),
            said=SAID.get(request.query_params.get("said", "")),
            may_write="dunning:write" in viewer.principal.scopes,
            may_approve="dunning:approve" in viewer.principal.scopes,
        )

    _forms(router, pages, rooms)
    return router


def _forms(router: APIRouter, pages: Pages, rooms: StoreRoom) -> None:
    approver = Depends(pages.viewer("dunning:approve"))
    writer = Depends(pages.viewer("dunning:write"))

    @router.post("/work/{item_id}/approve")
    async def approve(
        request: Request, item_id: str, back: Back = "", viewer: Viewer = approver
    ) -> RedirectResponse:
        same_origin(request)
        return _to_list(back, await _rule(rooms, viewer, item_id, approved=True))

    @router.post("/work/{item_id}/reject")
    async def reject(
        request: Request, item_id: str, back: Back = "", viewer: Viewer = approver
    ) -> RedirectResponse:
        same_origin(request)
        return _to_list(back, await _rule(rooms, viewer, item_id, approved=False))

    @router.post("/work/{item_id}/assign")
    async def assign(
        request: Request,
        item_id: str,
        assignee: Who = "",
        back: Back = "",
        viewer: Viewer = writer,
    ) -> RedirectResponse:
        same_origin(request)
        SUBJECT.set(viewer.principal.subject)
        try:
            async with rooms.tenant(viewer.tenant) as stores:
                await assign_work(
                    stores.work,
                    tenant=viewer.tenant,
                    key=item_key(item_id),
                    assignee=clean(assignee) or None,
                    by=viewer.principal.subject,
                )
        except UnknownItemError:
            return _to_list(back, "gone")
        return _to_list(back, "assign")

    @router.post("/work/{item_id}/done")
    async def done(
        request: Request, item_id: str, back: Back = "", viewer: Viewer = writer
    ) -> RedirectResponse:
        same_origin(request)
        SUBJECT.set(viewer.principal.subject)
        try:
            async with rooms.tenant(viewer.tenant) as stores:
                await finish_work(
                    stores.work,
                    tenant=viewer.tenant,
                    key=item_key(item_id),
                    by=viewer.principal.subject,
                )
        except UnknownItemError:
            return _to_list(back, "gone")
        return _to_list(back, "done")

    @router.post("/work/{item_id}/retry")
    async def retry(
        request: Request, item_id: str, back: Back = "", viewer: Viewer = writer
    ) -> RedirectResponse:
        same_origin(request)
        return _to_list(back, await _retry(rooms, viewer, item_id))


async def _retry(rooms: StoreRoom, viewer: Viewer, item_id: str) -> str:
    """Have what the item lists tried again; what the page says about it."""
    SUBJECT.set(viewer.principal.subject)
    try:
        wanted = behind(item_key(item_id))
    except (UnknownItemError, NotRetriableError):
        return "gone"
    async with rooms.tenant(viewer.tenant) as stores:
        await retry_failed(
            stores.retries,
            stores.approvals,
            stores.work,
            tenant=viewer.tenant,
            wanted=wanted,
            by=viewer.principal.subject,
        )
    return "retry"


async def _rule(rooms: StoreRoom, viewer: Viewer, item_id: str, *, approved: bool) -> str:
    """Say yes or no to the level that the item names; what the page says about it."""
    SUBJECT.set(viewer.principal.subject)
    try:
        invoice_id, _, level = item_key(item_id).target.rpartition(SEPARATOR)
        ask = LevelAsk(invoice_id=invoice_id, level_no=int(level[:4]))
        async with rooms.tenant(viewer.tenant) as stores:
            await decide_level(
                stores.approvals,
                tenant=viewer.tenant,
                ask=ask,
                approved=approved,
                by=viewer.principal.subject,
            )
    except StaleLevelError:
        return "stale"
    except (UnknownItemError, UnknownCaseError, ValueError):
        return "gone"
    return "approve" if approved else "reject"


async def _shown(
    stores: Stores, law: Law, tenant: str, items: list[WorkItem]
) -> list[dict[str, Any]]:
    """The items as the page needs them; approvals say what they would send."""
    waiting = [item.invoice_ids[0] for item in items if item.key.kind == "approval"]
    sends: dict[str, WouldSend] = {}
    if waiting:
        cases = await stores.approvals.cases(tenant, waiting)
        sends = await preview_approvals(
            stores.approvals, stores.policies, law.rates, tenant=tenant,
            cases=list(cases.values()),
        )  # fmt: skip
    zone = (await stores.work.clock(tenant)).zone
    shown = []
    for item in items:
        send = sends.get(item.invoice_ids[0]) if item.key.kind == "approval" else None
        more = {
            "sends": send and in_words(send, item.currency),
            "since_on": item.since and local_date(item.since, zone).isoformat(),
        }
        shown.append(show_item(item) | more)
    return shown


def _after(request: Request) -> Any:
    """Where to begin; an old or foreign cursor begins at the top."""
    try:
        return from_cursor(request.query_params.get("cursor"), work_place, None)
    except ProblemError:
        return None


def _to_list(back: str, said: str) -> RedirectResponse:
    """Back to the list as it was filtered; only parameters that are ours are kept."""
    kept = {name: clean(value) for name, value in parse_qsl(back) if name in KEPT}
    target = f"/work?{urlencode(kept | {'said': said})}"
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)
