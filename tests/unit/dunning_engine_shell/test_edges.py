"""Small pure things at the edges: instants of the clock, cursors, signals."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.problems import ProblemError
from dunning_engine.adapters.pg_signals import wait_for
from dunning_engine.entrypoints.web import from_cursor, page, to_cursor
from dunning_engine.handlers.set_clock import instant


@given(day=st.dates(date(1980, 1, 1), date(2100, 1, 1)))
@pytest.mark.parametrize("zone", ["Europe/Paris", "America/Sao_Paulo", "Asia/Tokyo", "UTC"])
def test_a_date_means_the_beginning_of_that_day_in_the_tenants_zone(zone: str, day: date) -> None:
    found = instant(day, zone)

    assert found.tzinfo is UTC
    assert found.astimezone(ZoneInfo(zone)).date() == day


def test_an_instant_keeps_its_own_zone_and_a_local_time_takes_the_tenants() -> None:
    with_zone = datetime.fromisoformat("2026-06-01T08:00:00-03:00")
    local = datetime.fromisoformat("2026-06-01T08:00:00")

    assert instant(with_zone, "Europe/Paris") == datetime(2026, 6, 1, 11, tzinfo=UTC)
    assert instant(local, "Europe/Paris") == datetime(2026, 6, 1, 6, tzinfo=UTC)


@given(place=st.lists(st.one_of(st.text(), st.integers(-(2**31), 2**31)), max_size=4))
def test_a_cursor_stands_for_its_place(place: list[object]) -> None:
    assert from_cursor(to_cursor(place), lambda values: values, None) == place


@pytest.mark.parametrize("text", ["!!", "WzFd", "bnVsbA==", "eyJhIjoxfQ==", "\u00e9", "W10="])
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    def read(values: list[object]) -> str:
        (only,) = values
        if not isinstance(only, str):
            raise TypeError
        return only

    with pytest.raises(ProblemError) as refused:
        from_cursor(text, read, None)

    assert refused.value.status == 422


def test_a_page_has_a_cursor_only_when_there_is_more() -> None:
    more = page([1, 2, 3], 2, str, lambda row: [row])
    last = page([1, 2], 2, str, lambda row: [row])

    assert more["items"] == ["1", "2"]
    assert from_cursor(more["next_cursor"], lambda values: values, None) == [2]
    assert last == {"items": ["1", "2"], "next_cursor": None}


async def test_a_call_ends_a_wait_and_is_used_up() -> None:
    event = asyncio.Event()
    event.set()

    first = await wait_for(event, 5)
    second = await wait_for(event, 0.001)

    assert (first, second) == (True, False)
