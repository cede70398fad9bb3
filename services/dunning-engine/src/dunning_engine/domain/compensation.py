"""The fixed sum for recovery costs, by country, kind of debtor and size of the debt. Pure.

Never owed by a consumer, but where a law says so and its conditions were met.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache

from dunning_common.money import round_half_up, to_decimal
from dunning_common.values import Value
from dunning_engine.domain.account import DebtorKind
from dunning_engine.domain.law import Band, Confidence, FixedSumRule, in_force, rules_for
from dunning_engine.domain.law_of_fixed_sums import FIXED_SUM_RULES
from dunning_engine.domain.rates import RateBook, month_before

_NO_RATES = RateBook({})


class FixedSum(Value, frozen=True, kw_only=True):
    """Compensation for recovery costs in minor units, and the law it stands in."""

    amount_minor: int
    basis: str
    confidence: Confidence = "sourced"


def fixed_compensation(
    country: str,
    kind: DebtorKind,
    *,
    currency: str,
    debt_minor: int,
    issued_on: date,
    due_on: date,
    rates: RateBook = _NO_RATES,
    tags: frozenset[str] = frozenset(),
    consumer_conditions_met: bool = False,
) -> FixedSum | str:
    """The fixed sum for recovery costs, or a code that says why there is none.

    Codes: `no_fixed_sum_in_law`, `consumer`, `consumer_conditions` (a consumer owes it only after
    conditions that were not met), `only_if_agreed` (and no tag says so), `before_the_law`,
    `other_currency`, `no_conversion_rate`.

    Args:
        country: The law, as an ISO 3166-1 code.
        kind: What the debtor is.
        currency: The invoice's currency; nothing is converted but euros where the law says so.
        debt_minor: The principal in minor units.
        issued_on: The invoice date; it stands for the contract's.
        due_on: The due date.
        rates: For Poland, the rate of the month before the due date, series `nbp_eur`.
        tags: The debtor's and the invoice's: `penalty_clause` says that the contract has one.
        consumer_conditions_met: The free notice (Belgium, the Netherlands) went out and its days
            have passed, or the sum is only announced.
    """
    rules = _rules(country, kind)
    if not rules:
        return "consumer" if _rules(country, "business") else "no_fixed_sum_in_law"
    found = [rule for rule in rules if in_force((rule,), _day(rule, issued_on, due_on), tags)]
    if not found:
        wanted = {rule.tag for rule in rules if rule.tag}
        return "only_if_agreed" if wanted - tags else "before_the_law"
    return _sum(found[0], currency, debt_minor, due_on, rates, consumer_conditions_met)


def notice_days(country: str, kind: DebtorKind) -> int:
    """For so many days after a free notice to a consumer nothing may be asked for; 0: no such law.

    On the day `sent + notice_days` it can still pay for free.
    """
    return max((rule.notice_days for rule in _rules(country, kind)), default=0)


@cache
def _rules(country: str, kind: DebtorKind) -> tuple[FixedSumRule, ...]:
    return rules_for(FIXED_SUM_RULES, country, kind)


def _day(rule: FixedSumRule, issued_on: date, due_on: date) -> date:
    return due_on if rule.by_due_date else issued_on


def _sum(
    rule: FixedSumRule,
    currency: str,
    debt_minor: int,
    due_on: date,
    rates: RateBook,
    consumer_conditions_met: bool,
) -> FixedSum | str:
    if rule.has_consumer_conditions and not consumer_conditions_met:
        return "consumer_conditions"
    if currency != rule.currency:
        return "other_currency"
    amount = on_scale(rule, to_decimal(debt_minor, currency))
    if rule.converted_by:
        factor = rates.find(rule.converted_by, month_before(due_on))
        if factor is None:
            return "no_conversion_rate"
        amount *= factor
    # Every currency of these laws has two decimals.
    minor = round_half_up(amount.scaleb(2))
    return FixedSum(amount_minor=minor, basis=rule.basis, confidence=rule.confidence)


def on_scale(rule: FixedSumRule, debt: Decimal) -> Decimal:
    """The sum for a debt, both in whole units of the rule's currencies; not rounded."""
    below = Decimal(0)
    for band in rule.bands:
        if band.holds(debt):
            amount = max(rule.minimum, _of_band(band, debt, below))
            return amount if rule.maximum is None else min(rule.maximum, amount)
        below = band.limit or below
    raise AssertionError(f"the scale of {rule.country} has no last step")


def _of_band(band: Band, debt: Decimal, below: Decimal) -> Decimal:
    return band.base + band.percent * (debt - below) / 100
