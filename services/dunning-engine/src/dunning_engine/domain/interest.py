"""Interest for late payment by law: which rate a claim bears, and what it comes to.

Exact arithmetic (fractions), rounded once per claim, halves up; the lines of a claim add up to it.
A rate that is not known raises. The rules are data: see `law_of_interest`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Literal, assert_never

from dunning_common.values import Value
from dunning_engine.domain.account import DebtorKind
from dunning_engine.domain.case import Balance
from dunning_engine.domain.day_count import DayCount, count_days, year_fraction
from dunning_engine.domain.law import (
    Confidence,
    InterestRule,
    RateAnchor,
    in_force,
    rules_for,
)
from dunning_engine.domain.law_of_fixed_sums import FIXED_SUM_RULES
from dunning_engine.domain.law_of_interest import COUNTRY_NAMES, INTEREST_RULES
from dunning_engine.domain.rates import RateBook, half_year_of, half_years
from dunning_engine.domain.schedule import add_days

Rounding = Literal["claim", "daily"]
"""`claim`: once, at the end. `daily`: each day's amount, as gov.uk's calculator does."""
FRENCH_FLOOR_FACTOR = 3


class InterestTerms(Value, frozen=True, kw_only=True):
    """The rate of a claim: `series` (None: nothing) plus `points` percent a year, never below 0.

    `anchor` says whose half-year counts: each day's, the first day's, or the last day's.
    `compounds_yearly`: each year's interest bears interest from the next year on. `from_notice`:
    it runs only after a formal notice. `floor_factor` times the series `floor_series` is the least
    rate, where a contract says so.
    """

    series: str | None
    points: Decimal
    basis: str
    anchor: RateAnchor = "half_year"
    compounds_yearly: bool = False
    from_notice: bool = False
    confidence: Confidence = "sourced"
    day_count: DayCount = "ACT/365"
    rounding: Rounding = "claim"
    floor_series: str | None = None
    floor_factor: int = 1


class ChargeSegment(Value, frozen=True, kw_only=True):
    """A stretch of days at one yearly rate in percent; the rounded lines add up to the charge.

    `days` are counted as the terms' day count says.
    """

    first_day: date
    last_day: date
    days: int
    rate_percent: Decimal
    amount_minor: int


class Interest(Value, frozen=True, kw_only=True):
    """Interest of a claim in minor units; the lines of `segments` add up to it."""

    amount_minor: int
    segments: tuple[ChargeSegment, ...]


def interest_terms(
    country: str,
    kind: DebtorKind,
    issued_on: date,
    *,
    tags: frozenset[str] = frozenset(),
    day_count: DayCount = "ACT/365",
) -> InterestTerms | str:
    """The statutory rate, or a code that says why none is claimed.

    Codes: `no_interest_in_law`, `before_the_law`, `only_if_agreed`, `rate_not_kept`.

    Args:
        country: The law, as an ISO 3166-1 code.
        kind: What the debtor is.
        issued_on: The invoice date; it stands for the contract's.
        tags: Of the debtor and the invoice; a few laws have special rates (`law_of_interest`).
        day_count: No statute fixes one.
    """
    rules = _rules(country, kind)
    if not rules:
        return "no_interest_in_law"
    rule = in_force(rules, issued_on, tags)
    if rule is None:
        return "before_the_law"
    return rule.refusal or InterestTerms(
        series=rule.series,
        points=rule.points,
        basis=rule.basis,
        anchor=rule.anchor,
        compounds_yearly=rule.compounds_yearly,
        from_notice=rule.from_notice,
        confidence=rule.confidence,
        day_count=day_count,
    )


@cache
def _rules(country: str, kind: DebtorKind) -> tuple[InterestRule, ...]:
    return rules_for(INTEREST_RULES, country, kind)


def runs_from_notice(country: str, kind: DebtorKind, issued_on: date) -> bool:
    """Does interest run only after a formal notice, as against a French consumer?"""
    terms = interest_terms(country, kind, issued_on)
    return isinstance(terms, InterestTerms) and terms.from_notice


def compute_interest(
    terms: InterestTerms,
    *,
    balances: Sequence[Balance],
    starts_on: date,
    first_day: date,
    through: date,
    rates: RateBook,
    earlier_is_unpaid: bool = True,
) -> Interest:
    """Interest on the principal of each day from `first_day` through `through`, inclusive.

    Args:
        terms: The rate.
        balances: The principal's history, oldest first, not empty; the first reaches back.
        starts_on: First day of interest of the whole claim; it fixes the rate where one is fixed,
            and the year where interest compounds.
        first_day: First day to charge: later than `starts_on` when earlier days were charged.
        through: Last day to charge; the day of payment counts.
        rates: Reference rates.
        earlier_is_unpaid: Where interest compounds: that of the days before `first_day` is still
            owed. Interest that was paid bears none.

    Raises:
        MissingRateError: a half-year is not in the book.
    """
    segments: list[ChargeSegment] = []
    tally = _Tally(terms)
    since = starts_on if terms.compounds_yearly and earlier_is_unpaid else first_day
    for start, end in _stretches(terms, min(since, first_day), starts_on, first_day, through):
        rate = _rate(terms, rates, start, starts_on, through)
        if terms.compounds_yearly and _is_anniversary(start, starts_on):
            tally.capitalise()
        for principal, first, last in _principals(balances, start, end):
            amount_minor = tally.add(rate, principal, first, last, is_shown=start >= first_day)
            if start >= first_day:
                segments.append(
                    ChargeSegment(
                        first_day=first,
                        last_day=last,
                        days=count_days(terms.day_count, first, last),
                        rate_percent=rate,
                        amount_minor=amount_minor,
                    )
                )
    return Interest(amount_minor=tally.shown_minor, segments=tuple(segments))


class _Tally:
    """Adds up exactly and hands out whole minor units that never drift from the sum."""

    def __init__(self, terms: InterestTerms) -> None:
        self._terms = terms
        self._exact = Fraction(0)
        self._this_year = Fraction(0)
        self._capital = Fraction(0)
        self.shown_minor = 0

    def capitalise(self) -> None:
        """A year is over: its interest bears interest from now on."""
        self._capital += self._this_year
        self._this_year = Fraction(0)

    def add(self, rate: Decimal, principal: int, first: date, last: date, *, is_shown: bool) -> int:
        """Add a stretch; what its line shows is the difference of rounded running totals."""
        yearly = Fraction(rate) * (principal + self._capital) / 100
        if self._terms.rounding == "daily":
            one_day = year_fraction(self._terms.day_count, first, first)
            days = count_days(self._terms.day_count, first, last)
            amount = Fraction(_half_up(yearly * one_day) * days)
        else:
            amount = yearly * year_fraction(self._terms.day_count, first, last)
        self._this_year += amount
        if not is_shown:
            return 0
        self._exact += amount
        before, self.shown_minor = self.shown_minor, _half_up(self._exact)
        return self.shown_minor - before


def _stretches(
    terms: InterestTerms, since: date, starts_on: date, first_day: date, through: date
) -> Iterator[tuple[date, date]]:
    """[since, through] cut where the rate may change; where interest compounds, at each year."""
    for start, end in half_years(since, through):
        if not terms.compounds_yearly:
            yield start, end
            continue
        cuts = {_anniversary(starts_on, start.year), first_day}
        first = start
        for cut in sorted(cut for cut in cuts if start < cut <= end):
            yield first, add_days(cut, -1)
            first = cut
        yield first, end


def _anniversary(starts_on: date, year: int) -> date:
    """The first day of a new year of interest; for 29 February, 1 March."""
    try:
        return starts_on.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def _is_anniversary(day: date, starts_on: date) -> bool:
    return day > starts_on and day == _anniversary(starts_on, day.year)


def _rate(
    terms: InterestTerms, rates: RateBook, day: date, starts_on: date, through: date
) -> Decimal:
    """Percent a year on a day; the reference rate may be negative, the sum may not."""
    match terms.anchor:
        case "half_year":
            anchor = day
        case "start":
            anchor = starts_on
        case "payment":
            anchor = through
        case _:
            assert_never(terms.anchor)
    half_year = half_year_of(anchor)
    rate = terms.points + (rates.percent(terms.series, half_year) if terms.series else 0)
    if terms.floor_series:
        rate = max(rate, terms.floor_factor * rates.percent(terms.floor_series, half_year))
    return max(rate, Decimal(0))


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


def french_contract_floor(rates: RateBook, day: date) -> Decimal:
    """The least penalty rate a French contract may name: three times the legal rate (percent).

    Raises:
        MissingRateError: the half-year is not in the book.
    """
    return FRENCH_FLOOR_FACTOR * rates.percent("fr_legal_other", half_year_of(day))


def is_below_french_floor(contract_percent: Decimal, rates: RateBook, day: date) -> bool:
    """Is a contract's penalty rate too low to stand (C. com. L441-10 II)?"""
    return contract_percent < french_contract_floor(rates, day)


def _series(country: str) -> tuple[str, ...]:
    interest = {rule.series for rule in INTEREST_RULES if rule.country == country}
    fixed_sums = {rule.converted_by for rule in FIXED_SUM_RULES if rule.country == country}
    return tuple(sorted(name for name in interest | fixed_sums if name))


RATE_SERIES: Mapping[str, tuple[str, ...]] = {
    country: _series(country) for country in COUNTRY_NAMES
}
"""The countries whose law is known, and the reference rates that it looks at."""


def rate_series(country: str | None) -> tuple[str, ...]:
    """The reference rates that a country's law may look at; none for an unknown country."""
    return RATE_SERIES.get(country or "", ())
