"""What debtors answered: the list, one with its words and files, and yes or no to a proposal."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel

from dunning_common.web import Viewer
from notifier.desk.answers import KINDS, STATES, Asked, Row, changes_of, note_in_words
from notifier.desk.view import HOME, SHOWN, Form, page_of
from notifier.desk.words import moment, plain
from notifier.entrypoints.desk.forms import Page, act_on, read
from notifier.entrypoints.desk.frame import (
    WRITE,
    Frame,
    address_of,
    begin,
    download,
    id_of,
    in_words,
    missing,
)
from notifier.entrypoints.paging import cursor_of
from notifier.handlers.judge_response import Judgement, NotProposedError, ResponseDesk

PATH = f"{HOME}/answers"


def answer_pages(frame: Frame, desk: ResponseDesk) -> APIRouter:
    """The pages under `/desk/answers`."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("")
    async def answers(request: Request, viewer: Viewer = frame.reader) -> HTMLResponse:
        asked = Asked.of(request.query_params)
        wanted = asked.filter(after=begin(request), limit=SHOWN + 1)
        found = [Row.of(view) for view in await desk.page(viewer.tenant, wanted)]
        last = {"cursor": cursor_of(found[SHOWN - 1].seq)} if len(found) > SHOWN else {}
        return frame.page(
            request,
            "answers.html",
            viewer,
            asked=asked,
            kinds=KINDS,
            states=STATES,
            listing=page_of(found, last, asked.query),
        )

    @router.get("/{response_id}")
    async def answer(
        request: Request, response_id: str, viewer: Viewer = frame.reader
    ) -> HTMLResponse:
        with in_words():
            opened = await desk.open(
                viewer.tenant,
                id_of(response_id),
                person=viewer.principal.subject,
                judges=WRITE in viewer.principal.scopes,
            )
        changes = changes_of(opened.note, opened.present)
        history = [(moment(line.at), plain(line.action), line.actor) for line in opened.history]
        return frame.page(
            request,
            "answer.html",
            viewer,
            answer=Row.of(opened.response),
            changes=changes,
            words=note_in_words(opened.note, without=("correction",) if changes else ()),
            history=history,
        )

    @router.post("/{response_id}")
    async def judge(request: Request, response_id: str, viewer: Viewer = frame.writer) -> Response:
        return await _judge(desk, request, viewer, id_of(response_id))

    @router.get("/{response_id}/files/{file_no}")
    async def file(response_id: str, file_no: str, viewer: Viewer = frame.reader) -> Response:
        if not (file_no.isascii() and file_no.isdigit() and len(file_no) <= len("100")):
            raise missing()
        with in_words():
            opened = await desk.file(
                viewer.tenant, id_of(response_id), int(file_no), person=viewer.principal.subject
            )
        return download(opened.content, opened.name, opened.media_type)

    return router


class JudgementBody(BaseModel):
    """Yes or no to a proposal."""

    judgement: Judgement


async def _judge(
    desk: ResponseDesk, request: Request, viewer: Viewer, response_id: UUID
) -> Response:
    path = f"{PATH}/{response_id}"

    async def act(fields: dict[str, str]) -> str:
        judgement = read(JudgementBody, fields).judgement
        person = viewer.principal.subject
        await desk.judge(viewer.tenant, response_id, judgement, person=person)
        return judgement

    async def again(_: Form) -> Response:
        return RedirectResponse(address_of(viewer, path, {}), HTTPStatus.SEE_OTHER)

    page = Page(path=path, again=again, late={NotProposedError: "not_proposed"})
    return await act_on(request, viewer, page, act)
