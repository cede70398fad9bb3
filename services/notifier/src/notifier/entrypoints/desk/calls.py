"""Calls: the list, one with its number and script, and what it came to."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from dunning_common.db import Database
from dunning_common.vault import VaultError
from dunning_common.web import Viewer
from notifier.desk.calls import OUTCOMES, Row, outcome_of
from notifier.desk.view import HOME, SHOWN, Form, page_of
from notifier.desk.words import moment, plain
from notifier.entrypoints.calls import OutcomeBody, promise_of
from notifier.entrypoints.desk.forms import Page, act_on, read
from notifier.entrypoints.desk.frame import Frame, begin, id_of, in_words, missing, opened
from notifier.entrypoints.paging import cursor_of
from notifier.handlers.calls import CallDesk, CallReport, NotOpenError, ReportedMeanwhileError
from notifier.ports.calls import Calls, CallTask
from notifier.ports.ledger import Ledger
from notifier.ports.reading import MessageReading

PATH = f"{HOME}/calls"


class CallPages:
    """What the pages about calls need."""

    def __init__(
        self,
        frame: Frame,
        *,
        db: Database,
        calls: Calls,
        reading: MessageReading,
        ledger: Ledger,
        desk: CallDesk,
    ) -> None:
        self._frame = frame
        self._db = db
        self._calls = calls
        self._reading = reading
        self._ledger = ledger
        self._desk = desk

    async def list(self, request: Request, viewer: Viewer) -> HTMLResponse:
        """Open calls, the oldest first; those that may be made now, if so asked."""
        due = request.query_params.get("due") == "yes"
        async with self._db.tenant(viewer.tenant) as connection:
            found = await self._calls.page(
                connection, due_only=due, after=begin(request), limit=SHOWN + 1
            )
        last = {"cursor": cursor_of(found[SHOWN - 1].seq)} if len(found) > SHOWN else {}
        query = {"due": "yes"} if due else {}
        return self._frame.page(
            request,
            "calls.html",
            viewer,
            due=due,
            listing=page_of([Row.of(task) for task in found], last, query),
        )

    async def show(
        self, request: Request, viewer: Viewer, message_id: UUID, *, form: Form | None = None
    ) -> HTMLResponse:
        """One call: whom, which number, what to say, and the calls so far."""
        async with self._db.tenant(viewer.tenant) as connection:
            task = await self._calls.one(connection, message_id)
            tries = await self._calls.tries(connection, message_id)
            sealed = await self._reading.content(connection, message_id)
        if task is None:
            raise missing()
        return self._frame.page(
            request,
            "call.html",
            viewer,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if form else HTTPStatus.OK,
            call=Row.of(task),
            script=await self._script(task, sealed),
            tries=[(moment(t.at), plain(t.outcome), t.note or "", t.person) for t in tries],
            outcomes=OUTCOMES,
            form=form or Form.empty(),
        )

    async def _script(self, task: CallTask, sealed: bytes | None) -> dict[str, Any]:
        """What is to be said to whom; nothing of it when the debtor was erased."""
        if sealed is None:
            return {}
        with in_words():
            try:
                content = await opened(self._ledger, task.message, sealed)
            except VaultError:
                return {}
        script: dict[str, Any] = orjson.loads(content)
        return script

    async def report(self, request: Request, viewer: Viewer, message_id: UUID) -> Response:
        """Say what a call came to."""

        async def act(fields: dict[str, str]) -> str:
            seen = {"tries_seen": fields["tries_seen"]} if fields.get("tries_seen") else {}
            body = read(OutcomeBody, outcome_of(fields) | seen)
            said = CallReport(
                outcome=body.outcome,
                person=viewer.principal.subject,
                note=body.note,
                promise=promise_of(body.promise) if body.promise else None,
                tries_seen=body.tries_seen,
            )
            await self._desk.report(viewer.tenant, message_id, said)
            return "called"

        page = Page(
            path=f"{PATH}/{message_id}",
            again=lambda form: self.show(request, viewer, message_id, form=form),
            late={NotOpenError: "call_gone", ReportedMeanwhileError: "call_gone"},
        )
        return await act_on(request, viewer, page, act)


def call_pages(frame: Frame, pages: CallPages) -> APIRouter:
    """The pages under `/desk/calls`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("")
    async def calls(request: Request, viewer: Viewer = frame.reader) -> HTMLResponse:
        return await pages.list(request, viewer)

    @router.get("/{message_id}")
    async def call(
        request: Request, message_id: str, viewer: Viewer = frame.reader
    ) -> HTMLResponse:
        return await pages.show(request, viewer, id_of(message_id))

    @router.post("/{message_id}")
    async def report(request: Request, message_id: str, viewer: Viewer = frame.writer) -> Response:
        return await pages.report(request, viewer, id_of(message_id))

    return router
