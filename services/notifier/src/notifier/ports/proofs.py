"""Papers that prove what became of a letter, as a port."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.domain.message import Message


class ProofKind(StrEnum):
    """What a paper proves: the carrier took the letter, the addressee did, or it came back."""

    DEPOSIT = "deposit"
    RECEIPT = "receipt"
    RETURN = "return"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProof:
    """A paper to keep; `content` is deflated and sealed, `sha256` and size are of the clear file.

    `happened_on` is the date on the paper, `reference` the carrier's number.
    """

    message: Message
    proof_id: UUID
    kind: ProofKind
    happened_on: date
    reference: str
    file_name: str
    media_type: str
    content: bytes
    sha256: str
    size_bytes: int
    given_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofView:
    """A paper as it is kept."""

    proof_id: UUID
    message_id: UUID
    kind: ProofKind
    happened_on: date
    reference: str
    file_name: str
    media_type: str
    sha256: str
    size_bytes: int
    given_by: str
    given_at: datetime


class Proofs(Protocol):
    """Where papers are kept; sees what the connection's role may see."""

    async def keep(self, connection: AsyncConnection, proof: NewProof) -> ProofView:
        """Store a paper; the same file for the same purpose again is the one that is there."""
        ...

    async def of_message(self, connection: AsyncConnection, message_id: UUID) -> list[ProofView]:
        """A message's papers, oldest first."""
        ...

    async def content(
        self, connection: AsyncConnection, message_id: UUID, proof_id: UUID
    ) -> tuple[ProofView, bytes] | None:
        """A paper with its sealed file."""
        ...
