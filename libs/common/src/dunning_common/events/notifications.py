"""`notifications.v1`, written by notifier: what became of each message.

One event speaks of one message (notice and channel). `effective_at` repeats the notice's
`decided_at`, the tenant's clock; the envelope's `time` is real time. Recipients appear only as
hashes.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from dunning_common.events.dunning import Channel
from dunning_common.events.envelope import Payload


class _MessagePayload(Payload):
    topic: ClassVar[str] = "notifications.v1"
    notice_id: UUID
    message_id: UUID
    debtor_id: str
    channel: Channel
    level: str
    level_no: int
    invoice_ids: tuple[str, ...]
    recipient_hash: str | None
    effective_at: AwareDatetime


class NoticeSentV1(_MessagePayload):
    """The provider took it (SMTP 250, HTTP 2xx, file in the spool)."""

    provider: str
    provider_ref: str
    sha256: str
    cost_minor: int = 0
    cost_currency: str = "EUR"


class NoticeDeliveredV1(_MessagePayload):
    """The provider reports that it reached the recipient."""

    provider: str


class NoticeBouncedV1(_MessagePayload):
    """The provider took it but could not deliver it; `hard` means that the address is dead."""

    provider: str
    reason: str
    hard: bool


class NoticeFailedV1(_MessagePayload):
    """Definitely not sent, and not tried again."""

    reason: str


class NoticeUnknownV1(_MessagePayload):
    """It may or may not have been sent; it is never blindly sent again."""

    reason: str


class NoticeSuppressedV1(_MessagePayload):
    """Not sent on purpose: no address, opted out, revoked."""

    reason: str


class NoticeReturnedV1(_MessagePayload):
    """The ledger refused the send permit, nothing was sent: the engine must decide again.

    `refused_invoice_ids` says which invoices stood in the way.
    """

    reason: str
    refused_invoice_ids: tuple[str, ...]


NotificationsEvent = (
    NoticeSentV1
    | NoticeDeliveredV1
    | NoticeBouncedV1
    | NoticeFailedV1
    | NoticeUnknownV1
    | NoticeSuppressedV1
    | NoticeReturnedV1
)
