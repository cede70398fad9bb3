"""Decisions in words."""

from __future__ import annotations

from datetime import date

import pytest

from dunning_common.values import replace
from dunning_engine.domain.explain import SENTENCES, explain, explain_verdict
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.record import make_record, recorded_verdict
from tests.unit.dunning_engine.builders import (
    CALENDARS,
    FRANCE,
    POLICIES,
    RATES,
    account,
    applied,
    case,
    hold,
    judged,
    paris,
)


def told(found, now, debtor=None, rates=RATES, policy=FRANCE):
    policies = POLICIES | {policy.key: policy}
    return explain(
        debtor or account(), [found], found.invoice_id, policies, paris(now), CALENDARS["FR"], rates
    )


RIPE = case()
for _level in FRANCE.levels[:3]:
    RIPE = RIPE.completed(_level.level_no, _level.code, date(2026, 5, 21))


def test_why_not_yet_and_when():
    found = told(case().lapsed(1, "courtesy", date(2026, 5, 1)), "2026-05-07T20:30")

    assert found.state == "scheduled"
    assert found.words == (
        "Invoice i1, due on 2026-04-30: 1000.00 EUR of 1000.00 EUR is open.",
        "Level 1 (courtesy) was dropped on 2026-05-01: it was too late.",
        "It follows the policy 'France, business debtors', version 1.",
        "The policy asks for it 7 days after the due date 2026-04-30: from 2026-05-07.",
        "Level 2 (first_reminder) goes out on 2026-05-11 08:00 (Europe/Paris).",
    )
    assert (found.next.level, found.next.at) == ("first_reminder", paris("2026-05-11T08:00"))
    assert found.obstacles == ()


def test_a_weekend_and_a_holiday_are_named():
    assert "2026-04-25 is no day for reminders; the first permitted moment is" in " ".join(
        told(case(), "2026-04-02").words
    )
    holiday = case(due_on=date(2026, 5, 1)).lapsed(1, "courtesy", date(2026, 5, 1))
    assert "2026-05-08 is a public holiday" in " ".join(told(holiday, "2026-05-02").words)


def test_why_sent_now_with_what_it_charges():
    found = told(RIPE, "2026-06-05T08:00")

    assert found.state == "due"
    assert found.words[-5:] == (
        "The policy asks for it 36 days after the due date 2026-04-30: from 2026-06-05.",
        "It keeps 15 days after second_reminder, served on 2026-05-21: from 2026-06-05.",
        "Interest of 11.98 EUR from 2026-05-01 through 2026-06-05 (C. com. L441-10 II).",
        "Fixed compensation of 40.00 EUR (C. com. L441-10 II, D441-5).",
        "Level 4 (formal_notice) goes out now.",
    )


def test_why_it_was_sent_can_be_told_from_the_record_alone():
    decision = judged(RIPE, now=paris("2026-06-05T08:00"))
    record = make_record(account(), [RIPE], POLICIES, CALENDARS["FR"], RATES, decision)

    from_record = explain_verdict(recorded_verdict(record, "i1"), "EUR", "Europe/Paris")

    assert from_record == explain_verdict(decision.verdicts[0], "EUR", "Europe/Paris")


def test_recorded_moments_are_told_in_the_debtors_zone():
    debtor = account(holds=(hold(until=paris("2026-05-20")),))
    decision = judged(case(), now=paris("2026-04-02"), debtor=debtor)
    record = make_record(debtor, [case()], POLICIES, CALENDARS["FR"], RATES, decision)

    words = explain_verdict(recorded_verdict(record, "i1"), "EUR", "Europe/Paris")

    assert words[-2:] == (
        "A hold stops reminders until 2026-05-20 00:00 (Europe/Paris).",
        "Level 1 (courtesy) is held back. It can go out on 2026-05-20 08:00 (Europe/Paris).",
    )


def test_a_hold_is_an_obstacle_with_its_reason_and_end():
    debtor = account(holds=(hold(reason="asked for time", until=paris("2026-05-20")),))

    found = told(case(), "2026-05-07T09:00", debtor)

    assert [(o.code, o.words, o.until) for o in found.obstacles] == [
        (
            "held",
            "A hold stops reminders until 2026-05-20 00:00 (Europe/Paris) (asked for time).",
            paris("2026-05-20"),
        )
    ]
    assert found.next.at == paris("2026-05-20T08:00")


def test_a_hold_without_end_leaves_the_day_open():
    found = told(case(), "2026-05-07T09:00", account(holds=(hold(),)))

    assert found.next.at is None
    assert found.obstacles[0].words == "A hold stops reminders without an end."


def test_late_levels_say_so():
    words = " ".join(told(case().lapsed(1, "courtesy", date(2026, 5, 1)), "2026-05-20T09:00").words)

    assert "It is 13 days late and goes out as soon as permitted." in words


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (case(status="paid"), "The case is closed: the invoice is paid."),
        (case(closed="handed_over"), "The case is closed: it was handed over."),
        (
            applied(case(), judged(case(), now=paris("2026-05-07T09:00"))),
            "Nothing else is decided until the notice on its way is settled.",
        ),
        (
            RIPE.completed(4, "formal_notice", date(2026, 6, 5)),
            "Level 5 (hand_over): the case is handed over (agency), no message is sent.",
        ),
        (
            RIPE.completed(5, "hand_over", date(2026, 6, 15)),
            "The ladder has no further level.",
        ),
        (
            replace(RIPE, failures=3, failure_reason="no_address"),
            (
                "Level 4 (formal_notice) is blocked: there is no address for its channel. Store an "
                "address that works with the debtor."
            ),
        ),
        (case(policy_version=99), "The case is blocked: its policy version is not known here."),
    ],
)
def test_every_state_has_a_conclusion(found, words):
    assert told(found, "2026-07-01T09:00").words[-1] == words


def test_a_missing_rate_is_an_obstacle_with_its_remedy():
    found = told(RIPE, "2026-06-05T08:00", rates=RateBook({}))

    assert found.obstacles[0].words == (
        "The reference rate ecb of 26H1 is missing: add it to the rate files."
    )
    assert found.words[-1].endswith("It is looked at again on 2026-06-08 08:00 (Europe/Paris).")


def test_charges_that_are_left_out_are_explained():
    consumer = told(RIPE, "2026-06-05T08:00", account(kind="consumer"))

    assert "No interest: a consumer owes interest only after the formal notice." in consumer.words
    assert "No fixed compensation: a consumer never owes it." in consumer.words


def test_every_rule_that_a_verdict_can_name_has_its_sentence():
    policy = replace(
        FRANCE,
        version=2,
        grace_days=40,
        levels=tuple(replace(level, minimum_minor=(("EUR", 10**9),)) for level in FRANCE.levels),
    )
    failing = replace(
        RIPE, policy_version=2, failures=1, last_failure_on=date(2026, 6, 1), failure_reason="x"
    )

    verdict = judged(failing, now=paris("2026-07-01T09:00"), policy=policy).verdicts[0]

    assert [step.code for step in verdict.trace] == [
        "threshold",
        "grace",
        "gap",
        "retry",
        "moment",
        "minimum",
    ]
    assert {step.code for step in verdict.trace} <= SENTENCES.keys()
    assert told(failing, "2026-07-01T09:00", policy=policy).obstacles[0].words == (
        "1000.00 EUR is open; the level is not worth it below 10000000.00 EUR."
    )
