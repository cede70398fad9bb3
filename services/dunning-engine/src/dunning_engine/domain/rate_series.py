"""A series of reference rates with what is known about it, and what is missing on a day. Pure.

The engine decides with the figures alone (`rates.RateBook`); this is for the people who keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from math import ceil
from typing import Literal

from dunning_engine.domain.interest import RATE_SERIES
from dunning_engine.domain.rates import half_year_of, half_years, month_before

Doubt = Literal["computed", "unverified"]
"""`computed`: follows from another figure by a rule. `unverified`: nobody looked it up yet."""
Unit = Literal["percent", "pln_per_eur"]
COMING_DAYS = 45
"""So many days before a half-year its figures are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSeries:
    """A series as its file has it. `last_line` is the line of its last figure, counted from 1."""

    name: str
    what: str
    source: str
    checked_on: date
    unit: Unit
    figures: Mapping[str, Decimal]
    doubts: Mapping[str, Doubt]
    file: str
    last_line: int

    @property
    def is_monthly(self) -> bool:
        """Are its figures by month? The law can do without those."""
        return self.unit != "percent"

    @property
    def last_period(self) -> str | None:
        """The latest half-year (or month) that it knows."""
        return max(self.figures, default=None)

    @property
    def countries(self) -> tuple[str, ...]:
        """The countries whose law looks at it."""
        return tuple(country for country, names in RATE_SERIES.items() if self.name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A figure that is missing: `is_present` ones stop claims today, the others will."""

    series: RateSeries
    period: str
    is_present: bool

    @property
    def line(self) -> str:
        """The line to add, but for the figure."""
        return f'{self.period}: "…"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A figure that does not follow from the ECB's as the law or the habit of years has it."""

    series: RateSeries
    period: str
    figure: Decimal
    expected: Decimal


def gaps(series: Iterable[RateSeries], on: date) -> Iterator[Gap]:
    """What is missing on a day: for its half-year, and for the next one when that is near."""
    near = half_year_of(on + timedelta(days=COMING_DAYS))
    present = half_year_of(on)
    for one in series:
        if one.is_monthly:
            if month_before(on) not in one.figures:
                yield Gap(series=one, period=month_before(on), is_present=False)
            continue
        if present not in one.figures:
            yield Gap(series=one, period=present, is_present=True)
        if near not in one.figures and near != present:
            yield Gap(series=one, period=near, is_present=False)


def holes(one: RateSeries) -> tuple[str, ...]:
    """Half-years inside a series that it does not know."""
    if one.is_monthly or not one.figures:
        return ()
    days = [date(2000 + int(half[:2]), 1 if half[3] == "1" else 7, 1) for half in one.figures]
    wanted = [half_year_of(start) for start, _ in half_years(min(days), max(days))]
    return tuple(half for half in wanted if half not in one.figures)


def contradictions(series: Iterable[RateSeries]) -> Iterator[Contradiction]:
    """Figures that deviate from their rule: a slip of the pen, or a rule that changed."""
    by_name = {one.name: one for one in series}
    for name, rule in _RULES.items():
        if name in by_name and "ecb" in by_name:
            yield from _contradictions(by_name[name], by_name["ecb"], rule)


def _contradictions(
    one: RateSeries, ecb: RateSeries, rule: Callable[[Decimal], Decimal]
) -> Iterator[Contradiction]:
    for period, figure in one.figures.items():
        if period in ecb.figures and figure != (expected := rule(ecb.figures[period])):
            yield Contradiction(series=one, period=period, figure=figure, expected=expected)


def _german_base(ecb_percent: Decimal) -> Decimal:
    """BGB §247: it moves by the points by which the ECB's rate moved."""
    return ecb_percent - Decimal("0.88")


def _belgian_rate(ecb_percent: Decimal) -> Decimal:
    return rounded_up_to_half(ecb_percent + 8)


def rounded_up_to_half(percent: Decimal) -> Decimal:
    """The next half point at or above a rate (Belgium, loi du 2 août 2002, art. 5)."""
    return Decimal(ceil(percent * 2)) / 2


_RULES: Mapping[str, Callable[[Decimal], Decimal]] = {
    "de_base": _german_base,
    "be_commercial": _belgian_rate,
}
