"""Every rule of dunning: what happens to a debtor's cases at an instant.

`judge` holds the rules for one case, in the order in which they bite; `decide` bundles its rulings
into at most one notice per debtor. Pure: same arguments, same answer. Dates and hours are
`schedule`'s business, money `charges`', wording `explain`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from dunning_common.ids import name_id
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.case import Case, PolicyKey, Served
from dunning_engine.domain.charges import assess
from dunning_engine.domain.notice import compose_item, compose_notice
from dunning_engine.domain.outcome import Closing, Decision, LevelDone, Revocation, Ruling
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.rates import MissingRateError, RateBook
from dunning_engine.domain.schedule import (
    Agenda,
    Calendar,
    CalendarYearMissingError,
    NoPermittedDayError,
    add_days,
    agenda_of,
    local_date,
)
from dunning_engine.domain.verdict import CaseState, Step, Verdict, step

FOREVER = datetime.max.replace(tzinfo=UTC)
__all__ = ["Closing", "Decision", "LevelDone", "Revocation", "Ruling", "decide", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What all cases of one decision share: the debtor, the instant, the tables to look into."""

    account: Account
    now: datetime
    today: date
    policies: Mapping[PolicyKey, Policy]
    agendas: Mapping[PolicyKey, Agenda]
    rates: RateBook


def decide(
    account: Account,
    cases: Sequence[Case],
    policies: Mapping[PolicyKey, Policy],
    now: datetime,
    calendar: Calendar,
    rates: RateBook,
) -> Decision:
    """Decide about all cases of one debtor.

    Args:
        account: The debtor with its live holds (and those whose end was not announced yet).
        cases: Every case of the debtor that is not closed for good, in any order.
        policies: The policy versions that the cases are pinned to.
        now: The present instant (timezone-aware) on the tenant's clock.
        calendar: Public holidays of the debtor's country and region; must know `now`'s year.
        rates: Reference rates for statutory interest.

    Raises:
        CalendarYearMissingError: the calendar was not loaded for the year of `now`.
        ValueError: `now` has no time zone.
    """
    situation = _situation(account, policies, now, calendar, rates)
    cases = sorted(cases, key=lambda case: case.invoice_id)
    rulings = [judge(case, situation) for case in cases]
    items = [ruling.item for ruling in rulings if ruling.item]
    ends = [(hold.until, hold.hold_id) for hold in account.holds if hold.until]
    holds_ended = tuple(sorted(hold_id for end, hold_id in ends if end <= situation.now))
    wakes = [ruling.verdict.at for ruling in rulings if ruling.verdict.at]
    wakes += [end for end, _ in ends if end > situation.now]
    return Decision(
        decision_id=_decision_id(situation, rulings, cases, holds_ended),
        decided_at=situation.now,
        decided_on=situation.today,
        notice=compose_notice(account, items, situation.now, situation.today),
        lapses=tuple(lapse for ruling in rulings for lapse in ruling.lapses),
        hand_overs=tuple(ruling.hand_over for ruling in rulings if ruling.hand_over),
        closings=tuple(ruling.closing for ruling in rulings if ruling.closing),
        reopened=tuple(ruling.verdict.invoice_id for ruling in rulings if ruling.reopened),
        revocations=tuple(ruling.revocation for ruling in rulings if ruling.revocation),
        holds_ended=holds_ended,
        verdicts=tuple(ruling.verdict for ruling in rulings),
        next_action_at=min(wakes, default=None),
    )


