"""Dated public facts for deciding, read once from the packages' files: holidays and rates."""

from __future__ import annotations

from datetime import date, datetime
from functools import cached_property, lru_cache

from dunning_engine.adapters.holiday_calendar import calendar_for, years_around
from dunning_engine.adapters.rate_files import load_rates
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.schedule import Calendar, local_date


class PublicLaw:
    """Holidays by country and region, and the reference rates."""

    @cached_property
    def rates(self) -> RateBook:
        """Reference rates."""
        return load_rates()

    def calendar(self, country: str, region: str | None, zone: str, now: datetime) -> Calendar:
        """Public holidays of the years that a decision at `now` may look into."""
        return _calendar(country, region, local_date(now, zone).year)


@lru_cache(maxsize=1024)
def _calendar(country: str, region: str | None, year: int) -> Calendar:
    return calendar_for(country, region, years_around(date(year, 1, 1)))
