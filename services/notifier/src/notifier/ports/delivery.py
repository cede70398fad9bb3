"""Everything that is known of what became of a notice's messages, as a port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.ports.reading import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One thing heard about a message: a provider's report, or what came in by mail or text.

    `occurred_at` is when the provider says it happened, `received_at` when we heard of it.
    """

    source: str
    kind: str
    received_at: datetime
    occurred_at: datetime | None = None
    provider_ref: str | None = None
    bounce_class: str | None = None
    reason: str = ""
    verdict: str | None = None


class DeliveryReading(Protocol):
    """Read access; sees what the connection's role may see."""

    async def attempts(
        self, connection: AsyncConnection, message_ids: Sequence[UUID]
    ) -> Mapping[UUID, list[Attempt]]:
        """What happened to each message, oldest first."""
        ...

    async def heard(
        self, connection: AsyncConnection, message_ids: Sequence[UUID]
    ) -> Mapping[UUID, list[Heard]]:
        """What was heard about each message, oldest first."""
        ...
