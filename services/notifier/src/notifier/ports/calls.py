"""The list of calls, as a port."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.domain.calls import CallOutcome
from notifier.domain.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTask:
    """A message that waits for a call. `seq` orders tasks; `sha256` is of its script.

    It was tried `tries` times and should not be tried again before `next_call_at`. A `sandbox`
    tenant has a clock of its own.
    """

    message: Message
    seq: int
    planned_at: datetime
    tries: int
    next_call_at: datetime | None
    sha256: str | None
    sandbox: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTry:
    """One line of a task's history."""

    at: datetime
    outcome: str
    note: str | None
    person: str


class Calls(Protocol):
    """Where calls are kept; sees what the connection's role may see."""

    async def page(
        self, connection: AsyncConnection, *, due_only: bool, after: int, limit: int
    ) -> list[CallTask]:
        """Open tasks, oldest first."""
        ...

    async def one(
        self, connection: AsyncConnection, message_id: UUID, *, lock: bool = False
    ) -> CallTask | None:
        """The task of a message that is to be told by a call, open or not; locked on request."""
        ...

    async def tries(self, connection: AsyncConnection, message_id: UUID) -> list[CallTry]:
        """What the calls came to, oldest first."""
        ...

    async def add_try(
        self,
        connection: AsyncConnection,
        task: CallTask,
        *,
        outcome: CallOutcome,
        note: str,
        person: str,
        again_s: float | None,
    ) -> int:
        """Write a call down, and when to call again, if at all; returns the line's number."""
        ...
