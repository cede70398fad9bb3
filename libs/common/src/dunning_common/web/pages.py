"""Server-rendered pages inside the shared layout, for people who signed in with a token.

Renders Jinja2 templates of a service's package (always escaped), keeps the token in an HttpOnly
cookie, and sends whoever has none to `/login`. Decides nothing about what a page shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from dunning_common.auth import ANY_TENANT, COOKIE, Principal, Verifier, require
from dunning_common.problems import ProblemError
from dunning_common.web.headers import ASSETS, page_headers
from dunning_common.web.links import Links

PRODUCT = "Dunning"
TENANT_COOKIE = "dunning_tenant"


class SignInNeededError(Exception):
    """Nobody is signed in, or the token ran out: `Pages` answers with the sign-in page."""


class PageError(Exception):
    """What the person should read instead of the page: `problem` says it, with its status."""

    def __init__(self, problem: ProblemError) -> None:
        super().__init__(problem.title)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks at a page. `tenant` is empty while a `*` token has not chosen one."""

    principal: Principal
    tenant: str

    @property
    def may_switch(self) -> bool:
        """Whether the person may choose among tenants."""
        return self.principal.tenant == ANY_TENANT


class Pages:
    """Renders one service's templates; make it in bootstrap, `install` it once."""

    def __init__(self, package: str, *, service: str, links: Links) -> None:
        """Args: package with the folder `templates`; the service's name; where its peers are."""
        self._service = service
        self._links = links
        self.environment = Environment(
            loader=ChoiceLoader([PackageLoader(package), PackageLoader("dunning_common.web")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.globals["asset"] = _asset_url
        self.environment.globals["product"] = PRODUCT

    def install(self, app: FastAPI) -> None:
        """Add `/login`, `/logout` and the answers to `SignInNeededError` and `PageError`."""
        _add_sign_in(app, self)

        @app.exception_handler(SignInNeededError)
        async def _sign_in(request: Request, _: SignInNeededError) -> RedirectResponse:
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(target, safe='')}", HTTPStatus.SEE_OTHER)

        @app.exception_handler(PageError)
        async def _page_error(request: Request, error: PageError) -> HTMLResponse:
            return self.render(
                request, "error.html", status=error.problem.status, problem=error.problem
            )

    def viewer(self, scope: str) -> Callable[[Request], Viewer]:
        """FastAPI dependency of a page: who looks at it, with `scope`, and for which tenant.

        The tenant of a `*` token is the query parameter `tenant`, or the one chosen last.
        """
        needed = require(scope)

        def dependency(request: Request) -> Viewer:
            try:
                principal = needed(request)
            except ProblemError as problem:
                if problem.status == HTTPStatus.UNAUTHORIZED:
                    raise SignInNeededError from problem
                raise PageError(problem) from problem
            wanted = request.query_params.get("tenant", "").strip()
            if principal.tenant == ANY_TENANT:
                chosen = wanted or unquote(request.cookies.get(TENANT_COOKIE, ""))
                return Viewer(principal=principal, tenant=chosen)
            if wanted not in ("", principal.tenant):
                raise PageError(
                    ProblemError(403, "foreign-tenant", "This token does not act for that tenant.")
                )
            return Viewer(principal=principal, tenant=principal.tenant)

        return dependency

    def render(
        self,
        request: Request,
        template: str,
        *,
        viewer: Viewer | None = None,
        tenants: Sequence[str] = (),
        status: int = HTTPStatus.OK,
        **context: Any,
    ) -> HTMLResponse:
        """A page as an answer with its security headers.

        Args:
            request: whose path marks the current entry of the navigation.
            template: file name in the service's or the shared folder.
            viewer: who is signed in; None shows neither navigation nor sign-out.
            tenants: what a `*` token can choose from; without them the choice is a text field.
            status: HTTP status.
            context: what the template needs.
        """
        html = self.environment.get_template(template).render(
            viewer=viewer,
            tenants=tenants,
            path=request.url.path,
            links=self._links.base,
            navigation=self._links.navigation(service=self._service, path=request.url.path),
            **context,
        )
        response = HTMLResponse(html, status_code=status, headers=page_headers())
        if viewer and viewer.may_switch and viewer.tenant:
            _set_cookie(response, request, TENANT_COOKIE, viewer.tenant)
        return response


def _add_sign_in(app: FastAPI, pages: Pages) -> None:
    @app.get("/login", include_in_schema=False)
    async def login_page(request: Request, next: str = "/") -> HTMLResponse:  # noqa: A002
        return pages.render(request, "login.html", next=_local(next), error="")

    @app.post("/login", include_in_schema=False, response_model=None)
    async def login(
        request: Request,
        token: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "/",  # noqa: A002
    ) -> HTMLResponse | RedirectResponse:
        same_origin(request)
        verifier: Verifier = request.app.state.verifier
        try:
            verifier.principal(token.strip())
        except ProblemError as problem:
            return pages.render(
                request, "login.html", status=problem.status, next=_local(next), error=problem.title
            )
        response = RedirectResponse(_local(next), HTTPStatus.SEE_OTHER, headers=page_headers())
        _set_cookie(response, request, COOKIE, token.strip())
        return response

    @app.post("/logout", include_in_schema=False)
    async def logout(request: Request) -> RedirectResponse:
        same_origin(request)
        response = RedirectResponse("/login", HTTPStatus.SEE_OTHER, headers=page_headers())
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        response.delete_cookie(TENANT_COOKIE, httponly=True, samesite="strict")
        return response


def _set_cookie(
    response: HTMLResponse | RedirectResponse, request: Request, name: str, value: str
) -> None:
    # A session cookie: it ends with the browser; the token inside ends by itself. Cookies do not
    # know ports, so one sign-in serves the pages of all services on the same host.
    response.set_cookie(
        name,
        quote(value, safe="-._~"),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def same_origin(request: Request) -> None:
    """Refuse forms posted from elsewhere: a foreign page must not act for a person.

    Every route that takes a form calls it first.

    Raises:
        PageError: 403.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site:
        foreign = site == "cross-site"
    else:
        foreign = bool(origin) and urlsplit(origin).netloc != request.headers.get("host", "")
    if foreign:
        raise PageError(ProblemError(403, "foreign-origin", "This form came from another site."))


def _local(target: str) -> str:
    """A path on this host, whatever a link claims: two slashes would lead to another one."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if safe else "/"


def _asset_url(name: str) -> str:
    content = (files("dunning_common.web") / "static" / name).read_bytes()
    return f"{ASSETS}/{name}?v={hashlib.sha256(content).hexdigest()[:8]}"
