"""What the portal needs from outside, as ports: links, settings, the debtor's account, its history.

`notifier.ports.responses` keeps what debtors answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.events.tenants import TenantRegisteredV1
from notifier.portal.account import Account
from notifier.portal.history import SentMessage
from notifier.portal.link import Link
from notifier.portal.rules import ArrangementRules
from notifier.portal.settings import PortalSettings
from notifier.portal.throttle import Asked
from notifier.portal.verdicts import Verdict


class AccountsUnavailableError(RuntimeError):
    """The ledger did not answer, or not usably: nothing can be shown now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The original document of an invoice, as the creditor gave it to the ledger."""

    file_name: str
    media_type: str
    content: bytes


class Accounts(Protocol):
    """The ledger's books, as far as debtors may see their own."""

    async def documented(self, tenant: str, invoice_ids: Sequence[str]) -> frozenset[str]:
        """Those of these invoices that have a document. Never raises: no answer is none."""
        ...

    async def document(self, tenant: str, invoice_id: str) -> Document | None:
        """The document of an invoice, if there is one.

        Raises:
            AccountsUnavailableError: no answer.
        """
        ...

    async def account(self, tenant: str, debtor_id: str) -> Account | None:
        """A debtor with all that is owed now; None when there is none, or it was erased.

        Raises:
            AccountsUnavailableError: no answer.
        """
        ...


class Arrangements(Protocol):
    """The engine, as far as the page asks it. Never raises: the page goes on without it."""

    async def rules(self, tenant: str) -> ArrangementRules:
        """What the tenant allows, as last known when nobody answers; never known is `OPEN`."""
        ...

    async def now(self, tenant: str) -> datetime | None:
        """The time on a sandbox tenant's clock; None when nobody answers."""
        ...

    async def verdicts(self, tenant: str, debtor_id: str) -> Mapping[UUID, Verdict]:
        """What became of the debtor's promises and plans, by answer; none when nobody answers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """A link to store. `days` is how long it works; making it again replaces the token."""

    link: Link
    token_hash: bytes
    made_by: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """A link as people see it: never its token."""

    link: Link
    made_by: str
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """What the notifier itself knows around a link.

    `clock` is the tenant's: real time, and for a sandbox tenant the instant at which its latest
    message was decided. `numbers` are of the invoices by id, as notices named them. `sent` are the
    messages about the link's invoices, latest first.
    """

    tenant: TenantRegisteredV1
    settings: PortalSettings
    clock: datetime
    key_id: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)
    sent: tuple[SentMessage, ...] = ()


class Links(Protocol):
    """Where links are kept."""

    async def settings_of(
        self, connection: AsyncConnection, tenants: Collection[str]
    ) -> Mapping[str, PortalSettings]:
        """The settings of these tenants; those that never set any are missing."""
        ...

    async def keep(self, connection: AsyncConnection, links: Sequence[NewLink]) -> None:
        """Store links, one statement for any number of them."""
        ...

    async def find(self, connection: AsyncConnection, token_hash: bytes) -> Link | None:
        """The link of a token, of any tenant, unless it expired or was revoked."""
        ...

    async def page(
        self, connection: AsyncConnection, *, debtor_id: str | None, limit: int
    ) -> list[LinkView]:
        """Links, the newest first."""
        ...

    async def revoke(self, connection: AsyncConnection, link_id: UUID, *, by: str) -> bool:
        """Let a link stop working; False when there is none. Again changes nothing."""
        ...

    async def purge(self, connection: AsyncConnection, *, kept_days: int, limit: int) -> int:
        """Delete at most so many links that expired more than `kept_days` ago; how many."""
        ...


class Visits(Protocol):
    """How often links and addresses were used, counted for all processes together."""

    async def admit(self, connection: AsyncConnection, asked: Sequence[Asked]) -> bool:
        """Whether all of these may ask now; those that may are counted. One statement."""
        ...

    async def forget(self, connection: AsyncConnection, *, limit: int) -> int:
        """Drop at most so many counts that stand for nothing any more; returns how many."""
        ...


class PortalReading(Protocol):
    """Reads what surrounds a link or an answer, within its tenant."""

    async def backdrop(self, connection: AsyncConnection, link: Link) -> Backdrop | None:
        """What is known around a link; None while the tenant is unknown here."""
        ...

    async def contacts(self, connection: AsyncConnection, debtor_id: str) -> str | None:
        """The debtor's present contacts, sealed as they travelled; None: erased or unknown."""
        ...

    async def settings(self, connection: AsyncConnection) -> dict[str, Any] | None:
        """The tenant's settings as stored, with `stored_by` and `stored_at`; None: defaults."""
        ...

    async def store_settings(
        self, connection: AsyncConnection, tenant: str, settings: PortalSettings, *, by: str
    ) -> None:
        """Replace the tenant's settings."""
        ...
