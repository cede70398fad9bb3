"""Schedules of payment plans, what a tenant's rules say about them, and how far one is paid."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dunning_common.values import replace
from dunning_engine.domain.account import Instalment
from dunning_engine.domain.plan_rules import (
    INSTALMENTS_MAX,
    RULES,
    Interval,
    PlanError,
    PlanRules,
    Proposal,
    add_months,
    check_schedule,
    counter_proposal,
    make_schedule,
    score,
    standing_of,
    step_from,
)

TODAY = date(2026, 1, 31)
DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2200, 1, 1))
INTERVALS = st.sampled_from(get_args(Interval))
TOTALS = st.integers(min_value=1, max_value=10**12)


def _plan(*amounts: int, first_on: date = TODAY) -> tuple[Instalment, ...]:
    return tuple(
        Instalment(on=add_months(first_on, number), amount_minor=amount)
        for number, amount in enumerate(amounts)
    )


def _proposal(*amounts: int, first_on: date = TODAY, **changes: object) -> Proposal:
    made = Proposal(instalments=_plan(*amounts, first_on=first_on), currency="EUR", asked_on=TODAY)
    return replace(made, **changes)  # type: ignore[arg-type]


def _answers(rules: PlanRules, proposal: Proposal) -> dict[str, str]:
    return {answer.rule: answer.answer for answer in score(rules, proposal).answers}


@given(total=TOTALS, count=st.integers(1, INSTALMENTS_MAX), start=DAYS, interval=INTERVALS)
def test_equal_instalments_add_up_to_the_total_and_differ_by_one_at_most(
    total: int, count: int, start: date, interval: Interval
) -> None:
    assume(total >= count)

    parts = make_schedule(total, count=count, starts_on=start, interval=interval)

    amounts = [part.amount_minor for part in parts]
    assert sum(amounts) == total
    assert len(amounts) == count
    assert min(amounts) > 0
    assert max(amounts) - min(amounts) <= 1
    assert parts[0].on == start
    assert all(one.on < other.on for one, other in pairwise(parts))


@given(
    total=TOTALS,
    first=st.integers(min_value=1, max_value=10**12),
    count=st.integers(2, INSTALMENTS_MAX),
    start=DAYS,
    interval=INTERVALS,
)
def test_with_a_first_payment_the_rest_adds_up_too(
    total: int, first: int, count: int, start: date, interval: Interval
) -> None:
    assume(total - first >= count - 1)

    parts = make_schedule(total, count=count, starts_on=start, interval=interval, first_minor=first)

    assert parts[0].amount_minor == first
    assert sum(part.amount_minor for part in parts) == total
    assert min(part.amount_minor for part in parts) > 0
    assert all(one.on < other.on for one, other in pairwise(parts))


@given(
    total=TOTALS,
    count=st.integers(1, INSTALMENTS_MAX),
    minimum=st.integers(0, 10**9),
    percent=st.decimals(0, 100, places=2),
    months=st.integers(1, 60),
    interval=INTERVALS,
    ahead=st.integers(0, 90),
)
def test_an_accepted_plan_keeps_every_limit_of_the_rules(
    total: int,
    count: int,
    minimum: int,
    percent: Decimal,
    months: int,
    interval: Interval,
    ahead: int,
) -> None:
    assume(total >= count)
    rules = PlanRules(
        max_months=months,
        min_instalment_minor=(("EUR", minimum),),
        min_first_percent=percent,
    )
    start = TODAY + timedelta(days=ahead)
    asked = Proposal(
        instalments=make_schedule(total, count=count, starts_on=start, interval=interval),
        currency="EUR",
        asked_on=TODAY,
    )

    counter = counter_proposal(rules, asked, interval)
    for parts in (asked.instalments, counter):
        if parts is None:
            continue
        rating = score(rules, replace(asked, instalments=parts)).rating
        if parts is counter:
            assert rating == "accepted"
            assert 2 <= len(parts) <= count
        if rating == "accepted":
            assert sum(part.amount_minor for part in parts) == total
            assert min(part.amount_minor for part in parts) >= min(minimum, total)
            assert Decimal(100 * parts[0].amount_minor) / total >= percent
            assert parts[-1].on <= add_months(TODAY, months)
            assert all(one.on < other.on for one, other in pairwise(parts))


@given(day=DAYS, months=st.integers(0, 1200))
def test_a_month_later_is_the_same_day_or_the_last_one(day: date, months: int) -> None:
    later = add_months(day, months)

    assert (later.year - day.year) * 12 + later.month - day.month == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


def test_monthly_instalments_do_not_drift_after_a_short_month() -> None:
    days = [step_from(date(2026, 1, 31), "monthly", number) for number in range(4)]

    assert days == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]


def test_a_plan_within_all_rules_is_accepted() -> None:
    found = score(PlanRules(), _proposal(100, 100, 100))

    assert found.rating == "accepted"
    assert [answer.rule for answer in found.answers] == list(RULES)
    assert found.missed == ()


def test_each_rule_answers_for_itself() -> None:
    rules = PlanRules(
        max_months=2,
        min_instalment_minor=(("EUR", 50),),
        min_first_percent=Decimal(30),
        max_open_plans=1,
        debtor_kinds=("business",),
        risks=("low",),
        refuse=frozenset({"debtor_kinds"}),
    )

    wrong = _proposal(40, 60, 60, 60, debtor_kind="consumer", risk="high", open_plans=1)

    assert _answers(rules, wrong) == {
        "max_months": "needs_approval",
        "min_instalment": "needs_approval",
        "min_first_percent": "needs_approval",
        "max_open_plans": "needs_approval",
        "debtor_kinds": "refused",
        "risks": "needs_approval",
    }
    assert score(rules, wrong).rating == "refused"
    right = _proposal(100, 60, 60, risk="low")
    assert set(_answers(rules, right).values()) == {"met"}


def test_a_rule_that_only_wants_approval_does_not_refuse() -> None:
    rules = PlanRules(max_months=1, refuse=frozenset())

    assert score(rules, _proposal(10, 10, 10)).rating == "needs_approval"


def test_a_minimum_in_another_currency_says_nothing() -> None:
    rules = PlanRules(min_instalment_minor=(("USD", 1000),))

    assert score(rules, _proposal(10, 10)).rating == "accepted"


def test_who_owes_less_than_the_minimum_may_pay_it_at_once() -> None:
    rules = PlanRules(min_instalment_minor=(("EUR", 1000),))

    assert score(rules, _proposal(900)).rating == "accepted"
    assert score(rules, _proposal(450, 450)).rating == "needs_approval"


def test_the_counter_proposal_is_the_longest_that_the_rules_accept() -> None:
    rules = PlanRules(max_months=12, min_instalment_minor=(("EUR", 5000),))

    parts = counter_proposal(rules, _proposal(*[1000] * 24), "monthly")

    assert parts is not None
    assert [part.amount_minor for part in parts] == [6000] * 4


def test_no_counter_proposal_helps_whom_the_rules_do_not_want() -> None:
    rules = PlanRules(debtor_kinds=("consumer",))

    assert counter_proposal(rules, _proposal(100, 100), "monthly") is None


@pytest.mark.parametrize(
    ("total", "arguments", "field"),
    [
        (0, {"count": 3}, "amount"),
        (100, {"count": 0}, "instalments"),
        (100, {"count": INSTALMENTS_MAX + 1}, "instalments"),
        (2, {"count": 3}, "instalments"),
        (100, {"count": 3, "first_minor": 0}, "first_payment"),
        (100, {"count": 3, "first_minor": 101}, "first_payment"),
        (100, {"count": 3, "first_minor": 100}, "first_payment"),
        (100, {"count": 1, "first_minor": 50}, "first_payment"),
        (100, {"count": 3, "first_minor": 99}, "instalments"),
    ],
)
def test_what_is_no_schedule_names_the_field(
    total: int, arguments: dict[str, int], field: str
) -> None:
    with pytest.raises(PlanError) as error:
        make_schedule(total, starts_on=TODAY, interval="monthly", **arguments)

    assert error.value.field == field


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ((), "instalments"),
        (_plan(100, first_on=date(2025, 1, 1)), "instalments/0/on"),
        (_plan(50, -10, 60), "instalments/1/amount"),
        ((*_plan(50), *_plan(50)), "instalments/1/on"),
        (_plan(50, 60), "instalments"),
    ],
)
def test_a_schedule_by_hand_is_checked(parts: tuple[Instalment, ...], field: str) -> None:
    with pytest.raises(PlanError) as error:
        check_schedule(parts, 100, currency="EUR", not_before=TODAY)

    assert error.value.field == field


def test_a_schedule_by_hand_that_adds_up_is_fine() -> None:
    check_schedule(_plan(50, 30, 20), 100, currency="EUR", not_before=TODAY)


@given(
    amounts=st.lists(st.integers(1, 10**6), min_size=1, max_size=20),
    paid=st.integers(0, 10**8),
    days=st.integers(-10, 800),
)
def test_payments_fill_the_earliest_instalment_first(
    amounts: list[int], paid: int, days: int
) -> None:
    plan = _plan(*amounts)

    found = standing_of(plan, paid_minor=paid, today=TODAY + timedelta(days=days), grace_days=3)

    assert sum(part.paid_minor for part in found) == min(paid, sum(amounts))
    shares = [part.paid_minor / part.amount_minor for part in found]
    assert shares == sorted(shares, reverse=True)
    assert sum(0 < share < 1 for share in shares) <= 1
    for part in found:
        assert (part.state == "paid") == (part.paid_minor == part.amount_minor)
        if part.state == "late":
            assert TODAY + timedelta(days=days - 3) > part.on


def test_an_instalment_is_late_only_after_its_grace() -> None:
    plan = _plan(100, 100)
    in_grace, after = (
        standing_of(plan, paid_minor=40, today=TODAY + timedelta(days=days), grace_days=3)
        for days in (3, 4)
    )

    assert [part.state for part in in_grace] == ["partly_paid", "open"]
    assert [part.state for part in after] == ["late", "open"]
