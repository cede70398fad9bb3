"""Verdicts on messages as events of `notifications.v1`: the one place where they are worded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from dunning_common.events.envelope import Payload
from dunning_common.events.notifications import (
    NoticeBouncedV2,
    NoticeDeliveredV2,
    NoticeFailedV2,
    NoticeReturnedV2,
    NoticeSentV2,
    NoticeSuppressedV2,
    NoticeUnknownV2,
)
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from notifier.domain.feedback import Knowledge
from notifier.domain.message import Message, Settlement, State

SOURCE = "notifier"


def announce(
    message: Message, settlement: Settlement, *, sha256: str, currency: str
) -> list[Outgoing]:
    """The event that a settlement calls for; none while the message stays planned."""
    about = _about(message)
    reason = settlement.reason or ""
    payload: Payload
    match settlement.state:
        case State.PLANNED | State.SENDING:
            return []
        case State.SENT:
            payload = NoticeSentV2(
                **about,
                provider=message.provider or "",
                provider_ref=settlement.provider_ref or "",
                sha256=sha256,
                cost_minor=settlement.cost_minor,
                cost_currency=currency,
            )
        case State.FAILED:
            payload = NoticeFailedV2(**about, reason=reason)
        case State.UNKNOWN:
            payload = NoticeUnknownV2(**about, reason=reason)
        case State.SUPPRESSED:
            payload = NoticeSuppressedV2(**about, reason=reason)
        case State.RETURNED:
            payload = NoticeReturnedV2(
                **about, reason=reason, refused_invoice_ids=settlement.refused_invoice_ids
            )
        case _:
            assert_never(settlement.state)
    return [_outgoing(message, payload)]


def announce_feedback(message: Message, provider: str, knowledge: Knowledge) -> list[Outgoing]:
    """The events of what a provider reported about a message that was sent."""
    about = _about(message)
    payloads: list[Payload] = []
    if knowledge.delivered is not None:
        payloads.append(NoticeDeliveredV2(**about, provider=provider))
    if knowledge.bounced is not None:
        bounce = knowledge.bounced
        payloads.append(
            NoticeBouncedV2(**about, provider=provider, reason=bounce.reason, hard=bounce.hard)
        )
    return [_outgoing(message, payload) for payload in payloads]


def in_order(events: Iterable[list[Outgoing]]) -> list[Outgoing]:
    """All events, flat."""
    return [event for some in events for event in some]


def _about(message: Message) -> dict[str, Any]:
    return {
        "notice_id": message.notice_id,
        "message_id": message.message_id,
        "debtor_id": message.debtor_id,
        "channel": message.channel,
        "level": message.level,
        "level_no": message.level_no,
        "invoice_ids": message.invoice_ids,
        "recipient_hash": message.recipient_hash,
        "effective_at": message.effective_at,
    }


def _outgoing(message: Message, payload: Payload) -> Outgoing:
    return Outgoing(
        payload=payload,
        tenant=message.tenant,
        key=account_key(message.tenant, message.debtor_id),
        subject=str(message.message_id),
        causation=message.causation,
    )
