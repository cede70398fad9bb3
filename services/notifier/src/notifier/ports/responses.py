"""Keeping what debtors answer, by whichever way it came, as a port.

Facts hold no personal data; words, names, addresses and files are sealed with the debtor's key
before they come here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

Kind = Literal[
    "payment_claimed",
    "promise",
    "plan_request",
    "dispute",
    "contact_change",
    "opt_out",
    "opt_in",
    "message",
]
Source = Literal["portal", "email", "sms", "person"]
ResponseState = Literal["received", "proposed", "accepted", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A file that came with a response; `content` is sealed, `size_bytes` is of the clear one."""

    media_type: str
    size_bytes: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResponse:
    """An answer to store. `note` is sealed JSON; `proposed` waits for a person.

    `channel` is that of the message it answers, `link_id` the portal link it came through.
    """

    tenant: str
    response_id: UUID
    debtor_id: str
    kind: Kind
    source: Source
    effective_at: datetime
    invoice_ids: tuple[str, ...] = ()
    notice_id: UUID | None = None
    link_id: UUID | None = None
    channel: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    note: bytes | None = None
    state: ResponseState = "received"
    files: tuple[SealedFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseView:
    """An answer as it is stored. `seq` orders answers by when they came."""

    seq: int
    tenant: str
    response_id: UUID
    debtor_id: str
    kind: Kind
    source: Source
    state: ResponseState
    invoice_ids: tuple[str, ...]
    notice_id: UUID | None
    link_id: UUID | None
    channel: str | None
    facts: Mapping[str, Any]
    note: bytes | None
    effective_at: datetime
    received_at: datetime
    files: tuple[tuple[int, str, int], ...] = ()
    """Number, media type and size of each file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFilter:
    """Which answers to list; `after` is the `seq` of the last one seen, 0 for the first page."""

    kind: Kind | None = None
    state: ResponseState | None = None
    source: Source | None = None
    debtor_id: str | None = None
    invoice_id: str | None = None
    newest_first: bool = False
    after: int = 0
    limit: int = 100


CONTENT_READ = "content_read"
"""Somebody took the exact bytes of a message; the target is its id."""

PAPER_READ = "paper_read"
"""Somebody took a paper that proves what became of a letter, `paper_read:<id>`; the target is the
message's id."""

COVER_READ = "cover_read"
"""Somebody took the cover sheet of a batch, which names its debtors; the target is its id."""

EVIDENCE_MADE = "evidence_made"
"""Somebody took an archive; the target is `invoice:<id>` or `debtor:<id>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """Who did what to a response, a link, the settings, or a message's bytes."""

    at: datetime
    action: str
    actor: str


class Responses(Protocol):
    """Where answers are kept; sees what the connection's role may see."""

    async def keep(
        self, connection: AsyncConnection, responses: Sequence[NewResponse]
    ) -> frozenset[UUID]:
        """Store answers with their files; returns the ids of those that were not there before."""
        ...

    async def count_of_link(self, connection: AsyncConnection, link_id: UUID) -> int:
        """How many answers came through a link within a day."""
        ...

    async def of_debtor(
        self, connection: AsyncConnection, debtor_id: str, *, limit: int
    ) -> list[ResponseView]:
        """A debtor's answers, the latest first."""
        ...

    async def page(self, connection: AsyncConnection, wanted: ResponseFilter) -> list[ResponseView]:
        """Answers in the order in which they came, or the other way round."""
        ...

    async def one(
        self, connection: AsyncConnection, response_id: UUID, *, lock: bool = False
    ) -> ResponseView | None:
        """One answer, locked on request."""
        ...

    async def file(
        self, connection: AsyncConnection, response_id: UUID, file_no: int
    ) -> SealedFile | None:
        """A file of an answer."""
        ...

    async def decide(
        self, connection: AsyncConnection, response_id: UUID, state: ResponseState
    ) -> None:
        """Write what a person decided about a proposal."""
        ...

    async def log(
        self, connection: AsyncConnection, tenant: str, target: str, action: str, actor: str
    ) -> None:
        """Write down who did what."""
        ...

    async def history(self, connection: AsyncConnection, target: str) -> list[LogLine]:
        """Who did what to this, oldest first."""
        ...
