"""Statutory interest and the fixed sum for late payment: France, Germany, United Kingdom.

Exact arithmetic (fractions), simple interest, ACT/365; rounded once per claim, halves up. A rate
that is not known raises. Which rule holds from when on stands here, beside the law it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import assert_never

from dunning_common.money import to_decimal
from dunning_engine.domain.account import DebtorKind
from dunning_engine.domain.case import Balance
from dunning_engine.domain.rates import RateBook, half_year_of, half_years
from dunning_engine.domain.schedule import add_days

DAYS_PER_YEAR = 365
FR_FIXED_SUM_FROM = date(2013, 1, 1)
"""Due dates from here on carry the 40 EUR (décret 2012-1115)."""
FR_PUBLIC_FROM = date(2013, 3, 16)
"""Public contracts from here on (décret 2013-269). The invoice date stands for the contract's."""
DE_REFORM = date(2014, 7, 29)
"""Contracts from here on: base + 9 and 40 EUR. The invoice date stands for the contract's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestTerms:
    """The rate of a claim: `series` plus `points` percent a year.

    It follows the half-years, or stays what it was on the first day (`is_fixed_at_start`).
    """

    series: str
    points: Decimal
    is_fixed_at_start: bool
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSegment:
    """A stretch of days at one yearly rate in percent; the rounded lines add up to the charge."""

    first_day: date
    last_day: date
    days: int
    rate_percent: Decimal
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """Interest of a claim in minor units; the lines of `segments` add up to it."""

    amount_minor: int
    segments: tuple[ChargeSegment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedSum:
    """Compensation for recovery costs in minor units, and the law it stands in."""

    amount_minor: int
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedSumLaw:
    """A country's fixed sums: (debt below so much, so many minor units), the last without limit."""

    currency: str
    tiers: tuple[tuple[Decimal | None, int], ...]
    basis: str


FIXED_SUMS = {
    "FR": FixedSumLaw(currency="EUR", tiers=((None, 4000),), basis="C. com. L441-10 II, D441-5"),
    "FR public": FixedSumLaw(currency="EUR", tiers=((None, 4000),), basis="CCP L2192-13, D2192-35"),
    "DE": FixedSumLaw(currency="EUR", tiers=((None, 4000),), basis="BGB §288 Abs. 5"),
    "GB": FixedSumLaw(
        currency="GBP",
        tiers=((Decimal(1000), 4000), (Decimal(10000), 7000), (None, 10000)),
        basis="Late Payment of Commercial Debts (Interest) Act 1998, s.5A",
    ),
}


def interest_terms(country: str, kind: DebtorKind, issued_on: date) -> InterestTerms | None:
    """The statutory rate between merchants or against a consumer; None where the law has none."""
    match country:
        case "FR" if kind != "public" or issued_on >= FR_PUBLIC_FROM:
            return _french_terms(kind)
        case "DE":
            return _german_terms(kind, issued_on)
        case "GB" if kind != "consumer":
            return InterestTerms(
                series="boe",
                points=Decimal(8),
                is_fixed_at_start=True,
                basis="Late Payment of Commercial Debts (Interest) Act 1998, s.1 and s.6",
            )
        case _:
            return None


def _french_terms(kind: DebtorKind) -> InterestTerms:
    match kind:
        case "business":
            series, points, basis = "ecb", 10, "C. com. L441-10 II"
        case "public":
            series, points, basis = "ecb", 8, "CCP L2192-13, R2192-31"
        case "consumer":
            # The creditor is a business: the column "autres cas" counts, even against a consumer.
            series, points, basis = "fr_legal_other", 0, "C. civ. 1231-6"
        case _:
            assert_never(kind)
    return InterestTerms(
        series=series,
        points=Decimal(points),
        # Public buyers: the rate of the half-year in which the interest started to run.
        is_fixed_at_start=kind == "public",
        basis=basis,
    )


def _german_terms(kind: DebtorKind, issued_on: date) -> InterestTerms:
    if kind == "consumer":
        points, basis = 5, "BGB §288 Abs. 1"
    elif issued_on < DE_REFORM:
        points, basis = 8, "BGB §288 Abs. 2 a.F."
    else:
        points, basis = 9, "BGB §288 Abs. 2"
    return InterestTerms(
        series="de_base", points=Decimal(points), is_fixed_at_start=False, basis=basis
    )


