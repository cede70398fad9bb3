"""Keeps papers that prove what became of a letter, and draws the conclusion from them.

A proof of deposit shows that the carrier took the letter, a proof of receipt that it was delivered,
a returned letter that it was not. They are understood like a provider's reports.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from dunning_common.db import Database
from dunning_common.ids import new_id
from dunning_common.vault import seal, unseal
from notifier.domain.feedback import Report, Stage
from notifier.domain.message import Message, State
from notifier.handlers.resolve import NoSuchMessageError
from notifier.ports.ledger import Ledger
from notifier.ports.messages import Feedback, ProviderEvent
from notifier.ports.proofs import NewProof, ProofKind, Proofs, ProofView
from notifier.ports.reading import MessageReading
from notifier.ports.responses import PAPER_READ, Responses

LARGEST_BYTES = 5 * 1024 * 1024
_LETTERS = ("letter", "registered_letter")
_LEFT = frozenset({State.SENT, State.UNKNOWN, State.FAILED})
_MAGIC = {
    b"%PDF-": "application/pdf",
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
}
_STAGES = {
    ProofKind.DEPOSIT: Stage.ACCEPTED,
    ProofKind.RECEIPT: Stage.DELIVERED,
    ProofKind.RETURN: Stage.BOUNCED,
}


class ProofRefusedError(ValueError):
    """The paper cannot be kept: says why, and what to send instead."""


class ErasedError(LookupError):
    """The debtor was erased: nothing about it is kept, and nothing can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A scan or download. `happened_on` is the paper's date, `reference` the carrier's number."""

    kind: ProofKind
    happened_on: date
    reference: str
    file_name: str
    content: bytes


class ProofKeeper:
    """Takes papers in, and hands them out."""

    def __init__(
        self,
        *,
        db: Database,
        reading: MessageReading,
        proofs: Proofs,
        feedback: Feedback,
        responses: Responses,
        ledger: Ledger,
    ) -> None:
        self._db = db
        self._responses = responses
        self._reading = reading
        self._proofs = proofs
        self._feedback = feedback
        self._ledger = ledger

    async def keep(
        self, tenant: str, message_id: UUID, paper: Paper, *, person: str, today: date
    ) -> ProofView:
        """Keep a paper; the same one again changes nothing.

        Raises:
            NoSuchMessageError: not there.
            ProofRefusedError: not a letter, not sent, no such file, or a date in the future.
            ErasedError: the debtor was erased.
            LedgerUnavailableError: the debtor's key cannot be had now.
        """
        media_type = _media_type(paper, today=today)
        message = await self._letter(tenant, message_id)
        key = await self._key(message)
        proof = NewProof(
            message=message,
            proof_id=new_id(),
            kind=paper.kind,
            happened_on=paper.happened_on,
            reference=paper.reference,
            file_name=paper.file_name,
            media_type=media_type,
            content=seal(key, zlib.compress(paper.content), context=proof_context(message)),
            sha256=hashlib.sha256(paper.content).hexdigest(),
            size_bytes=len(paper.content),
            given_by=person,
        )
        async with self._db.tenant(tenant) as connection:
            kept = await self._proofs.keep(connection, proof)
            await self._feedback.keep(connection, [_event(message, kept)])
        return kept

    async def papers(self, tenant: str, message_id: UUID) -> list[ProofView]:
        """A message's papers, oldest first."""
        async with self._db.tenant(tenant) as connection:
            return await self._proofs.of_message(connection, message_id)

    async def file(
        self, tenant: str, message_id: UUID, proof_id: UUID, *, person: str
    ) -> tuple[ProofView, bytes]:
        """A paper with its file; who takes it is written down first.

        Raises:
            NoSuchMessageError: no such message or paper.
            ErasedError: the debtor was erased.
            LedgerUnavailableError: the debtor's key cannot be had now.
        """
        async with self._db.tenant(tenant) as connection:
            view = await self._reading.one(connection, message_id)
            found = await self._proofs.content(connection, message_id, proof_id)
            if view is None or found is None:
                raise NoSuchMessageError
            action = f"{PAPER_READ}:{proof_id}"
            await self._responses.log(connection, tenant, str(message_id), action, person)
        kept, sealed = found
        key = await self._key(view.message)
        return kept, zlib.decompress(unseal(key, sealed, context=proof_context(view.message)))

    async def _letter(self, tenant: str, message_id: UUID) -> Message:
        async with self._db.tenant(tenant) as connection:
            view = await self._reading.one(connection, message_id)
        if view is None:
            raise NoSuchMessageError
        message = view.message
        if message.channel not in _LETTERS:
            raise ProofRefusedError(
                f"only letters are proved by papers; this message is of channel {message.channel}"
            )
        if message.state not in _LEFT or message.attempts == 0:
            raise ProofRefusedError(
                f"this letter is {message.state}: nothing left the house that a paper could prove"
            )
        return message

    async def _key(self, message: Message) -> bytes:
        debtor = (message.tenant, message.debtor_id)
        keys = await self._ledger.keys({debtor})
        if debtor not in keys:
            raise ErasedError
        return keys[debtor]


def _media_type(paper: Paper, *, today: date) -> str:
    if len(paper.content) > LARGEST_BYTES:
        raise ProofRefusedError(f"file: more than {LARGEST_BYTES} bytes; send a smaller scan")
    if paper.happened_on > today:
        raise ProofRefusedError("date: lies in the future; send the date on the paper")
    for magic, media_type in _MAGIC.items():
        if paper.content.startswith(magic):
            return media_type
    raise ProofRefusedError("file: neither PDF nor JPEG nor PNG; send one of these")


def proof_context(message: Message) -> str:
    """What a sealed paper is bound to."""
    return f"{message.tenant}|{message.debtor_id}|{message.message_id}|proof"


def _event(message: Message, kept: ProofView) -> ProviderEvent:
    stage = _STAGES[kept.kind]
    return ProviderEvent(
        tenant=message.tenant,
        provider="proof",
        event_id=str(kept.proof_id),
        message_id=message.message_id,
        kind=str(kept.kind),
        report=Report(
            stage=stage,
            provider_ref=kept.reference,
            reason="returned letter" if stage is Stage.BOUNCED else "",
            hard=stage is Stage.BOUNCED,
        ),
        body={"proof_id": str(kept.proof_id), "on": kept.happened_on.isoformat()},
    )
