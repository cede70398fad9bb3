"""Templates over HTTP: which there are, how a message looks, and a trial to one address."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.problems import FieldError, ProblemError
from notifier.content.jurisdiction import Jurisdiction
from notifier.content.model import Rendered, TemplateError
from notifier.content.own import MAX_OWN_CHARS
from notifier.content.render import Renderer
from notifier.content.sample_places import SampleKind, SamplePlace
from notifier.content.sms import segments
from notifier.domain.outcome import Sent
from notifier.handlers.edit_templates import (
    DebtorErasedError,
    Look,
    NoSuchNoticeError,
    NoSuchVersionError,
    TemplateEditor,
)
from notifier.handlers.send_trial import NoTrialError, TrialSender
from notifier.ports.ledger import LedgerUnavailableError
from notifier.ports.trial import TrialBusyError

XTenant = Annotated[str | None, Header(alias="X-Tenant")]


class PreviewBody(BaseModel):
    """Which template to show, on made-up data or on a notice that there is.

    With `source` that draft is shown, unsaved; with `version` that version; else what is in use.
    The made-up debtor is of that `kind` (a `person` is a sole trader) and lives in that `country`,
    or in that part of the United Kingdom; a notice has a debtor of its own.
    """

    model_config = ConfigDict(extra="forbid")

    template: str = Field(min_length=1, max_length=100)
    channel: Literal["email", "sms", "letter", "registered_letter"]
    language: str = Field(min_length=2, max_length=20)
    source: str | None = Field(default=None, max_length=MAX_OWN_CHARS)
    version: int | None = Field(default=None, ge=1)
    notice_id: UUID | None = None
    invoices: int = Field(default=2, ge=1, le=1000)
    charges: bool | None = None
    kind: SampleKind | None = None
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    jurisdiction: Jurisdiction | None = None

    @model_validator(mode="after")
    def _one_debtor(self) -> Self:
        made_up = self.kind or self.country or self.jurisdiction
        if self.notice_id is not None and made_up:
            raise ValueError(
                "a notice has a debtor of its own; leave out kind, country and jurisdiction, or "
                "the notice_id"
            )
        if self.jurisdiction and self.country not in {None, "GB"}:
            raise ValueError("a jurisdiction is of the United Kingdom; leave the country out")
        return self

    def look(self) -> Look:
        """As the editor wants it."""
        return Look(
            family=self.template,
            channel=self.channel,
            language=self.language,
            draft=self.source,
            version=self.version,
            notice_id=self.notice_id,
            invoices=self.invoices,
            charges=self.charges,
            kind=self.kind or "business",
            place=self._place(),
        )

    def _place(self) -> SamplePlace | None:
        if not (self.kind or self.country or self.jurisdiction):
            return None
        return SamplePlace(country=self.country or "", jurisdiction=self.jurisdiction or "")


class TrialBody(PreviewBody):
    """A preview that is sent to an address instead of shown."""

    channel: Literal["email", "sms"]
    to: str = Field(min_length=3, max_length=254)


def template_routes(renderer: Renderer, editor: TemplateEditor, trials: TrialSender) -> APIRouter:
    """The routes under `/v1/templates`."""
    router = APIRouter(prefix="/v1/templates", tags=["templates"])
    may_read, may_write = Depends(require("notices:read")), Depends(require("notices:write"))

    @router.get("")
    async def list_templates(
        principal: Principal = may_read, x_tenant: XTenant = None
    ) -> dict[str, Any]:
        """The template families, gentlest first, with their channels, languages, own versions."""
        own = await editor.in_use(tenant_of(principal, x_tenant))
        return {
            "items": [
                {
                    "template": family,
                    "channels": renderer.channels,
                    "languages": renderer.languages,
                    "own_versions": {
                        language: version
                        for (name, language), version in own.items()
                        if name == family
                    },
                }
                for family in renderer.families
            ]
        }

    @router.post("/preview")
    async def preview_template(
        body: PreviewBody,
        accept: Annotated[str, Header()] = "application/json",
        principal: Principal = may_read,
        x_tenant: XTenant = None,
    ) -> Response:
        """The message a made-up debtor, or a notice's debtor, would get.

        JSON with all parts (a letter as base64), or the part itself when the request accepts only
        `application/pdf`, `text/html` or `text/plain`.
        """
        with refusals():
            rendered = await editor.look(tenant_of(principal, x_tenant), body.look())
        return _as(accept, rendered)

    @router.post("/trial")
    async def send_trial(
        body: TrialBody, principal: Principal = may_write, x_tenant: XTenant = None
    ) -> dict[str, Any]:
        """Send a preview to one address, marked `[Test]`; it belongs to no notice."""
        with refusals():
            outcome = await trials.send(
                tenant_of(principal, x_tenant), body.look(), to=body.to, person=principal.subject
            )
        if isinstance(outcome, Sent):
            return {"outcome": "sent", "provider_ref": outcome.provider_ref}
        reason = getattr(outcome, "reason", "it took too long to begin")
        return {"outcome": "not_sent", "reason": reason}

    return router


@contextmanager
def refusals() -> Iterator[None]:
    """Say to the caller why there is nothing to look at, or to send."""
    try:
        yield
    except (NoSuchVersionError, NoSuchNoticeError) as error:
        raise not_found(error) from error
    except TemplateError as error:
        raise ProblemError(
            422, "no-preview", "This template cannot be shown.", detail=str(error)
        ) from error
    except NoTrialError as error:
        raise ProblemError(
            422,
            "no-trial",
            "This trial cannot be sent.",
            errors=[FieldError(pointer=error.pointer, detail=error.detail)],
        ) from error
    except DebtorErasedError as error:
        raise ProblemError(
            410, "erased", "The debtor was erased; nothing can be shown of it."
        ) from error
    except LedgerUnavailableError as error:
        raise ProblemError(
            503,
            "ledger-unavailable",
            "The ledger holds the debtor's key and does not answer.",
            headers={"retry-after": "5"},
        ) from error
    except TrialBusyError as error:
        raise busy() from error
    except ValueError as error:
        raise ProblemError(
            422, "no-preview", "This message cannot be written.", detail=str(error)
        ) from error


def busy() -> ProblemError:
    """The problem for a text that had no turn."""
    return ProblemError(
        503,
        "too-many-trials",
        "Too many texts are being tried or looked at; try again in a moment.",
        headers={"retry-after": "5"},
    )


def not_found(error: Exception) -> ProblemError:
    """The problem for a text, a version or a notice that there is not."""
    if isinstance(error, NoSuchVersionError):
        return ProblemError(404, "version-not-found", "There is no such version of this text.")
    if isinstance(error, NoSuchNoticeError):
        return ProblemError(404, "notice-not-found", "There is no notice of that id.")
    return ProblemError(404, "template-not-found", "No such text.", detail=str(error))


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
            "remarks": rendered.remarks,
            "segments": segments(rendered.text or "")
            if rendered.media_type == "text/plain"
            else None,
        }
    )
