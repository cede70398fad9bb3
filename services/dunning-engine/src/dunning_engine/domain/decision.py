"""Decide about all cases of a debtor at an instant: rulings case by case, then what joins them.

`judgement` rules about each case; here they become notices (one per debtor unless the policy says
otherwise), bounded by the contact budget, and the ends of holds. Pure: same arguments, same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from uuid import UUID

from dunning_common.ids import name_id
from dunning_common.values import replace
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.arrangement import progress_of
from dunning_engine.domain.budget import keep_to_budget
from dunning_engine.domain.case import Case, PolicyKey
from dunning_engine.domain.conditions import standing_of
from dunning_engine.domain.judgement import FOREVER, Situation, judge
from dunning_engine.domain.notice import compose_notices
from dunning_engine.domain.outcome import (
    Closing,
    Decision,
    HoldEnded,
    LevelDone,
    Resumption,
    Revocation,
    Ruling,
)
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.schedule import (
    Calendar,
    CalendarYearMissingError,
    add_days,
    agenda_of,
    local_date,
    local_midnight,
)

__all__ = ["Closing", "Decision", "LevelDone", "Revocation", "Ruling", "decide"]


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
    now, today = _instant(account, now, calendar)
    cases = sorted(cases, key=lambda case: case.invoice_id)
    holds, ended = _holds(account, cases, now, today)
    cases, resumes = _resume(cases, account, ended, policies, today)
    situation = Situation(
        account=account,
        holds=holds,
        standing=standing_of(cases, today),
        now=now,
        today=today,
        policies=policies,
        agendas={
            key: agenda_of(policy, account.zone, calendar) for key, policy in policies.items()
        },
        rates=rates,
    )
    rulings = keep_to_budget(_rulings(cases, situation), situation)
    items = [ruling.item for ruling in rulings if ruling.item]
    wakes = [ruling.verdict.at for ruling in rulings if ruling.verdict.at]
    wakes += [hold.until for hold in holds if hold.until]
    return Decision(
        decision_id=_decision_id(situation, rulings, cases, ended),
        decided_at=now,
        decided_on=today,
        notices=compose_notices(account, items, policies, now, today),
        lapses=tuple([lapse for ruling in rulings for lapse in ruling.lapses]),
        hand_overs=tuple([ruling.hand_over for ruling in rulings if ruling.hand_over]),
        closings=tuple([ruling.closing for ruling in rulings if ruling.closing]),
        reopened=tuple([ruling.verdict.invoice_id for ruling in rulings if ruling.reopened]),
        revocations=tuple([ruling.revocation for ruling in rulings if ruling.revocation]),
        holds_ended=ended,
        resumes=resumes,
        credit_block=_credit_block(account, cases, policies),
        withdrawals=tuple([gone for ruling in rulings for gone in ruling.withdrawals]),
        verdicts=tuple([ruling.verdict for ruling in rulings]),
        next_action_at=min(wakes, default=None),
    )


def _instant(account: Account, now: datetime, calendar: Calendar) -> tuple[datetime, date]:
    """The instant in UTC, and the date on the debtor's wall."""
    if now.tzinfo is None:
        raise ValueError("now must be timezone-aware; pass an instant in UTC")
    today = local_date(now, account.zone)
    if today.year not in calendar.years:
        raise CalendarYearMissingError(f"the calendar was not loaded for {today.year}")
    return now.astimezone(UTC), today


def _rulings(cases: Sequence[Case], situation: Situation) -> list[Ruling]:
    """Each case judged; what is handed over now counts no more for what is said of the others."""
    found: dict[str, Ruling] = {}
    while True:
        for case in cases:
            if case.invoice_id not in found:
                found[case.invoice_id] = judge(case, situation)
        gone = {invoice_id for invoice_id, ruling in found.items() if ruling.hand_over}
        if not gone:
            return list(found.values())
        rest = [case for case in cases if case.invoice_id not in gone]
        standing = standing_of(rest, situation.today)
        if standing == situation.standing:
            return [found[case.invoice_id] for case in cases]
        situation = replace(situation, standing=standing)
        found = {invoice_id: found[invoice_id] for invoice_id in gone}


def _holds(
    account: Account, cases: Sequence[Case], now: datetime, today: date
) -> tuple[tuple[Hold, ...], tuple[HoldEnded, ...]]:
    """The holds that are live, and those that end in this decision.

    A live promise or plan ends, as far as can be foreseen, on the day on which silence breaks it.
    """
    live, ended = [], []
    for hold in account.holds:
        progress = progress_of(hold, cases, today) if hold.instalments else None
        if progress and progress.outcome:
            ended.append(
                HoldEnded(
                    hold_id=hold.hold_id,
                    outcome=progress.outcome,
                    paid_minor=progress.paid_minor,
                )
            )
        elif hold.until and hold.until <= now:
            ended.append(HoldEnded(hold_id=hold.hold_id, outcome="ended"))
        elif progress and progress.next_check_on:
            check = local_midnight(progress.next_check_on, account.zone)
            live.append(replace(hold, until=min(hold.until or FOREVER, check)))
        else:
            live.append(hold)
    return tuple(live), tuple(sorted(ended, key=lambda end: end.hold_id))


def _resume(
    cases: Sequence[Case],
    account: Account,
    ended: Sequence[HoldEnded],
    policies: Mapping[PolicyKey, Policy],
    today: date,
) -> tuple[Sequence[Case], tuple[Resumption, ...]]:
    """After a hold that ended well a case keeps quiet for a while; a broken word earns none."""
    over = {end.hold_id for end in ended if end.outcome in ("ended", "kept")}
    holds = [hold for hold in account.holds if hold.hold_id in over]
    if not holds:
        return cases, ()
    after, resumes = [], []
    for case in cases:
        policy = policies.get(case.policy_key)
        covered = any(hold.covers(case.invoice_id) for hold in holds)
        if covered and case.settled is None and policy and policy.resume_days:
            not_before = add_days(today, policy.resume_days)
            resumes.append(Resumption(invoice_id=case.invoice_id, not_before=not_before))
            after.append(replace(case, not_before=not_before))
        else:
            after.append(case)
    return after, tuple(resumes)


def _credit_block(
    account: Account, cases: Sequence[Case], policies: Mapping[PolicyKey, Policy]
) -> bool | None:
    """Whether deliveries should stop, if that changes; an invoice handed over keeps the block."""
    wanted = bool(account.credit_blocked and account.handed_over_invoices) or any(
        _asks_for_block(case, policies.get(case.policy_key)) for case in cases
    )
    return wanted if wanted != account.credit_blocked else None


def _asks_for_block(case: Case, policy: Policy | None) -> bool:
    if policy is None or case.settled:
        return False
    for done in case.served:
        level = policy.level(done.level_no) if done.outcome == "served" else None
        if level and level.credit_block:
            return True
    return False


@lru_cache(maxsize=16)
def _written(now: datetime) -> str:
    """An instant in UTC as text; all accounts of a sweep have the same."""
    return now.isoformat()


def _decision_id(
    situation: Situation,
    rulings: Sequence[Ruling],
    cases: Sequence[Case],
    ends: Sequence[HoldEnded],
) -> UUID:
    """Name-based: the same decision from the same facts has the same id, asked twice or not."""
    parts = [
        f"{case.invoice_id} {case.version} {case.tries} {case.level_no} {ruling.verdict.state}"
        for case, ruling in zip(cases, rulings, strict=True)
        if ruling.has_effects
    ]
    account = situation.account
    at = _written(situation.now)
    ended = [end.hold_id for end in ends]
    return name_id("decision", account.tenant, account.debtor_id, at, *parts, *ended)
