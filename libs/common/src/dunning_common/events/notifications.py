"""`notifications.v1`, written by notifier: what became of each message.

One event speaks of one message (notice and channel). `effective_at` repeats the notice's
`decided_at`, the tenant's clock; the envelope's `time` is real time. Recipients appear only as
hashes.

Each event has a base without a version, which its versions share: `case NoticeSent():` reads all.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from dunning_common.events.dunning import AnyChannel, Channel
from dunning_common.events.envelope import Payload


class Notification(Payload):
    """What every event of the topic says: which message, of which notice, about which invoices."""

    topic: ClassVar[str] = "notifications.v1"
    notice_id: UUID
    message_id: UUID
    debtor_id: str
    channel: AnyChannel
    level: str
    level_no: int
    invoice_ids: tuple[str, ...]
    recipient_hash: str | None
    effective_at: AwareDatetime


class NoticeSent(Notification):
    """The provider took it (SMTP 250, HTTP 2xx, file in the spool)."""

    provider: str
    provider_ref: str
    sha256: str
    cost_minor: int = 0
    cost_currency: str = "EUR"


class NoticeDelivered(Notification):
    """The provider reports that it reached the recipient."""

    provider: str


class NoticeBounced(Notification):
    """The provider took it but could not deliver it; `hard` means that the address is dead."""

    provider: str
    reason: str
    hard: bool


class NoticeFailed(Notification):
    """Definitely not sent, and not tried again."""

    reason: str


class NoticeUnknown(Notification):
    """It may or may not have been sent; it is never blindly sent again."""

    reason: str


class NoticeSuppressed(Notification):
    """Not sent on purpose: no address, opted out, revoked."""

    reason: str


class NoticeReturned(Notification):
    """The ledger refused the send permit, nothing was sent: the engine must decide again.

    `refused_invoice_ids` says which invoices stood in the way.
    """

    reason: str
    refused_invoice_ids: tuple[str, ...]


class NoticeSentV1(NoticeSent):
    """The provider took it (SMTP 250, HTTP 2xx, file in the spool)."""

    channel: Channel


class NoticeDeliveredV1(NoticeDelivered):
    """The provider reports that it reached the recipient."""

    channel: Channel


class NoticeBouncedV1(NoticeBounced):
    """The provider took it but could not deliver it; `hard` means that the address is dead."""

    channel: Channel


class NoticeFailedV1(NoticeFailed):
    """Definitely not sent, and not tried again."""

    channel: Channel


class NoticeUnknownV1(NoticeUnknown):
    """It may or may not have been sent; it is never blindly sent again."""

    channel: Channel


class NoticeSuppressedV1(NoticeSuppressed):
    """Not sent on purpose: no address, opted out, revoked."""

    channel: Channel


class NoticeReturnedV1(NoticeReturned):
    """The ledger refused the send permit, nothing was sent: the engine must decide again.

    `refused_invoice_ids` says which invoices stood in the way.
    """

    channel: Channel


class NoticeSentV2(NoticeSent):
    """The provider took it (SMTP 250, HTTP 2xx, file in the spool)."""


class NoticeDeliveredV2(NoticeDelivered):
    """The provider reports that it reached the recipient."""


class NoticeBouncedV2(NoticeBounced):
    """The provider took it but could not deliver it; `hard` means that the address is dead."""


class NoticeFailedV2(NoticeFailed):
    """Definitely not sent, and not tried again."""


class NoticeUnknownV2(NoticeUnknown):
    """It may or may not have been sent; it is never blindly sent again."""


class NoticeSuppressedV2(NoticeSuppressed):
    """Not sent on purpose: no address, opted out, revoked."""


class NoticeReturnedV2(NoticeReturned):
    """The ledger refused the send permit, nothing was sent: the engine must decide again.

    `refused_invoice_ids` says which invoices stood in the way.
    """


NotificationsEvent = (
    NoticeSentV1
    | NoticeDeliveredV1
    | NoticeBouncedV1
    | NoticeFailedV1
    | NoticeUnknownV1
    | NoticeSuppressedV1
    | NoticeReturnedV1
    | NoticeSentV2
    | NoticeDeliveredV2
    | NoticeBouncedV2
    | NoticeFailedV2
    | NoticeUnknownV2
    | NoticeSuppressedV2
    | NoticeReturnedV2
)
