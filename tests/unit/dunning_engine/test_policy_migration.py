"""Open cases on another version's ladder: what is done stays done, by code, or by the threshold."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.policy_migration import (
    Dates,
    DoneLevel,
    rung_of_approval,
    rungs_by_code,
)

DATES = Dates(issued_on=date(2026, 4, 1), due_on=date(2026, 4, 30))


def ladder(version: int, *levels: tuple[str, int], **more) -> Policy:
    """Levels as (code, threshold); one called `over` is final."""
    return Policy(
        policy_id="ours", version=version, name="Ours", country=None,
        levels=tuple(
            Level(
                code=code, level_no=number, threshold_days=days,
                **({"final": "agency"} if code == "over" else {"channels": ("email",), "template": "courtesy"}),
                **more,
            )
            for number, (code, days) in enumerate(levels, start=1)
        ),
    )  # fmt: skip


def served(rung: int, code: str) -> DoneLevel:
    return DoneLevel(rung=rung, code=code, outcome="served")


def lapsed(rung: int, code: str) -> DoneLevel:
    return DoneLevel(rung=rung, code=code, outcome="lapsed")


OLD = ladder(1, ("hello", -3), ("first", 7), ("second", 21), ("over", 40))


def test_the_same_code_counts_as_done_wherever_it_stands_now():
    new = ladder(2, ("hello", -3), ("early", 2), ("first", 9), ("second", 21), ("over", 40))

    assert rungs_by_code([lapsed(1, "hello"), served(2, "first")], OLD, new, DATES) == (1, 3)


def test_a_served_level_whose_code_is_gone_counts_as_the_highest_one_not_later():
    new = ladder(2, ("a", 5), ("b", 20), ("c", 22), ("over", 40))

    assert rungs_by_code([served(2, "first")], OLD, new, DATES) == (1,)
    assert rungs_by_code([served(2, "first"), served(3, "second")], OLD, new, DATES) == (1, 2)


def test_where_every_new_level_is_later_nothing_is_done_yet():
    new = ladder(2, ("a", 8), ("over", 40))

    assert rungs_by_code([served(2, "first")], OLD, new, DATES) == (0,)


def test_a_lapsed_level_whose_code_is_gone_counts_as_nothing():
    new = ladder(2, ("a", -4), ("b", 20))

    assert rungs_by_code([lapsed(1, "hello")], OLD, new, DATES) == (0,)


def test_a_reminder_is_never_taken_for_the_hand_over():
    new = ladder(2, ("a", 5), ("over", 10))

    assert rungs_by_code([served(3, "second")], OLD, new, DATES) == (1,)


def test_a_code_that_was_gone_before_still_counts_as_the_level_it_stood_for():
    middle = ladder(2, ("a", 5), ("b", 20), ("over", 40))
    new = ladder(3, ("z", 1), ("a", 5), ("b", 20), ("over", 40))
    (rung,) = rungs_by_code([served(3, "second")], OLD, middle, DATES)

    assert rungs_by_code([served(rung, "second")], middle, new, DATES) == (3,)


def test_going_back_to_a_version_gives_the_places_back():
    middle = ladder(2, ("a", 5), ("b", 20), ("over", 40))
    done = [lapsed(1, "hello"), served(2, "first"), served(3, "second")]
    there = rungs_by_code(done, OLD, middle, DATES)
    back = [
        DoneLevel(rung=rung, code=item.code, outcome=item.outcome)
        for rung, item in zip(there, done, strict=True)
    ]

    assert rungs_by_code(back, middle, OLD, DATES) == (1, 2, 3)


def test_thresholds_from_different_days_are_compared_as_days():
    # 30 days after the invoice of 1 April is 1 May: the day after the due date.
    new = ladder(2, ("from_invoice", 30), anchor="invoice_date")

    assert rungs_by_code([served(2, "first")], OLD, new, DATES) == (1,)
    late = ladder(2, ("from_invoice", 60), anchor="invoice_date")
    assert rungs_by_code([served(2, "first")], OLD, late, DATES) == (0,)


def test_thresholds_from_the_level_before_add_up():
    chain = ladder(2, ("a", 5), ("b", 5), ("c", 5), anchor="previous_level")

    assert rungs_by_code([served(2, "first")], OLD, chain, DATES) == (1,)
    assert rungs_by_code([served(3, "second")], OLD, chain, DATES) == (3,)


def test_an_approval_follows_the_code_of_its_level():
    new = ladder(2, ("zero", 1), ("first", 7))

    assert rung_of_approval(2, OLD, new) == 2
    assert rung_of_approval(3, OLD, new) is None
    assert rung_of_approval(None, OLD, new) is None


CODES = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True)


@st.composite
def ladders(draw, version: int) -> Policy:
    codes = draw(CODES)
    days = sorted(
        draw(st.lists(st.integers(-9, 60), min_size=len(codes), max_size=len(codes), unique=True))
    )
    return ladder(version, *zip(codes, days, strict=True))


@given(old=ladders(1), new=ladders(2), data=st.data())
def test_what_is_done_never_counts_for_more_than_its_own_code_or_its_own_time(
    old: Policy, new: Policy, data: st.DataObject
):
    done = [
        DoneLevel(
            rung=level.level_no,
            code=level.code,
            outcome=data.draw(st.sampled_from(["served", "lapsed"])),
        )
        for level in old.levels[: data.draw(st.integers(0, len(old.levels)))]
    ]

    rungs = rungs_by_code(done, old, new, DATES)

    assert len(rungs) == len(done)
    assert rungs == rungs_by_code(done, old, new, DATES)
    by_code = {level.code: level for level in old.levels}
    for item, rung in zip(done, rungs, strict=True):
        level = new.level(rung)
        if level is None:
            assert rung == 0
            assert item.code not in {other.code for other in new.levels}
        else:
            same = level.code == item.code
            assert same or level.threshold_days <= by_code[item.code].threshold_days
            assert same or item.outcome == "served"


@given(policy=ladders(1))
def test_a_version_that_says_the_same_moves_nothing(policy: Policy):
    done = [served(level.level_no, level.code) for level in policy.levels]

    assert rungs_by_code(done, policy, policy, DATES) == tuple(
        level.level_no for level in policy.levels
    )
