"""Where an open case stands on the ladder of another policy version. Pure.

History is never rewritten: every level that was done keeps its code, its number and its day; only
its *rung*, its place on the present ladder, is worked out anew.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import assert_never

from dunning_engine.domain.case import LevelOutcome
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.schedule import add_days

NO_RUNG = 0
"""Below the first level: it was done, and nothing of the new ladder is done by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneLevel:
    """A level that is done: its own code, its day, its place on the ladder that the case leaves."""

    rung: int
    code: str
    outcome: LevelOutcome
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """What thresholds are counted from."""

    issued_on: date
    due_on: date


def rungs_by_code(
    done: Sequence[DoneLevel], old: Policy, new: Policy, dates: Dates
) -> tuple[int, ...]:
    """The place of each done level on the new ladder, by the rule `by_code`.

    The same code counts as done. A served level whose code is gone counts as the highest new level
    whose threshold is not later; a lapsed one counts as nothing. A level whose code was gone before
    counts as the level that it stood for.

    Args:
        done: What is done, in any order.
        old: The version that the case leaves.
        new: The version that it goes to.
        dates: Of the invoice; thresholds count in calendar days here.
    """
    places = {level.code: level.level_no for level in new.levels}
    return tuple(_rung(item, places, old, new, dates) for item in done)


def not_before(
    done: Sequence[DoneLevel], rungs: Sequence[int], old: Policy, new: Policy
) -> date | None:
    """The day before which nothing may go out by the new ladder, so that the spacing is kept.

    The place of the last served level may be one before the due date now, which sets no spacing;
    then the debtor would hear of the invoice twice at once. Nothing served: None.

    Args:
        done: What is done, in the order of time.
        rungs: Their places on the new ladder.
        old: The version that the case leaves.
        new: The version that it goes to.
    """
    last = next((item for item in reversed(done) if item.outcome == "served"), None)
    if last is None:
        return None
    left = old.level(last.rung)
    following = next(iter(new.levels_after(max(rungs, default=NO_RUNG))), None)
    if (left and left.is_pre_due) or following is None or following.is_pre_due:
        return add_days(last.on, 1)
    return add_days(last.on, max(1, following.gap_days))


def rung_of_approval(level_no: int | None, old: Policy, new: Policy) -> int | None:
    """The level that a person spoke about, on the new ladder; None when it is not on it."""
    spoken_of = old.level(level_no) if level_no is not None else None
    if spoken_of is None:
        return None
    return next((level.level_no for level in new.levels if level.code == spoken_of.code), None)


def _rung(item: DoneLevel, places: dict[str, int], old: Policy, new: Policy, dates: Dates) -> int:
    if item.code in places:
        return places[item.code]
    stood_for = old.level(item.rung)
    if item.outcome == "lapsed" or stood_for is None:
        return NO_RUNG
    if stood_for.code in places:
        return places[stood_for.code]
    day = _day_of(old, stood_for, dates)
    return max(
        (
            level.level_no
            for level in new.levels
            if not level.final and _day_of(new, level, dates) <= day
        ),
        default=NO_RUNG,
    )


def _day_of(policy: Policy, level: Level, dates: Dates) -> date:
    """The day of a level's threshold, had everything gone by plan."""
    return add_days(_anchor(policy, level, dates), level.threshold_days)


def _anchor(policy: Policy, level: Level, dates: Dates) -> date:
    match level.anchor:
        case "due_date":
            return dates.due_on
        case "invoice_date":
            return dates.issued_on
        case "end_of_month":
            last = calendar.monthrange(dates.due_on.year, dates.due_on.month)[1]
            return dates.due_on.replace(day=last)
        case "previous_level":
            previous = policy.level(level.level_no - 1)
            return _day_of(policy, previous, dates) if previous else dates.due_on
        case _:
            assert_never(level.anchor)
