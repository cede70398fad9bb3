"""What must hold of every decision, whatever happens and however the clock jumps."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from dunning_common.values import replace
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.case import Case
from dunning_engine.domain.decision import Decision, decide
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.record import make_record, recompute
from tests.unit.dunning_engine.builders import (
    CALENDARS,
    NO_HOLIDAYS,
    POLICIES,
    RATES,
    account,
    applied,
    case,
)

ODD = replace(
    POLICIES["uk-b2b", 2],
    policy_id="odd",
    version=1,
    weekdays=frozenset({1, 6}),
    grace_days=9,
    max_attempts=2,
    observe_holidays=False,
)
POLICIES = POLICIES | {ODD.key: ODD}
DEBTORS = (
    account(),
    account(country="DE", zone="Europe/Berlin", kind="consumer"),
    account(country="GB", zone="Europe/London"),
    account(country="US", zone="America/New_York", kind="public"),
    account(country="AU", zone="Australia/Lord_Howe"),
)

start_days = st.dates(min_value=date(2024, 1, 1), max_value=date(2026, 3, 1))
hours = st.one_of(st.integers(0, 30), st.integers(0, 24 * 60))


@st.composite
def open_cases(draw, debtor_cases: int = 3) -> list[Case]:
    first = draw(start_days)
    found = []
    for number in range(draw(st.integers(1, debtor_cases))):
        issued_on = first + timedelta(days=draw(st.integers(0, 20)))
        policy_id = draw(st.sampled_from(sorted({key[0] for key in POLICIES})))
        found.append(
            case(
                invoice_id=f"i{number}",
                issued_on=issued_on,
                due_on=issued_on + timedelta(days=draw(st.integers(0, 60))),
                policy_id=policy_id,
                currency=draw(st.sampled_from(["EUR", "GBP", "JPY"])),
                amount_minor=draw(st.integers(1, 10**7)),
            )
        )
    return found


@dataclass
class World:
    """A debtor, its cases and a clock: applies decisions as the shell does, and checks each one."""

    debtor: Account
    cases: dict[str, Case]
    now: datetime
    went_out: dict[str, list[tuple[int, date]]] = field(default_factory=dict)
    holds_placed: int = 0

    def step(self) -> Decision:
        """Decide until nothing more happens at this instant, every notice left in flight."""
        decision = self.decided()
        self.check(decision)
        ended = {end.hold_id for end in decision.holds_ended}
        holds = tuple(h for h in self.debtor.holds if h.hold_id not in ended)
        self.debtor = replace(self.debtor, holds=holds)
        self.cases = {key: applied(found, decision) for key, found in self.cases.items()}
        assert not self.decided().has_effects, "a decision that was applied must leave no work"
        return decision

    def decided(self, at: datetime | None = None) -> Decision:
        calendar = CALENDARS.get(self.debtor.country, NO_HOLIDAYS)
        return decide(
            self.debtor, list(self.cases.values()), POLICIES, at or self.now, calendar, RATES
        )

    def check(self, decision: Decision) -> None:
        items = decision.items
        assert len({item.invoice_id for item in items}) == len(items)
        for item in items:
            self.check_item(self.cases[item.invoice_id], item.level_no)
        for done in decision.hand_overs:
            self.check_item(self.cases[done.invoice_id], done.level_no)
        for verdict in decision.verdicts:
            assert verdict.at is None or verdict.at > self.now
        if decision.next_action_at:
            assert decision.next_action_at > self.now
            self.check_quiet_until(decision)

    def check_item(self, found: Case, level_no: int) -> None:
        """The level may go out: in order, on time, permitted, and nothing stands in the way."""
        policy: Policy = POLICIES[found.policy_key]
        level = policy.level(level_no)
        wall = self.now.astimezone(ZoneInfo(self.debtor.zone))
        today = wall.date()
        assert found.settled is None
        assert found.in_flight is None
        assert not any(
            h.covers(found.invoice_id) and h.is_active(self.now) for h in self.debtor.holds
        )
        assert today.weekday() in policy.weekdays
        if policy.observe_holidays:
            assert today not in CALENDARS.get(self.debtor.country, NO_HOLIDAYS).holidays
        assert policy.opens <= wall.time() < policy.closes
        assert today >= found.due_on + timedelta(days=level.threshold_days)
        done = {served.level_no for served in found.served}
        assert level_no not in done
        below = {other.level_no for other in policy.levels if other.level_no < level_no}
        skipped = below - done
        # Before the due date, or for others only: the same decision lets it lapse.
        assert all(policy.level(other).is_pre_due or policy.level(other).when for other in skipped)
        if level.is_pre_due:
            assert today <= found.due_on
            return
        assert today >= found.due_on + timedelta(days=policy.grace_days)
        served_before = [
            served.on
            for served in found.served
            if served.outcome == "served" and not policy.level(served.level_no).is_pre_due
        ]
        if served_before:
            assert today >= max(served_before) + timedelta(days=level.gap_days)

    def check_quiet_until(self, decision: Decision) -> None:
        """Nothing can happen before `next_action_at`: sleeping until then forgets nothing."""
        after = World(
            self.debtor, {key: applied(c, decision) for key, c in self.cases.items()}, self.now
        )
        ended = {end.hold_id for end in decision.holds_ended}
        after.debtor = replace(
            self.debtor, holds=tuple(h for h in self.debtor.holds if h.hold_id not in ended)
        )
        sleep = decision.next_action_at - self.now
        for part in (0.25, 0.5, 0.999):
            at = self.now + sleep * part
            found = after.decided(at)
            assert not found.has_effects
            if at > self.now:
                assert found.next_action_at == decision.next_action_at

    def settle(self, outcome: str) -> None:
        """The notices in flight come out in one way or another."""
        today = self.now.astimezone(ZoneInfo(self.debtor.zone)).date()
        for key, found in self.cases.items():
            flight = found.in_flight
            if flight is None:
                continue
            match outcome:
                case "served":
                    code = POLICIES[found.policy_key].level(flight.level_no).code
                    self.went_out.setdefault(key, []).append((flight.level_no, today))
                    self.cases[key] = found.completed(flight.level_no, code, today)
                case "failed":
                    self.cases[key] = found.failed(today, "no_address")
                case "returned":
                    self.cases[key] = found.returned()

    def change(self, key: str, **changes: Any) -> None:
        found = self.cases[key]
        self.cases[key] = replace(found, version=found.version + 1, **changes)

    def act(self, what: str, number: int, amount: int) -> None:
        key = sorted(self.cases)[number % len(self.cases)]
        found = self.cases[key]
        match what:
            case "pay":
                self.change(key, status="paid", open_minor=0)
            case "pay_part":
                self.change(key, open_minor=max(1, found.open_minor // 2))
            case "reverse":
                self.change(key, status="open", open_minor=found.amount_minor)
            case "cancel":
                self.change(key, status="cancelled")
            case "move_due_date":
                self.change(key, due_on=found.due_on + timedelta(days=amount % 90 - 30))
            case "hold":
                until = self.now + timedelta(hours=amount) if amount % 3 else None
                self.holds_placed += 1
                placed = Hold(
                    hold_id=f"h{self.holds_placed}",
                    invoice_ids=(key,) if amount % 2 else (),
                    placed_at=self.now,
                    until=until,
                )
                self.debtor = replace(self.debtor, holds=(*self.debtor.holds, placed))
            case "release":
                self.debtor = replace(self.debtor, holds=self.debtor.holds[1:])
            case "contacts":
                self.cases = {k: c.contacts_changed() for k, c in self.cases.items()}
            case "served" | "failed" | "returned":
                self.settle(what)


EVENTS = (
    *("served",) * 6,
    *("failed",) * 2,
    *("wait",) * 2,
    "returned",
    "pay",
    "pay_part",
    "reverse",
    "cancel",
    "move_due_date",
    "hold",
    "release",
    "contacts",
)
actions = st.lists(
    st.tuples(
        st.sampled_from(EVENTS), st.integers(0, 5), st.integers(0, 2000), hours, st.booleans()
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(cases=open_cases(), debtor=st.sampled_from(DEBTORS), script=actions)
def test_whatever_happens_levels_go_out_in_order_once_spaced_and_only_when_permitted(
    cases, debtor, script
):
    begin = datetime.combine(min(found.issued_on for found in cases), datetime.min.time(), UTC)
    world = World(debtor, {found.invoice_id: found for found in cases}, begin)

    for what, number, amount, jump, to_next in script:
        decision = world.step()
        world.act(what, number, amount)
        if to_next and decision.next_action_at:
            world.now = max(world.now, decision.next_action_at)
        else:
            world.now += timedelta(hours=jump)
        if world.now.year > 2029:
            break

    for levels in world.went_out.values():
        numbers = [level_no for level_no, _ in levels]
        assert numbers == sorted(set(numbers)), "no level twice, none after a higher one"


@settings(max_examples=100, deadline=None)
@given(cases=open_cases(), debtor=st.sampled_from(DEBTORS))
def test_a_clock_that_only_follows_next_action_at_reaches_the_end_of_every_ladder(cases, debtor):
    begin = datetime.combine(min(found.issued_on for found in cases), datetime.min.time(), UTC)
    world = World(debtor, {found.invoice_id: found for found in cases}, begin)

    for _ in range(200):
        decision = world.step()
        world.settle("served")
        if decision.next_action_at is None and not decision.notices:
            break
        world.now = decision.next_action_at or world.now + timedelta(seconds=1)

    assert {found.closed for found in world.cases.values()} == {"handed_over"}
    for key, levels in world.went_out.items():
        policy = POLICIES[world.cases[key].policy_key]
        post_due = {
            level.level_no for level in policy.levels if not level.is_pre_due and not level.when
        }
        assert {level_no for level_no, _ in levels} >= post_due - {len(policy.levels)}


@st.composite
def situations(draw):
    """Any facts at any instant, settled or not, in flight or not, reachable or not."""
    cases = [replace(found, **draw(histories(found))) for found in draw(open_cases(6))]
    debtor = draw(st.sampled_from(DEBTORS))
    now = datetime.combine(
        draw(st.dates(date(2024, 1, 1), date(2027, 6, 1))), datetime.min.time(), UTC
    ) + timedelta(minutes=draw(st.integers(0, 24 * 60 - 1)))
    holds = draw(
        st.lists(
            st.builds(
                Hold,
                hold_id=st.uuids().map(str),
                invoice_ids=st.sampled_from([(), ("i0",), ("i1",), ("i0", "i1")]),
                placed_at=st.integers(-100, 100).map(lambda n: now + timedelta(hours=n)),
                until=st.none() | st.integers(-50, 500).map(lambda n: now + timedelta(hours=n)),
            ),
            max_size=2,
        )
    )
    return replace(debtor, holds=tuple(holds)), cases, now


@st.composite
def histories(draw, found: Case) -> dict[str, Any]:
    policy = POLICIES[found.policy_key]
    reached = draw(st.integers(0, len(policy.levels)))
    on = found.due_on
    walked = found
    for level in policy.levels[:reached]:
        on += timedelta(days=draw(st.integers(0, 20)))
        walked = walked.completed(level.level_no, level.code, on)
    return {
        "served": walked.served,
        "status": draw(st.sampled_from(["open", "open", "open", "paid", "cancelled"])),
        "failures": draw(st.integers(0, 3)),
        "closed": draw(st.sampled_from([None, None, "paid", "handed_over"])),
        "last_failure_on": draw(st.none() | st.dates(date(2024, 1, 1), date(2026, 1, 1))),
    }


@settings(max_examples=200, deadline=None)
@given(situations(), st.randoms(use_true_random=False))
def test_the_order_of_cases_and_holds_means_nothing(situation, shuffler: random.Random):
    debtor, cases, now = situation
    calendar = CALENDARS.get(debtor.country, NO_HOLIDAYS)
    other_cases, other_holds = list(cases), list(debtor.holds)
    shuffler.shuffle(other_cases)
    shuffler.shuffle(other_holds)
    other_debtor = replace(debtor, holds=tuple(other_holds))

    once = decide(debtor, cases, POLICIES, now, calendar, RATES)
    again = decide(other_debtor, other_cases, POLICIES, now, calendar, RATES)

    assert once == again


@settings(max_examples=200, deadline=None)
@given(situations())
def test_a_record_recomputes_to_the_same_bytes(situation):
    debtor, cases, now = situation
    calendar = CALENDARS.get(debtor.country, NO_HOLIDAYS)

    decision = decide(debtor, cases, POLICIES, now, calendar, RATES)
    record = make_record(debtor, cases, POLICIES, calendar, RATES, decision)

    assert recompute(record) == record


@settings(max_examples=200, deadline=None)
@given(situations())
def test_every_case_gets_exactly_one_verdict(situation):
    debtor, cases, now = situation
    calendar = CALENDARS.get(debtor.country, NO_HOLIDAYS)

    decision = decide(debtor, cases, POLICIES, now, calendar, RATES)

    assert [verdict.invoice_id for verdict in decision.verdicts] == sorted(
        found.invoice_id for found in cases
    )
    items = decision.items
    due = {verdict.invoice_id for verdict in decision.verdicts if verdict.state == "due"}
    assert {item.invoice_id for item in items} == due
    for message in (m for notice in decision.notices for m in notice.messages):
        assert set(message.invoice_ids) <= due
        assert message.invoice_ids
