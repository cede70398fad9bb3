"""Takes in what other services say: tenants, sealed contacts, requested and revoked notices.

Only records; sending is the sender's. Works on whole batches: any number of events costs a handful
of statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.consumer import Consumed
from dunning_common.events.contacts import ContactsChangedV1, DebtorErasedV1
from dunning_common.events.dunning import (
    NoticeRequestedV1,
    NoticeRequestedV2,
    NoticeRevokedV1,
    as_requested_v2,
)
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.ids import name_id
from notifier.domain.revocation import revoke
from notifier.handlers.settling import Settler
from notifier.ports.inbox import Inbox, NewMessage, NewNotice, SealedContact
from notifier.ports.messages import Settled

TOPICS = ("dunning.v1", "contacts.v1", "tenants.v1")


class RecordEvents:
    """The consumer's handler: call it with a batch, inside the consumer's transaction."""

    def __init__(self, inbox: Inbox, settler: Settler) -> None:
        self._inbox = inbox
        self._settler = settler

    async def __call__(self, connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        """Record a batch."""
        batch = _Batch()
        for event in events:
            batch.add(event)
        if batch.tenants:
            await self._inbox.keep_tenants(connection, list(batch.tenants.values()))
        if batch.contacts:
            await self._inbox.keep_contacts(connection, list(batch.contacts.values()))
        if batch.tenants or batch.contacts:
            await self._inbox.hasten(connection, tenants=batch.tenants, debtors=batch.contacts)
        if batch.notices:
            await self._inbox.plan(connection, batch.notices, batch.messages)
        if batch.revoked:
            await self._apply_revocations(connection, batch)

    async def _apply_revocations(self, connection: AsyncConnection, batch: _Batch) -> None:
        """Messages already on their way are left alone: the send permit decides about them."""
        planned = await self._inbox.revoke(
            connection,
            [(tenant, notice, frozenset(ids)) for (tenant, notice), ids in batch.revoked.items()],
        )
        verdicts = [
            Settled(message=message, settlement=settlement)
            for message in planned
            if (
                settlement := revoke(
                    message.invoice_ids, batch.revoked[message.tenant, message.notice_id]
                )
            )
        ]
        await self._settler.settle(connection, verdicts)


class _Batch:
    """A batch sorted by what it changes; of facts that replace each other only the last counts."""

    def __init__(self) -> None:
        self.tenants: dict[str, TenantRegisteredV1] = {}
        self.contacts: dict[tuple[str, str], SealedContact] = {}
        self.notices: list[NewNotice] = []
        self.messages: list[NewMessage] = []
        self.revoked: dict[tuple[str, UUID], set[str]] = {}

    def add(self, event: Consumed) -> None:
        tenant = event.envelope.tenant
        match event.payload:
            case TenantRegisteredV1() as payload:
                self.tenants[tenant] = payload
            case ContactsChangedV1() as payload:
                self.contacts[tenant, payload.debtor_id] = SealedContact(
                    tenant=tenant,
                    debtor_id=payload.debtor_id,
                    key_id=payload.key_id,
                    ciphertext=payload.ciphertext,
                )
            case DebtorErasedV1() as payload:
                self.contacts[tenant, payload.debtor_id] = SealedContact(
                    tenant=tenant, debtor_id=payload.debtor_id
                )
            case NoticeRequestedV1() | NoticeRequestedV2() as payload:
                self._add_notice(tenant, as_requested_v2(payload), event.envelope.id)
            case NoticeRevokedV1() as payload:
                ids = self.revoked.setdefault((tenant, payload.notice_id), set())
                ids.update(payload.invoice_ids)
            case _:
                pass  # the engine's other decisions are not the postman's business

    def _add_notice(self, tenant: str, notice: NoticeRequestedV2, causation: UUID) -> None:
        self.notices.append(NewNotice(tenant=tenant, notice=notice, causation=causation))
        self.messages.extend(
            NewMessage(
                tenant=tenant,
                message_id=name_id("message", tenant, str(notice.notice_id), message.channel),
                notice_id=notice.notice_id,
                debtor_id=notice.debtor_id,
                message=message,
                effective_at=notice.decided_at,
            )
            for message in notice.messages
        )
