"""Looking at templates over HTTP: which there are, and how a message of each would look."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from dunning_common.auth import require
from dunning_common.problems import ProblemError
from notifier.content.model import Rendered, TemplateError
from notifier.content.render import Renderer


class PreviewBody(BaseModel):
    """Which template to show; the debtor and the invoices are made up."""

    model_config = ConfigDict(extra="forbid")

    template: str = Field(min_length=1, max_length=100)
    channel: Literal["email", "sms", "letter", "registered_letter"]
    language: str = Field(min_length=2, max_length=20)


def template_routes(renderer: Renderer) -> APIRouter:
    """The routes under `/v1/templates`."""
    router = APIRouter(
        prefix="/v1/templates",
        tags=["templates"],
        dependencies=[Depends(require("notices:read"))],
    )

    @router.get("")
    async def list_templates() -> dict[str, Any]:
        """The template families, gentlest first, with their channels and languages."""
        return {
            "items": [
                {
                    "template": family,
                    "channels": renderer.channels,
                    "languages": renderer.languages,
                }
                for family in renderer.families
            ]
        }

    @router.post("/preview")
    def preview_template(
        body: PreviewBody, accept: Annotated[str, Header()] = "application/json"
    ) -> Response:
        """The message a made-up debtor would get.

        JSON with all parts (a letter as base64), or the part itself when the request accepts only
        `application/pdf`, `text/html` or `text/plain`.
        """
        try:
            rendered = renderer.preview(body.template, body.channel, body.language)
        except TemplateError as error:
            raise ProblemError(
                422, "no-preview", "This template cannot be shown.", detail=str(error)
            ) from error
        return _as(accept, rendered)

    return router


def _as(accept: str, rendered: Rendered) -> Response:
    parts = {
        "application/pdf": rendered.pdf,
        "text/html": rendered.html,
        "text/plain": rendered.text,
    }
    wanted = accept.partition(";")[0].strip().lower()
    part = parts.get(wanted)
    if part is not None:
        return Response(part, media_type=wanted)
    pdf = None if rendered.pdf is None else base64.b64encode(rendered.pdf).decode()
    return JSONResponse(
        {
            "media_type": rendered.media_type,
            "subject": rendered.subject,
            "text": rendered.text,
            "html": rendered.html,
            "pdf_base64": pdf,
        }
    )
