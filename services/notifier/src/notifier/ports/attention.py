"""How much waits for a person, as a port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

COUNTED_MAX = 1000
"""Nobody works on more than that at once: what is beyond is not counted."""

FAILED_DAYS = 7
"""A failed message is settled and stays failed: those of so many days are news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """What waits, by kind; each figure is at most `COUNTED_MAX`.

    `failed` are messages that failed within `FAILED_DAYS`; `batches` are batches of letters that
    are unknown or cannot leave; `calls` may be made now.
    """

    unknown: int
    failed: int
    proposals: int
    calls: int
    batches: int
    issues: int


class AttentionReading(Protocol):
    """Counts what waits for a person; sees what the connection's role may see."""

    async def counts(self, connection: AsyncConnection) -> Attention:
        """The counts of the connection's tenant."""
        ...
