"""Decisions in plain English: why sent, why not, what comes next and when, what stands in the way.

Words only: every statement restates a verdict's rule trace, nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from dunning_common.money import to_decimal_string
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case, PolicyKey, Served
from dunning_engine.domain.decision import decide
from dunning_engine.domain.failure_words import what_failed, what_helps
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.schedule import Calendar
from dunning_engine.domain.verdict import CaseState, Fact, Step, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """The level that comes next; `at` is None when nobody can know yet."""

    level: str
    level_no: int
    at: datetime | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Something that stands in the way: a code, the words, and when it ends if that is known."""

    code: str
    words: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What there is to say about a case at an instant."""

    invoice_id: str
    state: CaseState
    words: tuple[str, ...]
    next: NextStep | None
    obstacles: tuple[Obstacle, ...]


def explain(
    account: Account,
    cases: Sequence[Case],
    invoice_id: str,
    policies: Mapping[PolicyKey, Policy],
    now: datetime,
    calendar: Calendar,
    rates: RateBook,
) -> Explanation:
    """Say where a case stands, by deciding about the debtor without doing anything.

    `cases` are the debtor's, those that are closed for good left out unless one is asked about.

    Raises:
        CalendarYearMissingError: the calendar was not loaded for the year of `now`.
    """
    case = next(found for found in cases if found.invoice_id == invoice_id)
    decision = decide(account, cases, policies, now, calendar, rates)
    verdict = next(found for found in decision.verdicts if found.invoice_id == invoice_id)
    policy = policies.get(case.policy_key)
    words = [_standing(case), *(_done(done) for done in case.served)]
    if policy:
        words.append(f"It follows the policy {policy.name!r}, version {policy.version}.")
    words += explain_verdict(verdict, case.currency, account.zone)
    return Explanation(
        invoice_id=case.invoice_id,
        state=verdict.state,
        words=tuple(words),
        next=_next(verdict, account.zone),
        obstacles=_obstacles(verdict, case.currency, account.zone),
    )


def explain_verdict(verdict: Verdict, currency: str, zone: str) -> tuple[str, ...]:
    """A verdict, fresh or recorded, in sentences: the rules first, the conclusion last."""
    said = [_say(step, currency, zone) for step in verdict.trace]
    return (*filter(None, said), _conclusion(verdict, zone))


def _standing(case: Case) -> str:
    owed = f"{to_decimal_string(case.open_minor, case.currency)} {case.currency}"
    of_all = f"{to_decimal_string(case.amount_minor, case.currency)} {case.currency}"
    return f"Invoice {case.number}, due on {case.due_on}: {owed} of {of_all} is open."


def _done(done: Served) -> str:
    if done.outcome == "lapsed":
        why = LAPSES.get(done.reason or "too_late", done.reason)
        return f"Level {done.level_no} ({done.code}) was dropped on {done.on}: {why}."
    return f"Level {done.level_no} ({done.code}) was served on {done.on}."


def _next(verdict: Verdict, zone: str) -> NextStep | None:
    if verdict.level is None or verdict.level_no is None:
        return None
    if verdict.state in ("in_flight", "handed_over"):
        return None
    return NextStep(
        level=verdict.level,
        level_no=verdict.level_no,
        at=verdict.at,
        why=_conclusion(verdict, zone),
    )


FAILURE_STEPS = frozenset({"attempts", "dead_end"})
"""Steps that say that tries to send came to nothing."""
OBSTACLE_STEPS = (
    "held",
    "attempts",
    "dead_end",
    "minimum",
    "unmet",
    "stale_feed",
    "unmatched_receipt",
    "contact_budget",
    "approval",
    "missing_rate",
    "in_flight",
    "settled",
)


def _obstacles(verdict: Verdict, currency: str, zone: str) -> tuple[Obstacle, ...]:
    found = [
        Obstacle(
            code=step.code,
            words=words + (_cause(verdict) if step.code in FAILURE_STEPS else ""),
            until=_instant(dict(step.facts).get("until")),
        )
        for step in verdict.trace
        if step.code in OBSTACLE_STEPS and (words := _say(step, currency, zone))
    ]
    if not found and verdict.state == "blocked":
        code = verdict.reason or "blocked"
        found.append(Obstacle(code=code, words=_conclusion(verdict, zone)))
    return tuple(found)


def _cause(verdict: Verdict) -> str:
    """What stood in the way of the last try, and what helps."""
    words = _reason(verdict)
    return f" {words[:1].upper()}{words[1:]}.{_remedy(verdict)}"


def _reason(verdict: Verdict) -> str:
    reason = verdict.reason or ""
    return REASONS.get(reason) or what_failed(reason) or "an unknown reason"


def _remedy(verdict: Verdict) -> str:
    tried = FAILURE_STEPS & {step.code for step in verdict.trace}
    said = what_helps(verdict.reason or "") if tried else ""
    return f" {said}" if said else ""


def _conclusion(verdict: Verdict, zone: str) -> str:
    level = f"Level {verdict.level_no} ({verdict.level})"
    when = _local(verdict.at, zone)
    reason = _reason(verdict)
    then = f" It is looked at again on {when}." if verdict.at else ""
    sentences: dict[CaseState, str] = {
        "due": f"{level} goes out now.",
        "scheduled": f"{level} goes out on {when}."
        if verdict.at
        else f"{level} waits for a hold without an end.",
        "held": f"{level} is held back." + (f" It can go out on {when}." if verdict.at else ""),
        "in_flight": "Nothing else is decided until the notice on its way is settled.",
        "awaiting_approval": f"{level} waits for somebody to approve it.",
        "blocked": f"{level if verdict.level else 'The case'} is blocked: {reason}."
        f"{_remedy(verdict)}{then}",
        "handed_over": f"{level}: the case is handed over ({verdict.reason}), no message is sent.",
        "exhausted": "The ladder has no further level.",
        "closed": f"The case is closed: {reason}.",
    }
    return sentences[verdict.state]


REASONS = {
    "paid": "the invoice is paid",
    "cancelled": "the invoice was cancelled",
    "written_off": "the rest was written off",
    "handed_over": "it was handed over",
    "below_minimum": "less is owed than the level's minimum",
    "missing_rate": "a reference rate for the interest is missing",
    "not_applicable": "its conditions do not hold",
    "policy_missing": "its policy version is not known here",
    "no_permitted_day": "its calendar permits no day",
}
LAPSES = {
    "too_late": "it was too late",
    "not_applicable": "its conditions did not hold",
    "rejected": "somebody decided to skip it",
}
CONDITIONS = {
    "minimum": "the open amount is too small",
    "maximum": "the open amount is too large",
    "debtor_minimum": "the debtor owes too little in sum",
    "invoices_at_least": "the debtor has too few overdue invoices",
    "invoices_at_most": "the debtor has too many overdue invoices",
    "kinds": "it is meant for other kinds of debtors",
    "countries": "it is meant for other countries",
    "segments": "it is meant for other segments",
    "risks": "it is meant for other risk classes",
    "tags": "none of its tags is set",
    "without_tags": "a tag that excludes it is set",
}
ANCHORS = {
    "invoice_date": "the invoice date",
    "end_of_month": "the end of the month of the due date",
    "previous_level": "the level before",
}
NOT_CHARGED = {
    "no_interest_in_law": "no law that gives interest is known for this claim",
    "consumer_before_formal_notice": "a consumer owes interest only after the formal notice",
    "amounts_to_nothing": "it amounts to nothing",
    "charged_before": "it was charged before",
    "no_fixed_sum_in_law": "no law that gives one is known for this claim",
    "consumer": "a consumer never owes it",
    "before_the_law": "the law that gives it is younger than the claim",
    "other_currency": "the law gives it in another currency than the invoice's",
    "none_in_this_currency": "the policy names none for this currency and amount",
    "only_if_agreed": "the law gives it only where the contract says so",
    "rate_not_kept": "its rate moves from day to day and is not kept here",
    "consumer_conditions": "a consumer owes it only when a free notice that named it changed "
    "nothing in the time that the law gives",
    "no_conversion_rate": "the rate that converts it from euros is missing",
}


def _say(step: Step, currency: str, zone: str) -> str | None:
    """The sentence of one rule; None when the rule changed nothing worth saying."""
    facts = dict(step.facts)
    speaker = SENTENCES.get(step.code)
    return speaker(facts, currency, zone) if speaker else None


Facts = Mapping[str, Fact]


def _threshold(facts: Facts, _currency: str, _zone: str) -> str:
    days = int(str(facts["days"]))
    side = f"{-days} days before" if days < 0 else f"{days} days after"
    return f"The policy asks for it {side} the due date {facts['due_on']}: from {facts['day']}."


def _anchor(facts: Facts, _currency: str, _zone: str) -> str:
    what = ANCHORS[str(facts["anchor"])]
    return (
        f"The policy asks for it {facts['days']} days after {what}, {facts['on']}: "
        f"from {facts['day']}."
    )


def _paid_lately(facts: Facts, _currency: str, _zone: str) -> str:
    return (
        f"After the part payment of {facts['on']} it keeps quiet for {facts['days']} days: "
        f"until {facts['day']}."
    )


def _stale_feed(facts: Facts, _currency: str, zone: str) -> str:
    known = _local(facts["fresh_until"], zone) if facts["fresh_until"] else "no day at all"
    return (
        f"Payments are known until {known}, more than {facts['hours']} hours ago: the invoice may "
        "be paid. Send the newest payments, and say until when they are complete."
    )


def _unmatched_receipt(facts: Facts, currency: str, _zone: str) -> str:
    return (
        f"{_money(facts['unallocated_minor'], currency)} of the debtor cover no invoice yet and "
        "would cover this one: allocate them first."
    )


def _contact_budget(facts: Facts, _currency: str, _zone: str) -> str:
    return (
        f"The debtor was written to as often as the policy allows: there is room again from "
        f"{facts['day']}."
    )


def _fee(facts: Facts, currency: str, _zone: str) -> str:
    of_whom = " for the whole notice" if facts["per"] == "notice" else ""
    return f"A fee of {_money(facts['amount_minor'], currency)}{of_whom}, by the policy."


def _grace(facts: Facts, _currency: str, _zone: str) -> str:
    return f"The policy gives {facts['days']} days of grace: until {facts['day']}."


def _gap(facts: Facts, _currency: str, _zone: str) -> str:
    return (
        f"It keeps {facts['days']} days after {facts['after']}, served on {facts['on']}: "
        f"from {facts['day']}."
    )


def _retry(facts: Facts, _currency: str, _zone: str) -> str:
    why = what_failed(str(facts["reason"] or "failed"))
    return f"{facts['failures']} tries failed ({why}): again from {facts['day']} at the earliest."


def _moment(facts: Facts, _currency: str, zone: str) -> str | None:
    late_days, against = int(str(facts["late_days"])), facts["against"]
    late = f"It is {late_days} days late and goes out as soon as permitted." if late_days else None
    if against is None:
        return late
    what = "a public holiday" if against == "holiday" else "no day for reminders"
    moved = f"{facts['day']} is {what}; the first permitted moment is {_local(facts['at'], zone)}."
    return f"{late} {moved}" if late else moved


def _held(facts: Facts, _currency: str, zone: str) -> str:
    why = f" ({facts['reason']})" if facts["reason"] else ""
    end = f"until {_local(facts['until'], zone)}" if facts["until"] else "without an end"
    return f"A hold stops reminders {end}{why}."


def _withdrawn(facts: Facts, currency: str, _zone: str) -> str:
    return (
        f"{_money(facts['amount_minor'], currency)} of {facts['kind']} under {facts['basis']} is "
        "withdrawn: a consumer does not owe it."
    )


def _lacking(facts: Facts, _currency: str, _zone: str) -> str:
    return (
        f"It went out by {facts['sent']} and is not served without the rest: it goes out by "
        f"{facts['channels']} alone."
    )


def _attempts(facts: Facts, _currency: str, _zone: str) -> str:
    return (
        f"{facts['failures']} tries failed, the most that the policy allows: it goes on when the "
        "contacts change or somebody retries it."
    )


def _dead_end(facts: Facts, _currency: str, _zone: str) -> str:
    return f"What was sent by {facts['channels']} came back: mend the contacts to go on."


def _delivery(facts: Facts, _currency: str, _zone: str) -> str:
    return (
        f"The arrival of {facts['after']}, sent on {facts['on']}, was not reported yet: it waits "
        f"for that until {facts['day']}."
    )


def _minimum(facts: Facts, currency: str, _zone: str) -> str:
    return (
        f"{_money(facts['open_minor'], currency)} is open; the level is not worth it below "
        f"{_money(facts['least_minor'], currency)}."
    )


def _interest(facts: Facts, currency: str, _zone: str) -> str:
    return (
        f"Interest of {_money(facts['amount_minor'], currency)} from {facts['first_day']} through "
        f"{facts['through']} ({facts['basis']}).{_doubt(facts)}"
    )


def _compensation(facts: Facts, currency: str, _zone: str) -> str:
    amount = _money(facts["amount_minor"], currency)
    return f"Fixed compensation of {amount} ({facts['basis']}).{_doubt(facts)}"


def _doubt(facts: Facts) -> str:
    return " Nobody has verified this rule yet." if facts.get("confidence") else ""


SENTENCES: Mapping[str, Callable[[Facts, str, str], str | None]] = {
    "settled": lambda facts, *_: f"Nothing is owed: {REASONS[str(facts['reason'])]}.",
    "in_flight": lambda facts, *_: f"Notice {facts['notice_id']} is on its way.",
    "threshold": _threshold,
    "anchor": _anchor,
    "next_day": lambda facts, *_: (
        f"{facts['after']} was served on {facts['on']}: never two levels on one day, so from "
        f"{facts['day']}."
    ),
    "resumed": lambda facts, *_: (
        f"A hold ended, or the policy changed, a short while ago: quiet until {facts['day']}."
    ),
    "paid_lately": _paid_lately,
    "unmet": lambda facts, *_: f"A condition does not hold: {CONDITIONS[str(facts['name'])]}.",
    "stale_feed": _stale_feed,
    "unmatched_receipt": _unmatched_receipt,
    "contact_budget": _contact_budget,
    "approval": lambda *_: "The policy wants a person to approve it first.",
    "fee": _fee,
    "no_fee": lambda facts, *_: f"No fee: {NOT_CHARGED[str(facts['reason'])]}.",
    "grace": _grace,
    "gap": _gap,
    "retry": _retry,
    "lacking": _lacking,
    "withdrawn": _withdrawn,
    "delivery": _delivery,
    "dead_end": _dead_end,
    "moment": _moment,
    "held": _held,
    "attempts": _attempts,
    "minimum": _minimum,
    "missing_rate": lambda facts, *_: (
        f"The reference rate {facts['series']} of {facts['half_year']} is missing: add it to the "
        "rate files."
    ),
    "interest": _interest,
    "no_charges": lambda *_: "Nothing is charged: the invoice is not due yet.",
    "no_interest": lambda facts, *_: f"No interest: {NOT_CHARGED[str(facts['reason'])]}.",
    "compensation": _compensation,
    "no_compensation": lambda facts, *_: (
        f"No fixed compensation: {NOT_CHARGED[str(facts['reason'])]}."
    ),
    "announced": lambda facts, currency, *_: (
        f"It announces {_money(facts['amount_minor'], currency)} of costs for when it changes "
        f"nothing ({facts['basis']}).{_doubt(facts)}"
    ),
    "no_announcement": lambda facts, *_: (
        f"It announces no costs: {NOT_CHARGED[str(facts['reason'])]}."
    ),
}


def _money(minor: Fact, currency: str) -> str:
    return f"{to_decimal_string(int(str(minor)), currency)} {currency}"


def _instant(fact: Fact) -> datetime | None:
    if isinstance(fact, str):
        return datetime.fromisoformat(fact)
    return fact if isinstance(fact, datetime) else None


def _local(fact: Fact, zone: str) -> str:
    """`2026-06-05 08:00 (Europe/Paris)`."""
    at = _instant(fact)
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})" if at else "no known day"
