"""The list of addresses that must not be written to, as a port."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.domain.suppression import Cause, Suppression

Place = tuple[str, str, str]
"""Tenant, channel, hash of the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A suppression as people see it; `seq` orders them by when they were stored."""

    seq: int
    suppression: Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of an address's history: who added or lifted which cause, and when."""

    at: datetime
    action: str
    cause: Cause
    source: str
    note: str


class Suppressions(Protocol):
    """Where suppressions are kept; every change is logged with who made it."""

    async def add(
        self, connection: AsyncConnection, found: Sequence[Suppression]
    ) -> list[Suppression]:
        """Store what is not there yet; returns what was new.

        What happened (`since`) before the same cause was lifted last is old news and not stored.
        """
        ...

    async def lift(
        self,
        connection: AsyncConnection,
        places: Sequence[Place],
        *,
        causes: Collection[Cause],
        source: str,
        note: str = "",
    ) -> list[Suppression]:
        """Remove these causes at these places; returns what was removed."""
        ...

    async def among(
        self, connection: AsyncConnection, places: Collection[Place]
    ) -> Mapping[Place, frozenset[Cause]]:
        """Which of these places are suppressed, and why."""
        ...

    async def moments(
        self, connection: AsyncConnection, debtors: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], datetime]:
        """The clock of those debtors (tenant, debtor) whose tenants have one of their own.

        A sandbox tenant's clock stands at the decision of the last notice to the debtor.
        """
        ...

    async def page(
        self,
        connection: AsyncConnection,
        *,
        channel: str | None,
        recipient_hash: str | None,
        after: int,
        limit: int,
    ) -> list[Listed]:
        """Suppressions of the connection's tenant, oldest first."""
        ...

    async def history(
        self, connection: AsyncConnection, *, channel: str, recipient_hash: str
    ) -> list[Change]:
        """What happened to one address, oldest first."""
        ...