def judge(case: Case, situation: Situation) -> Ruling:
    """What happens to one case now: may it speak, and if not, what stands in the way."""
    if case.closed == "handed_over":
        return _ruling(case, "closed", reason="handed_over")
    if reason := case.settled:
        news = None if case.closed == reason else Closing(invoice_id=case.invoice_id, reason=reason)
        return _ruling(
            case,
            "closed",
            reason=reason,
            trace=(step("settled", reason=reason),),
            closing=news,
            revocation=_revocation(case, reason),
        )
    hold = _hold_at(situation.now, case, situation)
    policy = situation.policies.get(case.policy_key)
    if case.in_flight:
        flight = step("in_flight", notice_id=str(case.in_flight.notice_id))
        level = policy.level(case.in_flight.level_no) if policy else None
        revocation = _revocation(case, "held") if hold else None
        ruling = _ruling(case, "in_flight", level, trace=(flight,), revocation=revocation)
    elif policy:
        try:
            ruling = _climb(case, policy, situation, hold)
        except NoPermittedDayError:
            ruling = _ruling(case, "blocked", reason="no_permitted_day")
    else:
        ruling = _ruling(case, "blocked", reason="policy_missing")
    # A payment that bounced: the invoice owes again and goes on where its ladder stopped.
    return replace(ruling, reopened=True) if case.closed else ruling


def _climb(  # noqa: PLR0911 - one return per rule
    case: Case, policy: Policy, situation: Situation, hold: Hold | None
) -> Ruling:
    """The next level of an open case: when is it due, and may it go out now?"""
    now, today, agenda = situation.now, situation.today, situation.agendas[policy.key]
    lapses: tuple[LevelDone, ...] = ()
    for level in policy.levels_after(case.level_no):
        day, bounds = due_day(case, policy, level)
        at = agenda.first_moment(day, now)
        too_late = level.is_pre_due and local_date(at, agenda.zone) > case.due_on
        if hold or not too_late:
            break
        # A courtesy after the due date would be a lie: it is dropped and sets no spacing.
        lapses += (_done(case, level, today, "too_late"),)
        case = case.lapsed(level.level_no, level.code, today)
    else:
        return _ruling(case, "exhausted", lapses=lapses)
    late_days = max(0, (today - day).days)
    against = agenda.reason_against(max(day, today))
    moment = step("moment", day=max(day, today), late_days=late_days, at=at, against=against)
    trace = (*bounds, moment)

    def rule(state: CaseState, *more: Step, **facts: Any) -> Ruling:
        return _ruling(case, state, level, trace=trace + more, lapses=lapses, **facts)

    if hold:
        until = _after_holds(at, case, situation, agenda)
        facts = step("held", hold_id=hold.hold_id, reason=hold.reason, until=hold.until)
        return rule("held", facts, at=until, reason=hold.kind)
    # A blocked level before the due date gives way to the next one when it lapses.
    gives_way = agenda.first_moment(add_days(case.due_on, 1), now) if level.is_pre_due else None
    if case.failures >= policy.max_attempts:
        reason = case.failure_reason or "undeliverable"
        facts = step("attempts", failures=case.failures)
        return rule("blocked", facts, at=gives_way, reason=reason)
    if at > now:
        return rule("scheduled", at=_after_holds(at, case, situation, agenda))
    least_minor = level.least_minor(case.currency)
    if case.open_minor < least_minor:
        facts = step("minimum", open_minor=case.open_minor, least_minor=least_minor)
        return rule("blocked", facts, at=gives_way, reason="below_minimum")
    if level.final:
        handed_over = _done(case, level, today, level.final)
        return rule("handed_over", reason=level.final, hand_over=handed_over)
    try:
        assessed = assess(situation.account, case, policy, level, today, situation.rates)
    except MissingRateError as gap:
        # Never a guessed rate, never a forgotten level: look again every day until it is there.
        tomorrow = agenda.first_moment(add_days(today, 1), now)
        facts = step("missing_rate", series=gap.series, half_year=gap.half_year)
        return rule("blocked", facts, at=tomorrow, reason="missing_rate")
    return rule("due", *assessed.steps, item=compose_item(case, level, today, assessed))


