"""What the postman says of a failed try, told to people with the remedy."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.values import replace
from dunning_engine.domain.explain import explain
from dunning_engine.domain.failure_words import failures_of, what_failed, what_helps
from dunning_engine.domain.work_words import Cause, next_step, words_of
from tests.unit.dunning_engine.builders import CALENDARS, POLICIES, RATES, account, case, paris

CONTENT = (
    "content: formal_notice/letter/fr: the creditor: legal.form and legal.capital must stand on it "
    "(C. com. R123-237 and R123-238); register the tenant with it"
)


@pytest.mark.parametrize(
    ("reason", "words", "remedy"),
    [
        ("no_address", "there is no address for its channel", "Store an address that works"),
        (
            "no_address: the number takes no texts (fixed line)",
            "there is no address for its channel (the number takes no texts (fixed line))",
            "Store an address that works",
        ),
        (CONTENT, "legal.form and legal.capital must stand on it", "Mend what it names"),
        ("channel_not_configured", "no provider is set up for its channel", "Set one up"),
        ("quiet_hours", "no hour for messages where the debtor is", "when the hour comes"),
        ("suppressed", "the notifier held it back", "list of suppressed addresses"),
        ("opted_out", "the debtor wants no messages", "Use another channel"),
        ("permit_refused: paid", "did not permit it: the invoice had changed (paid)", "decides"),
        ("554 5.7.1 spam, go away", "the provider says: 554 5.7.1 spam, go away", ""),
    ],
)
def test_a_reason_is_told_in_words_with_its_remedy(reason: str, words: str, remedy: str) -> None:
    assert words in what_failed(reason)
    assert remedy in what_helps(reason)


def test_each_channel_has_its_own_reason_and_what_they_share_is_said_once() -> None:
    reason = "channel_not_configured, no_address, no_address: the number costs the caller extra"

    found = failures_of(reason)

    assert [failure.words.split(" (")[0] for failure in found] == [
        "no provider is set up for its channel",
        "there is no address for its channel",
        "there is no address for its channel",
    ]
    assert what_helps(reason).count("store an address") == 1


@given(st.text(max_size=80))
def test_any_reason_can_be_told(reason: str) -> None:
    assert bool(what_failed(reason)) == bool(reason)
    assert not what_helps(reason) or what_helps(reason).endswith(".")


def blocked(reason: str):
    stuck = replace(
        case().lapsed(1, "courtesy", date(2026, 5, 1)),
        failures=3,
        failure_reason=reason,
        last_failure_on=date(2026, 5, 7),
    )
    return explain(
        account(), [stuck], "i1", POLICIES, paris("2026-05-12T09:00"), CALENDARS["FR"], RATES
    )


def test_explain_says_what_stood_in_the_way_and_what_helps() -> None:
    found = blocked(CONTENT)

    assert found.words[-1] == (
        "Level 2 (first_reminder) is blocked: its text could not be written (formal_notice/letter/fr: "
        "the creditor: legal.form and legal.capital must stand on it (C. com. R123-237 and R123-238); "
        "register the tenant with it). Mend what it names (the tenant, the debtor, the template or the "
        "policy), then retry it (`dunning work retry`, or POST /v1/work-retries)."
    )
    (obstacle,) = found.obstacles
    assert obstacle.code == "attempts"
    assert "legal.form and legal.capital must stand on it" in obstacle.words
    assert "Mend what it names" in obstacle.words


def test_a_wait_for_the_next_try_says_why_the_last_one_failed() -> None:
    tried = replace(
        case().lapsed(1, "courtesy", date(2026, 5, 1)),
        failures=1,
        failure_reason="channel_not_configured",
        last_failure_on=date(2026, 5, 11),
    )

    found = explain(
        account(), [tried], "i1", POLICIES, paris("2026-05-11T09:00"), CALENDARS["FR"], RATES
    )

    assert (
        "1 tries failed (no provider is set up for its channel): again from 2026-05-12 at the "
        "earliest."
    ) in found.words


def test_the_work_list_names_the_same_remedy() -> None:
    cause = Cause(code=CONTENT, level="first_reminder", level_no=2)

    assert words_of(cause).startswith("It did not get through: its text could not be written (")
    assert next_step("undeliverable", cause).startswith("Mend what it names")
    assert next_step("undeliverable", Cause(code="bounced")).startswith("Find an address")
