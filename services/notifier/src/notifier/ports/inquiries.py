"""Remembering when a provider is asked again what became of a message, as a port."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEnd:
    """A message that is unknown, or sent and not known to have arrived; asked `times` before."""

    tenant: str
    message_id: UUID
    channel: str
    provider: str
    unknown: bool
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was answered about it (None: nothing), and when to ask again, in seconds."""

    end: OpenEnd
    answer: str | None
    again_s: float


class Inquiries(Protocol):
    """Where open ends are found and put off."""

    async def due(
        self, connection: AsyncConnection, *, providers: Collection[str], limit: int, lease_s: float
    ) -> list[OpenEnd]:
        """Open ends that are due to be asked about; others skip them for `lease_s`."""
        ...

    async def put_off(self, connection: AsyncConnection, answers: Sequence[Answered]) -> None:
        """Write down what was answered and when to ask again."""
        ...
