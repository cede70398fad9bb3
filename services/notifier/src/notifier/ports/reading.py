"""Looking at messages, as a port for the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.domain.feedback import Stage
from notifier.domain.message import Message, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One line of a message's history."""

    at: datetime
    phase: str
    reason: str | None
    provider: str | None
    sha256: str | None
    actor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A message as people see it. `seq` orders messages by when they were planned."""

    message: Message
    seq: int
    reason: str | None
    planned_at: datetime
    not_before: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    provider_ref: str | None
    cost_minor: int | None
    stage: Stage
    sha256: str | None
    media_type: str | None
    size_bytes: int | None
    template_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which messages to list; `after` is the `seq` of the last one seen, 0 for the first page."""

    notice_id: UUID | None = None
    invoice_id: str | None = None
    state: State | None = None
    newest_first: bool = False
    after: int = 0
    limit: int = 100


class MessageReading(Protocol):
    """Read access to messages; sees what the connection's role may see."""

    async def page(self, connection: AsyncConnection, wanted: Filter) -> list[MessageView]:
        """Messages in the order they were planned, or the other way round."""
        ...

    async def one(
        self, connection: AsyncConnection, message_id: UUID, *, lock: bool = False
    ) -> MessageView | None:
        """One message, locked on request."""
        ...

    async def history(self, connection: AsyncConnection, message_id: UUID) -> list[Attempt]:
        """What happened to a message, oldest first."""
        ...

    async def content(self, connection: AsyncConnection, message_id: UUID) -> bytes | None:
        """The sealed bytes of a message, if any."""
        ...
