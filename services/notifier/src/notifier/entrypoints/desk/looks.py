"""Looks at a text: the live preview in the editor's frame, and a letter as a PDF.

The frame is sandboxed by the page and by the document's own policy: whatever a text says, nothing
in it runs, loads or leads anywhere.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from dunning_common.problems import ProblemError
from dunning_common.web import Viewer
from dunning_common.web.headers import PAGE_CSP
from dunning_common.web.pages import PageError
from notifier.adapters.pdf_pictures import pictures_of
from notifier.content.model import Rendered
from notifier.content.sms import segments
from notifier.desk.view import HOME
from notifier.entrypoints.desk.forms import RefusedError, read
from notifier.entrypoints.desk.frame import Frame, download, fields_of
from notifier.entrypoints.templates import PreviewBody, refusals
from notifier.handlers.edit_templates import TemplateEditor
from notifier.ports.templates import TextKey

EDITOR_CSP = f"{PAGE_CSP}; frame-src 'self'"
"""The policy of pages, which may also hold a frame of ours."""

PREVIEW_CSP = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
"""The policy of a look: e-mails carry their style in place, and nothing else is let in."""


_COUNTRY_CHARS = 2


def look_pages(frame: Frame, editor: TemplateEditor) -> APIRouter:
    """The looks under `/desk/texts/{family}/{language}`."""
    router = APIRouter(prefix=f"{HOME}/texts/{{family}}/{{language}}", include_in_schema=False)

    @router.get("/preview")
    async def saved(
        request: Request, family: str, language: str, viewer: Viewer = frame.reader
    ) -> HTMLResponse:
        return await _preview(frame, editor, viewer, (family, language), request.query_params)

    @router.post("/preview")
    async def draft(
        request: Request, family: str, language: str, viewer: Viewer = frame.reader
    ) -> HTMLResponse:
        fields = await fields_of(request)
        return await _preview(frame, editor, viewer, (family, language), fields)

    @router.post("/letter")
    async def letter(
        request: Request, family: str, language: str, viewer: Viewer = frame.reader
    ) -> Response:
        fields = await fields_of(request)
        if fields.get("channel") not in ("letter", "registered_letter"):
            fields["channel"] = "letter"
        rendered = await _look(editor, viewer, (family, language), fields)
        if isinstance(rendered, str):
            raise PageError(ProblemError(422, "page", "There is no letter", detail=rendered))
        name = f"{family}-{language}.pdf"
        return download(rendered.pdf or b"", name, "application/pdf")

    return router


def look_form(key: TextKey, fields: Mapping[str, str]) -> dict[str, Any]:
    """The editor's form as the API's body."""
    charges = {"with": True, "without": False}.get(fields.get("charges", ""))
    lives = fields.get("lives", "")
    wanted: dict[str, Any] = {
        "template": key[0],
        "language": key[1],
        "channel": fields.get("channel", "email"),
        "source": fields.get("source") or None,
        "notice_id": fields.get("notice_id", "").strip() or None,
        "invoices": fields.get("invoices", "").strip() or 2,
        "charges": charges,
        "kind": fields.get("kind") or None,
        "country" if len(lives) == _COUNTRY_CHARS else "jurisdiction": lives or None,
    }
    version = fields.get("version", "")
    return wanted | ({"version": version} if version and not wanted["source"] else {})


async def _preview(
    frame: Frame, editor: TemplateEditor, viewer: Viewer, key: TextKey, fields: Mapping[str, str]
) -> HTMLResponse:
    rendered = await _look(editor, viewer, key, fields)
    problem = rendered if isinstance(rendered, str) else ""
    shown = None if isinstance(rendered, str) else rendered
    pages: list[str] = []
    if shown and shown.pdf:
        pictures = await asyncio.to_thread(pictures_of, shown.pdf)
        pages = [base64.b64encode(picture).decode() for picture in pictures]
    is_text = shown is not None and shown.media_type == "text/plain"
    return frame.bare(
        "preview.html",
        csp=PREVIEW_CSP,
        problem=problem,
        shown=shown,
        pages=pages,
        segments=segments(shown.text or "") if shown and is_text else 0,
    )


async def _look(
    editor: TemplateEditor, viewer: Viewer, key: TextKey, fields: Mapping[str, str]
) -> Rendered | str:
    """What somebody would get, or in words why nobody can."""
    try:
        body = read(PreviewBody, look_form(key, fields))
        with refusals():
            return await editor.look(viewer.tenant, body.look())
    except RefusedError as refused:
        return " ".join(refused.errors.values())
    except ProblemError as problem:
        return problem.detail or problem.title
