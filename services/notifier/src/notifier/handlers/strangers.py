"""What somebody wrote whom nobody knows: a person reads it and gives it to a debtor, or leaves it.

Once given, the words are sealed with that debtor's key and told like any other answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from dunning_common import outbox
from dunning_common.db import Database
from notifier.domain.inbound import InboundMail
from notifier.handlers.notifications import SOURCE
from notifier.handlers.take_replies import Came, ReadInbound, response_of, told
from notifier.ports.inbound import Arrived, InboundStore
from notifier.ports.ledger import Ledger
from notifier.ports.responses import Responses
from notifier.ports.suppressions import Suppressions


class NoSuchReplyError(LookupError):
    """Nothing came in under that id."""


class WordsGoneError(RuntimeError):
    """Its words are no longer here in clear: given to a debtor, understood, or deleted by age."""


class NoSuchDebtorError(LookupError):
    """The ledger has no key for the debtor: unknown, or erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a stranger wrote."""

    sender: str
    subject: str
    text: str
    file_names: tuple[str, ...]


class Strangers:
    """Reads and assigns what nobody could match."""

    def __init__(
        self,
        *,
        db: Database,
        store: InboundStore,
        read: ReadInbound,
        ledger: Ledger,
        responses: Responses,
        suppressions: Suppressions,
    ) -> None:
        self._db = db
        self._store = store
        self._read = read
        self._ledger = ledger
        self._responses = responses
        self._suppressions = suppressions

    async def words(self, tenant: str, inbound_id: UUID) -> Words:
        """What was written.

        Raises:
            NoSuchReplyError: not there.
            WordsGoneError: no longer here in clear.
        """
        async with self._db.tenant(tenant) as connection:
            found = await self._store.one(connection, inbound_id)
        _, came = self._understood(found[1] if found else None, known=found is not None)
        mail = came if isinstance(came, InboundMail) else None
        return Words(
            sender=came.sender,
            subject=mail.subject if mail else "",
            text=came.text,
            file_names=tuple(file.name for file in mail.attachments) if mail else (),
        )

    async def assign(self, tenant: str, inbound_id: UUID, *, debtor_id: str, person: str) -> UUID:
        """Make it an answer of the debtor; returns the answer's id.

        Raises:
            NoSuchReplyError: not there.
            WordsGoneError: no longer here in clear.
            NoSuchDebtorError: nobody of that id.
            LedgerUnavailableError: the ledger holds the key and does not answer.
        """
        debtor = (tenant, debtor_id)
        key = (await self._ledger.keys({debtor})).get(debtor)
        if key is None:
            raise NoSuchDebtorError
        async with self._db.tenant(tenant) as connection:
            found = await self._store.one(connection, inbound_id)
            arrived, came = self._understood(found[1] if found else None, known=found is not None)
            clocks = await self._suppressions.moments(connection, [debtor])
            response = response_of(
                arrived,
                came,
                debtor=debtor,
                key=key,
                at=clocks.get(debtor, arrived.received_at),
            )
            await self._store.assign(connection, inbound_id, debtor_id=debtor_id)
            await self._responses.keep(connection, [response])
            target = str(response.response_id)
            await self._responses.log(connection, tenant, target, "assigned", person)
            await outbox.append(connection, [told(response)], source=SOURCE)
        return response.response_id

    def _understood(self, arrived: Arrived | None, *, known: bool) -> tuple[Arrived, Came]:
        if not known:
            raise NoSuchReplyError
        came = self._read(arrived) if arrived is not None else ""
        if arrived is None or isinstance(came, str):
            raise WordsGoneError
        return arrived, came
