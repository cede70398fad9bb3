"""Keeping what came in by mail or text until it is understood, as a port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.domain.message import Message

InboundChannel = Literal["email", "sms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInbound:
    """What came, as it came. `external_id` stands for it: the same again is the same."""

    tenant: str
    source: str
    external_id: str
    channel: InboundChannel
    content_type: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Something stored that nobody has understood yet."""

    inbound_id: UUID
    received_at: datetime
    item: NewInbound


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What it turned out to be. `key` stands for the mail itself, however it was packed.

    `keep_raw` while a person may still have to read it; all else of it is dropped.
    """

    tenant: str
    inbound_id: UUID
    key: str
    kind: str
    verdict: str
    message: Message | None = None
    sender_hash: str | None = None
    keep_raw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundView:
    """Something that came in, as people see it: no words and no addresses."""

    seq: int
    inbound_id: UUID
    source: str
    channel: str
    kind: str | None
    verdict: str | None
    message_id: UUID | None
    notice_id: UUID | None
    debtor_id: str | None
    sender_hash: str | None
    received_at: datetime
    read_at: datetime | None
    is_readable: bool
    """Whether its words are still here in clear, for a person to give to a debtor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look a message up by: its ids, surest first, else the address it went to."""

    tenant: str
    channel: InboundChannel
    message_ids: tuple[UUID, ...] = ()
    address_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The message that something is about; `by_id` when it named it, else only its address fits."""

    message: Message
    by_id: bool


class InboundStore(Protocol):
    """Where such things are kept."""

    async def keep(self, connection: AsyncConnection, items: Sequence[NewInbound]) -> int:
        """Store what is new, and wake the reader; returns how many were new."""
        ...

    async def unread(self, connection: AsyncConnection, *, limit: int) -> list[Arrived]:
        """What nobody has understood yet: what was never postponed first, oldest first."""
        ...

    async def postpone(self, connection: AsyncConnection, inbound_ids: Sequence[UUID]) -> None:
        """Let others go first: what waits for a silent ledger must not hold up a STOP."""
        ...

    async def match(
        self, connection: AsyncConnection, wanted: Sequence[Wanted]
    ) -> list[Match | None]:
        """The messages they are about, in order."""
        ...

    async def finish(
        self, connection: AsyncConnection, understood: Sequence[Understood]
    ) -> frozenset[UUID]:
        """Write down what was understood; returns what nobody had understood before.

        What is the same mail as another, or was understood by somebody else meanwhile, is not among
        them and must have no effect.
        """
        ...

    async def forget(self, connection: AsyncConnection, *, after_days: int) -> int:
        """Drop the words of what nobody claimed for so many days; returns of how many."""
        ...

    async def page(
        self, connection: AsyncConnection, *, kind: str | None, after: int, limit: int
    ) -> list[InboundView]:
        """What came in for the connection's tenant, oldest first."""
        ...

    async def one(
        self, connection: AsyncConnection, inbound_id: UUID
    ) -> tuple[InboundView, Arrived | None] | None:
        """One of them, locked, and how it came while that is still kept."""
        ...

    async def assign(
        self, connection: AsyncConnection, inbound_id: UUID, *, debtor_id: str
    ) -> None:
        """Write down whose it is, and drop its clear words."""
        ...
