"""The list of what came in and needs a person, in PostgreSQL. Never commits.

See `notifier.ports.issues.Issues`.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.columns import RowSet
from dunning_common.db import driver
from dunning_common.ids import name_id
from notifier.domain.issues import Issue, IssueKind, ListedIssue

_NEW = RowSet(
    tenant="text", issue_id="uuid", kind="text", ref="text", source="text", detail="text",
    excerpt="text",
)  # fmt: skip
_NOTE = f"""
INSERT INTO feedback_issue (tenant, issue_id, kind, ref, source, detail, excerpt)
SELECT DISTINCT ON (tenant, issue_id) * FROM {_NEW.source("found")} ORDER BY tenant, issue_id
ON CONFLICT DO NOTHING RETURNING 1
"""
_PAGE = """
SELECT * FROM feedback_issue
WHERE seq > $1 AND ($2::text IS NULL OR kind = $2) AND (closed_at IS NOT NULL) = $3
ORDER BY seq LIMIT $4
"""
_CLOSE = """
UPDATE feedback_issue SET closed_at = clock_timestamp(), closed_by = $2, note = $3
WHERE issue_id = $1 AND closed_at IS NULL
"""


class SqlIssues:
    """See `notifier.ports.issues.Issues`."""

    async def note(self, connection: AsyncConnection, found: Sequence[Issue]) -> int:
        """List what is not listed yet; returns how many were new."""
        if not found:
            return 0
        raw = await driver(connection)
        rows = [
            (i.tenant, _id(i), i.kind.value, i.ref, i.source, i.detail, i.excerpt) for i in found
        ]
        return len(await raw.fetch(_NOTE, *_NEW.arguments(rows)))

    async def page(
        self,
        connection: AsyncConnection,
        *,
        kind: IssueKind | None,
        closed: bool,
        after: int,
        limit: int,
    ) -> list[ListedIssue]:
        """Open (or closed) issues of the connection's tenant, oldest first."""
        raw = await driver(connection)
        return [_listed(row) for row in await raw.fetch(_PAGE, after, kind, closed, limit)]

    async def close(
        self, connection: AsyncConnection, issue_id: UUID, *, person: str, note: str
    ) -> ListedIssue | None:
        """Close an issue; what is closed already stays as it is. None: no such issue."""
        raw = await driver(connection)
        await raw.execute(_CLOSE, issue_id, person, note)
        row = await raw.fetchrow("SELECT * FROM feedback_issue WHERE issue_id = $1", issue_id)
        return None if row is None else _listed(row)


def _id(issue: Issue) -> UUID:
    """The same for the same issue, however often it comes."""
    return name_id("feedback-issue", issue.tenant, issue.kind, issue.source, issue.ref)


def _listed(row: asyncpg.Record) -> ListedIssue:
    return ListedIssue(
        seq=row["seq"],
        issue_id=row["issue_id"],
        issue=Issue(
            tenant=row["tenant"],
            kind=IssueKind(row["kind"]),
            source=row["source"],
            ref=row["ref"],
            detail=row["detail"],
            excerpt=row["excerpt"],
        ),
        at=row["at"],
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        note=row["note"],
    )
