"""The debtor's own page at `/p/{token}`: looking never acts, a button does.

No script, no cookie, nothing from elsewhere, nothing kept by caches or search engines. A link that
does not work answers in the same words whatever the reason; the address of a page, which is a
secret, is never logged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from dunning_common.clock import monotonic
from dunning_common.ids import new_id
from dunning_common.web.headers import SharedAssets
from notifier.entrypoints.portal_forms import UnreadableFormError, is_from_here, read_form
from notifier.handlers.take_response import ResponseTaker, TooManyAnswersError
from notifier.handlers.visit_portal import DeadLinkError, Doorkeeper, TooOftenError, Visit
from notifier.portal.fields import Fault, Faults
from notifier.portal.forms import form_of
from notifier.portal.history import Said
from notifier.portal.link import PATH, canonical
from notifier.portal.paging import page_of
from notifier.portal.settings import Action
from notifier.portal.throttle import Asked, Throttle
from notifier.portal.view import Frame, overview, said_sentence, state_words
from notifier.portal.words import Dictionary, Words
from notifier.ports.ledger import LedgerUnavailableError
from notifier.ports.portal import AccountsUnavailableError
from notifier.ports.responses import ResponseView

ASSETS = "/portal-assets"
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_RETRY_S = 60
_TROUBLE_PAGES: Mapping[type[Exception], tuple[str, HTTPStatus]] = {
    DeadLinkError: ("gone", HTTPStatus.NOT_FOUND),
    AccountsUnavailableError: ("away", HTTPStatus.SERVICE_UNAVAILABLE),
    LedgerUnavailableError: ("away", HTTPStatus.SERVICE_UNAVAILABLE),
    TooOftenError: ("busy", HTTPStatus.TOO_MANY_REQUESTS),
    TooManyAnswersError: ("many", HTTPStatus.TOO_MANY_REQUESTS),
}
_TROUBLES = tuple(_TROUBLE_PAGES)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often a link and an address may be used, and behind how many proxies we stand.

    Counted here first, which costs nothing, then for all processes where the link is opened.
    """

    of_link: Throttle
    of_address: Throttle
    proxies: int = 0

    def asked(self, request: Request, token: str) -> tuple[Asked, ...]:
        """Who asks: an address, and a link however it is written."""
        try:
            link = canonical(token)
        except ValueError:
            link = ""
        return (
            Asked(
                name=_digest("address", _network(self._address(request))), rate=self.of_address.rate
            ),
            Asked(name=_digest("link", link), rate=self.of_link.rate),
        )[: 2 if link else 1]

    def are_exceeded(self, asked: Sequence[Asked]) -> bool:
        """Whether one of them must wait, as far as this process knows; counts the others."""
        now, throttles = monotonic(), (self.of_address, self.of_link)
        return any(
            throttle.wait_s(each.name, now)
            for throttle, each in zip(throttles, asked, strict=False)
        )

    def _address(self, request: Request) -> str:
        """The visitor's: what our outermost proxy saw, never what the visitor claims.

        Where a proxy that should have written it did not, the address that connected stands for all
        who came that way: they share one count, which is too little rather than none.
        """
        direct = request.client.host if request.client else ""
        if not self.proxies:
            return direct
        lines = ",".join(request.headers.getlist("x-forwarded-for"))
        seen = [part.strip() for part in lines.split(",") if part.strip()]
        return seen[-self.proxies] if len(seen) >= self.proxies else direct


