"""Days, hours and clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dunning_engine.domain.schedule import (
    SEARCH_DAYS_MAX,
    Agenda,
    NoPermittedDayError,
    add_days,
    local_date,
    send_window,
)
from tests.unit.dunning_engine.builders import local

ZONES = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",  # left out 30 December 2011 altogether
    "Pacific/Kiritimati",
    "America/Havana",  # midnight does not exist on one day a year
)


def agenda(zone="Europe/Paris", opens=time(8), closes=time(20), weekdays=range(5), holidays=()):
    return Agenda(
        zone=zone,
        weekdays=frozenset(weekdays),
        opens=opens,
        closes=closes,
        holidays=frozenset(holidays),
    )


def is_permitted(at: datetime, plan: Agenda) -> bool:
    """The definition, read off the wall clock."""
    wall = at.astimezone(ZoneInfo(plan.zone))
    return (
        wall.weekday() in plan.weekdays
        and wall.date() not in plan.holidays
        and plan.opens <= wall.time() < plan.closes
    )


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        (date(2026, 3, 27), "2026-03-27T07:00"),
        (date(2026, 3, 30), "2026-03-30T06:00"),  # the Monday after the clocks went forward
        (date(2026, 10, 23), "2026-10-23T06:00"),
        (date(2026, 10, 26), "2026-10-26T07:00"),  # and after they went back
    ],
)
def test_the_opening_hour_is_eight_on_the_wall_in_summer_and_in_winter(day, utc):
    opening = agenda().first_moment(day, datetime(2026, 1, 1, tzinfo=UTC))

    assert opening == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_a_window_that_opens_inside_the_hour_left_out_opens_when_the_wall_has_passed_it():
    first, last = send_window("Europe/Paris", date(2026, 3, 29), time(2, 30), time(6))

    assert first == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 03:30 on the wall
    assert last == datetime(2026, 3, 29, 4, 0, tzinfo=UTC)


def test_a_window_that_opens_inside_the_hour_that_comes_twice_opens_the_second_time():
    first, _ = send_window("Europe/Paris", date(2026, 10, 25), time(2, 30), time(6))

    assert first == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_a_window_that_closes_inside_the_hour_that_comes_twice_closes_the_first_time():
    _, last = send_window("Europe/Paris", date(2026, 10, 25), time(1), time(2, 30))

    assert last == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_window_inside_the_hour_left_out_moves_to_the_next_day():
    night = agenda(opens=time(2, 10), closes=time(2, 50), weekdays=range(7))

    moment = night.first_moment(date(2026, 3, 29), datetime(2026, 1, 1, tzinfo=UTC))

    assert moment == local("2026-03-30T02:10", "Europe/Paris")


def test_a_day_that_a_zone_left_out_is_not_permitted():
    apia = agenda("Pacific/Apia", weekdays=range(7))

    moment = apia.first_moment(date(2011, 12, 30), datetime(2011, 12, 1, tzinfo=UTC))

    assert local_date(moment, "Pacific/Apia") == date(2011, 12, 31)


def test_a_calendar_without_any_free_day_is_an_error_not_a_loop():
    closed = [date(2026, 1, 1) + timedelta(days=n) for n in range(SEARCH_DAYS_MAX + 1)]

    with pytest.raises(NoPermittedDayError):
        agenda(holidays=closed).first_moment(date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC))


def test_reasons_against_a_day_are_the_weekday_or_the_holiday():
    plan = agenda(holidays=[date(2026, 5, 1)])

    assert plan.reason_against(date(2026, 5, 1)) == "holiday"
    assert plan.reason_against(date(2026, 5, 2)) == "weekday"
    assert plan.reason_against(date(2026, 5, 4)) is None


def test_adding_days_stays_inside_the_calendar():
    assert add_days(date(2026, 2, 28), 1) == date(2026, 3, 1)
    assert add_days(date.max, 5) == add_days(date(8999, 12, 31), 5)
    assert add_days(date.min, -5) == date(1900, 1, 1)


instants = st.datetimes(
    min_value=datetime(2010, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2030, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
days = st.dates(min_value=date(2009, 12, 1), max_value=date(2031, 1, 31))


@st.composite
def agendas(draw):
    opens, closes = sorted(
        draw(st.lists(st.integers(0, 24 * 4 - 1), min_size=2, max_size=2, unique=True))
    )
    return agenda(
        zone=draw(st.sampled_from(ZONES)),
        opens=time(opens // 4, opens % 4 * 15),
        closes=time(closes // 4, closes % 4 * 15),
        weekdays=draw(st.sets(st.integers(0, 6), min_size=1)),
        holidays=draw(st.sets(days, max_size=5)),
    )


@given(agendas(), days, instants)
@example(
    agenda("Europe/Paris", time(2, 15), time(2, 45), range(7)),
    date(2026, 10, 25),
    datetime(2026, 10, 25, 0, 20, tzinfo=UTC),
)
def test_every_moment_is_permitted_and_not_before_the_day_or_now(plan, day, now):
    moment = plan.first_moment(day, now)

    assert is_permitted(moment, plan)
    assert moment >= now
    assert local_date(moment, plan.zone) >= day


@given(agendas(), days, instants)
def test_waiting_for_a_moment_changes_nothing_about_it(plan, day, now):
    moment = plan.first_moment(day, now)
    halfway = now + (moment - now) / 2

    assert plan.first_moment(day, halfway) == moment
    assert plan.first_moment(day, moment) == moment


@given(agendas(), days, days, instants, instants)
def test_a_later_day_or_a_later_now_never_gives_an_earlier_moment(plan, day, other, now, then):
    first_day, last_day = sorted((day, other))
    first_now, last_now = sorted((now, then))

    assert plan.first_moment(first_day, first_now) <= plan.first_moment(last_day, last_now)


@given(st.sampled_from(ZONES[:5]), days, instants)
def test_no_permitted_quarter_of_an_hour_was_missed(zone, day, now):
    """Brute force: between the wish and the answer no ordinary moment was permitted."""
    plan = agenda(zone)
    now = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)

    moment = plan.first_moment(day, now)

    at = max(now, moment - timedelta(days=4))
    while at < moment:
        assert local_date(at, zone) < day or not is_permitted(at, plan)
        at += timedelta(minutes=15)
