"""Opens a link: what it shows now, from the ledger and from here. Looking changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from dunning_common.db import Database
from notifier.portal.account import Account, Owed, Statement, statement_of
from notifier.portal.answers import Ground
from notifier.portal.link import Link, token_hash
from notifier.portal.rules import OPEN, ArrangementRules
from notifier.portal.throttle import Asked
from notifier.portal.verdicts import ASKING, Verdict
from notifier.ports.portal import (
    Accounts,
    Arrangements,
    Backdrop,
    Document,
    Links,
    PortalReading,
    Visits,
)
from notifier.ports.responses import Responses, ResponseView

_ANSWERS_SHOWN = 10


class DeadLinkError(LookupError):
    """Unknown, expired, revoked, of an erased debtor or a closed portal: nobody is told which."""


class TooOftenError(RuntimeError):
    """The link, or whoever uses it, asked too often within a short time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A link that works, and everything around it."""

    link: Link
    backdrop: Backdrop
    account: Account
    statement: Statement
    answers: tuple[ResponseView, ...]
    rules: ArrangementRules = OPEN
    verdicts: Mapping[UUID, Verdict] = field(default_factory=dict)

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
            rules=self.rules,
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
        arrangements: Arrangements,
        visits: Visits,
    ) -> None:
        self._db = db
        self._links = links
        self._reading = reading
        self._responses = responses
        self._accounts = accounts
        self._arrangements = arrangements
        self._visits = visits

    async def open(self, token: str, asked: Sequence[Asked] = ()) -> Visit:
        """What the token opens.

        Args:
            token: as it stands in the address.
            asked: who asks, to be counted.

        Raises:
            TooOftenError: one of `asked` must wait.
            DeadLinkError: the link does not work.
            AccountsUnavailableError: the ledger does not answer.
        """
        try:
            hashed = token_hash(token)
        except ValueError:
            raise DeadLinkError from None
        async with self._db.worker() as connection:
            admitted = not asked or await self._visits.admit(connection, asked)
            link = await self._links.find(connection, hashed) if admitted else None
        if not admitted:
            raise TooOftenError
        if link is None:
            raise DeadLinkError
        async with self._db.tenant(link.tenant) as connection:
            backdrop = await self._reading.backdrop(connection, link)
            answers = await self._responses.of_debtor(
                connection, link.debtor_id, limit=_ANSWERS_SHOWN
            )
        if backdrop is None or not backdrop.settings.enabled:
            raise DeadLinkError
        shown = tuple(answer for answer in answers if _concerns(answer, link))
        account, rules, clock, verdicts = await asyncio.gather(
            self._accounts.account(link.tenant, link.debtor_id),
            self._arrangements.rules(link.tenant),
            self._clock(backdrop),
            self._verdicts(link, shown),
        )
        if account is None:
            raise DeadLinkError
        return Visit(
            link=link,
            backdrop=replace(backdrop, clock=clock),
            account=account,
            statement=statement_of(account, link, backdrop.numbers),
            answers=shown,
            rules=rules,
            verdicts=verdicts,
        )

    async def _verdicts(
        self, link: Link, answers: Sequence[ResponseView]
    ) -> Mapping[UUID, Verdict]:
        """What became of what was asked for; nobody is asked where nothing was."""
        if not any(answer.kind in ASKING for answer in answers):
            return {}
        return await self._arrangements.verdicts(link.tenant, link.debtor_id)

    async def _clock(self, backdrop: Backdrop) -> datetime:
        """The tenant's time. A sandbox's is the engine's, else the latest that was heard of it."""
        tenant = backdrop.tenant
        found = await self._arrangements.now(tenant.tenant_id) if tenant.sandbox else None
        return max(found, backdrop.clock) if found else backdrop.clock

    async def documented(self, visit: Visit, shown: Sequence[Owed]) -> frozenset[str]:
        """Which of the invoices that are shown have a document to look at."""
        ids = [item.invoice_id for item in shown]
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
