"""Days and hours in which a policy may speak to a debtor, in the debtor's own zone.

Instants are UTC inside and out. Every search is bounded; nothing here reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from dunning_common.values import Value
from dunning_engine.domain.policy import Counting, Policy

SEARCH_DAYS_MAX = 400
_FIRST_ORDINAL = date(1900, 1, 1).toordinal()
_LAST_ORDINAL = date(9000, 1, 1).toordinal()


class NoPermittedDayError(ValueError):
    """No weekday of the policy is free of holidays within the days searched."""


class CalendarYearMissingError(LookupError):
    """The calendar was not loaded for the year of the decision; load it and decide again."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Public holidays of a country and region, known for whole `years`."""

    holidays: frozenset[date]
    years: frozenset[int]


def add_days(day: date, days: int) -> date:
    """`day` moved by `days`, kept between the years 1900 and 9000."""
    moved = day.toordinal() + days
    return date.fromordinal(min(max(moved, _FIRST_ORDINAL), _LAST_ORDINAL))


@lru_cache(maxsize=65536)
def local_date(at: datetime, zone: str) -> date:
    """The date on the wall of the zone at that instant."""
    return at.astimezone(ZoneInfo(zone)).date()


@lru_cache(maxsize=65536)
def local_midnight(day: date, zone: str) -> datetime:
    """The instant (UTC) at which a day begins on the wall of the zone."""
    return datetime.combine(day, time(0), ZoneInfo(zone)).astimezone(UTC)


@lru_cache(maxsize=65536)
def send_window(zone: str, day: date, opens: time, closes: time) -> tuple[datetime, datetime]:
    """The window [first, last) of a local day as UTC instants.

    Every instant in it reads between `opens` and `closes` on the wall. Where a clock change makes
    an edge of the window happen never or twice, the narrower reading counts; the window may
    then be empty (first >= last).
    """
    place = ZoneInfo(zone)
    opening = datetime.combine(day, opens, place)
    closing = datetime.combine(day, closes, place)
    return (
        max(opening.replace(fold=fold).astimezone(UTC) for fold in (0, 1)),
        min(closing.replace(fold=fold).astimezone(UTC) for fold in (0, 1)),
    )


class Agenda(Value, frozen=True):
    """When one policy may speak to one debtor."""

    zone: str
    weekdays: frozenset[int]
    opens: time
    closes: time
    holidays: frozenset[date]

    def reason_against(self, day: date) -> str | None:
        """Why the day is not permitted: `weekday` or `holiday`; None when it is."""
        if day.weekday() not in self.weekdays:
            return "weekday"
        return "holiday" if day in self.holidays else None

    def move(self, day: date, days: int, counting: Counting) -> date:
        """`day` moved by so many calendar days, or by so many days on which it may speak.

        The holidays of years that the calendar does not know count as ordinary days.
        """
        if counting == "calendar_days" or days == 0:
            return add_days(day, days)
        stride = 1 if days > 0 else -1
        for _ in range(abs(days) * 7 + SEARCH_DAYS_MAX):
            day = add_days(day, stride)
            days -= 0 if self.reason_against(day) else stride
            if days == 0:
                break
        return day

    def first_moment(self, day: date, now: datetime) -> datetime:
        """The earliest permitted instant that is on `day` or later, and not before `now`.

        Raises:
            NoPermittedDayError: none within `SEARCH_DAYS_MAX` days.
        """
        start = max(day, local_date(now, self.zone))
        for offset in range(SEARCH_DAYS_MAX):
            candidate = add_days(start, offset)
            if self.reason_against(candidate):
                continue
            first, last = send_window(self.zone, candidate, self.opens, self.closes)
            moment = max(first, now)
            if moment < last:
                return moment
        raise NoPermittedDayError(f"no permitted day in {SEARCH_DAYS_MAX} days from {start}")


def agenda_of(policy: Policy, zone: str, calendar: Calendar) -> Agenda:
    """The agenda of a policy for a debtor in that zone under that calendar."""
    return Agenda(
        zone=zone,
        weekdays=policy.weekdays,
        opens=policy.opens,
        closes=policy.closes,
        holidays=calendar.holidays if policy.observe_holidays else frozenset(),
    )
