"""Items of the work list: ids that come back as what they stand for, causes in words."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.domain.account import HOLD_KINDS
from dunning_engine.domain.explain import REASONS
from dunning_engine.domain.policy import FINAL_ACTIONS
from dunning_engine.domain.work_item import WORK_KINDS, ItemKey, UnknownItemError, item_key
from dunning_engine.domain.work_words import Cause, next_step, words_of

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)


@given(st.sampled_from(WORK_KINDS), texts)
def test_an_id_stands_for_what_it_was_made_of(kind: str, target: str) -> None:
    key = ItemKey(kind, target)  # type: ignore[arg-type]

    assert item_key(key.item_id) == key
    assert set(key.item_id) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


@given(st.text(max_size=60))
def test_any_other_text_is_no_id(text: str) -> None:
    try:
        key = item_key(text)
    except UnknownItemError:
        return
    assert key.item_id == text


@pytest.mark.parametrize("text", ["", "x", "e30", "W10", "WzFd", "WyJhcHByb3ZhbCJd", "é"])
def test_a_forged_id_is_unknown(text: str) -> None:
    with pytest.raises(UnknownItemError):
        item_key(text)


CODES = {
    "awaiting_approval", "broken", "partly_kept", "dispute_overdue", "stale_feed",
    "unmatched_receipt", "exhausted", "facts_missing", "undecidable", "notifier_silent",
    *FINAL_ACTIONS, *HOLD_KINDS, *(set(REASONS) - {"paid", "cancelled", "written_off",
                                                   "handed_over"}),
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_cause_is_a_sentence(code: str) -> None:
    words = words_of(Cause(code=code))

    assert words.endswith(".")
    assert code in ("broken", *HOLD_KINDS, "dispute_overdue") or "_" not in words
    assert "did not get through" not in words


def test_a_cause_names_what_belongs_to_it() -> None:
    held = Cause(code="promise", held_by="anna", ends_on=date(2026, 6, 1))
    small = Cause(code="below_minimum", level="formal_notice", level_no=4)
    lost = Cause(code="policy_missing", policy_id="ours")
    odd = Cause(code="mailbox_full")

    assert words_of(held) == "Held by a promise to pay, placed by anna, until 2026-06-01."
    assert words_of(small) == "Less is owed than the level's minimum (level 4, formal_notice)."
    assert words_of(lost) == "The policy is not known here (policy ours)."
    assert words_of(odd) == "It did not get through: the provider says: mailbox_full."


@pytest.mark.parametrize("kind", WORK_KINDS)
def test_every_kind_says_what_to_do_next(kind: str) -> None:
    assert next_step(kind, Cause(code="x")).endswith(".")  # type: ignore[arg-type]


def test_a_small_sum_asks_for_another_step_than_a_hold() -> None:
    small = next_step("silent_overdue", Cause(code="below_minimum"))
    held = next_step("silent_overdue", Cause(code="manual"))

    assert small != held
