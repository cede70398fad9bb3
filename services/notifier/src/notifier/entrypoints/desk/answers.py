"""What debtors answered: the list, one with its words and files, and yes or no to a proposal."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from dunning_common.web import Viewer
from notifier.desk.answers import KINDS, STATES, Asked, Row, note_in_words
from notifier.desk.view import HOME, SHOWN, page_of
from notifier.desk.words import moment
from notifier.entrypoints.desk.frame import (
    Frame,
    address_of,
    begin,
    download,
    fields_of,
    id_of,
    in_words,
    missing,
    to,
)
from notifier.entrypoints.paging import cursor_of
from notifier.handlers.judge_response import NotProposedError, ResponseDesk

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
                viewer.tenant, id_of(response_id), person=viewer.principal.subject
            )
        history = [(moment(line.at), line.action, line.actor) for line in opened.history]
        return frame.page(
            request,
            "answer.html",
            viewer,
            answer=Row.of(opened.response),
            words=note_in_words(opened.note),
            history=history,
        )

    @router.post("/{response_id}")
    async def judge(request: Request, response_id: str, viewer: Viewer = frame.writer) -> Response:
        return await _judge(desk, viewer, id_of(response_id), await fields_of(request))

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


async def _judge(
    desk: ResponseDesk, viewer: Viewer, response_id: UUID, fields: dict[str, str]
) -> Response:
    judgement = fields.get("judgement")
    target = f"{PATH}/{response_id}"
    if judgement not in ("accepted", "rejected"):
        return Response(
            status_code=HTTPStatus.SEE_OTHER, headers={"location": address_of(viewer, target, {})}
        )
    try:
        with in_words():
            await desk.judge(
                viewer.tenant,
                response_id,
                "accepted" if judgement == "accepted" else "rejected",
                person=viewer.principal.subject,
            )
    except NotProposedError:
        return to(viewer, target, "not_proposed")
    return to(viewer, target, judgement)
