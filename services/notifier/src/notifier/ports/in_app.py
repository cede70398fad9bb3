"""Messages that the ERP fetches and shows itself, as a port."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.domain.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A message as it is kept; `content` is sealed. `seq` orders messages."""

    message: Message
    seq: int
    sent_at: datetime
    content: bytes


class Shelf(Protocol):
    """Where they are kept; sees what the connection's role may see."""

    async def page(self, connection: AsyncConnection, *, after: int, limit: int) -> list[Kept]:
        """Messages not yet acknowledged, as they were planned, `after` a `seq`."""
        ...

    async def undelivered(
        self, connection: AsyncConnection, message_ids: list[UUID]
    ) -> list[Message]:
        """Those of these messages that are kept and not yet acknowledged."""
        ...
