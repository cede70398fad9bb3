"""Understands what SendGrid and Twilio post, and leaves all personal data behind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from notifier.domain.feedback import Report, Stage
from notifier.domain.redaction import plain, redact
from notifier.ports.messages import ProviderEvent


class MalformedEventError(ValueError):
    """The body is signed but not what this provider sends."""


_SENDGRID_STAGES = {
    "processed": Stage.ACCEPTED,
    "deferred": Stage.ACCEPTED,
    "delivered": Stage.DELIVERED,
    "open": Stage.DELIVERED,
    "click": Stage.DELIVERED,
    "bounce": Stage.BOUNCED,
    "dropped": Stage.BOUNCED,
}
_SENDGRID_KEPT = ("event", "type", "status", "timestamp", "attempt", "bounce_classification")

_TWILIO_STAGES = {
    "accepted": Stage.ACCEPTED,
    "scheduled": Stage.ACCEPTED,
    "queued": Stage.ACCEPTED,
    "sending": Stage.ACCEPTED,
    "sent": Stage.ACCEPTED,
    "delivered": Stage.DELIVERED,
    "read": Stage.DELIVERED,
    "undelivered": Stage.BOUNCED,
    "failed": Stage.BOUNCED,
}
_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_TWILIO_DEAD_NUMBER = frozenset({"21211", "21610", "21614", "30004", "30005", "30006"})


def sendgrid_events(tenant: str, body: bytes) -> list[ProviderEvent]:
    """The events of one post of SendGrid's event webhook.

    A `blocked` bounce (mailbox full, content refused) is soft; any other, and `dropped`, is hard.

    Raises:
        MalformedEventError: not a JSON array of objects.
    """
    try:
        rows = orjson.loads(body)
    except ValueError as error:
        raise MalformedEventError("not JSON") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MalformedEventError("not an array of events")
    return [_sendgrid_event(tenant, row) for row in rows]


def _sendgrid_event(tenant: str, row: Mapping[str, Any]) -> ProviderEvent:
    kind = plain(str(row.get("event", "")))
    return ProviderEvent(
        tenant=tenant,
        provider="sendgrid",
        event_id=plain(str(row.get("sg_event_id") or "")) or _digest(row),
        message_id=_uuid(row.get("message_id")),
        kind=kind,
        report=Report(
            stage=_SENDGRID_STAGES.get(kind, Stage.NONE),
            provider_ref=plain(str(row.get("sg_message_id", "")).partition(".")[0]),
            reason=redact(str(row.get("reason") or row.get("response") or "")),
            hard=kind == "dropped" or (kind == "bounce" and row.get("type") != "blocked"),
        ),
        body={name: plain(str(row[name])) for name in _SENDGRID_KEPT if name in row},
    )


def twilio_event(
    tenant: str, message_id: UUID, params: Mapping[str, Sequence[str]]
) -> ProviderEvent:
    """The event of one status callback; its id is the message's SID with the status.

    Raises:
        MalformedEventError: SID or status is missing.
    """
    one = {name: values[0] for name, values in params.items() if values}
    sid = one.get("MessageSid") or one.get("SmsSid") or ""
    status = plain((one.get("MessageStatus") or one.get("SmsStatus") or "").lower())
    if not (_SID.fullmatch(sid) and status):
        raise MalformedEventError("MessageSid or MessageStatus is missing")
    code = plain(one.get("ErrorCode", ""))
    return ProviderEvent(
        tenant=tenant,
        provider="twilio",
        event_id=f"{sid}:{status}",
        message_id=message_id,
        kind=status,
        report=Report(
            stage=_TWILIO_STAGES.get(status, Stage.NONE),
            provider_ref=sid,
            reason=redact(f"{code} {one.get('ErrorMessage', '')}".strip()),
            hard=code in _TWILIO_DEAD_NUMBER,
        ),
        body={"status": status, "error_code": code},
    )


def _digest(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
