"""Understands what SendGrid and Twilio post, and leaves all personal data behind.

One event that cannot be read loses none of the others of its batch: it comes out as `Unreadable`,
for an operator. A body is read in whatever encoding of JSON it came.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import orjson

from dunning_common.ids import short_hash
from notifier.domain.bounces import BounceClass, of_sendgrid_bounce, of_sendgrid_drop, of_twilio
from notifier.domain.feedback import Report, Stage
from notifier.domain.redaction import plain, redact
from notifier.ports.messages import ProviderEvent


class MalformedEventError(ValueError):
    """The body is signed but not what this provider sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """What was signed and could not be understood: why, its digest, and its beginning, redacted."""

    reason: str
    digest: str
    excerpt: str


def unreadable(reason: str, raw: bytes) -> Unreadable:
    """What is kept of bytes that nobody understands: no addresses, whatever they are coded in."""
    text = unquote_plus(raw[:2000].decode(json.detect_encoding(raw), "replace"))
    text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return Unreadable(
        reason=reason,
        digest=hashlib.sha256(raw).hexdigest(),
        excerpt=redact(_DATA.sub("<data>", text)),
    )


_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_DATA = re.compile(r"[A-Za-z0-9+/=_-]{40,}")


_SENDGRID_STAGES = {
    "processed": Stage.ACCEPTED,
    "deferred": Stage.ACCEPTED,
    "delivered": Stage.DELIVERED,
    "open": Stage.DELIVERED,
    "click": Stage.DELIVERED,
    "spamreport": Stage.DELIVERED,
    "unsubscribe": Stage.DELIVERED,
    "group_unsubscribe": Stage.DELIVERED,
    "group_resubscribe": Stage.DELIVERED,
    "bounce": Stage.BOUNCED,
    "dropped": Stage.BOUNCED,
}
_SENDGRID_KEPT = ("event", "type", "status", "timestamp", "attempt", "bounce_classification")
_LONGEST_TIMESTAMP = 4_102_444_800  # the year 2100: beyond it, it is not a time

_TWILIO_STAGES = {
    "accepted": Stage.ACCEPTED,
    "scheduled": Stage.ACCEPTED,
    "queued": Stage.ACCEPTED,
    "sending": Stage.ACCEPTED,
    "sent": Stage.ACCEPTED,
    "delivered": Stage.DELIVERED,
    "read": Stage.DELIVERED,
    "undelivered": Stage.BOUNCED,
    "canceled": Stage.BOUNCED,  # it was scheduled or queued, and somebody called it off there
    "failed": Stage.BOUNCED,
}
_SID = re.compile(r"[A-Za-z0-9]{2,64}")


def sendgrid_events(tenant: str, body: bytes) -> list[ProviderEvent | Unreadable]:
    """The events of one post of SendGrid's event webhook, and what of it is not one.

    Raises:
        MalformedEventError: not a JSON array at all.
    """
    rows = _json(body)
    if not isinstance(rows, list):
        raise MalformedEventError("not an array of events")
    return [_sendgrid_event(tenant, row) for row in rows]


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    try:  # UTF-16 or -32, a byte order mark, half a surrogate pair, or bytes that are not UTF-8
        return json.loads(body.decode(json.detect_encoding(body), "replace"))
    except (ValueError, RecursionError) as error:
        raise MalformedEventError("not JSON") from error


def _sendgrid_event(tenant: str, row: object) -> ProviderEvent | Unreadable:
    if not isinstance(row, dict):
        return unreadable("not an object", _canonical(row))
    kind = plain(str(row.get("event") or ""))
    if not kind:
        return unreadable("no event kind", _canonical(row))
    reason = str(row.get("reason") or row.get("response") or "")
    bounce = _sendgrid_bounce(kind, row, reason)
    stage = _SENDGRID_STAGES.get(kind, Stage.NONE)
    email = str(row.get("email") or "").strip().lower()
    return ProviderEvent(
        tenant=tenant,
        provider="sendgrid",
        event_id=plain(str(row.get("sg_event_id") or ""))
        or hashlib.sha256(_canonical(row)).hexdigest(),
        message_id=_uuid(row.get("message_id")),
        kind=kind,
        report=Report(
            stage=stage,
            provider_ref=plain(str(row.get("sg_message_id") or "").partition(".")[0]),
            reason=redact(reason),
            hard=stage is Stage.BOUNCED and bounce is not None and bounce.is_dead,
            bounce=bounce,
            recipient_hash=short_hash(tenant, "email", email) if email else None,
            occurred_at=_instant(row.get("timestamp")),
            opts_in=kind == "group_resubscribe",
        ),
        body={name: plain(str(row[name])) for name in _SENDGRID_KEPT if name in row},
    )


def _sendgrid_bounce(kind: str, row: Mapping[str, Any], reason: str) -> BounceClass | None:
    match kind:
        case "bounce":
            return of_sendgrid_bounce(
                kind=str(row.get("type") or ""),
                status=str(row.get("status") or ""),
                reason=reason,
                classification=str(row.get("bounce_classification") or ""),
            )
        case "dropped":
            return of_sendgrid_drop(reason)
        case "spamreport":
            return BounceClass.COMPLAINT
        case "unsubscribe" | "group_unsubscribe":
            return BounceClass.UNSUBSCRIBE
        case _:
            return None


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
    stage = _TWILIO_STAGES.get(status, Stage.NONE)
    bounce = of_twilio(code) if stage is Stage.BOUNCED else None
    to = one.get("To", "").strip()
    return ProviderEvent(
        tenant=tenant,
        provider="twilio",
        event_id=f"{sid}:{status}",
        message_id=message_id,
        kind=status,
        report=Report(
            stage=stage,
            provider_ref=sid,
            reason=redact(f"{code} {one.get('ErrorMessage', '')}".strip()),
            hard=bounce is not None and bounce.is_dead,
            bounce=bounce,
            recipient_hash=short_hash(tenant, "phone", to) if to else None,
        ),
        body={"status": status, "error_code": code},
    )


def _canonical(row: object) -> bytes:
    """The same bytes for the same event, also for texts that are not valid Unicode."""
    return json.dumps(row, sort_keys=True, separators=(",", ":")).encode()


def _instant(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < _LONGEST_TIMESTAMP else None


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
