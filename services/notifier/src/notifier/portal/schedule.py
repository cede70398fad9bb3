"""The instalments that a debtor asks for: a first payment, then equal parts at equal intervals.

Pure. The parts add up to the total to the minor unit; whether a plan is agreed to is decided
elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import assert_never

from notifier.portal.rules import months_later
from notifier.portal.settings import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """So many minor units, at the latest on that day."""

    on: date
    amount_minor: int


def instalments(
    total_minor: int, *, first_minor: int, first_on: date, count: int, interval: Interval
) -> tuple[Instalment, ...]:
    """A first payment and `count - 1` further ones, as equal as they can be, earlier ones larger.

    Raises:
        ValueError: the first payment is not a part of the total, or some part would be nothing.
    """
    rest = total_minor - first_minor
    others = count - 1
    if first_minor <= 0 or others < 1 or rest < others:
        raise ValueError("every instalment must be more than nothing")
    share, left_over = divmod(rest, others)
    parts = [first_minor, *(share + (number < left_over) for number in range(others))]
    return tuple(
        Instalment(on=step(first_on, interval, number), amount_minor=part)
        for number, part in enumerate(parts)
    )


def step(start: date, interval: Interval, steps: int) -> date:
    """The day so many intervals after `start`, counted from `start` itself."""
    match interval:
        case "weekly":
            return start + timedelta(weeks=steps)
        case "fortnightly":
            return start + timedelta(weeks=2 * steps)
        case "monthly":
            return months_later(start, steps)
        case _ as never:
            assert_never(never)
