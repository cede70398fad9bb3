"""Place and release manual holds: store, take held invoices out of notices on their way, announce.

A hold acts at once: what is in flight is revoked in the same transaction. What a hold stops later
is decided by the domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from dunning_common.events.dunning import HoldPlacedV1, HoldReleasedV1, NoticeRevokedV1
from dunning_common.events.envelope import Payload
from dunning_common.ids import account_key, new_id
from dunning_common.outbox import Outgoing
from dunning_engine.records import AccountAt, HoldRow


class HoldError(ValueError):
    """A hold that cannot be placed or released; the message names the field and the remedy."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class UnknownDebtorError(HoldError):
    """Nothing is known of the debtor."""


class UnknownInvoiceError(HoldError):
    """The debtor has no such invoice."""


class EndsBeforeItBeginsError(HoldError):
    """`until` is not in the future of the tenant's clock."""


class UnknownHoldError(HoldError):
    """There is no such hold."""


class HoldStore(Protocol):
    """Where holds lie."""

    async def lock_account(self, tenant: str, debtor_id: str) -> AccountAt | None:
        """Lock a debtor's account; tells the time on its tenant's clock."""
        ...

    async def has_invoice(self, tenant: str, debtor_id: str, invoice_id: str) -> bool:
        """Whether the debtor owes or owed that invoice."""
        ...

    async def add(self, hold: HoldRow) -> None:
        """Store a hold."""
        ...

    async def read(self, tenant: str, hold_id: UUID) -> HoldRow | None:
        """A hold, released or not."""
        ...

    async def release(self, tenant: str, hold_id: UUID, *, at: datetime, by: str) -> None:
        """End a hold."""
        ...

    async def revoke_flights(
        self, tenant: str, debtor_id: str, invoice_id: str | None
    ) -> list[tuple[UUID, Sequence[str]]]:
        """Mark what is in flight as revoked; tells which notices and invoices."""
        ...

    async def wake(self, tenant: str, debtor_id: str, now: datetime) -> None:
        """Have the account decided at the next opportunity."""
        ...

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox."""
        ...


async def place_hold(
    store: HoldStore,
    *,
    tenant: str,
    debtor_id: str,
    invoice_id: str | None,
    reason: str,
    until: datetime | None,
    placed_by: str,
) -> HoldRow:
    """Stop reminders for a debtor, or for one invoice.

    Raises:
        HoldError: unknown debtor or invoice, or `until` has passed.
    """
    account = await store.lock_account(tenant, debtor_id)
    if account is None or account.time_source == "unknown":
        raise UnknownDebtorError("/debtor_id", f"no debtor {debtor_id!r} is known here")
    if invoice_id and not await store.has_invoice(tenant, debtor_id, invoice_id):
        raise UnknownInvoiceError("/invoice_id", f"the debtor has no invoice {invoice_id!r}")
    if until and until <= account.now:
        raise EndsBeforeItBeginsError(
            "/until", f"must be later than the tenant's clock, {account.now.isoformat()}"
        )
    hold = HoldRow(
        tenant=tenant,
        hold_id=new_id(),
        debtor_id=debtor_id,
        invoice_id=invoice_id,
        kind="manual",
        reason=reason,
        until=until,
        placed_at=account.now,
        placed_by=placed_by,
    )

    await store.add(hold)
    revoked = await store.revoke_flights(tenant, debtor_id, invoice_id)
    await store.wake(tenant, debtor_id, account.now)

    await store.emit([_placed(hold), *(_revoked(hold, *notice) for notice in revoked)])
    return hold


async def release_hold(
    store: HoldStore, *, tenant: str, hold_id: UUID, released_by: str
) -> tuple[HoldRow, bool]:
    """End a hold. Returns it, and whether it was this call that ended it.

    Raises:
        UnknownHoldError: there is none with that id.
    """
    found = await store.read(tenant, hold_id)
    if found is None:
        raise UnknownHoldError("", "there is no such hold")
    account = await store.lock_account(tenant, found.debtor_id)
    hold = await store.read(tenant, hold_id)
    if account is None or hold is None:
        raise UnknownHoldError("", "there is no such hold")
    if hold.released_at is not None:
        return hold, False
    released = replace(hold, released_at=account.now, released_by=released_by)

    await store.release(tenant, hold_id, at=account.now, by=released_by)
    await store.wake(tenant, hold.debtor_id, account.now)

    event = HoldReleasedV1(
        debtor_id=hold.debtor_id,
        hold_id=hold_id,
        invoice_id=hold.invoice_id,
        effective_at=account.now,
    )
    await store.emit([_outgoing(hold, event, str(hold_id))])
    return released, True


def _placed(hold: HoldRow) -> Outgoing:
    event = HoldPlacedV1(
        debtor_id=hold.debtor_id,
        hold_id=hold.hold_id,
        invoice_id=hold.invoice_id,
        kind=hold.kind,
        reason=hold.reason,
        until=hold.until,
        effective_at=hold.placed_at,
    )
    return _outgoing(hold, event, str(hold.hold_id))


def _revoked(hold: HoldRow, notice_id: UUID, invoices: Sequence[str]) -> Outgoing:
    event = NoticeRevokedV1(
        notice_id=notice_id,
        debtor_id=hold.debtor_id,
        invoice_ids=tuple(invoices),
        reason="held",
    )
    return _outgoing(hold, event, str(notice_id))


def _outgoing(hold: HoldRow, payload: Payload, subject: str) -> Outgoing:
    return Outgoing(
        payload=payload,
        tenant=hold.tenant,
        key=account_key(hold.tenant, hold.debtor_id),
        subject=subject,
    )
