"""What came in by mail or text: a report, an automatic answer, or somebody's words.

Holds personal data (addresses, words) while it is being understood; none of it is stored in clear.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from notifier.domain.feedback import Report


class MailKind(StrEnum):
    """What a mail is."""

    REPLY = "reply"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that came with a mail."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMail:
    """A mail as it was understood.

    `key` stands for the mail, however often it comes. `message_ids` are those of ours that it
    names, the surest first; `recipient` is the address that a report is about, `sender` who wrote.
    `report` is what a bounce or complaint says of the message.
    """

    kind: MailKind
    key: str
    message_ids: tuple[UUID, ...] = ()
    sender: str = ""
    recipient: str = ""
    subject: str = ""
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    report: Report | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundText:
    """An SMS: who sent it, what it says, and what the provider itself made of it (`STOP`, …)."""

    key: str
    sender: str
    text: str
    provider_intent: str = ""
