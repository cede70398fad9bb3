"""People read what debtors answered, and accept or reject what was proposed; all written down.

Only an accepted proposal becomes a correction of the debtor's contacts, told to the world sealed as
contacts are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.db import Database
from dunning_common.events.contacts import Contacts
from dunning_common.events.responses import ContactCorrectedV1
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from dunning_common.vault import VaultError, open_contacts, seal_personal, unseal
from notifier.handlers.notifications import SOURCE
from notifier.handlers.take_response import file_context, note_context
from notifier.portal.link import Link
from notifier.ports.ledger import Ledger
from notifier.ports.portal import PortalReading
from notifier.ports.responses import LogLine, ResponseFilter, Responses, ResponseView

Judgement = Literal["accepted", "rejected"]


class NoSuchResponseError(LookupError):
    """The tenant has no response, or no file, of that id."""


class ErasedError(RuntimeError):
    """The debtor's key was destroyed: nobody can read the words any more."""


class NotProposedError(RuntimeError):
    """Only a proposal can be accepted or rejected; says what state the response is in."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the response is {state}, not proposed")
        self.state = state


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A response with its words in clear; `note` is empty where there are none.

    `present` are the debtor's contacts as they are now, beside a proposal of others.
    """

    response: ResponseView
    note: dict[str, Any]
    history: list[LogLine]
    present: Contacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFile:
    """A file in clear."""

    name: str
    media_type: str
    content: bytes


class ResponseDesk:
    """Where people work on responses."""

    def __init__(
        self, *, db: Database, responses: Responses, reading: PortalReading, ledger: Ledger
    ) -> None:
        self._db = db
        self._responses = responses
        self._reading = reading
        self._ledger = ledger

    async def page(self, tenant: str, wanted: ResponseFilter) -> list[ResponseView]:
        """Responses in the order that is asked for, their words still sealed."""
        async with self._db.tenant(tenant) as connection:
            return await self._responses.page(connection, wanted)

    async def open(
        self, tenant: str, response_id: UUID, *, person: str, judges: bool = False
    ) -> Opened:
        """A response with its words; that they were read is written down first.

        Args:
            tenant: whose.
            response_id: which.
            person: who reads.
            judges: whether the person may decide about it: beside a proposal of other contacts
                stand the present ones then, and that they were read is written down as well.

        Raises:
            NoSuchResponseError: not there.
            ErasedError: the words cannot be read any more.
            LedgerUnavailableError: the ledger holds the key and does not answer.
        """
        async with self._db.tenant(tenant) as connection:
            response = await self._known(connection, response_id)
            if response.note is not None:
                await self._responses.log(connection, tenant, str(response_id), "read", person)
            present = None
            if judges and response.kind == "contact_change" and response.state == "proposed":
                present = await self._reading.contacts(connection, response.debtor_id)
            if present is not None:
                log = self._responses.log
                await log(connection, tenant, str(response_id), "contacts_read", person)
            history = await self._responses.history(connection, str(response_id))
        if response.note is None:
            return Opened(response=response, note={}, history=history)
        key = await self._key(response)
        return Opened(
            response=response,
            note=self._words(response, key),
            history=history,
            present=_opened(response, key, present),
        )

    async def file(
        self, tenant: str, response_id: UUID, file_no: int, *, person: str
    ) -> OpenedFile:
        """A file that came with a response; that it was read is written down first.

        Raises:
            NoSuchResponseError: not there.
            ErasedError: it cannot be read any more.
            LedgerUnavailableError: the ledger holds the key and does not answer.
        """
        async with self._db.tenant(tenant) as connection:
            response = await self._known(connection, response_id)
            sealed = await self._responses.file(connection, response_id, file_no)
            if sealed is None:
                raise NoSuchResponseError
            action = f"file_read:{file_no}"
            await self._responses.log(connection, tenant, str(response_id), action, person)
        key = await self._key(response)
        context = file_context(response, response_id, file_no)
        try:
            content = unseal(key, sealed.content, context=context)
        except VaultError:
            raise ErasedError from None
        name = self._words(response, key).get("file_name") or f"file-{file_no}"
        return OpenedFile(name=str(name), media_type=sealed.media_type, content=content)

    async def judge(
        self, tenant: str, response_id: UUID, judgement: Judgement, *, person: str
    ) -> ResponseView:
        """Accept a proposal, which corrects the contacts, or reject it; again changes nothing.

        Raises:
            NoSuchResponseError: not there.
            NotProposedError: decided otherwise, or no proposal.
            ErasedError: there is nobody to correct any more.
            LedgerUnavailableError: the ledger holds the key and does not answer.
        """
        async with self._db.tenant(tenant) as connection:
            response = await self._known(connection, response_id)
        key = await self._key(response) if judgement == "accepted" else b""
        async with self._db.tenant(tenant) as connection:
            response = await self._known(connection, response_id, lock=True)
            if response.state == judgement:
                return response
            if response.state != "proposed":
                raise NotProposedError(response.state)
            await self._responses.decide(connection, response_id, judgement)
            await self._responses.log(connection, tenant, str(response_id), judgement, person)
            if judgement == "accepted":
                correction = self._words(response, key)["correction"]
                event = await self._correction(connection, response, key, correction)
                await outbox.append(connection, [event], source=SOURCE)
            return await self._known(connection, response_id)

    async def _correction(
        self, connection: AsyncConnection, response: ResponseView, key: bytes, said: dict[str, Any]
    ) -> Outgoing:
        """The correction as contacts travel: sealed in the context in which they are opened."""
        link = Link(
            tenant=response.tenant,
            link_id=response.response_id,
            debtor_id=response.debtor_id,
            invoice_ids=None,
        )
        backdrop = await self._reading.backdrop(connection, link)
        sealed = seal_personal(
            key, orjson.dumps(said), tenant=response.tenant, debtor_id=response.debtor_id
        )
        return Outgoing(
            payload=ContactCorrectedV1(
                response_id=response.response_id,
                debtor_id=response.debtor_id,
                invoice_ids=(),
                notice_id=response.notice_id,
                source=response.source,
                effective_at=backdrop.clock if backdrop else response.effective_at,
                key_id=backdrop.key_id if backdrop else "",
                ciphertext=sealed,
            ),
            tenant=response.tenant,
            key=account_key(response.tenant, response.debtor_id),
            subject=str(response.response_id),
        )

    async def _known(
        self, connection: AsyncConnection, response_id: UUID, *, lock: bool = False
    ) -> ResponseView:
        response = await self._responses.one(connection, response_id, lock=lock)
        if response is None:
            raise NoSuchResponseError
        return response

    async def _key(self, response: ResponseView) -> bytes:
        debtor = (response.tenant, response.debtor_id)
        key = (await self._ledger.keys({debtor})).get(debtor)
        if key is None:
            raise ErasedError
        return key

    def _words(self, response: ResponseView, key: bytes) -> dict[str, Any]:
        if response.note is None:
            return {}
        context = note_context(response, response.response_id)
        try:
            words: dict[str, Any] = orjson.loads(unseal(key, response.note, context=context))
        except VaultError:
            raise ErasedError from None
        return words


def _opened(response: ResponseView, key: bytes, sealed: str | None) -> Contacts | None:
    if sealed is None:
        return None
    try:
        return open_contacts(key, sealed, tenant=response.tenant, debtor_id=response.debtor_id)
    except VaultError:
        raise ErasedError from None
