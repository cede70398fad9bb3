"""What people do with responses, links and the portal's settings, over HTTP.

Words and files are opened one by one and every opening is written down; lists show facts only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.problems import FieldError, ProblemError
from notifier.content.sms import LINKED_PARTS_MAX
from notifier.entrypoints.paging import after, cursor_of
from notifier.handlers.judge_response import (
    ErasedError,
    Judgement,
    NoSuchResponseError,
    NotProposedError,
    ResponseDesk,
)
from notifier.handlers.portal_links import (
    LinkDesk,
    NoSuchDebtorError,
    NoSuchLinkError,
    NotOwedError,
)
from notifier.handlers.portal_settings import SettingsDesk
from notifier.portal.settings import (
    ACTIONS,
    INTERVALS,
    Action,
    Interval,
    pay_link_fault,
    settings_of,
)
from notifier.ports.ledger import LedgerUnavailableError
from notifier.ports.portal import AccountsUnavailableError, LinkView
from notifier.ports.responses import (
    Kind,
    LogLine,
    ResponseFilter,
    ResponseState,
    ResponseView,
    Source,
)

XTenant = Annotated[str | None, Header(alias="X-Tenant")]
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
IdQuery = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
READ = Depends(require("notices:read"))
WRITE = Depends(require("notices:write"))
_ENGINE_RULES = frozenset({"promise_days_max", "min_first_percent", "min_instalment"})
"""Were settings of the page once; there is one place for them now."""


class LinkBody(BaseModel):
    """Whose page to link to. Without `invoice_ids` it shows all that the debtor owes."""

    model_config = ConfigDict(extra="forbid")

    debtor_id: Id
    invoice_ids: list[Id] | None = Field(default=None, min_length=1, max_length=1000)
    days: int = Field(default=30, ge=1, le=366)


class SettingsBody(BaseModel):
    """What the debtors of a tenant can do on their page; what is left out gets its default."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = True
    pay_link: str = Field(default="", max_length=1000)
    email: str = Field(default="", max_length=254, pattern=r"^([^\s@\x00]+@[^\s@\x00]+)?$")
    phone: str = Field(default="", max_length=50, pattern=r"^[0-9+()/ .-]*$")
    actions: list[Action] = Field(default=list(ACTIONS), max_length=len(ACTIONS))
    instalments_max: int = Field(default=12, ge=2, le=120)
    intervals: list[Interval] = Field(default=list(INTERVALS), min_length=1, max_length=3)
    link_days: int = Field(default=90, ge=1, le=366)
    sms_parts_max: int = Field(default=2, ge=1, le=LINKED_PARTS_MAX)

    @model_validator(mode="before")
    @classmethod
    def _of_the_engine(cls, body: object) -> object:
        if isinstance(body, dict) and (moved := sorted(_ENGINE_RULES & body.keys())):
            raise ValueError(
                f"{', '.join(moved)}: set with PUT /v1/plan-rules of dunning-engine; leave out here"
            )
        return body


