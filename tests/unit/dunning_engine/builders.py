"""Values for the tests of the engine's core: an account, a case, a calendar, one line each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dunning_engine.adapters.builtin_policies import builtin_policies, builtin_versions
from dunning_engine.adapters.holiday_calendar import calendar_for
from dunning_engine.adapters.rate_files import load_rates
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.case import Case
from dunning_engine.domain.decision import Decision, decide
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.schedule import Calendar

RATES = load_rates()
BUILT_IN = builtin_policies()
POLICIES = dict(builtin_versions())
FRANCE, GERMANY, BRITAIN = (BUILT_IN[name] for name in ("france-b2b", "germany-b2b", "uk-b2b"))
YEARS = range(2011, 2031)
CALENDARS = {country: calendar_for(country, None, YEARS) for country in ("FR", "DE", "GB")}
NO_HOLIDAYS = Calendar(holidays=frozenset(), years=frozenset(YEARS))


def account(**changes: Any) -> Account:
    return Account(
        **{"tenant": "acme", "debtor_id": "d1", "country": "FR", "zone": "Europe/Paris"} | changes
    )


def case(**changes: Any) -> Case:
    """An invoice of 1,000.00 EUR, due on Thursday 30 April 2026, under the French policy."""
    usual = {
        "invoice_id": "i1",
        "issued_on": date(2026, 4, 1),
        "due_on": date(2026, 4, 30),
        "currency": "EUR",
        "amount_minor": 100000,
        "version": 1,
        "policy_id": "france-b2b",
        "policy_version": 1,
    }
    known = BUILT_IN.get(changes.get("policy_id", ""))
    values = usual | ({"policy_version": known.version} if known else {}) | changes
    values.setdefault("number", values["invoice_id"])
    values.setdefault("open_minor", values["amount_minor"])
    return Case(**values)


def hold(**changes: Any) -> Hold:
    return Hold(**{"hold_id": "h1", "placed_at": paris("2026-01-01")} | changes)


def paris(text: str) -> datetime:
    """An instant given as wall time in Paris."""
    return local(text, "Europe/Paris")


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def judged(
    *cases: Case,
    now: datetime,
    debtor: Account | None = None,
    policy: Policy | None = None,
    calendar: Calendar | None = None,
    rates: Any = RATES,
) -> Decision:
    debtor = debtor or account()
    policies = POLICIES | ({policy.key: policy} if policy else {})
    chosen = calendar or CALENDARS.get(debtor.country, NO_HOLIDAYS)
    return decide(debtor, cases, policies, now, chosen, rates)


def applied(case_: Case, decision: Decision) -> Case:
    """The case after the decision, its notice still in flight."""
    if case_.invoice_id in decision.reopened:
        case_ = case_.reopened()
    for closing in decision.closings:
        if closing.invoice_id == case_.invoice_id:
            case_ = case_.closed_as(closing.reason)
    for revocation in decision.revocations:
        if revocation.invoice_id == case_.invoice_id:
            case_ = case_.revoked()
    for lapse in decision.lapses:
        if lapse.invoice_id == case_.invoice_id:
            case_ = case_.lapsed(lapse.level_no, lapse.level, lapse.on, lapse.reason)
    for done in decision.hand_overs:
        if done.invoice_id == case_.invoice_id:
            case_ = case_.completed(done.level_no, done.level, done.on).closed_as("handed_over")
    for item in decision.items:
        if item.invoice_id == case_.invoice_id:
            case_ = case_.requested(decision.notices[0].notice_id, item.level_no)
    return case_


def diary(case_: Case, *, start: datetime, until: datetime, **where: Any) -> list[tuple[str, str]]:
    """Walk the clock from action to action, every notice arriving: (local date, level) pairs."""
    found: list[tuple[str, str]] = []
    now: datetime | None = start
    for _ in range(1000):
        if now is None or now > until:
            return found
        decision = judged(case_, now=now, **where)
        case_ = applied(case_, decision)
        day = decision.decided_on.isoformat()
        found += [(day, f"{lapse.level} lapsed") for lapse in decision.lapses]
        found += [(day, done.level) for done in decision.hand_overs]
        now = decision.next_action_at
        if decision.notices:
            item = decision.notices[0].items[0]
            found.append((day, item.level))
            case_ = case_.completed(item.level_no, item.level, decision.decided_on)
            now = decision.decided_at + timedelta(seconds=1)
    raise AssertionError("the walk does not end")