class PortalPages:
    """The pages. Make it in bootstrap, `install` it once."""

    def __init__(
        self,
        *,
        doorkeeper: Doorkeeper,
        taker: ResponseTaker,
        dictionary: Dictionary,
        limits: Limits,
        public_url: str,
    ) -> None:
        """Args: public_url is where forms may come from."""
        self._doorkeeper = doorkeeper
        self._taker = taker
        self._dictionary = dictionary
        self._limits = limits
        self._public_url = public_url
        self._templates = Environment(
            loader=PackageLoader("notifier.portal"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        style = (files("notifier.portal") / "static" / "portal.css").read_bytes()
        stamp = hashlib.sha256(style).hexdigest()[:8]
        self._templates.globals["stylesheet"] = f"{ASSETS}/portal.css?v={stamp}"

    def install(self, app: FastAPI) -> None:
        """Add the pages and their style sheet."""
        app.mount(ASSETS, SharedAssets(packages=[("notifier.portal", "static")]), name="portal")
        router = APIRouter(prefix=PATH, include_in_schema=False)
        looking = ["GET", "HEAD"]

        @router.api_route("/{token}", methods=looking, response_model=None)
        async def show(request: Request, token: str) -> Response:
            return await self._answer(request, token, self._show)

        @router.api_route("/{token}/done/{response_id}", methods=looking, response_model=None)
        async def done(request: Request, token: str, response_id: str) -> Response:
            return await self._answer(request, token, partial(self._done, response_id=response_id))

        @router.api_route("/{token}/document", methods=looking, response_model=None)
        async def document(request: Request, token: str, invoice: str = "") -> Response:
            return await self._answer(request, token, partial(self._document, invoice=invoice))

        @router.api_route("/{token}/{action}", methods=looking, response_model=None)
        async def ask(request: Request, token: str, action: str) -> Response:
            return await self._answer(request, token, partial(self._ask, action=action))

        @router.post("/{token}/{action}", response_model=None)
        async def take(request: Request, token: str, action: str) -> Response:
            return await self._answer(request, token, partial(self._take, action=action))

        @router.api_route("/{rest:path}", methods=[*looking, "POST"], response_model=None)
        async def elsewhere(request: Request, rest: str) -> Response:
            return await self._answer(request, rest, self._nowhere)

        app.include_router(router)

    async def _answer(
        self,
        request: Request,
        token: str,
        page: Callable[[Request, Frame, Visit], Awaitable[Response]],
    ) -> Response:
        """Let the visitor in and show a page, or say in few words why not."""
        words = self._spoken(request)
        asked = self._limits.asked(request, token)
        if self._limits.are_exceeded(asked):
            return self._notice(words, "busy", HTTPStatus.TOO_MANY_REQUESTS)
        try:
            visit = await self._doorkeeper.open(token, asked)
            frame = self._frame(request, token, visit)
            if visit.statement.is_settled:
                return self._notice(frame.words, "settled", HTTPStatus.OK, frame)
            return await page(request, frame, visit)
        except _TROUBLES as error:
            name, status = _TROUBLE_PAGES[type(error)]
            return self._notice(words, name, status)
        except Exception as error:
            log.error("portal_failed", error=type(error).__name__, exc_info=error)  # noqa: TRY400
            return self._notice(words, "failed", HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _show(self, request: Request, frame: Frame, visit: Visit) -> Response:
        ground = visit.ground
        shown = page_of(visit.statement.owed, request.query_params.get("page", ""))
        return self._page(
            frame,
            "overview.html",
            **overview(
                frame,
                link=visit.link,
                statement=visit.statement,
                debtor=visit.account.contacts.name,
                today=ground.today,
                actions=ground.allowed,
                sent=visit.backdrop.sent,
                said=[_said(answer, visit) for answer in visit.answers],
                page=shown,
                documented=await self._doorkeeper.documented(visit, shown.items),
            ),
        )

    async def _ask(self, _: Request, frame: Frame, visit: Visit, action: str) -> Response:
        if (wanted := _allowed(visit, action)) is None:
            return _back_to(frame.path())
        form = form_of(wanted, frame.words, visit.ground)
        return self._page(frame, "form.html", part=wanted, form=form, form_id=new_id())

    async def _take(self, request: Request, frame: Frame, visit: Visit, action: str) -> Response:
        if not is_from_here(request, self._public_url):
            return self._notice(frame.words, "foreign", HTTPStatus.FORBIDDEN, frame)
        if (wanted := _allowed(visit, action)) is None:
            return _back_to(frame.path())
        typed: Mapping[str, str] = {}
        try:
            posted = await read_form(request)
            typed = posted.fields
            form_id = UUID(typed.get("form_id", ""))
        except (UnreadableFormError, ValueError):
            form_id, found = new_id(), Faults()
            found.note("form", Fault("stale"))
        else:
            taken = await self._taker.take(visit, wanted, typed, posted.upload, form_id=form_id)
            if isinstance(taken, UUID):
                return _back_to(frame.path(f"done/{taken}"))
            found = taken
        form = form_of(wanted, frame.words, visit.ground, typed, found)
        return self._page(
            frame,
            "form.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            part=wanted,
            form=form,
            form_id=form_id,
        )

    async def _done(self, _: Request, frame: Frame, visit: Visit, response_id: str) -> Response:
        try:
            answer = await self._doorkeeper.answer(visit, UUID(response_id))
        except ValueError:
            answer = None
        if answer is None:
            return _back_to(frame.path())
        words, said = frame.words, _said(answer, visit)
        currency = answer.facts.get("currency", "")
        return self._page(
            frame,
            "done.html",
            part=f"done/{answer.response_id}",
            what=said_sentence(words, said, visit.statement),
            state=state_words(words, said) if said.verdict else "",
            next="" if said.verdict else _next(words, answer),
            parts=[
                {
                    "day": words.day(date.fromisoformat(part["on"])),
                    "amount": words.money(part["amount_minor"], currency),
                }
                for part in answer.facts.get("instalments", ())
            ],
        )

    async def _document(self, _: Request, frame: Frame, visit: Visit, invoice: str) -> Response:
        found = await self._doorkeeper.document(visit, invoice)
        if found is None:
            return _back_to(frame.path())
        name = found.file_name.encode("ascii", "replace").decode().replace('"', "'")
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(
            found.content, media_type=found.media_type, headers={**HEADERS, **disposition}
        )

    async def _nowhere(self, _: Request, __: Frame, ___: Visit) -> Response:
        raise DeadLinkError

    def _spoken(self, request: Request) -> Words:
        """The language of somebody of whom nothing is known."""
        wanted = request.query_params.get("lang", "")
        if wanted in self._dictionary.languages:
            return self._dictionary.choose(wanted)
        return self._dictionary.accepted(request.headers.get("accept-language", ""))

    def _frame(self, request: Request, token: str, visit: Visit) -> Frame:
        wanted = request.query_params.get("lang", "")
        chosen = wanted if wanted in self._dictionary.languages else ""
        tenant = visit.backdrop.tenant
        return Frame(
            words=self._dictionary.choose(chosen, visit.account.contacts.language, tenant.language),
            token=token,
            chosen=chosen,
            languages=self._dictionary.names(),
            tenant=tenant,
            settings=visit.backdrop.settings,
        )

    def _notice(
        self, words: Words, name: str, status: HTTPStatus, frame: Frame | None = None
    ) -> Response:
        """A page of two sentences; without a frame it says nothing of whose it is."""
        nobody = Frame(words=words, token="", chosen="", languages=())
        shown = replace(frame, token="") if frame else nobody
        response = self._page(shown, "notice.html", status=status, name=name)
        if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            response.headers["Retry-After"] = str(_RETRY_S)
        return response

    def _page(
        self, frame: Frame, template: str, *, status: int = HTTPStatus.OK, **more: Any
    ) -> HTMLResponse:
        context = {"part": "", **more, "frame": frame, "words": frame.words}
        html = self._templates.get_template(template).render(context)
        return HTMLResponse(html, status_code=status, headers=dict(HEADERS))


def _digest(kind: str, name: str) -> bytes:
    return hashlib.sha256(f"{kind}|{name}".encode(errors="replace")).digest()


def _network(address: str) -> str:
    """Whose an address is: with IPv6 one subscriber has 64 bits of addresses (RFC 4291, 2.5.4)."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Network((int(found), 64), strict=False))


def _allowed(visit: Visit, action: str) -> Action | None:
    """The action of that name, if this debtor can do it here."""
    return next((one for one in visit.ground.allowed if one == action), None)


def _back_to(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, headers=dict(HEADERS))


def _said(answer: ResponseView, visit: Visit) -> Said:
    return Said(
        at=answer.effective_at,
        kind=answer.kind,
        state=answer.state,
        invoice_ids=answer.invoice_ids,
        facts=answer.facts,
        verdict=visit.verdicts.get(answer.response_id),
    )


_ACTION_OF = {
    "payment_claimed": "paid",
    "promise": "promise",
    "plan_request": "plan",
    "dispute": "dispute",
    "contact_change": "contact",
    "opt_out": "sms",
    "message": "message",
}


def _next(words: Words, answer: ResponseView) -> str:
    """What happens next with an answer."""
    if answer.kind == "promise":
        return words.say(
            "promise_next",
            amount=words.money(answer.facts["amount_minor"], answer.facts["currency"]),
            date=date.fromisoformat(answer.facts["on"]),
        )
    return words[f"{_ACTION_OF.get(answer.kind, 'message')}_next"]
