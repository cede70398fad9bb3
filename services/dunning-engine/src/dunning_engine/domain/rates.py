"""Reference rates by half-year as plain data; a missing half-year raises, it is never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

_FIRST_MONTH_OF_SECOND_HALF = 7
_CENTURY = 20


class MissingRateError(LookupError):
    """The rate of a half-year is not in the book; add it to the rate files."""

    def __init__(self, series: str, half_year: str) -> None:
        super().__init__(
            f"no {series} rate for {half_year}: add it, with its source, to the rate files"
        )
        self.series = series
        self.half_year = half_year


def half_year_of(day: date) -> str:
    """The half-year of a day: `26H1` for January to June 2026, `26H2` for the rest.

    Outside this century the year has four digits, so that 1926 never passes for 2026.
    """
    year = f"{day.year % 100:02d}" if day.year // 100 == _CENTURY else f"{day.year:04d}"
    return f"{year}H{1 if day.month < _FIRST_MONTH_OF_SECOND_HALF else 2}"


def half_years(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The stretches of [first, last] that lie in one half-year each, in order."""
    while first <= last:
        in_first_half = first.month < _FIRST_MONTH_OF_SECOND_HALF
        end = date(first.year, 6, 30) if in_first_half else date(first.year, 12, 31)
        yield first, min(end, last)
        first = end + timedelta(days=1)


def month_before(day: date) -> str:
    """The month before a day's: `2026-04` for every day of May 2026."""
    return f"{(day.replace(day=1) - timedelta(days=1)):%Y-%m}"


@dataclass(frozen=True, slots=True)
class RateBook:
    """Figures by series and period: percent a year by half-year (`26H2`), or by month (`2026-04`).

    What a series means stands in its rate file. All are named by the half-year *in which they
    count*, also those that the law reads on the day before it.
    """

    series: Mapping[str, Mapping[str, Decimal]]

    def percent(self, series: str, half_year: str) -> Decimal:
        """The rate in percent per year.

        Raises:
            MissingRateError: the book does not know that half-year.
        """
        try:
            return self.series[series][half_year]
        except KeyError:
            raise MissingRateError(series, half_year) from None

    def find(self, series: str, period: str) -> Decimal | None:
        """The figure, or None where the law can do without it."""
        return self.series.get(series, {}).get(period)

    def extract(self, series: Iterable[str], first: date, last: date) -> RateBook:
        """Only those series, only the periods that [first, last] touches, and the month before."""
        wanted = [half_year_of(start) for start, _ in half_years(first, last)]
        wanted += _months(first, last)
        return RateBook(
            {
                name: {
                    period: self.series[name][period]
                    for period in wanted
                    if period in self.series[name]
                }
                for name in sorted(set(series) & set(self.series))
            }
        )


def _months(first: date, last: date) -> Iterator[str]:
    yield month_before(first)
    while first <= last:
        yield f"{first:%Y-%m}"
        first = (first.replace(day=1) + timedelta(days=31)).replace(day=1)
