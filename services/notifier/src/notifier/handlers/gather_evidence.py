"""Gather all about a claim into one signed archive: what was said, decided, paid and answered.

Writes down who asked before anything is opened, and changes nothing but, on request, the links of
the messages inside, which then open the debtor's page no more. What cannot be read any more (an
erased debtor) is named in the manifest. Holds a few messages at a time in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from dunning_common.clock import Clock
from dunning_common.db import Database
from notifier.domain.claim import Claim, of_debtor
from notifier.domain.evidence import (
    Exhibit,
    Signed,
    archive_of,
    covers_of,
    file_in_order,
    manifest_of,
    moment_text,
)
from notifier.handlers.evidence_exhibits import Binder
from notifier.ports.delivery import DeliveryReading
from notifier.ports.evidence import (
    EvidenceShelf,
    LiveLinks,
    MessageLinks,
    Records,
    Shelved,
    Spool,
)
from notifier.ports.ledger import Ledger
from notifier.ports.proofs import ProofView
from notifier.ports.responses import EVIDENCE_MADE, Responses, ResponseView

_AT_A_TIME = 50
_AT_A_TIME_BYTES = 16 << 20

T = TypeVar("T")


class NothingKnownError(LookupError):
    """There is no such invoice or debtor."""


class Signer(Protocol):
    """Signs manifests (`notifier.adapters.evidence_key.EvidenceKey`)."""

    @property
    def public_pem(self) -> bytes:
        """The public key, to be published."""
        ...

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the public key, in hexadecimal digits."""
        ...

    def sign(self, manifest: bytes) -> bytes:
        """The signature over the manifest's bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, with the token to ask the other services with.

    `revokes_links` ends the links of the messages in the archive: whoever gets it could answer in
    the debtor's name through them.
    """

    person: str
    token: str
    revokes_links: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A signed archive. `parts` of the ZIP file can be had once, and end what was kept for it."""

    claim: Claim
    files: int
    links_revoked: int
    parts: Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted:
    """What was found when it was written down who asks: papers, and the links in the messages."""

    papers: Sequence[ProofView]
    links_revoked: int
    live: LiveLinks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """All that goes into the archive."""

    exhibits: Sequence[Exhibit]
    about: Mapping[str, Any]
    remarks: Sequence[str]
    links_revoked: int


class EvidenceMaker:
    """Makes archives."""

    def __init__(
        self,
        *,
        db: Database,
        shelf: EvidenceShelf,
        links: MessageLinks,
        responses: Responses,
        delivery: DeliveryReading,
        ledger: Ledger,
        records: Records,
        signer: Signer,
        clock: Clock,
        spool: Callable[[], Spool],
    ) -> None:
        self._db = db
        self._shelf = shelf
        self._links = links
        self._responses = responses
        self._delivery = delivery
        self._ledger = ledger
        self._records = records
        self._signer = signer
        self._clock = clock
        self._spool = spool

    @property
    def signer(self) -> Signer:
        """Whose public key checks the archives."""
        return self._signer

    async def of_invoice(self, tenant: str, invoice_id: str, asker: Asker) -> Archive:
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
        claim = Claim(tenant=tenant, debtor_id=debtor_id, volumes=((invoice_id,),))
        return await self._make(claim, asker)

    async def of_debtor(
        self, tenant: str, debtor_id: str, asker: Asker, *, volume: int = 1
    ) -> Archive:
        """A volume of the archive about all invoices of a debtor; raises as `of_invoice` does.

        Raises:
            NoSuchVolumeError: there are fewer volumes.
        """
        invoices = await self._records.invoices_of(tenant, asker.token, debtor_id)
        if not invoices:
            raise NothingKnownError(debtor_id)
        return await self._make(of_debtor(tenant, debtor_id, invoices, volume=volume), asker)

    async def _make(self, claim: Claim, asker: Asker) -> Archive:
        spool = self._spool()
        try:
            gathered = await self._gather(claim, asker, spool)
            return await asyncio.to_thread(self._sign, claim, asker.person, gathered, spool)
        except BaseException:
            spool.close()
            raise

    async def _gather(self, claim: Claim, asker: Asker, spool: Spool) -> _Gathered:
        debtor = (claim.tenant, claim.debtor_id)
        key = (await self._ledger.keys({debtor})).get(debtor)
        shelved = await self._look(claim)
        binder = Binder(spool, key=key, has_own_clock=shelved.has_own_clock)
        # First: these may refuse the caller, and then nothing was opened and no link ended.
        without_document = await self._bind_records(claim, asker, binder)
        noted = await self._note(claim, shelved, asker)
        await self._bind_messages(claim, shelved, binder)
        await self._bind_papers(claim, shelved, noted, binder)
        await self._bind_responses(claim, shelved, binder)
        about = claim.facts() | {
            "missing": binder.missing,
            "invoices_without_document": without_document,
            "links": {
                "revoked": noted.links_revoked,
                "live_of_messages": [str(one) for one in noted.live.message_ids],
                "live_until": noted.live.until and noted.live.until.isoformat(),
            },
            "key_sha256": self._signer.fingerprint,
        }
        return _Gathered(
            exhibits=binder.exhibits,
            about=about,
            remarks=_remarks(claim, noted, binder.missing),
            links_revoked=noted.links_revoked,
        )

    async def _look(self, claim: Claim) -> Shelved:
        """What of the notifier's own belongs into the volume, without the bytes."""
        async with self._db.tenant(claim.tenant) as connection:
            found = await self._shelf.of_debtor(connection, claim.debtor_id)
        return Shelved(
            has_own_clock=found.has_own_clock,
            messages=[m for m in found.messages if claim.holds(m.message.invoice_ids)],
            responses=[r for r in found.responses if claim.holds(r.invoice_ids)],
        )

    async def _note(self, claim: Claim, shelved: Shelved, asker: Asker) -> _Noted:
        """Write down who asks; end the links where that is asked."""
        ids = [view.message.message_id for view in shelved.messages]
        async with self._db.tenant(claim.tenant) as connection:
            await self._responses.log(
                connection, claim.tenant, claim.name, EVIDENCE_MADE, asker.person
            )
            papers = await self._shelf.papers(connection, ids)
            revoked: Sequence[UUID] = ()
            if asker.revokes_links:
                revoked = await self._links.revoke(connection, ids, person=asker.person)
            live = await self._links.live(connection, ids)
        return _Noted(papers=papers, links_revoked=len(revoked), live=live)

    async def _bind_records(self, claim: Claim, asker: Asker, binder: Binder) -> list[str]:
        """Bind what the ledger and the engine say; the invoices of which no document is kept."""
        without = set(claim.invoice_ids)
        async for record in self._records.records(
            claim.tenant, asker.token, claim.debtor_id, claim.invoice_ids
        ):
            await asyncio.to_thread(binder.record, record)
            without.discard(record.original_of or "")
        return sorted(without)

    async def _bind_messages(self, claim: Claim, shelved: Shelved, binder: Binder) -> None:
        for some in _portions(shelved.messages, lambda view: view.size_bytes or 0):
            async with self._db.tenant(claim.tenant) as connection:
                kept = await self._shelf.messages(connection, some)
                ids = [each.message.message_id for each in kept]
                attempts = await self._delivery.attempts(connection, ids)
                heard = await self._delivery.heard(connection, ids)
            for each in kept:
                told = each.message.message_id
                await asyncio.to_thread(
                    binder.message, each, attempts.get(told, ()), heard.get(told, ())
                )

    async def _bind_papers(
        self, claim: Claim, shelved: Shelved, noted: _Noted, binder: Binder
    ) -> None:
        views = {view.message.message_id: view for view in shelved.messages}
        for papers in _portions(noted.papers, lambda paper: paper.size_bytes):
            async with self._db.tenant(claim.tenant) as connection:
                scans = await self._shelf.scans(connection, papers)
            for scan in scans:
                await asyncio.to_thread(binder.paper, scan, views[scan.view.message_id])

    async def _bind_responses(self, claim: Claim, shelved: Shelved, binder: Binder) -> None:
        for some in _portions(shelved.responses, _size_of_files):
            async with self._db.tenant(claim.tenant) as connection:
                files = await self._shelf.files(connection, some)
            for response in some:
                await asyncio.to_thread(binder.response, response)
            for file in files:
                await asyncio.to_thread(binder.file, file)

    def _sign(self, claim: Claim, person: str, gathered: _Gathered, spool: Spool) -> Archive:
        now = self._clock.now()
        filed = file_in_order(gathered.exhibits)
        covers = covers_of(filed, remarks=gathered.remarks, public_key=self._signer.public_pem)
        manifest = manifest_of(
            filed, covers=covers, about=gathered.about, made_at=now, made_for=person
        )
        signed = Signed(manifest=manifest, signature=self._signer.sign(manifest))

        def parts() -> Iterator[bytes]:
            try:
                yield from archive_of(filed, covers=covers, signed=signed, made_at=now)
            finally:
                spool.close()

        return Archive(
            claim=claim,
            files=len(filed) + len(covers),
            links_revoked=gathered.links_revoked,
            parts=parts(),
        )


