"""Opens a link: what it shows now, from the ledger and from here. Looking changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from dunning_common.db import Database
from notifier.portal.account import Account, Statement, statement_of
from notifier.portal.answers import Ground
from notifier.portal.link import Link, token_hash
from notifier.ports.portal import Accounts, Backdrop, Document, Links, PortalReading
from notifier.ports.responses import Responses, ResponseView

_ANSWERS_SHOWN = 10
_DOCUMENTS_ASKED = 20


class DeadLinkError(LookupError):
    """Unknown, expired, revoked, of an erased debtor or a closed portal: nobody is told which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A link that works, and everything around it."""

    link: Link
    backdrop: Backdrop
    account: Account
    statement: Statement
    answers: tuple[ResponseView, ...]

    @property
    def ground(self) -> Ground:
        """What answers are held against."""
        tenant, contacts = self.backdrop.tenant, self.account.contacts
        return Ground(
            statement=self.statement,
            settings=self.backdrop.settings,
            contacts=contacts,
            country=(contacts.address.country if contacts.address else tenant.country).upper(),
            today=self.backdrop.clock.astimezone(ZoneInfo(tenant.zone)).date(),
        )


class Doorkeeper:
    """Lets visitors in."""

    def __init__(
        self,
        *,
        db: Database,
        links: Links,
        reading: PortalReading,
        responses: Responses,
        accounts: Accounts,
    ) -> None:
        self._db = db
        self._links = links
        self._reading = reading
        self._responses = responses
        self._accounts = accounts

    async def open(self, token: str) -> Visit:
        """What the token opens.

        Raises:
            DeadLinkError: the link does not work.
            AccountsUnavailableError: the ledger does not answer.
        """
        try:
            hashed = token_hash(token)
        except ValueError:
            raise DeadLinkError from None
        async with self._db.worker() as connection:
            link = await self._links.find(connection, hashed)
        if link is None:
            raise DeadLinkError
        async with self._db.tenant(link.tenant) as connection:
            backdrop = await self._reading.backdrop(connection, link)
            answers = await self._responses.of_debtor(
                connection, link.debtor_id, limit=_ANSWERS_SHOWN
            )
        if backdrop is None or not backdrop.settings.enabled:
            raise DeadLinkError
        account = await self._accounts.account(link.tenant, link.debtor_id)
        if account is None:
            raise DeadLinkError
        return Visit(
            link=link,
            backdrop=backdrop,
            account=account,
            statement=statement_of(account, link, backdrop.numbers),
            answers=tuple(answer for answer in answers if _concerns(answer, link)),
        )

    async def documented(self, visit: Visit) -> frozenset[str]:
        """Which of the first invoices have a document to look at."""
        ids = [item.invoice_id for item in visit.statement.owed[:_DOCUMENTS_ASKED]]
        return await self._accounts.documented(visit.link.tenant, ids)

    async def document(self, visit: Visit, invoice_id: str) -> Document | None:
        """The document of an invoice that the link opens.

        Raises:
            AccountsUnavailableError: the ledger does not answer.
        """
        if visit.statement.invoice(invoice_id) is None:
            return None
        return await self._accounts.document(visit.link.tenant, invoice_id)

    async def answer(self, visit: Visit, response_id: UUID) -> ResponseView | None:
        """An answer that this debtor gave; None when there is none of that id."""
        async with self._db.tenant(visit.link.tenant) as connection:
            found = await self._responses.one(connection, response_id)
        return found if found and found.debtor_id == visit.link.debtor_id else None


def _concerns(answer: ResponseView, link: Link) -> bool:
    """Whether an answer is about what the link opens; one about no invoice in particular is."""
    if not answer.invoice_ids:
        return answer.link_id == link.link_id
    return any(link.covers(invoice_id) for invoice_id in answer.invoice_ids)
