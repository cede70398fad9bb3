"""What is known of a debtor over a stretch of time: where it stands, and what happens when.

Plain values for simulations. Guesses nothing: a debtor pays when a fact says so, and at no other
time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from dunning_common.values import replace
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.case import Balance, Case, PolicyKey
from dunning_engine.domain.schedule import add_days, local_date, local_midnight

NO_POLICY: PolicyKey = ("", 0)
"""The policy of an invoice that is to be put under one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """An invoice becomes known."""

    at: datetime
    case: Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The principal of an invoice changes by so many minor units: less when it is paid or credited.

    `since` is the first day on which the new principal is owed: the day after the value date of a
    payment. `at` is when it becomes known.
    """

    at: datetime
    invoice_id: str
    delta_minor: int
    since: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Money with a value date `on` that names no invoice: it covers the oldest due ones first.

    Only `invoice_ids` when there are any. What is left over covers nothing.
    """

    at: datetime
    on: date
    currency: str
    amount_minor: int
    invoice_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An invoice is cancelled or written off."""

    at: datetime
    invoice_id: str
    status: Literal["cancelled", "written_off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Somebody stops reminders."""

    at: datetime
    hold: Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Somebody lets reminders go on."""

    at: datetime
    hold_id: str


Fact = Issued | Moved | Received | Ended | Held | Released


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One debtor: its account and cases as they stand, and what is known to happen afterwards."""

    account: Account
    cases: tuple[Case, ...] = ()
    facts: tuple[Fact, ...] = ()

    @property
    def invoices(self) -> int:
        """How many invoices it speaks of."""
        return len(self.cases) + sum(isinstance(fact, Issued) for fact in self.facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastInvoice:
    """An invoice as its history tells it. Amounts are minor units of `currency`.

    `payments` are (value date, minor units); a negative amount is money that went back.
    `ended` says when it was cancelled or written off, if it was.
    """

    invoice_id: str
    number: str
    issued_on: date
    due_on: date
    currency: str
    amount_minor: int
    payments: tuple[tuple[date, int], ...] = ()
    ended: tuple[date, Literal["cancelled", "written_off"]] | None = None
    tags: tuple[str, ...] = ()
    policy: PolicyKey = NO_POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money of a debtor that names no invoice, with its value date (minor units)."""

    on: date
    currency: str
    amount_minor: int


def story_of(
    account: Account,
    invoices: Iterable[PastInvoice],
    *,
    receipts: Iterable[Receipt] = (),
    holds: Iterable[Held | Released] = (),
    known_after_days: int = 0,
) -> Story:
    """The story of a debtor's past, from its first invoice on.

    An invoice becomes known when the day begins on which it was issued, a payment when its value
    date begins (never before its invoice), `known_after_days` later if that is given.
    """

    def known(on: date) -> datetime:
        return local_midnight(add_days(on, known_after_days), account.zone)

    facts: list[Fact] = list(holds)
    for invoice in invoices:
        begins = local_midnight(invoice.issued_on, account.zone)
        facts.append(Issued(at=begins, case=_new_case(invoice)))
        for on, amount_minor in invoice.payments:
            facts.append(
                Moved(
                    at=max(known(on), begins),
                    invoice_id=invoice.invoice_id,
                    delta_minor=-amount_minor,
                    # A payment counts from the day after; money that went back is owed at once.
                    since=add_days(on, 1) if amount_minor > 0 else on,
                )
            )
        if invoice.ended:
            on, status = invoice.ended
            facts.append(
                Ended(at=max(known(on), begins), invoice_id=invoice.invoice_id, status=status)
            )
    facts += [
        Received(at=known(r.on), on=r.on, currency=r.currency, amount_minor=r.amount_minor)
        for r in receipts
    ]
    return Story(account=account, facts=in_order(facts))


def _new_case(invoice: PastInvoice) -> Case:
    policy_id, version = invoice.policy
    return Case(
        invoice_id=invoice.invoice_id,
        number=invoice.number,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        currency=invoice.currency,
        amount_minor=invoice.amount_minor,
        open_minor=invoice.amount_minor,
        version=1,
        policy_id=policy_id,
        policy_version=version,
        tags=invoice.tags,
    )


def promised_payments(account: Account, cases: Sequence[Case], now: datetime) -> list[Received]:
    """The payments that the debtor's live promises and plans announce, as if every word were kept.

    Instalments that what was paid already covers are left out; one that is late is paid now.
    """
    today = local_date(now, account.zone)
    payments: list[Received] = []
    for hold in account.holds:
        covered = [case for case in cases if case.settled is None and hold.covers(case.invoice_id)]
        currency = hold.currency or min((case.currency for case in covered), default=None)
        if not hold.instalments or currency is None:
            continue
        owed = sum(case.open_minor for case in covered if case.currency == currency)
        paid = max(0, hold.baseline_minor - owed)
        for part in sorted(hold.instalments, key=lambda part: part.on):
            missing, paid = max(0, part.amount_minor - paid), max(0, paid - part.amount_minor)
            if missing:
                on = max(part.on, today)
                payments.append(
                    Received(
                        at=max(now, local_midnight(on, account.zone)),
                        on=on,
                        currency=currency,
                        amount_minor=missing,
                        invoice_ids=hold.invoice_ids,
                    )
                )
    return payments


def in_order(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Facts in the order in which they become known; what comes together has a fixed order, too."""
    return tuple(sorted(facts, key=_place))


_ORDER = {Issued: 0, Ended: 1, Moved: 2, Received: 3, Released: 4, Held: 5}


def _place(fact: Fact) -> tuple[datetime, int, str, str]:
    match fact:
        case Issued():
            name, more = fact.case.invoice_id, ""
        case Moved():
            name, more = fact.invoice_id, f"{fact.since} {fact.delta_minor}"
        case Received():
            name, more = fact.currency, f"{fact.on} {fact.amount_minor} {fact.invoice_ids}"
        case Ended():
            name, more = fact.invoice_id, fact.status
        case Held():
            name, more = fact.hold.hold_id, ""
        case Released():
            name, more = fact.hold_id, ""
    return fact.at, _ORDER[type(fact)], name, more


def moved(case: Case, delta_minor: int, since: date) -> Case:
    """The case after its principal changed by so many minor units from that day on."""
    history = case.balances or (Balance(since=case.issued_on, open_minor=case.open_minor),)
    since = max(since, history[0].since)
    earlier = [balance for balance in history if balance.since < since]
    later = [balance for balance in history if balance.since >= since]
    if not later or later[0].since != since:
        base = earlier[-1].open_minor if earlier else 0
        later.insert(0, Balance(since=since, open_minor=base))
    shifted = [replace(b, open_minor=max(b.open_minor + delta_minor, 0)) for b in later]
    open_minor = max(case.open_minor + delta_minor, 0)
    status = case.status
    if status in ("open", "paid"):
        status = "open" if open_minor else "paid"
    return replace(case, open_minor=open_minor, status=status, balances=(*earlier, *shifted))
