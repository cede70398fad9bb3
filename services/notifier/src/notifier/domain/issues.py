"""What came in and could not be understood or matched, and what a person can do about each.

Holds no personal data: only what was redacted, digests and references.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class IssueKind(StrEnum):
    """What is the matter."""

    UNREADABLE = "unreadable"
    STRANGER_EVENT = "stranger_event"
    UNMATCHED_BOUNCE = "unmatched_bounce"
    UNMATCHED_REPLY = "unmatched_reply"
    HELP_ASKED = "help_asked"


REMEDIES = {
    IssueKind.UNREADABLE: (
        "The provider signed this, and it is not in a form that is known here. Look it up in the "
        "provider's log by its time; if it concerns a message of ours that is unknown, say what "
        "became of it with POST /v1/messages/{id}/resolve. Then close this."
    ),
    IssueKind.STRANGER_EVENT: (
        "The provider reports on a message that was not sent from here: usually another system "
        "uses the same provider account. Give that system an account or a webhook of its own, "
        "then close this."
    ),
    IssueKind.UNMATCHED_BOUNCE: (
        "A mail server returned a message that names none of ours. If the address belongs to a "
        "debtor, suppress it with POST /v1/suppressions or correct it in the ERP, then close this."
    ),
    IssueKind.UNMATCHED_REPLY: (
        "Somebody wrote who was never written to from this address. Read it with "
        "GET /v1/replies/{ref}/content, give it to the debtor with POST /v1/replies/{ref}/assign, "
        "or close this. Its words are deleted 30 days after they came."
    ),
    IssueKind.HELP_ASKED: (
        "The debtor asked for help with one word. Call or write back; nothing was answered by "
        "itself. Then close this."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing for a person. The same `ref` of the same source and kind is the same issue."""

    tenant: str
    kind: IssueKind
    source: str
    ref: str
    detail: str = ""
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedIssue:
    """An issue as people see it; `seq` orders issues by when they came."""

    seq: int
    issue_id: UUID
    issue: Issue
    at: datetime
    closed_at: datetime | None
    closed_by: str | None
    note: str
