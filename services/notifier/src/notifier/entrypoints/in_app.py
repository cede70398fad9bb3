"""Messages for the ERP to show: fetched page by page, and acknowledged when it has them.

Fetching changes nothing; only an acknowledgement counts as delivery.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.db import Database
from dunning_common.problems import ProblemError
from dunning_common.vault import VaultError
from notifier.domain.feedback import Report, Stage
from notifier.domain.message import Message
from notifier.handlers.write import open_content
from notifier.ports.in_app import Kept, Shelf
from notifier.ports.ledger import Ledger, LedgerUnavailableError
from notifier.ports.messages import Feedback, ProviderEvent

XTenant = Annotated[str | None, Header(alias="X-Tenant")]


class AcknowledgeBody(BaseModel):
    """The messages that the ERP has taken over."""

    model_config = ConfigDict(extra="forbid")

    message_ids: list[UUID] = Field(min_length=1, max_length=1000)


def in_app_routes(*, db: Database, shelf: Shelf, feedback: Feedback, ledger: Ledger) -> APIRouter:
    """The routes under `/v1/in-app`."""
    router = APIRouter(prefix="/v1/in-app", tags=["in-app"])

    @router.get("")
    async def list_in_app(
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Messages that the ERP has not acknowledged yet; those of erased debtors are gone.

        `after` pages through one look; the next look starts from 0, as a message that was planned
        earlier may have become ready later.
        """
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            kept = await shelf.page(connection, after=after, limit=limit)
        try:
            keys = await ledger.keys({(k.message.tenant, k.message.debtor_id) for k in kept})
        except LedgerUnavailableError:
            raise ProblemError(
                503,
                "ledger-unavailable",
                "The ledger holds the keys to these messages and does not answer.",
                headers={"retry-after": "5"},
            ) from None
        items = []
        for each in kept:
            key = keys.get((each.message.tenant, each.message.debtor_id))
            if key is not None and (shown := _opened(key, each)) is not None:
                items.append(_as_json(each) | shown)
        return {"items": items, "next_after": kept[-1].seq if len(kept) == limit else None}

    @router.post("/acknowledge")
    async def acknowledge(
        body: AcknowledgeBody,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """The ERP has these messages: they are delivered. Saying so again changes nothing."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            messages = await shelf.undelivered(connection, body.message_ids)
            await feedback.keep(connection, [_delivered(message) for message in messages])
        return {"acknowledged": [message.message_id for message in messages]}

    return router


def _opened(key: bytes, kept: Kept) -> dict[str, Any] | None:
    try:
        shown: dict[str, Any] = orjson.loads(open_content(key, kept.content, kept.message))
    except VaultError:
        return None
    return shown


def _as_json(kept: Kept) -> dict[str, Any]:
    message = kept.message
    return {
        "seq": kept.seq,
        "message_id": message.message_id,
        "notice_id": message.notice_id,
        "debtor_id": message.debtor_id,
        "level": message.level,
        "level_no": message.level_no,
        "invoice_ids": message.invoice_ids,
        "effective_at": message.effective_at,
        "sent_at": kept.sent_at,
    }


def _delivered(message: Message) -> ProviderEvent:
    return ProviderEvent(
        tenant=message.tenant,
        provider="in_app",
        event_id=f"acknowledged:{message.message_id}",
        message_id=message.message_id,
        kind="acknowledged",
        report=Report(stage=Stage.DELIVERED),
        body={},
    )
