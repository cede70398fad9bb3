"""Public holidays as plain dates."""

from __future__ import annotations

from datetime import date

import pytest

from dunning_engine.adapters.holiday_calendar import calendar_for, years_around


def holidays_of(country, region, year):
    return calendar_for(country, region, [year]).holidays


def test_french_holidays_of_2026():
    assert holidays_of("FR", None, 2026) == {
        date(2026, 1, 1), date(2026, 4, 6), date(2026, 5, 1), date(2026, 5, 8), date(2026, 5, 14),
        date(2026, 5, 25), date(2026, 7, 14), date(2026, 8, 15), date(2026, 11, 1),
        date(2026, 11, 11), date(2026, 12, 25),
    }  # fmt: skip


@pytest.mark.parametrize("region", ["6AE", "57", "67", "68"])
def test_alsace_and_moselle_keep_good_friday_and_saint_stephen(region):
    assert holidays_of("FR", region, 2026) - holidays_of("FR", None, 2026) == {
        date(2026, 4, 3),
        date(2026, 12, 26),
    }


def test_german_holidays_are_nationwide_plus_those_of_the_land():
    nationwide = holidays_of("DE", None, 2026)

    assert date(2026, 10, 3) in nationwide
    assert holidays_of("DE", "BY", 2026) - nationwide >= {date(2026, 1, 6), date(2026, 11, 1)}
    assert holidays_of("DE", "BE", 2026) - nationwide == {date(2026, 3, 8)}


def test_british_holidays_are_those_of_england_where_no_region_is_known():
    england = holidays_of("GB", "ENG", 2026)

    assert holidays_of("GB", None, 2026) == england
    assert {date(2026, 4, 6), date(2026, 8, 31)} <= england
    assert date(2026, 11, 30) in holidays_of("GB", "SCT", 2026)


@pytest.mark.parametrize("region", ["XX", "", "Atlantis"])
def test_an_unknown_region_counts_as_none(region):
    assert holidays_of("FR", region, 2026) == holidays_of("FR", None, 2026)


@pytest.mark.parametrize("country", ["XX", "", "france"])
def test_an_unknown_country_has_no_holidays(country):
    assert holidays_of(country, None, 2026) == frozenset()


def test_the_calendar_knows_its_years():
    calendar = calendar_for("FR", None, years_around(date(2026, 12, 31)))

    assert calendar.years == {2024, 2025, 2026, 2027, 2028}
    assert {day.year for day in calendar.holidays} == calendar.years
