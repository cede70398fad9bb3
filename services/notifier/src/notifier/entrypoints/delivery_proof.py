"""The proof of a notice over HTTP: what was sent, in which bytes, and what was heard of it.

As JSON, or as a text that can be printed and put into a file. It says only what is known: that a
provider took a message is not that somebody read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.db import Database
from dunning_common.problems import ProblemError
from notifier.domain.feedback import Stage
from notifier.domain.message import State
from notifier.ports.delivery import DeliveryReading, Heard
from notifier.ports.reading import Attempt, Filter, MessageReading, MessageView

_MOST_MESSAGES = 100
"""A notice has one message a channel."""


def delivery_proof_routes(
    *, db: Database, reading: MessageReading, delivery: DeliveryReading
) -> APIRouter:
    """The route `/v1/notices/{id}/proof`."""
    router = APIRouter(prefix="/v1/notices", tags=["messages"])

    @router.get("/{notice_id}/proof")
    async def get_proof(
        notice_id: UUID,
        accept: Annotated[str, Header()] = "application/json",
        principal: Principal = Depends(require("notices:read")),
        x_tenant: Annotated[str | None, Header(alias="X-Tenant")] = None,
    ) -> Response:
        """Each message of a notice: its state, its bytes' hash, and all that was heard of it.

        JSON, or a text for people when the request accepts only `text/plain`.
        """
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            views = await reading.page(
                connection, Filter(notice_id=notice_id, limit=_MOST_MESSAGES)
            )
            ids = [view.message.message_id for view in views]
            attempts = await delivery.attempts(connection, ids)
            heard = await delivery.heard(connection, ids)
        if not views:
            raise ProblemError(404, "notice-not-found", "There is no notice of that id.")
        proof = _proof(notice_id, views, attempts, heard)
        if accept.partition(";")[0].strip().lower() == "text/plain":
            return Response(as_text(proof), media_type="text/plain; charset=utf-8")
        return JSONResponse(jsonable_encoder(proof))

    return router


def _proof(
    notice_id: UUID,
    views: Sequence[MessageView],
    attempts: Mapping[UUID, Sequence[Attempt]],
    heard: Mapping[UUID, Sequence[Heard]],
) -> dict[str, Any]:
    first = views[0].message
    return {
        "notice_id": notice_id,
        "tenant": first.tenant,
        "debtor_id": first.debtor_id,
        "decided_at": first.effective_at,
        "messages": [
            _message(
                view,
                attempts.get(view.message.message_id, ()),
                heard.get(view.message.message_id, ()),
            )
            for view in views
        ],
    }


def _message(
    view: MessageView, attempts: Sequence[Attempt], heard: Sequence[Heard]
) -> dict[str, Any]:
    message = view.message
    bounce = next((h for h in reversed(heard) if h.bounce_class), None)
    return {
        "message_id": message.message_id,
        "channel": message.channel,
        "level": message.level,
        "template": message.template,
        "invoice_ids": message.invoice_ids,
        "state": message.state,
        "reason": view.reason,
        "delivery": view.stage.name.lower(),
        "says": _says(view, heard),
        "bounce_class": bounce.bounce_class if bounce else None,
        "sha256": view.sha256,
        "media_type": view.media_type,
        "size_bytes": view.size_bytes,
        "recipient_hash": message.recipient_hash,
        "provider": message.provider,
        "provider_ref": view.provider_ref,
        "sent_at": view.sent_at,
        "attempts": [
            {"at": a.at, "phase": a.phase, "reason": a.reason, "sha256": a.sha256, "actor": a.actor}
            for a in attempts
        ],
        "heard": [
            {
                "received_at": h.received_at,
                "occurred_at": h.occurred_at,
                "source": h.source,
                "kind": h.kind,
                "bounce_class": h.bounce_class,
                "reason": h.reason,
                "provider_ref": h.provider_ref,
                "verdict": h.verdict,
            }
            for h in heard
        ],
    }


def _says(view: MessageView, heard: Sequence[Heard]) -> str:
    """What the facts come to, in one sentence."""
    provider, state = view.message.provider or "nobody", view.message.state
    if state is not State.SENT:
        return {
            State.UNKNOWN: f"It may or may not have reached {provider}; nobody knows yet.",
            State.SUPPRESSED: f"It was not sent, on purpose: {view.reason or 'no reason kept'}.",
            State.FAILED: f"It was not sent: {view.reason or 'no reason kept'}.",
            State.RETURNED: f"It was not sent; the engine decides again: {view.reason or ''}.",
            State.SENDING: f"It is being handed to {provider} right now.",
        }.get(state, f"It waits to be sent: {view.reason or 'it is next'}.")
    taken = f"{provider} took it on {_at(view.sent_at)}"
    match view.stage:
        case Stage.BOUNCED:
            bounce = next((h for h in reversed(heard) if h.bounce_class), None)
            why = f": {bounce.bounce_class}, {bounce.reason}" if bounce else ""
            return f"{taken}, and could not deliver it{why}."
        case Stage.DELIVERED:
            return f"{taken}, and reported it delivered."
        case _:
            return f"{taken}; whether it arrived was not reported."


def as_text(proof: Mapping[str, Any]) -> str:
    """The proof as a text of at most 100 columns where the facts allow it."""
    decided = _at(proof["decided_at"])
    lines = [
        f"Proof of notice {proof['notice_id']}",
        f"Creditor {proof['tenant']}, debtor {proof['debtor_id']}, decided on {decided}",
    ]
    for number, message in enumerate(proof["messages"], start=1):
        lines += ["", *_message_lines(number, message)]
    lines += [
        "",
        "Times are UTC. The exact bytes are at /v1/messages/{message}/content, and their SHA-256",
        "must be the one above. What providers report is their word, checked by their signature.",
        "",
    ]
    return "\n".join(lines)


def _message_lines(number: int, message: Mapping[str, Any]) -> list[str]:
    invoices = ", ".join(message["invoice_ids"])
    size = f"{message['media_type'] or 'nothing'}, {message['size_bytes'] or 0} bytes"
    reference = message["provider_ref"] or "none"
    done = [
        f"     {_at(a['at'])}  {a['phase']:<12} {a['reason'] or ''}".rstrip()
        for a in message["attempts"]
    ]
    heard = [
        " ".join(
            part
            for part in (
                f"     {_at(h['occurred_at'] or h['received_at'])}  {h['source']}:",
                h["kind"],
                h["bounce_class"],
                h["reason"],
            )
            if part
        )
        for h in sorted(message["heard"], key=lambda h: h["occurred_at"] or h["received_at"])
    ]
    return [
        f"{number}. {message['channel']}, level {message['level']}, invoices {invoices}",
        f"   {message['says']}",
        f"   message     {message['message_id']}",
        f"   to          {message['recipient_hash'] or 'nobody'} (hash of the address)",
        f"   bytes       sha256 {message['sha256'] or 'none'}",
        f"               {size}",
        f"   reference   {reference} at {message['provider'] or 'nobody'}",
        "   what we did",
        *(done or ["     nothing yet"]),
        "   what we heard",
        *(heard or ["     nothing"]),
    ]


def _at(instant: datetime | None) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if instant else "an unknown day"
