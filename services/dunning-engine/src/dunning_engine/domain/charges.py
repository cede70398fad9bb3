"""Which charges a level adds to an invoice today, and why one is left out. Books nothing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from dunning_common.ids import name_id
from dunning_common.values import Value, replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Balance, Case, Served
from dunning_engine.domain.compensation import FixedSum, fixed_compensation, notice_days
from dunning_engine.domain.fees import Fee, FeePer, fee_minor
from dunning_engine.domain.interest import (
    ChargeSegment,
    compute_interest,
    interest_terms,
    runs_from_notice,
)
from dunning_engine.domain.law import Confidence
from dunning_engine.domain.policy import Charge, Level, Policy, Template
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.schedule import add_days
from dunning_engine.domain.verdict import Fact, Step, step


class ChargePlan(Value, frozen=True, kw_only=True):
    """A charge assessed for one invoice.

    To be announced to the ledger when the notice that names it was *served*: announcing it earlier
    would change the invoice's version under the notice, and a failed notice would charge twice.
    """

    charge_id: UUID
    invoice_id: str
    kind: Charge
    currency: str
    amount_minor: int
    assessed_on: date
    basis: str
    segments: tuple[ChargeSegment, ...] = ()
    per: FeePer = "invoice"


class Announcement(Value, frozen=True, kw_only=True):
    """A charge that a notice only announces: what will be asked for when it is not paid in time.

    Nothing is owed of it yet, and nothing is booked.
    """

    kind: Charge
    amount_minor: int
    basis: str


class Assessment(Value, frozen=True, kw_only=True):
    """What a level charges, with a step for each charge that was taken or left out."""

    charges: tuple[ChargePlan, ...]
    steps: tuple[Step, ...]
    announced: tuple[Announcement, ...] = ()

    def minor(self, kind: Charge) -> int:
        """The charge of that kind in minor units; 0 when there is none."""
        return sum([charge.amount_minor for charge in self.charges if charge.kind == kind])

    @property
    def interest_percent(self) -> Decimal | None:
        """The yearly rate of the last day of interest; None without interest."""
        lines = [line for charge in self.charges for line in charge.segments]
        return lines[-1].rate_percent if lines else None


CONSUMER_NOTICE: Template = "consumer_notice"
"""The free notice to a consumer that names the sum to come, in Belgium and the Netherlands."""
_NOTHING = Assessment(charges=(), steps=())


def assess(
    account: Account, case: Case, policy: Policy, level: Level, today: date, rates: RateBook
) -> Assessment:
    """The level's charges for the invoice on `today`.

    Raises:
        MissingRateError: a half-year of the interest is not in the book.
    """
    announces = level.template == CONSUMER_NOTICE and account.kind == "consumer"
    if not level.charges and level.fee is None and not announces:
        return _NOTHING
    if today < case.due_on:  # counted from another day than the due date, it may come before that
        return Assessment(charges=(), steps=(step("no_charges", reason="not_due_yet"),))
    country, found = policy.country, list[tuple[ChargePlan | None, Step]]()
    if country and "interest" in level.charges:
        starts_on = interest_starts_on(account, case, policy, country)
        found.append(_interest(account, case, country, level, starts_on, today, rates))
    if country and "compensation" in level.charges:
        found.append(_compensation(account, case, policy, country, level, today, rates))
    if level.fee:
        found.append(_fee(account, case, policy, level, level.fee, today))
    announced = _announced(account, case, country, rates) if country and announces else None
    return Assessment(
        charges=tuple(charge for charge, _ in found if charge),
        steps=(*(reason for _, reason in found), *((announced[1],) if announced else ())),
        announced=(announced[0],) if announced and announced[0] else (),
    )


def interest_starts_on(account: Account, case: Case, policy: Policy, country: str) -> date | None:
    """First day of interest: the day after the due date, or after a consumer's formal notice.

    None while a consumer whose law asks for one (France, Belgium, Spain) has had no formal notice.
    """
    starts_on = add_days(case.due_on, 1)
    if not runs_from_notice(country, account.kind, case.issued_on):
        return starts_on
    for done in case.served:
        if _was(done, policy, "formal_notice"):
            return max(starts_on, add_days(done.on, 1))
    return None


def _interest(
    account: Account,
    case: Case,
    country: str,
    level: Level,
    starts_on: date | None,
    today: date,
    rates: RateBook,
) -> tuple[ChargePlan | None, Step]:
    tags = frozenset((*account.tags, *case.tags))
    terms = interest_terms(country, account.kind, case.issued_on, tags=tags)
    if isinstance(terms, str):
        return None, step("no_interest", reason=terms)
    if starts_on is None:
        return None, step("no_interest", reason="consumer_before_formal_notice")
    first_day = starts_on
    if case.interest_through is not None:
        first_day = max(first_day, add_days(case.interest_through, 1))
    found = compute_interest(
        terms,
        balances=_undisputed(case, starts_on),
        starts_on=starts_on,
        first_day=first_day,
        through=today,
        rates=rates,
        earlier_is_unpaid=case.charges_open_minor > 0,
    )
    if found.amount_minor <= 0:
        return None, step("no_interest", reason="amounts_to_nothing")
    charge = _charge(
        account, case, level, "interest", found.amount_minor, today, terms.basis, found.segments
    )
    return charge, step(
        "interest",
        amount_minor=found.amount_minor,
        first_day=first_day,
        through=today,
        basis=terms.basis,
        **_doubt(terms.confidence),
    )


def _undisputed(case: Case, starts_on: date) -> tuple[Balance, ...]:
    """The history of the principal without the part that is disputed now: that one is not asked."""
    history = case.balances or (Balance(since=starts_on, open_minor=case.open_minor),)
    if not case.disputed_minor:
        return history
    return tuple(
        replace(balance, open_minor=max(0, balance.open_minor - case.disputed_minor))
        for balance in history
    )


def _compensation(
    account: Account,
    case: Case,
    policy: Policy,
    country: str,
    level: Level,
    today: date,
    rates: RateBook,
) -> tuple[ChargePlan | None, Step]:
    if case.compensation_charged:
        return None, step("no_compensation", reason="charged_before")
    debt_minor = case.balances[0].open_minor if case.balances else case.open_minor
    noticed_on = _noticed_on(case, policy) if account.kind == "consumer" else None
    if noticed_on:
        debt_minor = _least_since(case, noticed_on)
    last_free_day = noticed_on and add_days(noticed_on, notice_days(country, account.kind))
    found = _fixed_sum(
        account,
        case,
        country,
        debt_minor,
        rates,
        is_owed=bool(last_free_day and today > last_free_day),
    )
    if isinstance(found, str):
        return None, step("no_compensation", reason=found)
    charge = _charge(account, case, level, "compensation", found.amount_minor, today, found.basis)
    return charge, step(
        "compensation",
        amount_minor=found.amount_minor,
        basis=found.basis,
        **_doubt(found.confidence),
    )


def _announced(
    account: Account, case: Case, country: str, rates: RateBook
) -> tuple[Announcement | None, Step]:
    """What a consumer will owe beside the principal when its free notice changes nothing."""
    if case.compensation_charged:
        return None, step("no_announcement", reason="charged_before")
    found = _fixed_sum(account, case, country, case.due_minor, rates, is_owed=True)
    if isinstance(found, str):
        return None, step("no_announcement", reason=found)
    announced = Announcement(
        kind="compensation", amount_minor=found.amount_minor, basis=found.basis
    )
    return announced, step(
        "announced",
        amount_minor=found.amount_minor,
        basis=found.basis,
        **_doubt(found.confidence),
    )


def _fixed_sum(
    account: Account, case: Case, country: str, debt_minor: int, rates: RateBook, *, is_owed: bool
) -> FixedSum | str:
    return fixed_compensation(
        country,
        account.kind,
        currency=case.currency,
        debt_minor=debt_minor,
        issued_on=case.issued_on,
        due_on=case.due_on,
        rates=rates,
        tags=frozenset((*account.tags, *case.tags)),
        consumer_conditions_met=is_owed,
    )


def _noticed_on(case: Case, policy: Policy) -> date | None:
    """The day on which the last notice went out that named a consumer the sum to come."""
    return next(
        (done.on for done in reversed(case.served) if _was(done, policy, CONSUMER_NOTICE)), None
    )


def _was(done: Served, policy: Policy, template: Template) -> bool:
    """Did a notice of that template go out? One that only stands for it, after a migration, no."""
    level = policy.level(done.level_no)
    return bool(
        done.outcome == "served"
        and level
        and level.code == done.code
        and level.template == template
    )


def _least_since(case: Case, day: date) -> int:
    """The smallest principal owed since a day, without what is disputed: never more than named."""
    later = [balance.open_minor for balance in case.balances if balance.since > day]
    before = [balance.open_minor for balance in case.balances if balance.since <= day]
    owed = [*later, *before[-1:], case.due_minor]
    return min(owed)


def _doubt(confidence: Confidence) -> dict[str, Fact]:
    """What the trace says of a rule that nobody looked up yet."""
    return {} if confidence == "sourced" else {"confidence": confidence}


def _fee(
    account: Account, case: Case, policy: Policy, level: Level, fee: Fee, today: date
) -> tuple[ChargePlan | None, Step]:
    if account.kind == "consumer" and not fee.consumers:
        return None, step("no_fee", reason="consumer")
    amount_minor = fee_minor(fee, case.currency, case.due_minor)
    if amount_minor <= 0:
        return None, step("no_fee", reason="none_in_this_currency")
    basis = f"policy {policy.policy_id}, version {policy.version}, level {level.code}"
    if case.was_charged(level.code):
        return None, step("no_fee", reason="charged_before")
    charge = _charge(account, case, level, "fee", amount_minor, today, basis)
    return replace(charge, per=fee.per), step("fee", amount_minor=amount_minor, per=fee.per)


def _charge(
    account: Account,
    case: Case,
    level: Level,
    kind: Charge,
    amount_minor: int,
    today: date,
    basis: str,
    segments: tuple[ChargeSegment, ...] = (),
) -> ChargePlan:
    # One per invoice, level and kind: however often the level is tried, it is charged once. Only
    # interest of days after a try that was charged and did not arrive is a charge of its own.
    again = [str(times)] if (times := case.was_charged(level.code)) else []
    return ChargePlan(
        charge_id=name_id("charge", account.tenant, case.invoice_id, level.code, kind, *again),
        invoice_id=case.invoice_id,
        kind=kind,
        currency=case.currency,
        amount_minor=amount_minor,
        assessed_on=today,
        basis=basis,
        segments=segments,
    )
