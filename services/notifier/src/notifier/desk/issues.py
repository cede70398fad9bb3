"""What came in and nobody could match, as the pages show it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from notifier.desk.words import ISSUES, moment, plain
from notifier.domain.issues import IssueKind, ListedIssue


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the form above the list asks for; what cannot be read restricts nothing."""

    kind: IssueKind | None = None
    closed: bool = False

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Asked:
        """The query parameters of the page; without any: all that are open."""
        kind = parameters.get("kind", "")
        return cls(
            kind=IssueKind(kind) if kind in list(IssueKind) else None,
            closed=parameters.get("closed") == "yes",
        )

    @property
    def query(self) -> dict[str, str]:
        """The same as query parameters."""
        found = {"kind": str(self.kind)} if self.kind else {}
        return found | ({"closed": "yes"} if self.closed else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An issue in the list."""

    issue_id: UUID
    kind: str
    source: str
    detail: str
    excerpt: str
    at: str
    remedy: str
    reply: str
    closed: str
    closed_by: str
    note: str

    @classmethod
    def of(cls, listed: ListedIssue) -> Row:
        """An issue in words; `reply` is the id of a stranger's words, where there are any."""
        issue = listed.issue
        return cls(
            issue_id=listed.issue_id,
            kind=plain(issue.kind),
            source=issue.source,
            detail=issue.detail,
            excerpt=issue.excerpt,
            at=moment(listed.at),
            remedy=ISSUES[issue.kind],
            reply=issue.ref if issue.kind is IssueKind.UNMATCHED_REPLY else "",
            closed=moment(listed.closed_at),
            closed_by=listed.closed_by or "",
            note=listed.note,
        )
