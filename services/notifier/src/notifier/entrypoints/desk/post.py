"""The post: batches of letters with their cover sheets, and cutting what waits."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from dunning_common.db import Database
from dunning_common.web import Viewer
from notifier.desk.post import LetterRow, Row
from notifier.desk.view import HOME, SHOWN, Form, page_of
from notifier.desk.words import moment
from notifier.entrypoints.desk.forms import Page, act_on, read
from notifier.entrypoints.desk.frame import Frame, begin, download, id_of, missing, to
from notifier.entrypoints.paging import cursor_of
from notifier.entrypoints.post import COVER, ResolveBatchBody
from notifier.handlers.resolve_batch import BatchNotUnknownError, BatchResolver
from notifier.ports.post import Batches
from notifier.ports.responses import COVER_READ, Responses

PATH = f"{HOME}/post"


class PostDesk:
    """What the pages about the post need; `largest` is how many letters a batch may have."""

    def __init__(
        self,
        frame: Frame,
        *,
        db: Database,
        batches: Batches,
        responses: Responses,
        resolver: BatchResolver,
        largest: int,
    ) -> None:
        self._frame = frame
        self._db = db
        self._batches = batches
        self._responses = responses
        self._resolver = resolver
        self._largest = largest

    async def list(self, request: Request, viewer: Viewer) -> HTMLResponse:
        """All batches, the newest first; above them, at the beginning, what waits for a person."""
        after = begin(request)
        async with self._db.tenant(viewer.tenant) as connection:
            found = await self._batches.page(
                connection, after=after, limit=SHOWN + 1, newest_first=True
            )
            waiting = [] if after else await self._batches.waiting(connection, limit=SHOWN)
        last = {"cursor": cursor_of(found[SHOWN - 1].seq)} if len(found) > SHOWN else {}
        return self._frame.page(
            request,
            "post.html",
            viewer,
            waiting=[Row.of(batch) for batch in waiting],
            listing=page_of([Row.of(batch) for batch in found], last, {}),
        )

    async def show(
        self, request: Request, viewer: Viewer, batch_id: UUID, *, form: Form | None = None
    ) -> HTMLResponse:
        """One batch with its letters."""
        async with self._db.tenant(viewer.tenant) as connection:
            batch = await self._batches.one(connection, batch_id)
            if batch is None:
                raise missing()
            letters = (await self._batches.letters(connection, [batch.key])).get(batch.key, ())
            log = await self._responses.history(connection, str(batch_id))
        return self._frame.page(
            request,
            "batch.html",
            viewer,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if form else HTTPStatus.OK,
            form=form or Form.empty(),
            batch=Row.of(batch),
            letters=[LetterRow.of(letter, batch) for letter in letters],
            saved=[(moment(line.at), line.actor) for line in log if line.action == COVER_READ],
        )

    async def resolve(self, request: Request, viewer: Viewer, batch_id: UUID) -> Response:
        """Say what became of an unknown batch: all its unknown letters were sent, or not."""

        async def act(fields: dict[str, str]) -> str:
            body = read(ResolveBatchBody, fields)
            await self._resolver.resolve(
                viewer.tenant,
                batch_id,
                outcome=body.outcome,
                note=body.note,
                person=viewer.principal.subject,
            )
            return "resolved"

        page = Page(
            path=f"{PATH}/{batch_id}",
            again=lambda form: self.show(request, viewer, batch_id, form=form),
            late={BatchNotUnknownError: "not_unknown"},
        )
        return await act_on(request, viewer, page, act)

    async def cover(self, viewer: Viewer, batch_id: UUID) -> Response:
        """The cover sheet, to save; who does so is written down first."""
        person = viewer.principal.subject
        async with self._db.tenant(viewer.tenant) as connection:
            batch = await self._batches.one(connection, batch_id)
            if batch is None or batch.folder is None:
                raise missing()
            await self._responses.log(connection, viewer.tenant, str(batch_id), COVER_READ, person)
        try:
            pdf = await asyncio.to_thread((Path(batch.folder) / COVER).read_bytes)
        except FileNotFoundError:
            raise missing() from None
        return download(pdf, f"{batch.reference}-{COVER}", "application/pdf")

    async def cut(self, viewer: Viewer) -> Response:
        """Make batches of all letters that wait, now."""
        async with self._db.tenant(viewer.tenant) as connection:
            made = await self._batches.cut(connection, largest=self._largest, wait_s=0.0)
        return to(viewer, PATH, "cut" if made else "nothing_cut")


def post_pages(frame: Frame, desk: PostDesk) -> APIRouter:
    """The pages under `/desk/post`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("")
    async def batches(request: Request, viewer: Viewer = frame.reader) -> HTMLResponse:
        return await desk.list(request, viewer)

    @router.post("")
    async def cut(viewer: Viewer = frame.writer) -> Response:
        return await desk.cut(viewer)

    @router.get("/{batch_id}")
    async def batch(request: Request, batch_id: str, viewer: Viewer = frame.reader) -> HTMLResponse:
        return await desk.show(request, viewer, id_of(batch_id))

    @router.post("/{batch_id}")
    async def resolve(request: Request, batch_id: str, viewer: Viewer = frame.writer) -> Response:
        return await desk.resolve(request, viewer, id_of(batch_id))

    @router.get("/{batch_id}/cover")
    async def cover(batch_id: str, viewer: Viewer = frame.reader) -> Response:
        return await desk.cover(viewer, id_of(batch_id))

    return router
