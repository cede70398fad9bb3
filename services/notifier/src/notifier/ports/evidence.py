"""What an archive of evidence is gathered from, and what keeps it while it is made, as ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.domain.evidence import Content
from notifier.domain.message import Message
from notifier.ports.proofs import ProofView
from notifier.ports.reading import MessageView
from notifier.ports.responses import ResponseView


class RecordsUnavailableError(RuntimeError):
    """The ledger or the engine does not answer, or not to this caller; says which and how."""

    def __init__(self, detail: str, *, status: int = 503) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """What the notifier keeps about a debtor, without the bytes.

    `has_own_clock` says whether the tenant is a sandbox, whose time is not the world's.
    """

    has_own_clock: bool
    messages: Sequence[MessageView]
    responses: Sequence[ResponseView]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMessage:
    """A message with what was kept of it; `content` is sealed, None when it was never written."""

    view: MessageView
    notice: Mapping[str, Any]
    content: bytes | None

    @property
    def message(self) -> Message:
        """The message itself."""
        return self.view.message


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPaper:
    """A paper about a letter; `content` is sealed."""

    view: ProofView
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that came with an answer; `content` is sealed."""

    response: ResponseView
    file_no: int
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What another service says or keeps, in a line, and since when it holds.

    With `day_only` just the day of `at` is known. `original_of` is the invoice whose original
    document this is.
    """

    folder: str
    name: str
    says: str
    content: bytes
    at: datetime | None = None
    day_only: bool = False
    original_of: str | None = None


class EvidenceShelf(Protocol):
    """The notifier's own records; sees what the connection's role may see.

    `of_debtor` tells what there is; the others bring the bytes, for as many at a time as the caller
    has room for.
    """

    async def of_debtor(self, connection: AsyncConnection, debtor_id: str) -> Shelved:
        """All messages to a debtor and all its answers, in the order in which they came."""
        ...

    async def messages(
        self, connection: AsyncConnection, views: Sequence[MessageView]
    ) -> list[KeptMessage]:
        """These messages with what was kept of them."""
        ...

    async def papers(
        self, connection: AsyncConnection, message_ids: Sequence[UUID]
    ) -> list[ProofView]:
        """Papers that prove what became of letters, oldest first."""
        ...

    async def scans(
        self, connection: AsyncConnection, papers: Sequence[ProofView]
    ) -> list[KeptPaper]:
        """These papers with their files."""
        ...

    async def files(
        self, connection: AsyncConnection, responses: Sequence[ResponseView]
    ) -> list[KeptFile]:
        """The files of these answers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLinks:
    """Links of messages that still open the debtor's page: of which, and until when at most."""

    message_ids: tuple[UUID, ...]
    until: datetime | None = None


class MessageLinks(Protocol):
    """The links that messages carried to the debtor's page."""

    async def live(self, connection: AsyncConnection, message_ids: Sequence[UUID]) -> LiveLinks:
        """Those of these messages' links that still work."""
        ...

    async def revoke(
        self, connection: AsyncConnection, message_ids: Sequence[UUID], *, person: str
    ) -> tuple[UUID, ...]:
        """Let these messages' links stop working, and write down who did it, for each of them.

        Returns:
            The messages whose links worked until now.
        """
        ...


class Records(Protocol):
    """The ledger and the engine, asked on behalf of the caller."""

    async def invoices_of(self, tenant: str, token: str, debtor_id: str) -> list[str]:
        """All invoices of a debtor, by id, the oldest first.

        Raises:
            RecordsUnavailableError: no answer.
        """
        ...

    async def debtor_of(self, tenant: str, token: str, invoice_id: str) -> str:
        """Whose invoice it is.

        Raises:
            LookupError: there is no such invoice.
            RecordsUnavailableError: no answer.
        """
        ...

    def records(
        self, tenant: str, token: str, debtor_id: str, invoice_ids: Sequence[str]
    ) -> AsyncIterator[Record]:
        """The debtor's account, each invoice with its payments, each case with its decisions.

        Each once, with the original documents, a few at a time.

        Raises:
            RecordsUnavailableError: no answer.
        """
        ...


class Spool(Protocol):
    """Keeps what goes into one archive until it is written, outside of memory."""

    def put(self, content: bytes) -> Content:
        """Keep these bytes."""
        ...

    def close(self) -> None:
        """Forget everything; again changes nothing."""
        ...
