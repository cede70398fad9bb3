"""The HTTP interface: messages, their history and exact bytes, resolving unknown ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.db import Database
from dunning_common.problems import ProblemError
from dunning_common.vault import VaultError
from notifier.desk.words import remedy_of
from notifier.domain.message import State
from notifier.domain.outcome import IN_SPOOL
from notifier.entrypoints.paging import after, cursor_of
from notifier.handlers.resolve import NoSuchMessageError, NotUnknownError, Resolver
from notifier.handlers.write import open_content
from notifier.ports.ledger import Ledger, LedgerUnavailableError
from notifier.ports.reading import Attempt, Filter, MessageReading, MessageView
from notifier.ports.responses import CONTENT_READ, Responses

XTenant = Annotated[str | None, Header(alias="X-Tenant")]


class ResolveBody(BaseModel):
    """What a person found out about an unknown message, and how."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["sent", "not_sent"]
    note: str = Field(min_length=3, max_length=500, pattern=r"\S")


def message_routes(
    *, db: Database, reading: MessageReading, ledger: Ledger, responses: Responses
) -> APIRouter:
    """Looking at messages: the reading routes under `/v1/messages`."""
    router = APIRouter(prefix="/v1/messages", tags=["messages"])

    @router.get("")
    async def list_messages(
        notice_id: UUID | None = None,
        invoice_id: Annotated[str | None, Query(max_length=200)] = None,
        state: State | None = None,
        newest_first: bool = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: str | None = None,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Messages in the order they were planned, or with `newest_first` the other way round."""
        wanted = Filter(
            notice_id=notice_id,
            invoice_id=_stored(invoice_id),
            state=state,
            newest_first=newest_first,
            after=after(cursor),
            limit=limit,
        )
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            views = await reading.page(connection, wanted)
        more = cursor_of(views[-1].seq) if len(views) == limit else None
        return {"items": [_as_json(view) for view in views], "next_cursor": more}

    @router.get("/{message_id}")
    async def get_message(
        message_id: UUID,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """One message with all that happened to it."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            view = await reading.one(connection, message_id)
            history = await reading.history(connection, message_id)
        if view is None:
            raise _not_found()
        return _as_json(view) | {"history": [_attempt_json(attempt) for attempt in history]}

    @router.get("/{message_id}/content")
    async def get_content(
        message_id: UUID,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> Response:
        """The exact bytes of the last attempt, as they went to the provider.

        Who takes them is written down first.
        """
        tenant, person = tenant_of(principal, x_tenant), principal.subject
        async with db.tenant(tenant) as connection:
            view = await reading.one(connection, message_id)
            sealed = await reading.content(connection, message_id)
            if sealed is not None:
                await responses.log(connection, tenant, str(message_id), CONTENT_READ, person)
        if view is None:
            raise _not_found()
        if sealed is None:
            raise ProblemError(
                404,
                "no-content",
                "The message was never written.",
                detail=f"It is {view.message.state}: {view.reason or 'waiting to be sent'}.",
            )
        return Response(
            await _open(ledger, view, sealed),
            media_type=view.media_type or "application/octet-stream",
            headers={"etag": f'"{view.sha256}"', "cache-control": "private, no-store"},
        )

    return router


def resolution_routes(resolver: Resolver) -> APIRouter:
    """Resolving unknown messages: the writing route under `/v1/messages`."""
    router = APIRouter(prefix="/v1/messages", tags=["messages"])

    @router.post("/{message_id}/resolve")
    async def resolve_message(
        message_id: UUID,
        body: ResolveBody,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Say what became of an unknown message."""
        try:
            view = await resolver.resolve(
                tenant_of(principal, x_tenant),
                message_id,
                outcome=body.outcome,
                note=body.note,
                person=principal.subject,
            )
        except NoSuchMessageError:
            raise _not_found() from None
        except NotUnknownError as error:
            raise ProblemError(
                409,
                "not-unknown",
                "Only an unknown message can be resolved.",
                detail=f"This one is {error.state}.",
            ) from None
        return _as_json(view)

    return router


async def _open(ledger: Ledger, view: MessageView, sealed: bytes) -> bytes:
    debtor = (view.message.tenant, view.message.debtor_id)
    try:
        keys = await ledger.keys({debtor})
    except LedgerUnavailableError:
        raise ProblemError(
            503,
            "ledger-unavailable",
            "The ledger holds the key to this message and does not answer.",
            headers={"retry-after": "5"},
        ) from None
    try:
        return open_content(keys[debtor], sealed, view.message)
    except (KeyError, VaultError):
        raise ProblemError(
            410, "erased", "The debtor was erased; nobody can read this message any more."
        ) from None


def _not_found() -> ProblemError:
    return ProblemError(404, "message-not-found", "There is no message of that id.")


def _stored(text: str | None) -> str | None:
    """PostgreSQL cannot hold NUL, so nothing stored matches it; ask for something never stored."""
    return text.replace("\x00", "\ufffd") if text is not None else None


def _as_json(view: MessageView) -> dict[str, Any]:
    message = view.message
    return {
        "message_id": message.message_id,
        "notice_id": message.notice_id,
        "debtor_id": message.debtor_id,
        "channel": message.channel,
        "template": message.template,
        "template_version": view.template_version,
        "level": message.level,
        "level_no": message.level_no,
        "invoice_ids": message.invoice_ids,
        "effective_at": message.effective_at,
        "state": message.state,
        "reason": view.reason,
        "remedy": remedy_of(message.state, view.reason, view.stage),
        "attempts": message.attempts,
        "planned_at": view.planned_at,
        "not_before": view.not_before
        if message.state is State.PLANNED and view.reason != IN_SPOOL
        else None,
        "sent_at": view.sent_at,
        "settled_at": view.settled_at,
        "delivery": view.stage.name.lower(),
        "provider": message.provider,
        "provider_ref": view.provider_ref,
        "recipient_hash": message.recipient_hash,
        "cost_minor": view.cost_minor,
        "sha256": view.sha256,
        "media_type": view.media_type,
        "size_bytes": view.size_bytes,
    }


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": attempt.at,
        "phase": attempt.phase,
        "reason": attempt.reason,
        "provider": attempt.provider,
        "sha256": attempt.sha256,
        "actor": attempt.actor,
    }
