"""What all holds share: lock the debtor, keep a hold or end it, revoke, announce; what may fail.

A hold acts at once: what is in flight is revoked in the same transaction. What a hold stops later,
and when one ends by itself, is decided by the domain. What a hold of a kind carries is the business
of the handler of that kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from dunning_common.events.dunning import (
    HoldInstalment,
    HoldPlacedV1,
    HoldReleasedV1,
    NoticeRevokedV1,
)
from dunning_common.events.envelope import Payload
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from dunning_common.values import replace
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.schedule import add_days, local_date
from dunning_engine.records import AccountAt, HeldCase, HoldRow, OwedInvoice, Resend


class HoldError(ValueError):
    """A hold that cannot be placed or released; the message names the field and the remedy.

    `ask_ledger`: what is missing may be on its way here.
    """

    ask_ledger = False

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class UnknownDebtorError(HoldError):
    """Nothing is known of the debtor."""

    ask_ledger = True


class UnknownInvoiceError(HoldError):
    """The debtor has no such invoice."""

    ask_ledger = True


class NothingOwedError(HoldError):
    """There is nothing to pay."""

    ask_ledger = True


class EndsBeforeItBeginsError(HoldError):
    """`until` is not in the future of the tenant's clock."""


class WrongFieldError(HoldError):
    """A field is missing, superfluous or contradicts what is known."""


class UnknownHoldError(HoldError):
    """There is no such hold."""


class EndedAlreadyError(HoldError):
    """Somebody ended or resolved it before, in another way."""


class KeyReusedError(HoldError):
    """The idempotency key was used for another request."""

    def __init__(self) -> None:
        super().__init__(
            "", "this Idempotency-Key was used for another request; send a new one for a new hold"
        )


class HoldStore(Protocol):
    """Where holds lie."""

    async def lock_account(self, tenant: str, debtor_id: str) -> AccountAt | None:
        """Lock a debtor's account; tells the time on its tenant's clock."""
        ...

    async def owed(
        self, tenant: str, debtor_id: str, invoice_ids: Sequence[str] | None
    ) -> list[OwedInvoice]:
        """What those invoices of the debtor owe, or all its open ones; unknown ones are missing."""
        ...

    async def live(self, tenant: str, debtor_id: str) -> list[HoldRow]:
        """The debtor's holds that did not end."""
        ...

    async def add(self, hold: HoldRow) -> bool:
        """Store a hold; False when there is one with its id."""
        ...

    async def read(self, tenant: str, hold_id: UUID) -> HoldRow | None:
        """A hold, released or not."""
        ...

    async def rewrite(self, hold: HoldRow) -> None:
        """Write what may change about a hold: end, owner, deadline, resolution."""
        ...

    async def revoke_flights(
        self, tenant: str, debtor_id: str, invoice_ids: Sequence[str]
    ) -> list[tuple[UUID, Sequence[str]]]:
        """Mark what is in flight as revoked (of all invoices if none is named); tells what was."""
        ...

    async def held_cases(
        self, tenant: str, debtor_id: str, invoice_ids: Sequence[str]
    ) -> list[HeldCase]:
        """The open cases under a policy among those invoices, or of the debtor."""
        ...

    async def keep_quiet(self, tenant: str, until: Mapping[str, date]) -> None:
        """Let nothing go out about these invoices before the day given for each."""
        ...

    async def wake(self, tenant: str, debtor_id: str, now: datetime) -> None:
        """Have the account decided at the next opportunity."""
        ...

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox."""
        ...


class PinnedPolicies(Protocol):
    """Looks up the policy versions that cases are pinned to."""

    async def pinned(
        self, wanted: Sequence[tuple[str, PolicyKey]]
    ) -> Mapping[tuple[str, PolicyKey], Policy]:
        """Exact versions, by (tenant, key)."""
        ...


async def lock_account(store: HoldStore, tenant: str, debtor_id: str) -> AccountAt:
    """Lock the debtor's account.

    Raises:
        UnknownDebtorError: there is no such debtor.
    """
    account = await store.lock_account(tenant, debtor_id)
    if account is None or account.time_source == "unknown":
        raise UnknownDebtorError("/debtor_id", f"no debtor {debtor_id!r} is known here")
    return account


async def lock_hold(store: HoldStore, tenant: str, hold_id: UUID) -> tuple[HoldRow, AccountAt]:
    """Lock the account of a hold and read the hold as it then is.

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
    return hold, account


