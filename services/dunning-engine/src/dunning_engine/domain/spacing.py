"""The day from which a level may go out, before weekdays and holidays: the latest of its bounds.

Pure. Each bound is a step of the trace, so that the day explains itself.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date
from typing import assert_never

from dunning_engine.domain.case import Case, Served
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.schedule import Agenda, add_days
from dunning_engine.domain.verdict import Step, step

Bound = tuple[date, Step]


def due_day(case: Case, policy: Policy, level: Level, agenda: Agenda) -> tuple[date, list[Step]]:
    """The day on which a level is due, and the bounds that make it that day."""
    bounds = list(_bounds(case, policy, level, agenda))
    day, steps = max(day for day, _ in bounds), [reason for _, reason in bounds]
    last = _last_served(case)
    if last and day <= last.on:  # whatever the policy says: one level a day
        day = add_days(last.on, 1)
        steps.append(step("next_day", after=last.code, on=last.on, day=day))
    return day, steps


def _bounds(case: Case, policy: Policy, level: Level, agenda: Agenda) -> Iterator[Bound]:
    yield _threshold(case, level, agenda)
    if not level.is_pre_due:
        if policy.grace_days > level.threshold_days or level.anchor != "due_date":
            day = add_days(case.due_on, policy.grace_days)
            if policy.grace_days:
                yield day, step("grace", days=policy.grace_days, day=day)
        if previous := _last_post_due(case, policy):
            day = agenda.move(previous.on, level.gap_days, level.counting)
            yield (
                day,
                step("gap", after=previous.code, on=previous.on, days=level.gap_days, day=day),
            )
        if waited := _report_awaited(case, policy):
            yield waited
    if case.not_before:
        yield case.not_before, step("resumed", day=case.not_before)
    if policy.quiet_after_payment_days and (paid_on := last_payment_on(case)):
        day = add_days(paid_on, policy.quiet_after_payment_days)
        yield day, step("paid_lately", on=paid_on, days=policy.quiet_after_payment_days, day=day)
    if case.last_failure_on:
        day = add_days(case.last_failure_on, 1)
        yield day, step("retry", failures=case.failures, reason=case.failure_reason, day=day)


def _report_awaited(case: Case, policy: Policy) -> Bound | None:
    """Until when the report is waited for that the last level arrived, if the policy wants it."""
    last = _last_served(case) if policy.served_when == "delivered" else None
    if last is None or last.delivered:
        return None
    day = add_days(last.on, policy.delivery_days)
    return day, step("delivery", after=last.code, on=last.on, days=policy.delivery_days, day=day)


def _threshold(case: Case, level: Level, agenda: Agenda) -> Bound:
    anchor = _anchor(case, level)
    day = agenda.move(anchor, level.threshold_days, level.counting)
    if level.anchor == "due_date":
        return day, step("threshold", due_on=anchor, days=level.threshold_days, day=day)
    return day, step("anchor", anchor=level.anchor, on=anchor, days=level.threshold_days, day=day)


def _anchor(case: Case, level: Level) -> date:
    match level.anchor:
        case "due_date":
            return case.due_on
        case "invoice_date":
            return case.issued_on
        case "end_of_month":
            last = calendar.monthrange(case.due_on.year, case.due_on.month)[1]
            return case.due_on.replace(day=last)
        case "previous_level":
            served = [done.on for done in case.served if done.outcome == "served"]
            return served[-1] if served else case.due_on
        case _:
            assert_never(level.anchor)


def _last_served(case: Case) -> Served | None:
    return next((done for done in reversed(case.served) if done.outcome == "served"), None)


def _last_post_due(case: Case, policy: Policy) -> Served | None:
    """The last level served after the due date: only such a level sets a spacing."""
    for done in reversed(case.served):
        if done.outcome == "served" and not _was_pre_due(done, case, policy):
            return done
    return None


def _was_pre_due(done: Served, case: Case, policy: Policy) -> bool:
    """Did it come before the due date? After a migration it may stand for a level of another kind.

    Then its own day says so: what went out after the due date keeps its spacing.
    """
    level = policy.level(done.level_no)
    if level and level.code == done.code:
        return level.is_pre_due
    return done.on <= case.due_on


def last_payment_on(case: Case) -> date | None:
    """The day of the last part payment or credit: the principal counts less from the day after."""
    for earlier, later in zip(reversed(case.balances[:-1]), reversed(case.balances), strict=False):
        if later.open_minor < earlier.open_minor:
            return add_days(later.since, -1)
    return None