def compute_interest(
    terms: InterestTerms,
    *,
    balances: Sequence[Balance],
    starts_on: date,
    first_day: date,
    through: date,
    rates: RateBook,
) -> Interest:
    """Simple interest on the principal of each day from `first_day` through `through`, inclusive.

    Args:
        terms: The rate.
        balances: The principal's history, oldest first, not empty; the first reaches back.
        starts_on: First day of interest of the whole claim; it fixes the rate where one is fixed.
        first_day: First day to charge: later than `starts_on` when earlier days were charged.
        through: Last day to charge; the day of payment counts.
        rates: Reference rates.

    Raises:
        MissingRateError: a half-year is not in the book.
    """
    segments: list[ChargeSegment] = []
    exact, shown = Fraction(0), 0
    for start, end in half_years(first_day, through):
        rate_day = starts_on if terms.is_fixed_at_start else start
        rate = rates.percent(terms.series, half_year_of(rate_day)) + terms.points
        for principal, first, last in _principals(balances, start, end):
            days = (last - first).days + 1
            exact += Fraction(rate) * principal * days / (100 * DAYS_PER_YEAR)
            # The line is the difference of rounded running totals, so that the lines add up.
            line, shown = _half_up(exact) - shown, _half_up(exact)
            segments.append(
                ChargeSegment(
                    first_day=first, last_day=last, days=days, rate_percent=rate, amount_minor=line
                )
            )
    return Interest(amount_minor=shown, segments=tuple(segments))


def _principals(
    balances: Sequence[Balance], first: date, last: date
) -> Iterator[tuple[int, date, date]]:
    """The principal of each stretch of [first, last]: (minor units, first day, last day)."""
    for index, balance in enumerate(balances):
        start = first if index == 0 else max(first, balance.since)
        ends = add_days(balances[index + 1].since, -1) if index + 1 < len(balances) else last
        end = min(last, ends)
        if start <= end:
            yield balance.open_minor, start, end


def _half_up(amount: Fraction) -> int:
    return int((2 * amount + 1) // 2)


def fixed_compensation(
    country: str,
    kind: DebtorKind,
    *,
    currency: str,
    debt_minor: int,
    issued_on: date,
    due_on: date,
) -> FixedSum | str:
    """The fixed sum for recovery costs, or a code that says why there is none.

    Codes: `no_fixed_sum_in_law`, `consumer`, `before_the_law`, `other_currency`.
    """
    place = f"{country} public" if (country, kind) == ("FR", "public") else country
    law = FIXED_SUMS.get(place)
    if law is None or kind == "consumer":
        return "no_fixed_sum_in_law" if law is None else "consumer"
    in_force = {
        "FR": due_on >= FR_FIXED_SUM_FROM,
        "FR public": issued_on >= FR_PUBLIC_FROM,
        "DE": issued_on >= DE_REFORM,
    }
    if not in_force.get(place, True):
        return "before_the_law"
    if currency != law.currency:
        return "other_currency"
    debt = to_decimal(debt_minor, currency)
    tier = next(minor for limit, minor in law.tiers if limit is None or debt < limit)
    return FixedSum(amount_minor=tier, basis=law.basis)


def french_contract_floor(rates: RateBook, day: date) -> Decimal:
    """The least penalty rate a French contract may name: three times the legal rate (percent).

    Raises:
        MissingRateError: the half-year is not in the book.
    """
    return 3 * rates.percent("fr_legal_other", half_year_of(day))


def is_below_french_floor(contract_percent: Decimal, rates: RateBook, day: date) -> bool:
    """Is a contract's penalty rate too low to stand (C. com. L441-10 II)?"""
    return contract_percent < french_contract_floor(rates, day)


RATE_SERIES = {"FR": ("ecb", "fr_legal_other"), "DE": ("de_base",), "GB": ("boe",)}
"""The countries whose law is known, and the reference rates that it looks at."""


def rate_series(country: str | None) -> tuple[str, ...]:
    """The reference rates that a country's law may look at; none for an unknown country."""
    return RATE_SERIES.get(country or "", ())
