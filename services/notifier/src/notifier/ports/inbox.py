"""Keeping what other services said, as a port."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.events.dunning import NoticeMessageV2, NoticeRequestedV2
from dunning_common.events.tenants import TenantRegisteredV1
from notifier.domain.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedContact:
    """A debtor's contacts as they came; `ciphertext` is None once the debtor was erased."""

    tenant: str
    debtor_id: str
    key_id: str = ""
    ciphertext: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    """A notice to store; `causation` is the id of the event that brought it."""

    tenant: str
    notice: NoticeRequestedV2
    causation: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to plan."""

    tenant: str
    message_id: UUID
    notice_id: UUID
    debtor_id: str
    message: NoticeMessageV2
    effective_at: datetime


class Inbox(Protocol):
    """Where the facts are kept."""

    async def keep_tenants(
        self, connection: AsyncConnection, tenants: Sequence[TenantRegisteredV1]
    ) -> None:
        """Store tenants; the last one wins."""
        ...

    async def keep_contacts(
        self, connection: AsyncConnection, contacts: Sequence[SealedContact]
    ) -> None:
        """Store sealed contacts; without cipher text the debtor counts as erased."""
        ...

    async def hasten(
        self,
        connection: AsyncConnection,
        *,
        tenants: Collection[str],
        debtors: Collection[tuple[str, str]],
    ) -> None:
        """Let messages that wait for these facts be tried at once."""
        ...

    async def plan(
        self,
        connection: AsyncConnection,
        notices: Sequence[NewNotice],
        messages: Sequence[NewMessage],
    ) -> None:
        """Store notices and their messages, and wake the sender; what is there stays as it is."""
        ...

    async def revoke(
        self, connection: AsyncConnection, revoked: Sequence[tuple[str, UUID, frozenset[str]]]
    ) -> list[Message]:
        """Remember revocations (tenant, notice, invoices; one entry per notice).

        Returns:
            The messages of those notices that are still planned, locked.
        """
        ...
