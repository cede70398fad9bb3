"""What came in and nobody could match: the list, closing, and what strangers wrote."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from dunning_common.db import Database
from dunning_common.web import Viewer
from notifier.desk.issues import Asked, Row
from notifier.desk.view import HINTS, HOME, SHOWN, Form, page_of
from notifier.domain.issues import IssueKind
from notifier.domain.redaction import redact
from notifier.entrypoints.desk.forms import Page, RefusedError, act_on, read
from notifier.entrypoints.desk.frame import Frame, begin, id_of, in_words, missing, to
from notifier.entrypoints.feedback import AssignBody, CloseBody
from notifier.entrypoints.paging import cursor_of
from notifier.handlers.strangers import NoSuchDebtorError, Strangers
from notifier.ports.issues import Issues

PATH = f"{HOME}/issues"


class IssueDesk:
    """What the pages about issues need."""

    def __init__(self, frame: Frame, *, db: Database, issues: Issues, strangers: Strangers) -> None:
        self._frame = frame
        self._db = db
        self._issues = issues
        self._strangers = strangers

    async def list(
        self, request: Request, viewer: Viewer, *, form: Form | None = None
    ) -> HTMLResponse:
        """Open issues, the oldest first; or closed ones."""
        asked = Asked.of(request.query_params)
        async with self._db.tenant(viewer.tenant) as connection:
            found = await self._issues.page(
                connection,
                kind=asked.kind,
                closed=asked.closed,
                after=begin(request),
                limit=SHOWN + 1,
            )
        last = {"cursor": cursor_of(found[SHOWN - 1].seq)} if len(found) > SHOWN else {}
        return self._frame.page(
            request,
            "issues.html",
            viewer,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if form else HTTPStatus.OK,
            asked=asked,
            here=_here(request),
            kinds=list(IssueKind),
            listing=page_of([Row.of(listed) for listed in found], last, asked.query),
            form=form or Form.empty(),
        )

    async def close(self, request: Request, viewer: Viewer) -> Response:
        """Take an issue from the list."""

        async def act(fields: dict[str, str]) -> Response:
            rest = dict(fields)
            issue_id = id_of(rest.pop("issue_id", ""))
            body = read(CloseBody, rest)
            async with self._db.tenant(viewer.tenant) as connection:
                closed = await self._issues.close(
                    connection, issue_id, person=viewer.principal.subject, note=redact(body.note)
                )
            if closed is None:
                raise missing()
            return to(viewer, PATH, "closed", **_here(request))

        page = Page(path=PATH, again=lambda form: self.list(request, viewer, form=form))
        return await act_on(request, viewer, page, act)

    async def words(
        self, request: Request, viewer: Viewer, inbound_id: UUID, *, form: Form | None = None
    ) -> HTMLResponse:
        """What a stranger wrote, while it is kept in clear."""
        with in_words():
            words = await self._strangers.words(viewer.tenant, inbound_id)
        return self._frame.page(
            request,
            "reply.html",
            viewer,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if form else HTTPStatus.OK,
            words=words,
            form=form or Form.empty(),
        )

    async def assign(self, request: Request, viewer: Viewer, inbound_id: UUID) -> Response:
        """Give a stranger's words to a debtor."""

        async def act(fields: dict[str, str]) -> Response:
            body, person = read(AssignBody, fields), viewer.principal.subject
            try:
                response_id = await self._strangers.assign(
                    viewer.tenant, inbound_id, debtor_id=body.debtor_id, person=person
                )
            except NoSuchDebtorError as error:
                words = f"The ledger knows no such debtor, or erased it. {HINTS['debtor_id']}"
                raise RefusedError({"debtor_id": words}) from error
            return to(viewer, f"{HOME}/answers/{response_id}", "assigned")

        page = Page(
            path=f"{PATH}/replies/{inbound_id}",
            again=lambda form: self.words(request, viewer, inbound_id, form=form),
        )
        return await act_on(request, viewer, page, act)


def _here(request: Request) -> dict[str, str]:
    """The filter and the place in the list, for forms to come back to the same rows."""
    cursor = request.query_params.get("cursor", "")
    return Asked.of(request.query_params).query | ({"cursor": cursor} if cursor else {})


def issue_pages(frame: Frame, desk: IssueDesk) -> APIRouter:
    """The pages under `/desk/issues`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("")
    async def issues(request: Request, viewer: Viewer = frame.reader) -> HTMLResponse:
        return await desk.list(request, viewer)

    @router.post("")
    async def close(request: Request, viewer: Viewer = frame.writer) -> Response:
        return await desk.close(request, viewer)

    @router.get("/replies/{inbound_id}")
    async def words(
        request: Request, inbound_id: str, viewer: Viewer = frame.writer
    ) -> HTMLResponse:
        return await desk.words(request, viewer, id_of(inbound_id))

    @router.post("/replies/{inbound_id}")
    async def assign(request: Request, inbound_id: str, viewer: Viewer = frame.writer) -> Response:
        return await desk.assign(request, viewer, id_of(inbound_id))

    return router
