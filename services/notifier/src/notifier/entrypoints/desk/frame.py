"""What every page of the desk needs: who looks at it, its frame, its errors in words.

Decides nothing about what a page shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import pass_context
from jinja2.runtime import Context
from starlette.datastructures import UploadFile

from dunning_common.problems import ProblemError
from dunning_common.vault import VaultError
from dunning_common.web import Pages, Viewer, same_origin
from dunning_common.web.headers import SharedAssets, page_headers
from dunning_common.web.pages import PageError
from notifier.content.model import NoSuchTextError
from notifier.desk.view import HOME, SAID, SECTIONS
from notifier.desk.words import plain
from notifier.domain.message import Message
from notifier.entrypoints.paging import after
from notifier.entrypoints.portal_forms import UnreadableFormError, read_form
from notifier.handlers import (
    calls,
    edit_templates,
    judge_response,
    proofs,
    resolve,
    resolve_batch,
    strangers,
)
from notifier.handlers.write import open_content
from notifier.portal.files import Upload
from notifier.ports.ledger import Ledger, LedgerUnavailableError

ASSETS = "/desk-assets"
READ, WRITE = "notices:read", "notices:write"

_GONE = (HTTPStatus.NOT_FOUND, "There is no such thing", "It may belong to another tenant.")
_ERASED = (
    HTTPStatus.GONE,
    "The debtor was erased",
    "Its key was destroyed: nobody can read this any more.",
)
_TROUBLES: dict[type[Exception], tuple[HTTPStatus, str, str]] = {
    resolve.NoSuchMessageError: _GONE,
    resolve_batch.NoSuchBatchError: _GONE,
    judge_response.NoSuchResponseError: _GONE,
    calls.NoSuchCallError: _GONE,
    strangers.NoSuchReplyError: _GONE,
    edit_templates.NoSuchVersionError: _GONE,
    edit_templates.NoSuchNoticeError: _GONE,
    NoSuchTextError: _GONE,
    strangers.WordsGoneError: (
        HTTPStatus.GONE,
        "These words are not kept in clear any more",
        "They belong to a debtor (see Answers), or were deleted by age.",
    ),
    judge_response.ErasedError: _ERASED,
    proofs.ErasedError: _ERASED,
    edit_templates.DebtorErasedError: _ERASED,
    VaultError: _ERASED,
    LedgerUnavailableError: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The ledger does not answer",
        "It holds the debtor's key. Nothing was changed; try again in a minute.",
    ),
}


class TenantWantedError(Exception):
    """A token for all tenants has not chosen one yet."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__("no tenant is chosen")
        self.viewer = viewer


