"""Promises to pay: a debtor says when it will pay; reminders rest until then.

A promise is a hold with one instalment. Whether it was kept is the domain's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol, get_args

from dunning_common.ids import new_id
from dunning_common.money import MoneyError, parse_minor, to_decimal_string
from dunning_engine.domain.account import Instalment
from dunning_engine.domain.plan_rules import PlanRules
from dunning_engine.domain.schedule import add_days
from dunning_engine.handlers.keep_hold import (
    HoldStore,
    NothingOwedError,
    WrongFieldError,
    keep_hold,
    known_invoices,
    lock_account,
    sent_before,
    today_of,
)
from dunning_engine.handlers.settle_dispute import disputed_part
from dunning_engine.records import HoldRow, OwedInvoice, Resend

PromiseSource = Literal["phone", "email", "portal", "erp", "other"]
PROMISE_SOURCES: tuple[PromiseSource, ...] = get_args(PromiseSource)


class RuleStore(Protocol):
    """Where a tenant's rules for promises and plans lie."""

    async def rules(self, tenant: str) -> PlanRules:
        """The tenant's rules, or the defaults."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """What an arrangement is about; amounts are minor units of `currency`.

    `owed_minor` is everything that the invoices owe, `due_minor` what may be asked for: less what
    is disputed.
    """

    invoice_ids: tuple[str, ...]
    currency: str
    owed_minor: int
    due_minor: int


async def take_promise(
    store: HoldStore,
    rules: RuleStore,
    *,
    tenant: str,
    debtor_id: str,
    invoice_ids: Sequence[str] = (),
    amount: str | None = None,
    pay_on: date,
    source: PromiseSource,
    grace_days: int | None = None,
    note: str | None = None,
    taken_by: str,
    resend: Resend | None = None,
) -> tuple[HoldRow, bool]:
    """Let reminders rest because the debtor says that it will pay.

    Args:
        store: bound to one transaction.
        rules: the tenant's.
        tenant: whose debtor.
        debtor_id: who promises.
        invoice_ids: to pay these; none: whatever is due by `pay_on`.
        amount: so much, a decimal string; without it all that they owe now.
        pay_on: the last day, where the debtor lives.
        source: how we know.
        grace_days: how late the money may be; the tenant's usual unless given.
        note: what was said.
        taken_by: who records it.
        resend: makes asking twice asking once.

    Returns:
        The promise, and whether it was this call that took it.

    Raises:
        HoldError: unknown debtor or invoice, nothing owed, several currencies, a day that is past
            or too far ahead, an amount that is not owed.
    """
    account = await lock_account(store, tenant, debtor_id)
    if known := await sent_before(store, tenant, resend):
        return known, False
    allowed = await rules.rules(tenant)
    _check_day(pay_on, today_of(account), allowed)
    debt = await debt_of(store, tenant, debtor_id, invoice_ids, due_by=pay_on)
    minor = debt.due_minor if amount is None else part_of(debt, amount, "/amount")
    promise = HoldRow(
        tenant=tenant,
        hold_id=resend.hold_id if resend else new_id(),
        debtor_id=debtor_id,
        invoice_ids=debt.invoice_ids,
        kind="promise",
        reason=note or "promise to pay",
        placed_at=account.now,
        placed_by=taken_by,
        currency=debt.currency,
        instalments=(Instalment(on=pay_on, amount_minor=minor),),
        baseline_minor=debt.owed_minor,
        grace_days=allowed.promise_grace_days if grace_days is None else grace_days,
        # Nothing paid must never count as a promise kept.
        tolerance_minor=min(allowed.tolerance_of(debt.currency), minor - 1),
        source=source,
        fingerprint=resend.fingerprint if resend else None,
    )
    return await keep_hold(store, promise, account)


async def debt_of(
    store: HoldStore, tenant: str, debtor_id: str, invoice_ids: Sequence[str], *, due_by: date
) -> Debt:
    """What the invoices owe that were named; or all open ones due by a day and not disputed.

    Raises:
        HoldError: an unknown invoice, several currencies, or nothing owed.
    """
    live = await store.live(tenant, debtor_id)
    stopped = {
        invoice_id
        for hold in live
        if hold.kind == "dispute" and hold.disputed_minor is None
        for invoice_id in hold.invoice_ids
    }
    if invoice_ids:
        found = await known_invoices(store, tenant, debtor_id, invoice_ids)
    else:
        every = await store.owed(tenant, debtor_id, None)
        found = [
            row
            for row in every
            if row.due_on <= due_by and row.invoice_id not in stopped and not row.handed_over
        ]
    for number, row in enumerate(found):
        if row.handed_over:
            raise WrongFieldError(
                f"/invoice_ids/{number}", "was handed over; whoever has it now takes the promise"
            )
    owing = [row for row in found if row.status == "open" and row.open_minor > 0]
    currencies = sorted({row.currency for row in owing})
    if len(currencies) > 1:
        raise WrongFieldError(
            "/invoice_ids",
            f"owe {' and '.join(currencies)}; name invoices of one currency and ask once for each",
        )
    due_minor = sum(_due(row, live) for row in owing if row.invoice_id not in stopped)
    if due_minor <= 0:
        what = "these invoices" if invoice_ids else f"the debtor, of what is due by {due_by},"
        raise NothingOwedError("/invoice_ids", f"{what} owe nothing that may be asked for")
    return Debt(
        invoice_ids=tuple(row.invoice_id for row in found),
        currency=currencies[0],
        owed_minor=sum(row.open_minor for row in owing),
        due_minor=due_minor,
    )


def part_of(debt: Debt, amount: str, field: str) -> int:
    """An amount of the debt in minor units; `field` is where it was given.

    Raises:
        WrongFieldError: no amount, nothing, or more than is owed.
    """
    try:
        minor = parse_minor(amount, debt.currency)
    except MoneyError as error:
        raise WrongFieldError(field, str(error)) from error
    if not 0 < minor <= debt.due_minor:
        owed = to_decimal_string(debt.due_minor, debt.currency)
        raise WrongFieldError(
            field, f"must be more than nothing and at most the {owed} {debt.currency} owed"
        )
    return minor


def _due(invoice: OwedInvoice, live: list[HoldRow]) -> int:
    return max(0, invoice.open_minor - disputed_part(invoice.invoice_id, live))


def _check_day(pay_on: date, today: date, rules: PlanRules) -> None:
    if pay_on < today:
        raise WrongFieldError("/pay_on", f"lies in the past; today is {today}")
    last = add_days(today, rules.promise_days_max)
    if pay_on > last:
        raise WrongFieldError(
            "/pay_on", f"is too far ahead: at most {rules.promise_days_max} days, until {last}"
        )
