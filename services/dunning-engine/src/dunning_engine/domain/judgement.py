"""The rules of dunning for one case, in the order in which they bite. Pure.

What concerns all of a debtor's cases at once (one notice, the contact budget) is `decision`'s
business; dates and hours are `schedule`'s and `spacing`'s, money `charges`', wording `explain`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dunning_common.values import Value, replace
from dunning_engine.domain import consumer_charges
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.case import Case, PolicyKey
from dunning_engine.domain.charges import assess
from dunning_engine.domain.conditions import Standing, amount_in
from dunning_engine.domain.notice import compose_item
from dunning_engine.domain.outcome import Closing, LevelDone, Revocation, Ruling
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.rates import MissingRateError, RateBook
from dunning_engine.domain.schedule import Agenda, NoPermittedDayError, add_days, local_date
from dunning_engine.domain.spacing import due_day
from dunning_engine.domain.verdict import CaseState, Step, Verdict, step

FOREVER = datetime.max.replace(tzinfo=UTC)
_OF_THE_DEBTOR = frozenset({"debtor_minimum", "invoices_at_least", "invoices_at_most"})
"""Conditions that the mere passing of days can change."""


class Situation(Value, frozen=True, kw_only=True):
    """What all cases of one decision share: the debtor, the instant, the tables to look into.

    `holds` are those that are live now; a promise or plan among them has `until` set to the day
    on which silence would break it.
    """

    account: Account
    holds: tuple[Hold, ...]
    standing: Standing
    now: datetime
    today: date
    policies: Mapping[PolicyKey, Policy]
    agendas: Mapping[PolicyKey, Agenda]
    rates: RateBook


def judge(case: Case, situation: Situation) -> Ruling:
    """What happens to one case now: may it speak, and if not, what stands in the way.

    What a consumer may not be asked for is withdrawn first, and nothing below speaks of it.
    """
    account = situation.account
    if account.kind != "consumer":
        return _judge(case, situation)
    unlawful = consumer_charges.unlawful(account, case)
    ruling = _judge(consumer_charges.without(case, unlawful) if unlawful else case, situation)
    if ruling.revocation is None and consumer_charges.speaks_of_them(account, case, unlawful):
        ruling = replace(ruling, revocation=_revocation(case, "consumer"))
    if not unlawful:
        return ruling
    withdrawals, steps = consumer_charges.withdrawals_of(case, unlawful)
    verdict = replace(ruling.verdict, trace=(*steps, *ruling.verdict.trace))
    return replace(ruling, verdict=verdict, withdrawals=withdrawals)


def _judge(case: Case, situation: Situation) -> Ruling:
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
    case = with_disputes(case, situation.holds)
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


def with_disputes(case: Case, holds: tuple[Hold, ...]) -> Case:
    """The case with the part that is disputed, and so not asked for (minor units)."""
    disputed = sum(
        hold.disputed_minor
        for hold in holds
        if hold.disputed_minor is not None and hold.covers(case.invoice_id)
    )
    return replace(case, disputed_minor=min(disputed, case.open_minor)) if disputed else case


def _climb(case: Case, policy: Policy, situation: Situation, hold: Hold | None) -> Ruling:
    """The next level of an open case: when is it due, and may it go out now?"""
    now, today, agenda = situation.now, situation.today, situation.agendas[policy.key]
    lapses: tuple[LevelDone, ...] = ()
    for level in policy.levels_after(case.level_no):
        day, bounds = due_day(case, policy, level, agenda)
        at = agenda.first_moment(day, now)
        reason = None if hold else _lapse_reason(case, level, at, situation)
        if reason is None:
            break
        lapses += (_done(case, level, today, reason),)
        case = case.lapsed(level.level_no, level.code, today, reason)
    else:
        return _ruling(case, "exhausted", lapses=lapses)
    late_days = max(0, (today - day).days)
    against = agenda.reason_against(max(day, today))
    moment = step("moment", day=max(day, today), late_days=late_days, at=at, against=against)
    lacking = _lacking(case, level) if case.undelivered else ()
    rung = _Rung(case, policy, level, situation, at, (*bounds, moment, *lacking), lapses)
    if hold:
        until = _after_holds(at, case, situation, agenda)
        facts = step("held", hold_id=hold.hold_id, reason=hold.reason, until=hold.until)
        return rung.rule("held", facts, at=until, reason=hold.kind)
    if case.failures - case.excused >= policy.max_attempts:
        facts = step("attempts", failures=case.failures)
        reason = case.failure_reason or "undeliverable"
        return rung.rule("blocked", facts, at=rung.gives_way, reason=reason)
    if _is_dead_end(case, level):
        facts = step("dead_end", channels=", ".join(level.channels_for(case)))
        reason = case.failure_reason or "undeliverable"
        return rung.rule("blocked", facts, at=rung.gives_way, reason=reason)
    if at > now:
        return rung.rule("scheduled", at=_after_holds(at, case, situation, agenda))
    return rung.gate() or rung.act()


def _lapse_reason(case: Case, level: Level, at: datetime, situation: Situation) -> str | None:
    """Why the level ends without a message, if it does."""
    if level.is_pre_due:
        agenda = situation.agendas[case.policy_key]
        if local_date(at, agenda.zone) > case.due_on:
            return "too_late"  # a courtesy after the due date would be a lie
    if at > situation.now:
        return None
    unmet = level.when and level.when.unmet(case, situation.account, situation.standing)
    if unmet and level.otherwise == "skip":
        return "not_applicable"
    said = case.approval
    if level.needs_approval and said and said.level_no == level.level_no and not said.approved:
        return "rejected"
    return None


class _Rung(Value, frozen=True):
    """One level of one case, its moment `at`, and what was found out on the way to it."""

    case: Case
    policy: Policy
    level: Level
    situation: Situation
    at: datetime
    trace: tuple[Step, ...]
    lapses: tuple[LevelDone, ...]

    def rule(self, state: CaseState, *more: Step, **facts: Any) -> Ruling:
        """A ruling about this level."""
        return _ruling(
            self.case, state, self.level, trace=self.trace + more, lapses=self.lapses, **facts
        )

    @property
    def gives_way(self) -> datetime | None:
        """When a blocked level may lapse by itself, and so give way to the next one.

        One before the due date does after that date. Whether it applies is asked first at its
        moment, and what the debtor owes in all may change with every day.
        """
        moments = []
        when = self.level.when if self.level.otherwise == "skip" else None
        if self.level.is_pre_due:
            moments.append(self._first_moment(add_days(self.case.due_on, 1)))
        if (when or self.level.needs_approval) and self.at > self.situation.now:
            moments.append(self.at)
        elif when and when.is_of_debtor:
            moments.append(self._tomorrow())
        return min(moments, default=None)

    def _first_moment(self, day: date) -> datetime:
        return self.situation.agendas[self.policy.key].first_moment(day, self.situation.now)

    def _tomorrow(self) -> datetime:
        return self._first_moment(add_days(self.situation.today, 1))

    def gate(self) -> Ruling | None:
        """What keeps a level from going out although its moment has come; None: nothing."""
        return self._too_little() or self._unlike() or self._evidence() or self._person()

    def _too_little(self) -> Ruling | None:
        case = self.case
        least_minor = self.level.least_minor(case.currency)
        if case.due_minor >= least_minor:
            return None
        facts = step("minimum", open_minor=case.due_minor, least_minor=least_minor)
        return self.rule("blocked", facts, at=self.gives_way, reason="below_minimum")

    def _unlike(self) -> Ruling | None:
        """Conditions that do not hold, of a level that waits for them."""
        situation, when = self.situation, self.level.when
        unmet = when.unmet(self.case, situation.account, situation.standing) if when else None
        if unmet is None:
            return None
        at = self._tomorrow() if unmet in _OF_THE_DEBTOR else self.gives_way
        return self.rule("blocked", step("unmet", name=unmet), at=at, reason="not_applicable")

    def _evidence(self) -> Ruling | None:
        """Could it be paid without our knowing it?"""
        account, now = self.situation.account, self.situation.now
        if (hours := self.policy.payment_feed_hours) is not None:
            fresh = account.payments_fresh_until
            if fresh is None or now - fresh > timedelta(hours=hours):
                facts = step("stale_feed", fresh_until=fresh, hours=hours)
                return self.rule("held", facts, at=self._tomorrow(), reason="stale_feed")
        if self.policy.unmatched_receipts == "hold":
            cash = amount_in(account.unallocated_minor, self.case.currency) or 0
            if cash >= self.case.due_minor > 0:
                facts = step("unmatched_receipt", unallocated_minor=cash)
                return self.rule("held", facts, at=self.gives_way, reason="unmatched_receipt")
        return None

    def _person(self) -> Ruling | None:
        said = self.case.approval
        if not self.level.needs_approval:
            return None
        if said and said.level_no == self.level.level_no and said.approved:
            return None
        return self.rule("awaiting_approval", step("approval"), at=self.gives_way)

    def act(self) -> Ruling:
        """The level goes out, or ends the ladder."""
        case, level, today = self.case, self.level, self.situation.today
        if level.final:
            handed_over = _done(case, level, today, level.final)
            return self.rule("handed_over", reason=level.final, hand_over=handed_over)
        try:
            assessed = assess(
                self.situation.account, case, self.policy, level, today, self.situation.rates
            )
        except MissingRateError as gap:
            # Never a guessed rate, never a forgotten level: look every day until it is there.
            facts = step("missing_rate", series=gap.series, half_year=gap.half_year)
            return self.rule("blocked", facts, at=self._tomorrow(), reason="missing_rate")
        return self.rule("due", *assessed.steps, item=compose_item(case, level, today, assessed))


def _lacking(case: Case, level: Level) -> tuple[Step, ...]:
    """What went out of the level already, and by what it is still to go."""
    sent = case.sent_channels(level.level_no)
    if not sent:
        return ()
    by = level.channels_for(case)
    return (step("lacking", sent=", ".join(sorted(sent)), channels=", ".join(by)),)


def _is_dead_end(case: Case, level: Level) -> bool:
    """Did every channel of the next try bounce before? Then only new contacts help."""
    if not case.undelivered:
        return False
    channels = level.channels_for(case)
    return bool(channels) and case.dead_channels(level.level_no).issuperset(channels)


def _hold_at(at: datetime, case: Case, situation: Situation) -> Hold | None:
    """A hold that stops the case at that instant; the one that lasts longest."""
    if not situation.holds:
        return None
    active = [hold for hold in situation.holds if _stops(hold, case) and hold.is_active(at)]
    return max(active, key=lambda hold: (hold.until or FOREVER, hold.hold_id), default=None)


def _stops(hold: Hold, case: Case) -> bool:
    """A dispute of a part leaves the rest to be dunned, as long as there is a rest."""
    if not hold.covers(case.invoice_id):
        return False
    return hold.disputed_minor is None or case.due_minor <= 0


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