class Frame:
    """The frame of the pages. Make it in bootstrap, `install` it once."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        pages.environment.globals |= {
            "plain": plain,
            "desk_asset": _asset_url,
            "target": _target,
        }
        self.reader = Depends(self._viewer(READ))
        self.writer = Depends(self._viewer(WRITE))

    def install(self, app: FastAPI) -> None:
        """Add the sign-in, the style sheet and the script, and the page that asks for a tenant."""
        self._pages.install(app)
        app.mount(ASSETS, SharedAssets(packages=[("notifier.desk", "static")]), name="desk-assets")

        @app.exception_handler(TenantWantedError)
        async def _choose(request: Request, error: TenantWantedError) -> HTMLResponse:
            return self._pages.render(request, "choose.html", viewer=error.viewer)

    def _viewer(self, scope: str) -> Any:
        wanted = self._pages.viewer(scope)

        def dependency(request: Request, viewer: Viewer = Depends(wanted)) -> Viewer:
            if request.method not in ("GET", "HEAD"):
                same_origin(request)
                _tenant_given(request, viewer)
            if not viewer.tenant:
                raise TenantWantedError(viewer)
            return viewer

        return dependency

    def page(
        self,
        request: Request,
        template: str,
        viewer: Viewer,
        *,
        status: int = HTTPStatus.OK,
        csp: str | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """A page inside the frame; `csp` replaces the strict policy of pages."""
        path = request.url.path
        response = self._pages.render(
            request,
            template,
            viewer=viewer,
            status=status,
            sections=[(section, section.is_at(path)) for section in SECTIONS],
            home=HOME,
            said=SAID.get(request.query_params.get("said", "")),
            may_write=WRITE in viewer.principal.scopes,
            **context,
        )
        if csp is not None:
            response.headers["Content-Security-Policy"] = csp
        return response

    def bare(self, template: str, *, csp: str, **context: Any) -> HTMLResponse:
        """A document that stands in a frame of a page of ours, under a policy of its own."""
        html = self._pages.environment.get_template(template).render(**context)
        headers = page_headers(csp) | {"X-Frame-Options": "SAMEORIGIN"}
        return HTMLResponse(html, headers=headers)


def _asset_url(name: str) -> str:
    content = (files("notifier.desk") / "static" / name).read_bytes()
    return f"{ASSETS}/{name}?v={hashlib.sha256(content).hexdigest()[:8]}"


def _tenant_given(request: Request, viewer: Viewer) -> None:
    """A form acts for the tenant it was opened for, never for one chosen since in another tab.

    Raises:
        PageError: 409, the form of a `*` token does not say its tenant.
    """
    if viewer.may_switch and not request.query_params.get("tenant", "").strip():
        detail = (
            "Nothing was done. This token acts for all tenants, and the form does not name one: "
            "open its page again, check the tenant at the top, and send it again."
        )
        title = "The form does not say for which tenant"
        raise PageError(ProblemError(HTTPStatus.CONFLICT, "page", title, detail=detail))


def address_of(viewer: Viewer, path: str, query: Mapping[str, str]) -> str:
    """A path with its query; it names the tenant where the person may choose among tenants."""
    tenant = {"tenant": viewer.tenant} if viewer.may_switch else {}
    asked = urlencode({**tenant, **query})
    return f"{path}?{asked}" if asked else path


@pass_context
def _target(context: Context, path: str, **query: str) -> str:
    """Where a form of a page is sent; every form that is posted is sent there."""
    return address_of(context["viewer"], path, query)


def to(viewer: Viewer, path: str, said: str, **more: str) -> RedirectResponse:
    """On to a page of the same tenant, which says what was done."""
    target = address_of(viewer, path, {**more, "said": said})
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)


def download(content: bytes, name: str, media_type: str) -> Response:
    """A file to save: never shown in place, because others wrote what is in it."""
    printable = "".join(sign for sign in name if sign.isprintable() and sign not in '"\\/;')
    safe = printable.encode("ascii", "replace").decode()
    return Response(
        content,
        media_type=media_type,
        headers={
            "content-disposition": f'attachment; filename="{safe}"',
            "cache-control": "private, no-store",
            "x-content-type-options": "nosniff",
        },
    )


@contextmanager
def in_words() -> Iterator[None]:
    """What goes wrong in a handler becomes a page that says it, and what to do."""
    try:
        yield
    except tuple(_TROUBLES) as error:
        kind = next(kind for kind in _TROUBLES if isinstance(error, kind))
        status, title, detail = _TROUBLES[kind]
        raise PageError(ProblemError(status, "page", title, detail=detail)) from error


def missing() -> PageError:
    """There is nothing under that address."""
    status, title, detail = _GONE
    return PageError(ProblemError(status, "not-found", title, detail=detail))


def id_of(text: str) -> UUID:
    """The id in a path.

    Raises:
        PageError: 404.
    """
    try:
        return UUID(text)
    except ValueError:
        raise missing() from None


def begin(request: Request) -> int:
    """The `seq` behind which a list begins; an old or foreign cursor begins at the top."""
    try:
        return after(request.query_params.get("cursor"))
    except ProblemError:
        return 0


async def fields_of(request: Request) -> dict[str, str]:
    """The text fields of a posted form."""
    return _texts(await request.form(max_files=0, max_fields=40))


async def posted_of(request: Request) -> tuple[dict[str, str], Upload | None]:
    """The text fields and the file of a posted form; the file never touches the disk.

    Raises:
        PageError: 400, not a form.
    """
    try:
        posted = await read_form(request)
    except UnreadableFormError as error:
        title = "The form cannot be read"
        detail = "Open its page again and send it from there."
        problem = ProblemError(HTTPStatus.BAD_REQUEST, "page", title, detail=detail)
        raise PageError(problem) from error
    return _texts(posted.fields), posted.upload


def _texts(fields: Mapping[str, str | UploadFile]) -> dict[str, str]:
    """The text fields of a form; NUL cannot be stored and is left out, lines end as in Unix."""
    return {
        name: value.replace("\x00", "").replace("\r\n", "\n")
        for name, value in fields.items()
        if isinstance(value, str)
    }


async def opened(ledger: Ledger, message: Message, sealed: bytes) -> bytes:
    """The exact bytes of a message.

    Raises:
        LedgerUnavailableError: the ledger holds the key and does not answer.
        VaultError: the debtor was erased.
    """
    debtor = (message.tenant, message.debtor_id)
    key = (await ledger.keys({debtor})).get(debtor)
    if key is None:
        raise VaultError("the debtor was erased")
    return open_content(key, sealed, message)