def _portions(items: Sequence[T], size_bytes: Callable[[T], int]) -> Iterator[list[T]]:
    """The items in order, as many at a time as there is room for, and one at least."""
    some: list[T] = []
    room = _AT_A_TIME_BYTES
    for item in items:
        size = size_bytes(item)
        if some and (size > room or len(some) == _AT_A_TIME):
            yield some
            some, room = [], _AT_A_TIME_BYTES
        some.append(item)
        room -= size
    if some:
        yield some


def _size_of_files(response: ResponseView) -> int:
    return sum(size for _, _, size in response.files)


def _remarks(claim: Claim, noted: _Noted, missing: Sequence[str]) -> list[str]:
    """What whoever holds the archive must know, a paragraph each."""
    remarks = []
    if (total := len(claim.volumes)) > 1:
        remarks.append(
            f"This is volume {claim.volume} of {total}, about {len(claim.invoice_ids)} of the debtor's invoices.\n"  # noqa: E501
            "manifest.json says which volume each invoice is in. What concerns invoices of\n"
            "several volumes is in each of these."
        )
    if noted.live.until is not None:
        remarks.append(
            "DO NOT OPEN LINKS in the messages. Those of "
            f"{len(noted.live.message_ids)} messages lead to the debtor's\n"
            f"own page until {moment_text(noted.live.until)} at the latest: whoever opens one\n"
            "sees what is owed and can answer in the debtor's name. They stand in the messages\n"
            "because these are the exact bytes. The creditor can end them: `dunning evidence`\n"
            "with --revoke-links, or POST /v1/evidence with revoke_links=true."
        )
    elif noted.links_revoked:
        remarks.append(
            f"The links to the debtor's page in {noted.links_revoked} of these messages were revoked when this\n"  # noqa: E501
            "archive was made; they open nothing any more."
        )
    if missing:
        remarks.append(
            f"{len(missing)} things could not be opened: manifest.json names each (about.missing)."
        )
    return remarks