def response_routes(desk: ResponseDesk) -> APIRouter:
    """The routes under `/v1/responses`."""
    router = APIRouter(prefix="/v1/responses", tags=["responses"])

    @router.get("")
    async def list_responses(
        kind: Kind | None = None,
        state: ResponseState | None = None,
        source: Source | None = None,
        debtor_id: IdQuery = None,
        invoice_id: IdQuery = None,
        newest_first: bool = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: str | None = None,
        principal: Principal = READ,
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """What debtors answered, in the order in which it came, or with `newest_first` reversed."""
        wanted = ResponseFilter(
            kind=kind,
            state=state,
            source=source,
            debtor_id=debtor_id,
            invoice_id=invoice_id,
            newest_first=newest_first,
            after=after(cursor),
            limit=limit,
        )
        found = await desk.page(tenant_of(principal, x_tenant), wanted)
        more = cursor_of(found[-1].seq) if len(found) == limit else None
        return {"items": [_as_json(one) for one in found], "next_cursor": more}

    @router.get("/{response_id}")
    async def get_response(
        response_id: UUID, principal: Principal = READ, x_tenant: XTenant = None
    ) -> dict[str, Any]:
        """One response with its words; that somebody read them is written down.

        Who may decide (`notices:write`) gets the `present` contacts beside a proposal of others.
        """
        async with _problems():
            opened = await desk.open(
                tenant_of(principal, x_tenant),
                response_id,
                person=principal.subject,
                judges="notices:write" in principal.scopes,
            )
        return _as_json(opened.response) | {
            "note": opened.note,
            "present": opened.present.model_dump() if opened.present else None,
            "history": [_line_json(line) for line in opened.history],
        }

    _opening(router, desk)
    return router


def _opening(router: APIRouter, desk: ResponseDesk) -> None:
    """Files, and decisions about proposals."""

    @router.get("/{response_id}/files/{file_no}")
    async def get_file(
        response_id: UUID,
        file_no: Annotated[int, Field(ge=1, le=100)],
        principal: Principal = READ,
        x_tenant: XTenant = None,
    ) -> Response:
        """A file that came with a response, to save; that somebody read it is written down."""
        async with _problems():
            file = await desk.file(
                tenant_of(principal, x_tenant), response_id, file_no, person=principal.subject
            )
        name = file.name.encode("ascii", "replace").decode().replace('"', "'")
        return Response(
            file.content,
            media_type=file.media_type,
            headers={
                "content-disposition": f'attachment; filename="{name}"',
                "cache-control": "private, no-store",
                "x-content-type-options": "nosniff",
            },
        )

    @router.post("/{response_id}/accept")
    async def accept(
        response_id: UUID, principal: Principal = WRITE, x_tenant: XTenant = None
    ) -> dict[str, Any]:
        """Accept a proposed change of contacts: it is told to the ledger."""
        return await _judge(desk, principal, x_tenant, response_id, "accepted")

    @router.post("/{response_id}/reject")
    async def reject(
        response_id: UUID, principal: Principal = WRITE, x_tenant: XTenant = None
    ) -> dict[str, Any]:
        """Reject a proposed change of contacts: nothing is changed."""
        return await _judge(desk, principal, x_tenant, response_id, "rejected")


def portal_routes(links: LinkDesk, settings: SettingsDesk) -> APIRouter:
    """The routes under `/v1/portal-links` and `/v1/portal-settings`."""
    router = APIRouter(prefix="/v1", tags=["portal"])

    @router.post("/portal-links", status_code=201)
    async def make_link(
        body: LinkBody, principal: Principal = WRITE, x_tenant: XTenant = None
    ) -> dict[str, Any]:
        """A link to hand to the debtor, for example during a call; its address is shown once."""
        ids = None if body.invoice_ids is None else tuple(dict.fromkeys(body.invoice_ids))
        async with _problems():
            link, url = await links.make(
                tenant_of(principal, x_tenant),
                body.debtor_id,
                ids,
                days=body.days,
                person=principal.subject,
            )
        return {
            "link_id": link.link_id,
            "url": url,
            "debtor_id": link.debtor_id,
            "invoice_ids": link.invoice_ids,
        }

    @router.get("/portal-links")
    async def list_links(
        debtor_id: IdQuery = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        principal: Principal = READ,
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Links, the newest first; never their addresses."""
        found = await links.page(tenant_of(principal, x_tenant), debtor_id=debtor_id, limit=limit)
        return {"items": [_link_json(view) for view in found]}

    @router.post("/portal-links/{link_id}/revoke", status_code=204)
    async def revoke_link(
        link_id: UUID, principal: Principal = WRITE, x_tenant: XTenant = None
    ) -> None:
        """Let a link stop working at once."""
        async with _problems():
            await links.revoke(tenant_of(principal, x_tenant), link_id, person=principal.subject)

    @router.get("/portal-settings")
    async def get_settings(principal: Principal = READ, x_tenant: XTenant = None) -> dict[str, Any]:
        """What the tenant's debtors can do on their page."""
        return await settings.read(tenant_of(principal, x_tenant))

    @router.put("/portal-settings")
    async def put_settings(
        body: SettingsBody, principal: Principal = WRITE, x_tenant: XTenant = None
    ) -> dict[str, Any]:
        """Replace them; what is left out gets its default."""
        _check(body)
        wanted = settings_of(body.model_dump())
        return await settings.store(
            tenant_of(principal, x_tenant), wanted, person=principal.subject
        )

    return router


def _check(body: SettingsBody) -> None:
    if body.pay_link and (fault := pay_link_fault(body.pay_link)):
        raise ProblemError(
            422,
            "invalid-request",
            "Some fields are missing or wrong.",
            errors=[FieldError(pointer="/pay_link", detail=fault)],
        )


async def _judge(
    desk: ResponseDesk,
    principal: Principal,
    x_tenant: str | None,
    response_id: UUID,
    judgement: Judgement,
) -> dict[str, Any]:
    async with _problems():
        response = await desk.judge(
            tenant_of(principal, x_tenant), response_id, judgement, person=principal.subject
        )
    return _as_json(response)


@asynccontextmanager
async def _problems() -> AsyncIterator[None]:
    try:
        yield
    except NoSuchResponseError:
        raise ProblemError(
            404, "response-not-found", "There is no such response, or no such file of it."
        ) from None
    except NoSuchLinkError:
        raise ProblemError(404, "link-not-found", "There is no link of that id.") from None
    except NoSuchDebtorError:
        raise ProblemError(404, "debtor-not-found", "There is no debtor of that id.") from None
    except NotOwedError as error:
        raise ProblemError(
            422,
            "not-owed",
            "There would be nothing to show.",
            errors=[
                FieldError(
                    pointer="/invoice_ids",
                    detail=f"{error}; name open invoices of this debtor, or none for all of them",
                )
            ],
        ) from None
    except NotProposedError as error:
        raise ProblemError(
            409,
            "not-proposed",
            "Only a proposal can be accepted or rejected.",
            detail=f"This response is {error.state}.",
        ) from None
    except ErasedError:
        raise ProblemError(
            410, "erased", "The debtor was erased; nobody can read this any more."
        ) from None
    except (LedgerUnavailableError, AccountsUnavailableError):
        raise ProblemError(
            503,
            "ledger-unavailable",
            "The ledger does not answer.",
            headers={"retry-after": "5"},
        ) from None


def _as_json(response: ResponseView) -> dict[str, Any]:
    return {
        "response_id": response.response_id,
        "debtor_id": response.debtor_id,
        "kind": response.kind,
        "source": response.source,
        "state": response.state,
        "invoice_ids": response.invoice_ids,
        "notice_id": response.notice_id,
        "link_id": response.link_id,
        "channel": response.channel,
        "facts": response.facts,
        "has_note": response.note is not None,
        "files": [
            {"file_no": number, "media_type": kind, "size_bytes": size}
            for number, kind, size in response.files
        ],
        "effective_at": response.effective_at,
        "received_at": response.received_at,
    }


def _line_json(line: LogLine) -> dict[str, Any]:
    return {"at": line.at, "action": line.action, "actor": line.actor}


def _link_json(view: LinkView) -> dict[str, Any]:
    return {
        "link_id": view.link.link_id,
        "debtor_id": view.link.debtor_id,
        "invoice_ids": view.link.invoice_ids,
        "notice_id": view.link.notice_id,
        "channel": view.link.channel,
        "made_by": view.made_by,
        "made_at": view.made_at,
        "expires_at": view.expires_at,
        "revoked_at": view.revoked_at,
    }
