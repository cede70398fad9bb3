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
from notifier.entrypoints.desk.frame import (
    Frame,
    begin,
    download,
    fields_of,
    id_of,
    in_words,
    missing,
    read,
    to,
)
from notifier.entrypoints.paging import cursor_of
from notifier.entrypoints.post import COVER, ResolveBatchBody
from notifier.handlers.resolve_batch import BatchNotUnknownError, BatchResolver
from notifier.ports.post import Batches

PATH = f"{HOME}/post"


class PostDesk:
    """What the pages about the post need; `largest` is how many letters a batch may have."""

    def __init__(
        self,
        frame: Frame,
        *,
        db: Database,
        batches: Batches,
        resolver: BatchResolver,
        largest: int,
    ) -> None:
        self._frame = frame
        self._db = db
        self._batches = batches
        self._resolver = resolver
        self._largest = largest

    async def list(self, request: Request, viewer: Viewer) -> HTMLResponse:
        """Batches, the oldest first."""
        async with self._db.tenant(viewer.tenant) as connection:
            found = await self._batches.page(connection, after=begin(request), limit=SHOWN + 1)
        last = {"cursor": cursor_of(found[SHOWN - 1].seq)} if len(found) > SHOWN else {}
        listing = page_of([Row.of(batch) for batch in found], last, {})
        return self._frame.page(request, "post.html", viewer, listing=listing)

    async def show(
        self, request: Request, viewer: Viewer, batch_id: UUID, *, form: Form | None = None
    ) -> HTMLResponse:
        """One batch with its letters."""
        async with self._db.tenant(viewer.tenant) as connection:
            batch = await self._batches.one(connection, batch_id)
            if batch is None:
                raise missing()
            letters = (await self._batches.letters(connection, [batch.key])).get(batch.key, ())
        return self._frame.page(
            request,
            "batch.html",
            viewer,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if form else HTTPStatus.OK,
            form=form or Form.empty(),
            batch=Row.of(batch),
            letters=[LetterRow.of(letter, batch) for letter in letters],
        )

    async def resolve(self, request: Request, viewer: Viewer, batch_id: UUID) -> Response:
        """Say what became of an unknown batch: all its unknown letters were sent, or not."""
        body = read(ResolveBatchBody, await fields_of(request))
        if isinstance(body, Form):
            return await self.show(request, viewer, batch_id, form=body)
        try:
            with in_words():
                await self._resolver.resolve(
                    viewer.tenant,
                    batch_id,
                    outcome=body.outcome,
                    note=body.note,
                    person=viewer.principal.subject,
                )
        except BatchNotUnknownError:
            return to(viewer, f"{PATH}/{batch_id}", "not_unknown")
        return to(viewer, f"{PATH}/{batch_id}", "resolved")

    async def cover(self, viewer: Viewer, batch_id: UUID) -> Response:
        """The cover sheet; of registered letters the posting list for the counter."""
        async with self._db.tenant(viewer.tenant) as connection:
            batch = await self._batches.one(connection, batch_id)
        if batch is None or batch.folder is None:
            raise missing()
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
