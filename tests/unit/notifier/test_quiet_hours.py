"""Texts and calls wake nobody: 08:00 to 21:00 where the debtor is, also when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.quiet_hours import may_arrive_for_s, quiet_for_s

PARIS, KOLKATA, APIA = ZoneInfo("Europe/Paris"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Apia")
zones = st.sampled_from([PARIS, KOLKATA, APIA, ZoneInfo("America/Los_Angeles"), ZoneInfo("UTC")])
instants = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 -- Hypothesis adds the zone
    datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(zones, instants)
def test_after_the_wait_a_text_may_go_and_not_a_second_earlier(
    zone: ZoneInfo, now: datetime
) -> None:
    wait_s = quiet_for_s("sms", zone, now)

    assert 0 <= wait_s <= 12 * 3600 + 3600
    assert quiet_for_s("sms", zone, now + timedelta(seconds=wait_s)) == 0.0
    if wait_s > 1:
        assert quiet_for_s("call", zone, now + timedelta(seconds=wait_s - 1)) > 0


@given(zones, instants)
def test_a_text_may_arrive_until_the_quiet_begins_and_not_a_second_longer(
    zone: ZoneInfo, now: datetime
) -> None:
    left_s = may_arrive_for_s("sms", zone, now)

    assert left_s is not None
    assert 0 <= left_s <= 14 * 3600
    assert (left_s == 0.0) == (quiet_for_s("sms", zone, now) > 0)
    if left_s > 1:
        assert quiet_for_s("sms", zone, now + timedelta(seconds=left_s - 1)) == 0.0
        assert quiet_for_s("sms", zone, now + timedelta(seconds=left_s)) > 0


@given(zones, instants, st.sampled_from(["email", "letter", "registered_letter", "in_app"]))
def test_what_wakes_nobody_never_waits(zone: ZoneInfo, now: datetime, channel: str) -> None:
    assert quiet_for_s(channel, zone, now) == 0.0
    assert may_arrive_for_s(channel, zone, now) is None


@pytest.mark.parametrize(
    ("local", "hours"),
    [
        (datetime(2026, 3, 2, 7, 0, tzinfo=PARIS), 1.0),
        (datetime(2026, 3, 2, 8, 0, tzinfo=PARIS), 0.0),
        (datetime(2026, 3, 2, 20, 59, tzinfo=PARIS), 0.0),
        (datetime(2026, 3, 2, 21, 0, tzinfo=PARIS), 11.0),
        (datetime(2026, 3, 28, 21, 0, tzinfo=PARIS), 10.0),  # the night is an hour shorter
        (datetime(2026, 10, 24, 21, 0, tzinfo=PARIS), 12.0),  # and here an hour longer
    ],
)
def test_the_wait_is_until_eight_in_the_debtors_morning(local: datetime, hours: float) -> None:
    assert quiet_for_s("sms", PARIS, local.astimezone(UTC)) == hours * 3600
