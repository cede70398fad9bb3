"""Place and release holds for many debtors at once: the writing half of two bulk actions.

Does what `place_hold` and `release_hold` do for one, as sets; only holds that carry no amounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from dunning_common.events.dunning import HoldPlacedV1, HoldReleasedV1, NoticeRevokedV1
from dunning_common.events.envelope import Payload
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.schedule import add_days, local_date
from dunning_engine.records import AccountAt, HoldRow
from dunning_engine.work_records import CaseFilter, HoldFilter, WaitingCase

Accounts = Mapping[str, AccountAt]
"""Locked accounts by debtor."""


class BulkStore(Protocol):
    """Where sets of cases and holds are read and written."""

    async def open_cases(
        self, tenant: str, wanted: CaseFilter, *, today: date, limit: int
    ) -> list[WaitingCase]:
        """Open cases in the order of debtors and invoices."""
        ...

    async def live_holds(
        self, tenant: str, wanted: HoldFilter, kinds: Sequence[str], *, limit: int
    ) -> list[HoldRow]:
        """Live holds of these kinds in the order of debtors."""
        ...

    async def covered(
        self, tenant: str, hold_ids: Sequence[UUID]
    ) -> Mapping[UUID, Mapping[str, tuple[int, int]]]:
        """What holds cover: by currency how many open invoices, and what they owe."""
        ...

    async def add_holds(self, tenant: str, holds: Sequence[HoldRow]) -> None:
        """Store simple holds."""
        ...

    async def revoke_flights(
        self, tenant: str, hold_ids: Sequence[UUID]
    ) -> list[tuple[UUID, UUID, Sequence[str]]]:
        """Mark what is in flight under these holds as revoked: (hold, notice, invoices)."""
        ...

    async def release_holds(
        self, tenant: str, holds: Mapping[UUID, datetime], *, by: str, note: str | None
    ) -> None:
        """End holds, each at its tenant's instant."""
        ...

    async def pinned_cases(
        self, tenant: str, hold_ids: Sequence[UUID]
    ) -> list[tuple[str, str, PolicyKey]]:
        """(invoice, debtor, policy version) of every open case that these holds cover."""
        ...

    async def keep_quiet(self, tenant: str, until: Mapping[str, date]) -> None:
        """Let nothing go out about these invoices before the day given for each."""
        ...

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox."""
        ...


class Waker(Protocol):
    """Has accounts decided."""

    async def wake_accounts(self, tenant: str, instants: Mapping[str, datetime]) -> None:
        """Have these debtors' accounts decided at the next opportunity."""
        ...


class PinnedPolicies(Protocol):
    """Looks up the policy versions that cases are pinned to."""

    async def pinned(
        self, wanted: Sequence[tuple[str, PolicyKey]]
    ) -> Mapping[tuple[str, PolicyKey], Policy]:
        """Exact versions, by (tenant, key); unknown ones are missing."""
        ...


async def place_holds(store: BulkStore, waker: Waker, holds: Sequence[HoldRow]) -> None:
    """Store holds of one tenant, revoke what they cover and announce them; last in the transaction.

    The caller holds the locks of their accounts.
    """
    if not holds:
        return
    tenant = holds[0].tenant
    by_id = {hold.hold_id: hold for hold in holds}
    await store.add_holds(tenant, holds)
    revoked = await store.revoke_flights(tenant, list(by_id))
    await waker.wake_accounts(tenant, {hold.debtor_id: hold.placed_at for hold in holds})

    placed = [_about(hold, _placed(hold), str(hold.hold_id)) for hold in holds]
    gone = [
        _about(by_id[hold_id], _revoked(by_id[hold_id], notice_id, invoices), str(notice_id))
        for hold_id, notice_id, invoices in revoked
    ]
    await store.emit([*placed, *gone])


async def release_holds(
    store: BulkStore,
    waker: Waker,
    policies: PinnedPolicies,
    holds: Sequence[HoldRow],
    accounts: Accounts,
    *,
    by: str,
    note: str | None,
) -> None:
    """End holds of one tenant now; their invoices rest as long as their policies say.

    The caller holds the locks of their accounts.
    """
    if not holds:
        return
    tenant = holds[0].tenant
    instants = {hold.hold_id: accounts[hold.debtor_id].now for hold in holds}
    await store.release_holds(tenant, instants, by=by, note=note)
    cases = await store.pinned_cases(tenant, list(instants))
    keys = sorted({key for _, _, key in cases})
    found = await policies.pinned([(tenant, key) for key in keys])
    await store.keep_quiet(tenant, _resting(cases, found, accounts, tenant))
    await waker.wake_accounts(
        tenant, {hold.debtor_id: accounts[hold.debtor_id].now for hold in holds}
    )

    await store.emit(
        [_about(hold, _released(hold, instants[hold.hold_id]), str(hold.hold_id)) for hold in holds]
    )


def _resting(
    cases: Sequence[tuple[str, str, PolicyKey]],
    policies: Mapping[tuple[str, PolicyKey], Policy],
    accounts: Accounts,
    tenant: str,
) -> dict[str, date]:
    """Until when each invoice stays quiet after its hold."""
    rest: dict[str, date] = {}
    for invoice_id, debtor_id, key in cases:
        policy, account = policies.get((tenant, key)), accounts[debtor_id]
        if policy and policy.resume_days and account.zone:
            today = local_date(account.now, account.zone)
            rest[invoice_id] = add_days(today, policy.resume_days)
    return rest


def _placed(hold: HoldRow) -> HoldPlacedV1:
    return HoldPlacedV1(
        debtor_id=hold.debtor_id,
        hold_id=hold.hold_id,
        invoice_ids=hold.invoice_ids,
        kind=hold.kind,
        reason=hold.reason,
        until=hold.until,
        effective_at=hold.placed_at,
    )


def _revoked(hold: HoldRow, notice_id: UUID, invoices: Sequence[str]) -> NoticeRevokedV1:
    return NoticeRevokedV1(
        notice_id=notice_id,
        debtor_id=hold.debtor_id,
        invoice_ids=tuple(invoices),
        reason="held",
    )


def _released(hold: HoldRow, at: datetime) -> HoldReleasedV1:
    return HoldReleasedV1(
        debtor_id=hold.debtor_id,
        hold_id=hold.hold_id,
        kind=hold.kind,
        invoice_ids=hold.invoice_ids,
        outcome="released",
        paid_minor=None,
        effective_at=at,
    )


def _about(hold: HoldRow, payload: Payload, subject: str) -> Outgoing:
    return Outgoing(
        payload=payload,
        tenant=hold.tenant,
        key=account_key(hold.tenant, hold.debtor_id),
        subject=subject,
    )
