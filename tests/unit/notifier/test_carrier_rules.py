"""Pure rules of the carriers: limits on texts, senders, calls in vain, pauses that providers ask for."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.channels.http import retry_after_s
from notifier.channels.sms_rules import (
    NUMBER_ONLY,
    country_of,
    obstacle,
    reach_of,
    sender_obstacle,
    takes_replies,
)
from notifier.domain.calls import CallOutcome, CallRule, conclude
from notifier.domain.message import State
from notifier.domain.outcome import (
    LONGEST_RETRY_AFTER_S,
    Deferred,
    Refused,
    RetryPolicy,
    settle,
)
from notifier.domain.sms_limits import SmsLimits, SmsUse, judge

ID = UUID(int=7)
FRANCE = reach_of(["fr"])
SERVICE = "MG" + "a" * 32


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("+33612345678", None),
        ("+33142685300", "landline"),
        ("+33899123456", "costs the caller extra"),
        ("+33970123456", "voip"),
        ("+33800123456", "toll_free"),
        ("+4915112345678", "texts to DE are not allowed"),
        ("+12125551234", "texts to US are not allowed"),
        ("+8835100012345", "texts to an unknown country are not allowed"),
    ],
)
def test_texts_go_to_mobile_numbers_of_allowed_countries_only(
    number: str, words: str | None
) -> None:
    reason = obstacle(number, reach=FRANCE, home="FR")

    if words is None:
        assert reason is None
    else:
        assert reason is not None
        assert reason.startswith("no_address: ")
        assert words in reason


def test_the_tenants_own_country_is_always_allowed_and_an_empty_list_allows_all() -> None:
    assert obstacle("+4915112345678", reach=FRANCE, home="de") is None
    assert obstacle("+12125551234", reach=reach_of([]), home="FR") is None


@pytest.mark.parametrize(
    ("sender", "to", "words"),
    [
        ("+33700000000", "+12125551234", None),
        (SERVICE, "+12125551234", None),
        ("36180", "+33612345678", None),
        ("Acme", "+33612345678", None),
        ("Acme", "+12125551234", "US takes texts from numbers only"),
        ("Acme", "+14165551234", "CA takes texts from numbers only"),
        ("Acme Fournitures", "+33612345678", "1 to 11 letters"),
        ("Acmé", "+33612345678", "1 to 11 letters"),
        ("", "+33612345678", "no_sms_sender"),
    ],
)
def test_a_sender_must_be_one_that_the_recipients_country_takes(
    sender: str, to: str, words: str | None
) -> None:
    reason = sender_obstacle(sender, to=to)

    assert (reason is None) == (words is None)
    assert words is None or words in (reason or "")


def test_only_numbers_and_services_take_replies() -> None:
    assert [takes_replies(s) for s in ("+33700000000", "36180", SERVICE, "Acme")] == [
        True,
        True,
        True,
        False,
    ]
    assert {"US", "CA"} <= NUMBER_ONLY
    assert country_of("+447911123456") == "GG"


@given(
    spent=st.integers(0, 10_000),
    cost=st.integers(0, 100),
    limit=st.integers(0, 10_000),
    texts=st.integers(0, 5),
    per_number=st.integers(1, 5),
)
def test_no_text_that_is_let_go_breaks_a_limit(
    spent: int, cost: int, limit: int, texts: int, per_number: int
) -> None:
    use = SmsUse(spent_minor=spent, to_number=texts, day_left_s=60.0, number_free_s=30.0)
    limits = SmsLimits(daily_cost_minor=limit, per_number_daily=per_number)

    exceeded = judge(use, limits, cost_minor=cost)

    within = spent + cost <= limit and texts + 1 <= per_number
    assert (exceeded is None) == within
    if exceeded is not None:
        assert exceeded.wait_s == (30.0 if texts >= per_number else 60.0)


@pytest.mark.parametrize(
    ("outcome", "state", "delivered"),
    [
        (CallOutcome.REACHED, State.SENT, True),
        (CallOutcome.PROMISED, State.SENT, True),
        (CallOutcome.REFUSED, State.SENT, True),
        (CallOutcome.WRONG_NUMBER, State.FAILED, False),
    ],
)
def test_a_call_that_says_something_settles_the_message(
    outcome: CallOutcome, state: State, delivered: bool
) -> None:
    concluded = conclude(outcome, tries_before=0, rule=CallRule())

    assert concluded.settlement is not None
    assert (concluded.settlement.state, concluded.delivered) == (state, delivered)


@given(tries=st.integers(1, 10), before=st.integers(0, 20))
def test_calls_in_vain_end_with_the_last_try(tries: int, before: int) -> None:
    rule = CallRule(tries=tries, pause_s=5.0)

    for outcome in (CallOutcome.NO_ANSWER, CallOutcome.LEFT_MESSAGE):
        concluded = conclude(outcome, tries_before=before, rule=rule)
        if before + 1 >= tries:
            assert concluded.settlement is not None
            assert concluded.settlement.state is State.FAILED
        else:
            assert (concluded.settlement, concluded.again_s) == (None, 5.0)
        assert not concluded.delivered


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (" 120 ", 120.0), ("", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("-1", 0.0)],
)
def test_a_pause_that_a_provider_asks_for_is_read(header: str, seconds: float) -> None:
    assert retry_after_s(header) == seconds


@given(wished=st.floats(0, 1e6))
def test_a_provider_gets_its_pause_but_no_longer_than_an_hour(wished: float) -> None:
    refused = Refused(reason="busy", retry=True, retry_after_s=wished)
    policy = RetryPolicy(base_s=1.0, cap_s=60.0)

    verdict = settle(refused, message_id=ID, attempts=1, age_s=0.0, retry=policy)

    assert verdict.state is State.PLANNED
    assert verdict.delay_s >= min(wished, LONGEST_RETRY_AFTER_S)
    assert verdict.delay_s <= max(min(wished, LONGEST_RETRY_AFTER_S), 2.0)


def test_what_waits_for_a_limit_or_a_person_fails_when_it_is_too_old() -> None:
    waits = Deferred(reason="on_call_list", delay_s=60.0, give_up_after_s=100.0)

    young, old = (
        settle(waits, message_id=ID, attempts=1, age_s=age_s, retry=RetryPolicy(give_up_after_s=1))
        for age_s in (99.0, 100.0)
    )

    assert (young.state, young.delay_s) == (State.PLANNED, 60.0)
    assert (old.state, old.reason) == (State.FAILED, "on_call_list")