def due_day(case: Case, policy: Policy, level: Level) -> tuple[date, tuple[Step, ...]]:
    """The day from which the level may go out, before weekdays and holidays: the latest bound."""
    day = add_days(case.due_on, level.threshold_days)
    bounds = [step("threshold", due_on=case.due_on, days=level.threshold_days, day=day)]
    if not level.is_pre_due:
        if policy.grace_days > level.threshold_days:
            day = add_days(case.due_on, policy.grace_days)
            bounds.append(step("grace", days=policy.grace_days, day=day))
        if previous := _last_post_due(case, policy):
            spaced = add_days(previous.on, level.gap_days)
            day = max(day, spaced)
            bounds.append(
                step("gap", after=previous.code, on=previous.on, days=level.gap_days, day=spaced)
            )
    if case.last_failure_on:
        retry = add_days(case.last_failure_on, 1)
        day = max(day, retry)
        bounds.append(step("retry", failures=case.failures, reason=case.failure_reason, day=retry))
    return day, tuple(bounds)


def _last_post_due(case: Case, policy: Policy) -> Served | None:
    """The last level served after the due date: only such a level sets a spacing."""
    for done in reversed(case.served):
        level = policy.level(done.level_no)
        if done.outcome == "served" and not (level and level.is_pre_due):
            return done
    return None


def _hold_at(at: datetime, case: Case, situation: Situation) -> Hold | None:
    """A hold that stops the case at that instant; the one that lasts longest."""
    if not situation.account.holds:
        return None
    active = [
        hold
        for hold in situation.account.holds
        if hold.covers(case.invoice_id) and hold.is_active(at)
    ]
    return max(active, key=lambda hold: (hold.until or FOREVER, hold.hold_id), default=None)


def _after_holds(at: datetime, case: Case, situation: Situation, agenda: Agenda) -> datetime | None:
    """The first permitted instant from `at` on that no hold covers; None: a hold has no end."""
    while hold := _hold_at(at, case, situation):
        if hold.until is None:
            return None
        at = agenda.first_moment(situation.today, hold.until)
    return at


def _revocation(case: Case, reason: str) -> Revocation | None:
    """Take the invoice out of a notice that is still on its way, once."""
    flight = case.in_flight
    if flight is None or flight.revoked:
        return None
    return Revocation(notice_id=flight.notice_id, invoice_id=case.invoice_id, reason=reason)


def _done(case: Case, level: Level, today: date, reason: str) -> LevelDone:
    return LevelDone(
        invoice_id=case.invoice_id,
        level_no=level.level_no,
        level=level.code,
        on=today,
        reason=reason,
    )


def _ruling(
    case: Case,
    state: CaseState,
    level: Level | None = None,
    *,
    at: datetime | None = None,
    reason: str | None = None,
    trace: tuple[Step, ...] = (),
    **effects: Any,
) -> Ruling:
    verdict = Verdict(
        invoice_id=case.invoice_id,
        state=state,
        level_no=level.level_no if level else None,
        level=level.code if level else None,
        at=at,
        reason=reason,
        trace=trace,
    )
    return Ruling(verdict=verdict, **effects)


def _situation(
    account: Account,
    policies: Mapping[PolicyKey, Policy],
    now: datetime,
    calendar: Calendar,
    rates: RateBook,
) -> Situation:
    if now.tzinfo is None:
        raise ValueError("now must be timezone-aware; pass an instant in UTC")
    today = local_date(now, account.zone)
    if today.year not in calendar.years:
        raise CalendarYearMissingError(f"the calendar was not loaded for {today.year}")
    return Situation(
        account=account,
        now=now.astimezone(UTC),
        today=today,
        policies=policies,
        agendas={
            key: agenda_of(policy, account.zone, calendar) for key, policy in policies.items()
        },
        rates=rates,
    )


def _decision_id(
    situation: Situation, rulings: Sequence[Ruling], cases: Sequence[Case], ends: Sequence[str]
) -> UUID:
    """Name-based: the same decision from the same facts has the same id, asked twice or not."""
    parts = [
        f"{case.invoice_id} {case.version} {case.tries} {ruling.verdict.state}"
        for case, ruling in zip(cases, rulings, strict=True)
        if ruling.has_effects
    ]
    account = situation.account
    at = situation.now.isoformat()
    return name_id("decision", account.tenant, account.debtor_id, at, *parts, *ends)
