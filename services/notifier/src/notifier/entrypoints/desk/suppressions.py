"""Addresses that are not written to: the list, one with its history, adding and lifting."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from dunning_common.db import Database
from dunning_common.web import Viewer
from notifier.desk.suppressions import (
    CHANNELS,
    Asked,
    Row,
    address_form,
    change_in_words,
    is_hash,
)
from notifier.desk.view import HOME, SHOWN, Form, page_of
from notifier.domain.redaction import redact
from notifier.domain.suppression import Cause
from notifier.entrypoints.desk.forms import Page, act_on, read
from notifier.entrypoints.desk.frame import Frame, begin, missing, to
from notifier.entrypoints.paging import cursor_of
from notifier.entrypoints.suppressions import SuppressBody, suppression_of
from notifier.handlers.suppressing import Suppressor
from notifier.ports.suppressions import Suppressions

PATH = f"{HOME}/suppressions"


class LiftBody(BaseModel):
    """Which cause is lifted, all without one, and why."""

    model_config = ConfigDict(extra="ignore")

    note: Annotated[str, Field(min_length=3, max_length=300, pattern=r"\S")]
    cause: Cause | None = None


class SuppressionDesk:
    """What the pages about suppressions need."""

    def __init__(
        self, frame: Frame, *, db: Database, suppressions: Suppressions, suppressor: Suppressor
    ) -> None:
        self._frame = frame
        self._db = db
        self._suppressions = suppressions
        self._suppressor = suppressor

    async def list(
        self, request: Request, viewer: Viewer, *, form: Form | None = None
    ) -> HTMLResponse:
        """The list, in the order in which addresses came to it."""
        asked = Asked.of(request.query_params)
        async with self._db.tenant(viewer.tenant) as connection:
            found = await self._suppressions.page(
                connection,
                channel=asked.channel or None,
                recipient_hash=asked.recipient_hash or None,
                after=begin(request),
                limit=SHOWN + 1,
            )
        last = {"cursor": cursor_of(found[SHOWN - 1].seq)} if len(found) > SHOWN else {}
        return self._frame.page(
            request,
            "suppressions.html",
            viewer,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if form else HTTPStatus.OK,
            asked=asked,
            channels=CHANNELS,
            listing=page_of([Row.of(listed) for listed in found], last, asked.query),
            form=form or Form.empty(),
        )

    async def add(self, request: Request, viewer: Viewer) -> Response:
        """Write to an address no more."""

        async def act(fields: dict[str, str]) -> Response:
            body = read(SuppressBody, address_form(fields))
            wanted = suppression_of(body, tenant=viewer.tenant, person=viewer.principal.subject)
            async with self._db.tenant(viewer.tenant) as connection:
                added = await self._suppressor.add(connection, [wanted])
            target = f"{PATH}/{wanted.channel}/{wanted.recipient_hash}"
            return to(viewer, target, "listed" if added else "listed_before")

        page = Page(path=PATH, again=lambda form: self.list(request, viewer, form=form))
        return await act_on(request, viewer, page, act)

    async def show(
        self,
        request: Request,
        viewer: Viewer,
        place: tuple[str, str],
        *,
        form: Form | None = None,
    ) -> HTMLResponse:
        """One address: why it is listed now, and who did what when."""
        channel, recipient_hash = place
        async with self._db.tenant(viewer.tenant) as connection:
            listed = await self._suppressions.page(
                connection, channel=channel, recipient_hash=recipient_hash, after=0, limit=10
            )
            history = await self._suppressions.history(
                connection, channel=channel, recipient_hash=recipient_hash
            )
        return self._frame.page(
            request,
            "suppression.html",
            viewer,
            status=HTTPStatus.UNPROCESSABLE_ENTITY if form else HTTPStatus.OK,
            channel=channel,
            recipient_hash=recipient_hash,
            listed=[Row.of(each) for each in listed],
            history=[change_in_words(change) for change in history],
            form=form or Form.empty(),
        )

    async def lift(self, request: Request, viewer: Viewer, place: tuple[str, str]) -> Response:
        """Write to an address again."""
        channel, recipient_hash = place

        async def act(fields: dict[str, str]) -> str:
            body = read(LiftBody, {name: value for name, value in fields.items() if value})
            async with self._db.tenant(viewer.tenant) as connection:
                lifted = await self._suppressor.lift(
                    connection,
                    [(viewer.tenant, channel, recipient_hash)],
                    causes=set(Cause) if body.cause is None else {body.cause},
                    source=f"person:{viewer.principal.subject}",
                    note=redact(body.note),
                )
            return "lifted" if lifted else "nothing_lifted"

        page = Page(
            path=f"{PATH}/{channel}/{recipient_hash}",
            again=lambda form: self.show(request, viewer, place, form=form),
        )
        return await act_on(request, viewer, page, act)


def suppression_pages(frame: Frame, desk: SuppressionDesk) -> APIRouter:
    """The pages under `/desk/suppressions`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("")
    async def suppressions(request: Request, viewer: Viewer = frame.reader) -> HTMLResponse:
        return await desk.list(request, viewer)

    @router.post("")
    async def add(request: Request, viewer: Viewer = frame.writer) -> Response:
        return await desk.add(request, viewer)

    @router.get("/{channel}/{recipient_hash}")
    async def suppression(
        request: Request, channel: str, recipient_hash: str, viewer: Viewer = frame.reader
    ) -> HTMLResponse:
        return await desk.show(request, viewer, _place(channel, recipient_hash))

    @router.post("/{channel}/{recipient_hash}")
    async def lift(
        request: Request, channel: str, recipient_hash: str, viewer: Viewer = frame.writer
    ) -> Response:
        return await desk.lift(request, viewer, _place(channel, recipient_hash))

    return router


def _place(channel: str, recipient_hash: str) -> tuple[str, str]:
    if channel not in CHANNELS or not is_hash(recipient_hash):
        raise missing()
    return channel, recipient_hash
