"""Gives every message a link of its own to the debtor's page, and people one on request.

The token of a message's link is made when the message is written and stored in the transaction that
begins its sending: what a debtor can hold in hands is known here before it leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import Database
from dunning_common.events.dunning import NoticeMessageV2, NoticeRequestedV2
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.ids import new_id
from notifier.content.clean import clean
from notifier.content.reference import notice_reference, reference_of
from notifier.content.summary import summarise
from notifier.domain.message import Message
from notifier.portal.link import (
    Link,
    in_groups,
    link_url,
    new_token,
    new_typed_token,
    token_hash,
)
from notifier.portal.settings import PortalSettings, pay_url
from notifier.ports.portal import Accounts, Links, LinkView, NewLink
from notifier.ports.responses import Responses

_TYPED: Mapping[str, Callable[[str], str]] = {
    "sms": str,
    "letter": in_groups,
    "registered_letter": in_groups,
    "call": in_groups,
}
"""Channels whose links are typed or short, and how they write the token."""


class NoSuchDebtorError(LookupError):
    """The ledger knows no such debtor, or it was erased."""


class NotOwedError(ValueError):
    """Nothing is owed on these invoices by that debtor, so there is nothing to show."""

    def __init__(self, invoice_ids: Sequence[str]) -> None:
        super().__init__(f"nothing is owed on {', '.join(invoice_ids)}")
        self.invoice_ids = tuple(invoice_ids)


class NoSuchLinkError(LookupError):
    """The tenant has no link of that id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What a message is given on its way: the address to print, the link to store, where to pay.

    Without a link (the tenant closed its portal) there is only an empty address.
    """

    url: str = ""
    link: NewLink | None = None
    settings: PortalSettings = field(default_factory=PortalSettings)

    def pay_url(
        self, notice: NoticeRequestedV2, message: NoticeMessageV2, tenant: TenantRegisteredV1
    ) -> str:
        """Where what the message demands can be paid; empty without such a page.

        Also empty where it demands several currencies: one page takes one amount.

        Raises:
            UnknownInvoiceError: the message covers an invoice that its notice does not hold.
        """
        if not self.settings.pay_link:
            return ""
        demanded = summarise(notice, message).demanded
        if len(demanded.totals) != 1 or demanded.totals[0].due_minor <= 0:
            return ""
        numbers = [clean(item.number) for item in demanded.items]
        reference = reference_of(numbers, notice_reference(notice.notice_id), tenant.bank.iban)
        return pay_url(
            self.settings.pay_link,
            reference=reference.shown,
            amount_minor=demanded.totals[0].due_minor,
            currency=demanded.totals[0].currency,
        )


class Inviter:
    """Makes links for messages; `settings_of` and `keep` are one statement each for a batch."""

    def __init__(
        self, links: Links, *, public_url: str, token: Callable[[], str] | None = None
    ) -> None:
        """Args: public_url of the notifier as debtors reach it; token instead of a fresh one."""
        self._links = links
        self._public_url = public_url
        self._token = token

    async def settings_of(
        self, connection: AsyncConnection, tenants: Collection[str]
    ) -> Mapping[str, PortalSettings]:
        """The settings of these tenants, as far as they have some."""
        return await self._links.settings_of(connection, tenants)

    def invite(self, message: Message, settings: PortalSettings) -> Pass:
        """A fresh link for one message. Nothing is stored yet."""
        if not settings.enabled:
            return Pass(settings=settings)
        written = _TYPED.get(message.channel)
        fresh = new_typed_token if written else new_token
        token = (self._token or fresh)()
        link = Link(
            tenant=message.tenant,
            link_id=message.message_id,
            debtor_id=message.debtor_id,
            invoice_ids=message.invoice_ids,
            notice_id=message.notice_id,
            message_id=message.message_id,
            channel=message.channel,
        )
        return Pass(
            url=link_url(self._public_url, written(token) if written else token),
            link=NewLink(
                link=link,
                token_hash=token_hash(token),
                made_by="notifier",
                days=settings.link_days,
            ),
            settings=settings,
        )

    async def keep(self, connection: AsyncConnection, passes: Sequence[Pass]) -> None:
        """Store the links of messages that are about to go out."""
        await self._links.keep(connection, [each.link for each in passes if each.link])


class LinkDesk:
    """Links that people make and take back, each written down with who did it."""

    def __init__(
        self,
        *,
        db: Database,
        links: Links,
        responses: Responses,
        accounts: Accounts,
        public_url: str,
    ) -> None:
        self._db = db
        self._links = links
        self._responses = responses
        self._accounts = accounts
        self._public_url = public_url

    async def make(
        self,
        tenant: str,
        debtor_id: str,
        invoice_ids: tuple[str, ...] | None,
        *,
        days: int,
        person: str,
    ) -> tuple[Link, str]:
        """A link to hand out by hand, and its address, which is shown this once only.

        Raises:
            NoSuchDebtorError: not there, or erased.
            NotOwedError: on some of the invoices this debtor owes nothing.
            AccountsUnavailableError: the ledger does not answer.
        """
        account = await self._accounts.account(tenant, debtor_id)
        if account is None:
            raise NoSuchDebtorError(debtor_id)
        owed = {item.invoice_id for item in account.owed}
        if strange := [one for one in invoice_ids or () if one not in owed]:
            raise NotOwedError(strange)
        token = new_typed_token()  # said on the telephone, too
        link = Link(tenant=tenant, link_id=new_id(), debtor_id=debtor_id, invoice_ids=invoice_ids)
        made = NewLink(
            link=link, token_hash=token_hash(token), made_by=f"person:{person}", days=days
        )
        async with self._db.tenant(tenant) as connection:
            await self._links.keep(connection, [made])
            await self._responses.log(connection, tenant, str(link.link_id), "link_made", person)
        return link, link_url(self._public_url, in_groups(token))

    async def page(self, tenant: str, *, debtor_id: str | None, limit: int) -> list[LinkView]:
        """Links of a tenant, the newest first."""
        async with self._db.tenant(tenant) as connection:
            return await self._links.page(connection, debtor_id=debtor_id, limit=limit)

    async def revoke(self, tenant: str, link_id: UUID, *, person: str) -> None:
        """Let a link stop working at once; again changes nothing.

        Raises:
            NoSuchLinkError: not there.
        """
        async with self._db.tenant(tenant) as connection:
            if not await self._links.revoke(connection, link_id, by=f"person:{person}"):
                raise NoSuchLinkError
            await self._responses.log(connection, tenant, str(link_id), "link_revoked", person)
