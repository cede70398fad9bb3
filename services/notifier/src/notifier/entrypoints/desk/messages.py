"""Messages: the list, one with its history and exact bytes, and what became of an unknown one."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.web import Viewer
from notifier.desk.messages import Asked, Line, PaperRow, Row, file_name_of, rows_of, saved_by
from notifier.desk.view import HOME, SHOWN, Form, page_of
from notifier.domain.message import State
from notifier.entrypoints.api import ResolveBody
from notifier.entrypoints.desk.forms import Page, RefusedError, act_on, act_on_fields, read
from notifier.entrypoints.desk.frame import (
    Frame,
    begin,
    download,
    id_of,
    in_words,
    missing,
    opened,
    posted_of,
)
from notifier.entrypoints.desk.papers import paper_of
from notifier.entrypoints.paging import cursor_of
from notifier.handlers.proofs import ProofKeeper, ProofRefusedError
from notifier.handlers.resolve import NotUnknownError, Resolver
from notifier.ports.ledger import Ledger
from notifier.ports.reading import MessageReading, MessageView
from notifier.ports.responses import CONTENT_READ, Responses

PATH = f"{HOME}/messages"


class MessageDesk:
    """What the pages about messages need."""

    def __init__(
        self,
        frame: Frame,
        *,
        db: Database,
        reading: MessageReading,
        ledger: Ledger,
        resolver: Resolver,
        keeper: ProofKeeper,
        responses: Responses,
        clock: Clock,
    ) -> None:
        self._frame = frame
        self._db = db
        self._reading = reading
        self._ledger = ledger
        self._resolver = resolver
        self._keeper = keeper
        self._responses = responses
        self._clock = clock

    async def list(self, request: Request, viewer: Viewer) -> HTMLResponse:
        """The list as it is filtered."""
        asked = Asked.of(request.query_params)
        wanted = asked.filter(after=begin(request), limit=SHOWN + 1)
        async with self._db.tenant(viewer.tenant) as connection:
            found = rows_of(await self._reading.page(connection, wanted))
        last = {"cursor": cursor_of(found[SHOWN - 1].seq)} if len(found) > SHOWN else {}
        return self._frame.page(
            request,
            "messages.html",
            viewer,
            asked=asked,
            states=list(State),
            listing=page_of(found, last, asked.query),
        )

    async def show(
        self,
        request: Request,
        viewer: Viewer,
        message_id: UUID,
        *,
        form: Form | None = None,
        paper: Form | None = None,
    ) -> HTMLResponse:
        """One message; with a form when what it says was refused."""
        async with self._db.tenant(viewer.tenant) as connection:
            view = await self._reading.one(connection, message_id)
            history = await self._reading.history(connection, message_id)
            log = await self._responses.history(connection, str(message_id))
        if view is None:
            raise missing()
        row = Row.of(view)
        papers = await self._keeper.papers(viewer.tenant, message_id) if row.takes_proofs else []
        return self._frame.page(
            request,
            "message.html",
            viewer,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if form or paper else HTTPStatus.OK,
            message=row,
            history=[Line.of(attempt) for attempt in history],
            saved=saved_by(log),
            papers=[PaperRow.of(kept) for kept in papers],
            form=form or Form.empty(),
            paper=paper or Form.empty(),
        )

    async def resolve(self, request: Request, viewer: Viewer, message_id: UUID) -> Response:
        """Say what became of an unknown message."""

        async def act(fields: dict[str, str]) -> str:
            body = read(ResolveBody, fields)
            await self._resolver.resolve(
                viewer.tenant,
                message_id,
                outcome=body.outcome,
                note=body.note,
                person=viewer.principal.subject,
            )
            return "resolved"

        page = Page(
            path=f"{PATH}/{message_id}",
            again=lambda form: self.show(request, viewer, message_id, form=form),
            late={NotUnknownError: "not_unknown"},
        )
        return await act_on(request, viewer, page, act)

    async def content(self, viewer: Viewer, message_id: UUID) -> Response:
        """The exact bytes of the last attempt, to save; who does so is written down first.

        They hold the debtor's name, and a link that opens the debtor's page.
        """
        view, sealed = await self._sealed(viewer, message_id)
        with in_words():
            content = await opened(self._ledger, view.message, sealed)
        name = file_name_of(message_id, view.media_type, view.settled_at or view.planned_at)
        return download(content, name, view.media_type or "application/octet-stream")

    async def _sealed(self, viewer: Viewer, message_id: UUID) -> tuple[MessageView, bytes]:
        person = viewer.principal.subject
        async with self._db.tenant(viewer.tenant) as connection:
            view = await self._reading.one(connection, message_id)
            sealed = await self._reading.content(connection, message_id)
            if view is None or sealed is None:
                raise missing()
            await self._responses.log(
                connection, viewer.tenant, str(message_id), CONTENT_READ, person
            )
        return view, sealed

    async def keep_paper(self, request: Request, viewer: Viewer, message_id: UUID) -> Response:
        """Keep a paper that proves what became of a letter."""
        typed, upload = await posted_of(request)

        async def act(fields: dict[str, str]) -> str:
            paper = paper_of(fields, upload)
            today = self._clock.now().date()
            person = viewer.principal.subject
            try:
                await self._keeper.keep(
                    viewer.tenant, message_id, paper, person=person, today=today
                )
            except ProofRefusedError as error:
                raise RefusedError({"form": f"{error}."}) from error
            return "proof_kept"

        page = Page(
            path=f"{PATH}/{message_id}",
            again=lambda form: self.show(request, viewer, message_id, paper=form),
        )
        return await act_on_fields(typed, viewer, page, act)

    async def paper(self, viewer: Viewer, message_id: UUID, proof_id: UUID) -> Response:
        """A paper's file, to save."""
        with in_words():
            kept, content = await self._keeper.file(
                viewer.tenant, message_id, proof_id, person=viewer.principal.subject
            )
        return download(content, kept.file_name, kept.media_type)


def message_pages(frame: Frame, desk: MessageDesk) -> APIRouter:
    """The pages under `/desk/messages`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("")
    async def messages(request: Request, viewer: Viewer = frame.reader) -> HTMLResponse:
        return await desk.list(request, viewer)

    @router.get("/{message_id}")
    async def message(
        request: Request, message_id: str, viewer: Viewer = frame.reader
    ) -> HTMLResponse:
        return await desk.show(request, viewer, id_of(message_id))

    @router.post("/{message_id}")
    async def resolve(request: Request, message_id: str, viewer: Viewer = frame.writer) -> Response:
        return await desk.resolve(request, viewer, id_of(message_id))

    @router.get("/{message_id}/content")
    async def content(message_id: str, viewer: Viewer = frame.reader) -> Response:
        return await desk.content(viewer, id_of(message_id))

    @router.post("/{message_id}/proofs")
    async def keep_paper(
        request: Request, message_id: str, viewer: Viewer = frame.writer
    ) -> Response:
        return await desk.keep_paper(request, viewer, id_of(message_id))

    @router.get("/{message_id}/proofs")
    async def papers(message_id: str) -> Response:
        return RedirectResponse(f"{PATH}/{id_of(message_id)}", HTTPStatus.SEE_OTHER)

    @router.get("/{message_id}/proofs/{proof_id}")
    async def paper(message_id: str, proof_id: str, viewer: Viewer = frame.reader) -> Response:
        return await desk.paper(viewer, id_of(message_id), id_of(proof_id))

    return router