def today_of(account: AccountAt) -> date:
    """The date where the debtor lives, on the tenant's clock.

    Raises:
        UnknownDebtorError: nothing was said about where it lives.
    """
    if account.zone is None:
        raise UnknownDebtorError("/debtor_id", "where the debtor lives is not known yet")
    return local_date(account.now, account.zone)


async def sent_before(store: HoldStore, tenant: str, resend: Resend | None) -> HoldRow | None:
    """The hold that the same request placed before.

    Raises:
        KeyReusedError: another request did.
    """
    hold = await store.read(tenant, resend.hold_id) if resend else None
    if hold and resend and hold.fingerprint != resend.fingerprint:
        raise KeyReusedError
    return hold


async def known_invoices(
    store: HoldStore,
    tenant: str,
    debtor_id: str,
    invoice_ids: Sequence[str],
    *,
    field: str = "/invoice_ids/{}",
) -> list[OwedInvoice]:
    """What the debtor's invoices owe that were named, in their order; `field` points to one.

    Raises:
        UnknownInvoiceError: it has no such invoice.
    """
    if not invoice_ids:
        return []
    found = {row.invoice_id: row for row in await store.owed(tenant, debtor_id, invoice_ids)}
    for number, invoice_id in enumerate(invoice_ids):
        if invoice_id not in found:
            raise UnknownInvoiceError(
                field.format(number), f"the debtor has no invoice {invoice_id!r}"
            )
    return [found[invoice_id] for invoice_id in invoice_ids]


async def keep_hold(store: HoldStore, hold: HoldRow, account: AccountAt) -> tuple[HoldRow, bool]:
    """Store a hold, revoke what it covers and announce it; last in the transaction.

    Raises:
        KeyReusedError: its id was taken a moment ago by a request for another debtor.
    """
    if not await store.add(hold):
        raise KeyReusedError
    revoked = await store.revoke_flights(hold.tenant, hold.debtor_id, hold.invoice_ids)
    await store.wake(hold.tenant, hold.debtor_id, account.now)

    await store.emit([_placed(hold), *(_revoked(hold, *notice) for notice in revoked)])
    return hold, True


async def end_hold(
    store: HoldStore, policies: PinnedPolicies, hold: HoldRow, account: AccountAt, *, by: str
) -> HoldRow:
    """Release a hold now, by a person; the invoices rest as long as their policies say."""
    released = replace(
        hold,
        released_at=account.now,
        released_by=by,
        outcome="released",
        paid_minor=await _paid(store, hold),
    )
    await store.rewrite(released)
    await store.keep_quiet(hold.tenant, await _resting(store, policies, hold, account))
    await store.wake(hold.tenant, hold.debtor_id, account.now)

    event = HoldReleasedV1(
        debtor_id=hold.debtor_id,
        hold_id=hold.hold_id,
        kind=hold.kind,
        invoice_ids=hold.invoice_ids,
        outcome="released",
        paid_minor=released.paid_minor,
        effective_at=account.now,
    )
    await store.emit([_outgoing(hold, event, str(hold.hold_id))])
    return released


async def _paid(store: HoldStore, hold: HoldRow) -> int | None:
    """What was paid of a promise or a plan so far; None for other holds."""
    if not hold.instalments:
        return None
    owed = await store.owed(hold.tenant, hold.debtor_id, hold.invoice_ids)
    open_minor = sum(invoice.open_minor for invoice in owed if invoice.status == "open")
    return max(0, hold.baseline_minor - open_minor)


async def _resting(
    store: HoldStore, policies: PinnedPolicies, hold: HoldRow, account: AccountAt
) -> dict[str, date]:
    """Until when each invoice stays quiet. A dispute of a part held nothing back."""
    if account.zone is None or hold.disputed_minor is not None:
        return {}
    cases = await store.held_cases(hold.tenant, hold.debtor_id, hold.invoice_ids)
    found = await policies.pinned([(hold.tenant, key) for key in {c.policy_key for c in cases}])
    today = local_date(account.now, account.zone)
    return {
        case.invoice_id: add_days(today, policy.resume_days)
        for case in cases
        if (policy := found.get((hold.tenant, case.policy_key))) and policy.resume_days
    }


def _placed(hold: HoldRow) -> Outgoing:
    event = HoldPlacedV1(
        debtor_id=hold.debtor_id,
        hold_id=hold.hold_id,
        invoice_ids=hold.invoice_ids,
        kind=hold.kind,
        reason=hold.reason,
        reason_code=hold.reason_code,
        until=hold.until,
        currency=hold.currency,
        disputed_minor=hold.disputed_minor,
        instalments=tuple(
            HoldInstalment(on=part.on, amount_minor=part.amount_minor) for part in hold.instalments
        ),
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
