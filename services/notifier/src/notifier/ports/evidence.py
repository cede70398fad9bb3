"""What an archive of evidence is gathered from, as ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

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

    message: Message
    view: ProofView
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What another service says: a document of JSON, in a line, and since when it holds."""

    folder: str
    name: str
    says: str
    content: bytes
    at: datetime | None = None


class EvidenceShelf(Protocol):
    """The notifier's own records; sees what the connection's role may see."""

    async def messages(
        self, connection: AsyncConnection, debtor_id: str, invoice_ids: Sequence[str] | None
    ) -> list[KeptMessage]:
        """Messages to a debtor, about these invoices or all."""
        ...

    async def papers(
        self, connection: AsyncConnection, messages: Sequence[KeptMessage]
    ) -> list[KeptPaper]:
        """Papers that prove what became of letters."""
        ...

    async def responses(
        self, connection: AsyncConnection, debtor_id: str, invoice_ids: Sequence[str] | None
    ) -> list[ResponseView]:
        """What the debtor answered, about these invoices or at all."""
        ...


class Records(Protocol):
    """The ledger and the engine, asked on behalf of the caller."""

    async def invoices_of(self, tenant: str, token: str, debtor_id: str) -> list[str]:
        """All invoices of a debtor, by id.

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

    async def records(
        self, tenant: str, token: str, debtor_id: str, invoice_ids: Sequence[str]
    ) -> list[Record]:
        """The debtor's account, each invoice with its payments, each case with its decisions.

        Raises:
            RecordsUnavailableError: no answer.
        """
        ...
