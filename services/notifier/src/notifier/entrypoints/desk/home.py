"""The desk's first page: how much waits for a person, and where."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from dunning_common.db import Database
from dunning_common.web import Viewer
from notifier.desk.view import HOME, due_list
from notifier.entrypoints.desk.frame import Frame
from notifier.ports.attention import AttentionReading


def home_pages(frame: Frame, *, db: Database, attention: AttentionReading) -> APIRouter:
    """The page at `/desk`."""
    router = APIRouter(include_in_schema=False)

    @router.get(HOME)
    async def home(request: Request, viewer: Viewer = frame.reader) -> HTMLResponse:
        async with db.tenant(viewer.tenant) as connection:
            counts = await attention.counts(connection)
        return frame.page(request, "home.html", viewer, due=due_list(counts))

    return router
