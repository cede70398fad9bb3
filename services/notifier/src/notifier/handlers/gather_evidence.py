"""Gather all about a claim into one signed archive: what was said, decided, paid and answered.

Reads only. What cannot be read any more (an erased debtor) is named in the manifest.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.vault import VaultError, unseal
from notifier.domain.evidence import Exhibit, archive_of, file_in_order, manifest_of
from notifier.handlers.proofs import proof_context
from notifier.handlers.take_response import note_context
from notifier.handlers.write import open_content
from notifier.ports.delivery import DeliveryReading
from notifier.ports.evidence import EvidenceShelf, KeptMessage, KeptPaper, Record, Records
from notifier.ports.ledger import Ledger
from notifier.ports.responses import ResponseView

INVOICES_MAX = 500
_ENDINGS = {
    "message/rfc822": "eml",
    "application/pdf": "pdf",
    "application/json": "json",
    "text/plain": "txt",
}


class TooManyInvoicesError(ValueError):
    """More than one archive holds; ask for fewer."""


class NothingKnownError(LookupError):
    """There is no such invoice or debtor."""


class Signer(Protocol):
    """Signs manifests (`notifier.adapters.evidence_key.EvidenceKey`)."""

    @property
    def public_pem(self) -> bytes:
        """The public key, to be published."""
        ...

    def sign(self, manifest: bytes) -> bytes:
        """The signature over the manifest's bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an archive is about: some invoices of a debtor, or (None) all."""

    tenant: str
    debtor_id: str
    invoice_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, with the token to ask the other services with."""

    person: str
    token: str


class EvidenceMaker:
    """Makes archives."""

    def __init__(
        self,
        *,
        db: Database,
        shelf: EvidenceShelf,
        delivery: DeliveryReading,
        ledger: Ledger,
        records: Records,
        signer: Signer,
        clock: Clock,
    ) -> None:
        self._db = db
        self._shelf = shelf
        self._delivery = delivery
        self._ledger = ledger
        self._records = records
        self._signer = signer
        self._clock = clock

    async def of_invoice(self, tenant: str, invoice_id: str, asker: Asker) -> bytes:
        """The archive about one invoice.

        Raises:
            NothingKnownError: no such invoice.
            RecordsUnavailableError: the ledger or the engine does not answer this caller.
            LedgerUnavailableError: the debtor's key cannot be had now.
        """
        try:
            debtor_id = await self._records.debtor_of(tenant, asker.token, invoice_id)
        except LookupError as error:
            raise NothingKnownError(invoice_id) from error
        claim = Claim(tenant=tenant, debtor_id=debtor_id, invoice_ids=(invoice_id,))
        return await self._make(claim, [invoice_id], asker)

    async def of_debtor(self, tenant: str, debtor_id: str, asker: Asker) -> bytes:
        """The archive about all invoices of a debtor; raises as `of_invoice` does.

        Raises:
            TooManyInvoicesError: more than one archive holds.
        """
        invoices = await self._records.invoices_of(tenant, asker.token, debtor_id)
        if not invoices:
            raise NothingKnownError(debtor_id)
        if len(invoices) > INVOICES_MAX:
            raise TooManyInvoicesError(
                f"{len(invoices)} invoices; an archive holds {INVOICES_MAX}: ask for each invoice"
            )
        return await self._make(Claim(tenant=tenant, debtor_id=debtor_id), invoices, asker)

    async def _make(self, claim: Claim, invoices: Sequence[str], asker: Asker) -> bytes:
        records, originals, keys = await asyncio.gather(
            self._records.records(claim.tenant, asker.token, claim.debtor_id, invoices),
            self._ledger.documents([(claim.tenant, invoice) for invoice in invoices]),
            self._ledger.keys({(claim.tenant, claim.debtor_id)}),
        )
        async with self._db.tenant(claim.tenant) as connection:
            messages = await self._shelf.messages(connection, claim.debtor_id, claim.invoice_ids)
            papers = await self._shelf.papers(connection, messages)
            responses = await self._shelf.responses(connection, claim.debtor_id, claim.invoice_ids)
            ids = [kept.message.message_id for kept in messages]
            attempts = await self._delivery.attempts(connection, ids)
            heard = await self._delivery.heard(connection, ids)
        opener = _Opener(keys.get((claim.tenant, claim.debtor_id)))
        exhibits = [_record(record) for record in records]
        for (_, invoice), original in originals.items():
            name = f"invoice-{_plain(invoice)}.pdf"
            exhibits.append(
                Exhibit(
                    folder="ledger",
                    name=name,
                    says=f"the document of invoice {invoice}",
                    content=original.content,
                )
            )
        for kept in messages:
            message_id = kept.message.message_id
            exhibits += opener.message(
                kept, attempts.get(message_id, ()), heard.get(message_id, ())
            )
        exhibits += [found for paper in papers for found in opener.paper(paper)]
        exhibits += [opener.response(response) for response in responses]
        about = {
            "tenant": claim.tenant,
            "debtor_id": claim.debtor_id,
            "invoice_ids": list(invoices),
            "missing": opener.missing,
        }
        return await asyncio.to_thread(self._bind, exhibits, about, asker.person)

    def _bind(self, exhibits: Sequence[Exhibit], about: Mapping[str, Any], person: str) -> bytes:
        now = self._clock.now()
        filed = file_in_order(exhibits)
        manifest = manifest_of(filed, about=about, made_at=now, made_for=person)
        return archive_of(
            filed,
            manifest=manifest,
            signature=self._signer.sign(manifest),
            public_key=self._signer.public_pem,
            made_at=now,
        )


class _Opener:
    """Opens what is sealed with the debtor's key, and notes what does not open."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key
        self.missing: list[str] = []

    def message(
        self, kept: KeptMessage, attempts: Sequence[Any], heard: Sequence[Any]
    ) -> list[Exhibit]:
        """The exact bytes, and what happened to them."""
        message, view = kept.message, kept.view
        at = message.effective_at  # the tenant's clock, like all else; real times are in the proof
        name = f"{message.channel}-level-{message.level_no}-{message.message_id}"
        state = f"{message.channel} of level {message.level_no} ({message.level}): {message.state}"
        facts = {
            "message": _facts(message) | {k: v for k, v in _facts(view).items() if k != "message"},
            "notice": kept.notice,
            "attempts": [_facts(line) for line in attempts],
            "heard": [_facts(line) for line in heard],
        }
        exhibits = [
            Exhibit(
                folder="messages",
                name=f"{name}.proof.json",
                says=f"{state}; its attempts and what was heard of it",
                content=_json(facts),
                happened_at=at,
            )
        ]
        content = self._open(
            f"message {message.message_id}",
            kept.content,
            lambda key, sealed: open_content(key, sealed, message),
        )
        if content is not None:
            ending = _ENDINGS.get(view.media_type or "", "bin")
            exhibits.append(
                Exhibit(
                    folder="messages",
                    name=f"{name}.{ending}",
                    says=f"{state}; the exact bytes",
                    content=content,
                    happened_at=at,
                )
            )
        return exhibits

    def paper(self, paper: KeptPaper) -> list[Exhibit]:
        """A scan that proves what became of a letter."""
        view = paper.view
        content = self._open(
            f"paper {view.proof_id}",
            paper.content,
            lambda key, sealed: zlib.decompress(
                unseal(key, sealed, context=proof_context(paper.message))
            ),
        )
        if content is None:
            return []
        ending = view.file_name.rpartition(".")[2] or "bin"
        return [
            Exhibit(
                folder="messages",
                name=f"{view.kind}-{paper.message.message_id}.{_plain(ending)}",
                says=f"proof of {view.kind} of {view.happened_on}, reference {view.reference!r}",
                content=content,
                happened_at=view.given_at,
            )
        ]

    def response(self, response: ResponseView) -> Exhibit:
        """What the debtor answered, in its own words."""
        note = self._open(
            f"words of response {response.response_id}",
            response.note,
            lambda key, sealed: unseal(
                key, sealed, context=note_context(response, response.response_id)
            ),
        )
        facts = _facts(response) | {"note": json.loads(note) if note else None}
        return Exhibit(
            folder="responses",
            name=f"{response.kind}-{response.response_id}.json",
            says=f"the debtor answered by {response.source}: {response.kind}",
            content=_json(facts),
            happened_at=response.received_at,
        )

    def _open(self, what: str, sealed: bytes | None, opener: Any) -> bytes | None:
        if sealed is None:
            return None
        try:
            if self._key is not None:
                opened: bytes = opener(self._key, sealed)
                return opened
        except (VaultError, zlib.error):
            pass
        self.missing.append(f"{what}: the debtor was erased")
        return None


def _record(record: Record) -> Exhibit:
    return Exhibit(
        folder=record.folder,
        name=record.name,
        says=record.says,
        content=record.content,
        happened_at=record.at,
    )


def _facts(value: Any) -> dict[str, Any]:
    """The fields of a record, without sealed bytes."""
    return {k: v for k, v in asdict(value).items() if not isinstance(v, bytes)}


def _json(facts: Mapping[str, Any]) -> bytes:
    text = json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True, default=str)
    return (text + "\n").encode()


def _plain(name: str) -> str:
    """A part of a file name: letters, digits and a few signs."""
    return "".join(c if c.isalnum() or c in "-_.~" else "_" for c in name)[:80]
