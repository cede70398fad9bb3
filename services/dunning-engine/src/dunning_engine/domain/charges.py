"""Which charges a level adds to an invoice today, and why one is left out. Books nothing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from dunning_common.ids import name_id
from dunning_common.values import Value, replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Balance, Case
from dunning_engine.domain.compensation import fixed_compensation
from dunning_engine.domain.fees import Fee, FeePer, fee_minor
from dunning_engine.domain.interest import (
    ChargeSegment,
    compute_interest,
    interest_terms,
    runs_from_notice,
)
from dunning_engine.domain.law import Confidence
from dunning_engine.domain.policy import Charge, Level, Policy
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


class Assessment(Value, frozen=True, kw_only=True):
    """What a level charges, with a step for each charge that was taken or left out."""

    charges: tuple[ChargePlan, ...]
    steps: tuple[Step, ...]

    def minor(self, kind: Charge) -> int:
        """The charge of that kind in minor units; 0 when there is none."""
        return sum([charge.amount_minor for charge in self.charges if charge.kind == kind])

    @property
    def interest_percent(self) -> Decimal | None:
        """The yearly rate of the last day of interest; None without interest."""
        lines = [line for charge in self.charges for line in charge.segments]
        return lines[-1].rate_percent if lines else None


_NOTHING = Assessment(charges=(), steps=())


def assess(
    account: Account, case: Case, policy: Policy, level: Level, today: date, rates: RateBook
) -> Assessment:
    """The level's charges for the invoice on `today`.

    Raises:
        MissingRateError: a half-year of the interest is not in the book.
    """
    if not level.charges and level.fee is None:
        return _NOTHING
    if today < case.due_on:  # counted from another day than the due date, it may come before that
        return Assessment(charges=(), steps=(step("no_charges", reason="not_due_yet"),))
    country, found = policy.country, list[tuple[ChargePlan | None, Step]]()
    if country and "interest" in level.charges:
        starts_on = interest_starts_on(account, case, policy, country)
        found.append(_interest(account, case, country, level, starts_on, today, rates))
    if country and "compensation" in level.charges:
        found.append(_compensation(account, case, country, level, today, rates))
    if level.fee:
        found.append(_fee(account, case, policy, level, level.fee, today))
    return Assessment(
        charges=tuple(charge for charge, _ in found if charge),
        steps=tuple(reason for _, reason in found),
    )


def interest_starts_on(account: Account, case: Case, policy: Policy, country: str) -> date | None:
    """First day of interest: the day after the due date, or after a consumer's formal notice.

    None while a consumer whose law asks for one (France, Belgium, Spain) has had no formal notice.
    """
    starts_on = add_days(case.due_on, 1)
    if not runs_from_notice(country, account.kind, case.issued_on):
        return starts_on
    for done in case.served:
        level = policy.level(done.level_no)
        # A reminder that only counts as the formal notice, after a migration, is none.
        was_sent = done.outcome == "served" and level and level.code == done.code
        if was_sent and level and level.template == "formal_notice":
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
    account: Account, case: Case, country: str, level: Level, today: date, rates: RateBook
) -> tuple[ChargePlan | None, Step]:
    if case.compensation_charged:
        return None, step("no_compensation", reason="charged_before")
    found = fixed_compensation(
        country,
        account.kind,
        currency=case.currency,
        debt_minor=case.balances[0].open_minor if case.balances else case.open_minor,
        issued_on=case.issued_on,
        due_on=case.due_on,
        rates=rates,
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
