"""Which channels a level needs, as policies say it, and by which its next try goes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.values import replace
from dunning_engine.domain.document import PolicyInvalidError
from dunning_engine.domain.policy import CHANNELS
from dunning_engine.domain.policy_document import read_policy
from dunning_engine.domain.policy_writing import to_document
from dunning_engine.testing.policies import level
from tests.unit.dunning_engine.builders import BUILT_IN, case


def document(**of_level: Any) -> dict[str, Any]:
    formal = {
        "code": "formal",
        "threshold_days": 5,
        "channels": ["registered_letter", "email"],
        "template": "formal_notice",
    }
    return {"name": "Own", "levels": [formal | of_level]}


def read(**of_level: Any) -> Any:
    return read_policy(document(**of_level), policy_id="own", version=1)


@pytest.mark.parametrize(
    ("said", "needs"),
    [
        ({}, {"registered_letter"}),
        ({"channels": ["letter", "email"]}, set()),
        ({"channels": ["letter", "email"], "must_arrive": ["letter"]}, {"letter"}),
        ({"must_arrive": []}, set()),
        ({"must_arrive": ["registered_letter", "email"]}, {"registered_letter", "email"}),
    ],
)
def test_a_level_needs_its_registered_letter_unless_it_says_otherwise(
    said: dict[str, Any], needs: set[str]
) -> None:
    policy = read(**said)

    assert policy.levels[0].needs == needs
    again = read_policy(to_document(policy), policy_id="own", version=1)
    assert again == policy
    assert ("must_arrive" in to_document(policy)["levels"][0]) == ("must_arrive" in said)


def test_a_level_cannot_need_what_it_does_not_send() -> None:
    with pytest.raises(PolicyInvalidError, match="'letter' is not among its 'channels'"):
        read(must_arrive=["letter"])


def test_what_ends_the_ladder_needs_nothing() -> None:
    with pytest.raises(PolicyInvalidError, match="must_arrive"):
        read_policy(
            {
                "name": "Own",
                "levels": [
                    {"code": "a", "threshold_days": 5, "final": "agency", "must_arrive": []}
                ],
            },
            policy_id="own",
            version=1,
        )


def test_every_shipped_formal_notice_and_letter_before_action_needs_its_letter() -> None:
    on_paper = [
        one
        for policy in BUILT_IN.values()
        for one in policy.levels
        if one.template in ("formal_notice", "letter_before_action")
    ]

    assert on_paper
    assert all(one.needs == {"registered_letter"} for one in on_paper)


channels = st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True)


@given(channels, channels, st.integers(0, 6), st.integers(0, 6), st.data())
def test_the_next_try_never_repeats_what_went_out_while_something_is_lacking(
    names: list[str], fallback: list[str], failures: int, excused: int, data: st.DataObject
) -> None:
    needs = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    sent = data.draw(st.lists(st.sampled_from(names), unique=True))
    own = level(1, 0, channels=tuple(names), fallback=tuple(fallback), must_arrive=tuple(needs))
    tried = replace(case(), failures=failures, excused=min(excused, failures))
    if sent:
        tried = tried.part_sent(1, "level_1", *sent)

    by = own.channels_for(tried)

    assert by
    if not set(needs) <= set(sent):
        assert set(by).isdisjoint(sent)
    assert own.channels_for(tried.part_sent(2, "level_2", *CHANNELS)) == by, "of this level alone"
    assert own.channels_for(replace(case(), last_failure_on=date(2026, 5, 1))) == tuple(names)
