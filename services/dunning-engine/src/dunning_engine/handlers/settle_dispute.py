"""Disputes: open one about an invoice or a part of it, give it an owner, resolve it.

A dispute is a hold with one invoice, a reason out of a closed list, an owner and a deadline. One of
the whole stops the invoice; one of a part leaves the rest to be asked for, but what is on its way
is revoked all the same: it still asks for everything.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, get_args
from uuid import UUID

from dunning_common.ids import new_id
from dunning_common.money import MoneyError, parse_minor, to_decimal_string
from dunning_common.values import replace
from dunning_engine.domain.schedule import local_midnight
from dunning_engine.handlers.keep_hold import (
    EndedAlreadyError,
    EndsBeforeItBeginsError,
    HoldStore,
    NothingOwedError,
    PinnedPolicies,
    UnknownHoldError,
    WrongFieldError,
    end_hold,
    keep_hold,
    known_invoices,
    lock_account,
    lock_hold,
    sent_before,
    today_of,
)
from dunning_engine.records import AccountAt, HoldRow, OwedInvoice, Resend

ReasonCode = Literal[
    "goods_missing", "quality", "price", "duplicate", "not_ordered", "paid_already", "other"
]
REASON_CODES: tuple[ReasonCode, ...] = get_args(ReasonCode)
Resolution = Literal["accepted", "partly_accepted", "rejected"]


async def open_dispute(
    store: HoldStore,
    *,
    tenant: str,
    debtor_id: str,
    invoice_id: str,
    amount: str | None = None,
    reason_code: ReasonCode,
    reason: str,
    owner: str | None = None,
    deadline_on: date | None = None,
    opened_by: str,
    resend: Resend | None = None,
) -> tuple[HoldRow, bool]:
    """Take what a debtor objects to out of the reminders.

    Args:
        store: bound to one transaction.
        tenant: whose debtor.
        debtor_id: who objects.
        invoice_id: to which invoice.
        amount: to so much of it, a decimal string of its currency; without it to all.
        reason_code: why, out of the closed list.
        reason: why, in the debtor's words.
        owner: who looks after it.
        deadline_on: by when.
        opened_by: who records it.
        resend: makes asking twice asking once.

    Returns:
        The dispute, and whether it was this call that opened it.

    Raises:
        HoldError: unknown debtor or invoice, nothing owed, an amount that is not owed.
    """
    account = await lock_account(store, tenant, debtor_id)
    if known := await sent_before(store, tenant, resend):
        return known, False
    (invoice,) = await known_invoices(store, tenant, debtor_id, [invoice_id], field="/invoice_id")
    if invoice.status != "open" or invoice.open_minor <= 0:
        raise NothingOwedError("/invoice_id", "owes nothing any more; there is nothing to dispute")
    _check_deadline(account, deadline_on)
    disputed_minor = None
    if amount is not None:
        live = await store.live(tenant, debtor_id)
        disputed_minor = _part(amount, invoice, disputed_part(invoice_id, live))
    dispute = HoldRow(
        tenant=tenant,
        hold_id=resend.hold_id if resend else new_id(),
        debtor_id=debtor_id,
        invoice_ids=(invoice_id,),
        kind="dispute",
        reason=reason,
        placed_at=account.now,
        placed_by=opened_by,
        currency=invoice.currency,
        disputed_minor=disputed_minor,
        baseline_minor=invoice.open_minor,
        reason_code=reason_code,
        owner=owner,
        deadline_on=deadline_on,
        fingerprint=resend.fingerprint if resend else None,
    )
    return await keep_hold(store, dispute, account)


async def assign_dispute(
    store: HoldStore,
    *,
    tenant: str,
    hold_id: UUID,
    owner: str | None,
    deadline_on: date | None = None,
    keep_deadline: bool = False,
) -> HoldRow:
    """Give an open dispute to somebody (or to nobody), with a deadline, without, or the old one.

    Raises:
        HoldError: no such dispute, it is over, or the deadline has passed.
    """
    dispute, account = await _lock_open(store, tenant, hold_id)
    if keep_deadline:
        deadline_on = dispute.deadline_on
    else:
        _check_deadline(account, deadline_on)
    assigned = replace(dispute, owner=owner, deadline_on=deadline_on)
    await store.rewrite(assigned)
    return assigned


async def resolve_dispute(
    store: HoldStore,
    policies: PinnedPolicies,
    *,
    tenant: str,
    hold_id: UUID,
    resolution: Resolution,
    note: str,
    rest_until: date | None = None,
    resolved_by: str,
) -> tuple[HoldRow, bool]:
    """Say who was right. Reminders go on, or rest until the credit note is booked.

    Args:
        store: bound to one transaction.
        policies: tell how long invoices rest after a hold.
        tenant: whose dispute.
        hold_id: which.
        resolution: is the debtor right?
        note: why, for the file.
        rest_until: the day on which reminders go on, where the debtor lives; without it now.
        resolved_by: who decides.

    Returns:
        The dispute, and whether it was this call that resolved it.

    Raises:
        HoldError: no such dispute, resolved otherwise or withdrawn before, or a day in the past.
    """
    found, account = await lock_hold(store, tenant, hold_id)
    if found.resolution == resolution:
        return found, False
    dispute = _still_open(found)
    resolved = replace(
        dispute,
        resolution=resolution,
        resolved_at=account.now,
        resolved_by=resolved_by,
        note=note,
    )
    if rest_until is None:
        return await end_hold(store, policies, resolved, account, by=resolved_by), True
    today = today_of(account)
    if rest_until <= today or account.zone is None:
        raise EndsBeforeItBeginsError("/rest_until", f"must be later than today, {today}")
    resolved = replace(resolved, until=local_midnight(rest_until, account.zone))
    await store.rewrite(resolved)
    await store.wake(tenant, dispute.debtor_id, account.now)
    return resolved, True


def disputed_part(invoice_id: str, live: list[HoldRow]) -> int:
    """The part of an invoice that live disputes take out of reminders (minor units)."""
    return sum(hold.disputed_minor or 0 for hold in live if invoice_id in hold.invoice_ids)


async def _lock_open(store: HoldStore, tenant: str, hold_id: UUID) -> tuple[HoldRow, AccountAt]:
    found, account = await lock_hold(store, tenant, hold_id)
    return _still_open(found), account


def _still_open(dispute: HoldRow) -> HoldRow:
    if dispute.kind != "dispute":
        raise UnknownHoldError("", "there is no such dispute")
    if dispute.resolution is not None:
        raise EndedAlreadyError("", f"the dispute is resolved already: {dispute.resolution}")
    if dispute.released_at is not None:
        raise EndedAlreadyError("", "the dispute was withdrawn; open a new one")
    return dispute


def _check_deadline(account: AccountAt, deadline_on: date | None) -> None:
    if deadline_on is not None and deadline_on < (today := today_of(account)):
        raise WrongFieldError("/deadline_on", f"lies in the past; today is {today}")


def _part(amount: str, invoice: OwedInvoice, disputed_minor: int) -> int:
    """The disputed part in minor units; with what others dispute it is at most what is owed."""
    try:
        minor = parse_minor(amount, invoice.currency)
    except MoneyError as error:
        raise WrongFieldError("/amount", str(error)) from error
    left_minor = invoice.open_minor - disputed_minor
    if not 0 < minor <= left_minor:
        left = to_decimal_string(max(0, left_minor), invoice.currency)
        raise WrongFieldError(
            "/amount", f"must be more than nothing and at most {left}: what is owed, undisputed"
        )
    return minor
