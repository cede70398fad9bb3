"""The list of what came in and needs a person, as a port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.domain.issues import Issue, IssueKind, ListedIssue


class Issues(Protocol):
    """Where such things are listed until somebody closes them."""

    async def note(self, connection: AsyncConnection, found: Sequence[Issue]) -> int:
        """List what is not listed yet; returns how many were new."""
        ...

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
        ...

    async def close(
        self, connection: AsyncConnection, issue_id: UUID, *, person: str, note: str
    ) -> ListedIssue | None:
        """Close an issue; what is closed already stays as it is. None: no such issue."""
        ...
