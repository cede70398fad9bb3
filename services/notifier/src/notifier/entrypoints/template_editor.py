"""Editing templates over HTTP: read a text, write a version, compare two, put one to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.problems import FieldError, ProblemError
from notifier.content.model import NoSuchTextError, TemplateError
from notifier.content.own import MAX_OWN_CHARS
from notifier.entrypoints.templates import XTenant, busy, not_found
from notifier.handlers.edit_templates import NoSuchVersionError, TemplateEditor
from notifier.ports.templates import TemplateVersion
from notifier.ports.trial import TrialBusyError


class SaveBody(BaseModel):
    """A family's own texts in one language: YAML, as `GET` answers it."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(min_length=1, max_length=MAX_OWN_CHARS)
    note: str = Field(default="", max_length=500)
    use: bool = True


class UseBody(BaseModel):
    """The version to use from now on; null is the built-in text."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(ge=1)


def editing_routes(editor: TemplateEditor) -> APIRouter:
    """The routes under `/v1/templates/{family}/{language}`."""
    router = APIRouter(prefix="/v1/templates/{family}/{language}", tags=["templates"])
    _reading(router, editor)
    may_write = Depends(require("notices:write"))

    @router.put("")
    async def put_template(
        family: str,
        language: str,
        body: SaveBody,
        response: Response,
        principal: Principal = may_write,
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Store a version, after trying it on every edge case; the same text again is the same."""
        tenant = tenant_of(principal, x_tenant)
        with found():
            await editor.state(tenant, (family, language))
        try:
            version, is_new = await editor.save(
                tenant,
                (family, language),
                body.source,
                note=body.note,
                person=principal.subject,
                use=body.use,
            )
        except TemplateError as error:
            raise _refused(error) from error
        except TrialBusyError as error:
            raise busy() from error
        response.status_code = 201 if is_new else 200
        return _version(version) | {"status": "created" if is_new else "unchanged"}

    @router.post("/use")
    async def use_template(
        family: str,
        language: str,
        body: UseBody,
        principal: Principal = may_write,
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Put a version, or the built-in text, to use from the next message on."""
        key = (family, language)
        with found():
            await editor.use(
                tenant_of(principal, x_tenant), key, body.version, person=principal.subject
            )
        return {"template": family, "language": language, "version": body.version}

    return router


def _reading(router: APIRouter, editor: TemplateEditor) -> None:
    may_read = Depends(require("notices:read"))

    @router.get("")
    async def get_template(
        family: str, language: str, principal: Principal = may_read, x_tenant: XTenant = None
    ) -> dict[str, Any]:
        """The text in use as YAML, with all versions and what was in use since when."""
        with found():
            state = await editor.state(tenant_of(principal, x_tenant), (family, language))
        return {
            "template": family,
            "language": language,
            "version": state.version,
            "source": state.source,
            "versions": [_version(version) for version in state.versions],
            "uses": [
                {"version": use.version, "since": use.since, "by": use.used_by}
                for use in state.uses
            ],
        }

    @router.get("/versions/{version}")
    async def get_version(
        family: str,
        language: str,
        version: int,
        principal: Principal = may_read,
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """One version with its text."""
        with found():
            state = await editor.state(tenant_of(principal, x_tenant), (family, language))
        for one in state.versions:
            if one.text.version == version:
                return _version(one) | {"source": one.text.source}
        raise not_found(NoSuchVersionError(version))

    @router.get("/diff")
    async def diff_versions(
        family: str,
        language: str,
        before: Annotated[int, Query(ge=0)],
        after: Annotated[int, Query(ge=0)],
        principal: Principal = may_read,
        x_tenant: XTenant = None,
    ) -> PlainTextResponse:
        """What changes from one version to another, as a unified diff; 0 is the built-in text."""
        tenant = tenant_of(principal, x_tenant)
        with found():
            return PlainTextResponse(await editor.diff(tenant, (family, language), before, after))


@contextmanager
def found() -> Iterator[None]:
    """What the path names and there is not is a 404."""
    try:
        yield
    except (NoSuchTextError, NoSuchVersionError) as error:
        raise not_found(error) from error


def _refused(error: TemplateError) -> ProblemError:
    return ProblemError(
        422,
        "template-refused",
        "This text was not stored.",
        detail=str(error),
        errors=[FieldError(pointer="/source", detail=f"{error.place}: {error.reason}")],
    )


def _version(version: TemplateVersion) -> dict[str, Any]:
    return {
        "version": version.text.version,
        "sha256": version.sha256,
        "note": version.note,
        "written_by": version.written_by,
        "written_at": version.written_at,
    }
