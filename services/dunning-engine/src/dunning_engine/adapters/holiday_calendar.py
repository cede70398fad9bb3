"""Public holidays from the `holidays` library as plain dates for the pure calendar."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

import holidays

from dunning_engine.domain.schedule import Calendar

DEFAULT_REGIONS = {"GB": "ENG"}
"""The region that stands for a country whose holidays are all regional."""
REGION_NAMES = {("FR", "67"): "6AE", ("FR", "68"): "6AE"}
"""ISO 3166-2 codes that the library knows under another one (the departments of Alsace)."""
YEARS_AHEAD = 2
YEARS_BACK = 2
"""Business days may be counted from a day that long ago: a due date, a level that was served."""


def calendar_for(country: str, region: str | None, years: Iterable[int]) -> Calendar:
    """The public holidays of a country and region in those years.

    A region that the library does not know counts as none; a country that it does not know has no
    holidays, so that its debtors are still reminded, on weekdays.
    """
    wanted = frozenset(years)
    days = [day for year in sorted(wanted) for day in _holidays(country, region, year)]
    return Calendar(holidays=frozenset(days), years=wanted)


def years_around(day: date) -> range:
    """The years that a decision on `day` may look into."""
    return range(day.year - YEARS_BACK, day.year + YEARS_AHEAD + 1)


@lru_cache(maxsize=4096)
def _holidays(country: str, region: str | None, year: int) -> frozenset[date]:
    try:  # the library's list of countries would load them all, which takes most of a second
        found = holidays.country_holidays(country, years=year)
    except NotImplementedError:
        return frozenset()
    named = REGION_NAMES.get((country, region or ""), region)
    if place := named if named in found.subdivisions else DEFAULT_REGIONS.get(country):
        found = holidays.country_holidays(country, subdiv=place, years=year)
    return frozenset(found)
