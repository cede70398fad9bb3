"""Keeping messages while they are prepared, sent and settled, as ports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.events.dunning import NoticeRequestedV2
from dunning_common.events.tenants import TenantRegisteredV1
from notifier.content.model import OwnText
from notifier.domain.feedback import Knowledge, Report, Stage
from notifier.domain.issues import Issue
from notifier.domain.message import Message, Settlement, State
from notifier.ports.inbox import SealedContact

MessageKey = tuple[str, UUID]
"""Tenant and message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A verdict on one message.

    It only counts while the message is in one of the states `over`, under the same fence. `sha256`
    is of the bytes, where there are any; `actor` is who gave the verdict.
    """

    message: Message
    settlement: Settlement
    sha256: str = ""
    actor: str = "notifier"
    over: frozenset[State] = frozenset({State.PLANNED, State.SENDING})


class Verdicts(Protocol):
    """Where verdicts are written."""

    async def settle(
        self, connection: AsyncConnection, verdicts: Sequence[Settled]
    ) -> Collection[MessageKey]:
        """Write the verdicts whose fence still holds, and log all.

        Returns:
            The keys of those written.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message that this worker may prepare; `age_s` is how long ago it was planned."""

    message: Message
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFacts:
    """A notice as requested, and which of its invoices were revoked since."""

    notice: NoticeRequestedV2
    revoked: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about a batch of messages; what is not known is missing.

    `own_texts` are the tenants' own templates in use, by tenant, then family and language.
    """

    notices: Mapping[tuple[str, UUID], NoticeFacts] = field(default_factory=dict)
    tenants: Mapping[str, TenantRegisteredV1] = field(default_factory=dict)
    contacts: Mapping[tuple[str, str], SealedContact] = field(default_factory=dict)
    own_texts: Mapping[str, Mapping[tuple[str, str], OwnText]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenMessage:
    """What is stored when the bytes are final; `content` is deflated and sealed.

    `template_version` is the tenant's own text's; None: the built-in one.
    """

    message: Message
    media_type: str
    content: bytes
    sha256: str
    size_bytes: int
    provider: str
    recipient_hash: str
    template_version: int | None = None


class SendQueue(Protocol):
    """Messages on their way out."""

    async def claim(
        self, connection: AsyncConnection, *, worker: str, limit: int, claim_s: float
    ) -> list[Claimed]:
        """Take planned messages that are due, earliest first; others skip them for `claim_s`."""
        ...

    async def facts(self, connection: AsyncConnection, messages: Sequence[Message]) -> Facts:
        """What is known about these messages."""
        ...

    async def begin_sending(
        self, connection: AsyncConnection, frozen: Sequence[FrozenMessage], *, lease_s: float
    ) -> Collection[MessageKey]:
        """Store the bytes and mark `sending`, where the claim still holds; returns those keys."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A message whose lease ran out while it was `sending`; `on` is the date its notice bears."""

    message: Message
    sha256: str
    on: date


class ExpiredMessages(Protocol):
    """Messages whose worker vanished."""

    async def expired(self, connection: AsyncConnection, *, limit: int) -> list[Expired]:
        """Lock and return `sending` messages whose lease ran out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """One report of a provider, without personal data; `body` is what is kept of it."""

    tenant: str
    provider: str
    event_id: str
    message_id: UUID | None
    kind: str
    report: Report
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A message and what providers newly reported about it. `known` is the stage so far.

    `event_ids`, `reports` and `providers` run side by side.
    """

    message: Message
    known: Stage
    sha256: str
    event_ids: tuple[str, ...]
    reports: tuple[Report, ...]
    providers: tuple[str, ...] = ()


class Feedback(Protocol):
    """What providers report."""

    async def keep(self, connection: AsyncConnection, events: Sequence[ProviderEvent]) -> int:
        """Store events not seen before, and wake the reader; returns how many were new."""
        ...

    async def unread(self, connection: AsyncConnection, *, limit: int) -> list[Reported]:
        """Lock and return messages with new reports, except those on the wire right now."""
        ...

    async def learn(
        self, connection: AsyncConnection, learned: Sequence[tuple[Reported, Knowledge]]
    ) -> None:
        """Store what is known now and mark the events as read."""
        ...

    async def dismiss_strangers(self, connection: AsyncConnection) -> Sequence[Issue]:
        """Mark events about messages that do not exist here as read; returns them for the list."""
        ...
