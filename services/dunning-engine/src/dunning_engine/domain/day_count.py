"""How many days of how long a year lie between two days: the day-count conventions of interest.

Pure. The laws of late payment fix none; ACT/365 is the practice, others are a setting.
"""

from __future__ import annotations

from calendar import isleap
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, assert_never, get_args

DayCount = Literal["ACT/365", "ACT/360", "ACT/ACT", "30/360"]
DAY_COUNTS: tuple[DayCount, ...] = get_args(DayCount)


def count_days(day_count: DayCount, first: date, last: date) -> int:
    """The days from `first` through `last`, both inclusive, as the convention counts them."""
    if day_count == "30/360":
        return _thirty_day_number(last) - _thirty_day_number(first - timedelta(days=1))
    return (last - first).days + 1


def year_fraction(day_count: DayCount, first: date, last: date) -> Fraction:
    """The part of a year from `first` through `last`, both inclusive and in one calendar year.

    The parts of a stretch add up to the whole, however it is cut.
    """
    days = count_days(day_count, first, last)
    match day_count:
        case "ACT/365":
            return Fraction(days, 365)
        case "ACT/360" | "30/360":
            return Fraction(days, 360)
        case "ACT/ACT":
            return Fraction(days, 366 if isleap(first.year) else 365)
        case _:
            assert_never(day_count)


def _thirty_day_number(day: date) -> int:
    """The number of a day in a calendar of 30-day months (30E/360: the 31st is the 30th)."""
    return 360 * day.year + 30 * day.month + min(day.day, 30)
