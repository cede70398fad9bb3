"""Open cases on another version's ladder: what is done stays done, by code, or by the threshold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dunning_common.values import replace
from dunning_engine.domain.case import Case
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.policy_migration import (
    Dates,
    DoneLevel,
    not_before,
    rung_of_approval,
    rungs_by_code,
)

from .builders import NO_HOLIDAYS, applied, case, judged

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


SOME_DAY = date(2026, 5, 9)


def served(rung: int, code: str, on: date = SOME_DAY) -> DoneLevel:
    return DoneLevel(rung=rung, code=code, outcome="served", on=on)


def lapsed(rung: int, code: str) -> DoneLevel:
    return DoneLevel(rung=rung, code=code, outcome="lapsed", on=SOME_DAY)


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
    back = [replace(item, rung=rung) for rung, item in zip(there, done, strict=True)]

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


class TestSpacing:
    """A change of the ladder is no reason to write twice at once."""

    DAY = date(2026, 4, 30)

    def earliest(self, done: list[DoneLevel], old: Policy, new: Policy) -> date | None:
        return not_before(done, rungs_by_code(done, old, new, DATES), old, new)

    def test_the_next_level_keeps_its_gap_also_when_the_last_one_is_before_the_due_date_now(self):
        old = ladder(1, ("a", 0), ("b", 9))
        new = ladder(2, ("a", -3), ("b", 0), gap_days=5)

        assert self.earliest([served(1, "a", self.DAY)], old, new) == date(2026, 5, 5)

    def test_after_a_courtesy_nothing_goes_out_on_the_same_day(self):
        old = ladder(1, ("a", -3), ("b", 9), gap_days=5)
        new = ladder(2, ("a", -3), ("c", -2), ("b", 9), gap_days=5)

        assert self.earliest([served(1, "a", self.DAY)], old, new) == date(2026, 5, 1)

    def test_where_nothing_was_served_nothing_is_spaced(self):
        assert self.earliest([], OLD, OLD) is None
        assert self.earliest([lapsed(1, "hello")], OLD, OLD) is None

    def test_at_the_end_of_the_ladder_there_is_nothing_to_space(self):
        old, new = ladder(1, ("a", 0)), ladder(2, ("a", 0))

        assert self.earliest([served(1, "a", self.DAY)], old, new) == date(2026, 5, 1)


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
            on=SOME_DAY,
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


class TestLaddersThatChangeOnTheWay:
    """The core decides on after a migration as if the new ladder had always been there."""

    @staticmethod
    def walk(
        case_: Case, policy: Policy, start: datetime, until: datetime
    ) -> tuple[Case, list[tuple[date, str]]]:
        """Decide from action to action, every notice arriving: the case, and (day, code) pairs."""
        found, now = [], start
        while now is not None and now <= until:
            decision = judged(case_, now=now, policy=policy, calendar=NO_HOLIDAYS)
            case_ = applied(case_, decision)
            now = decision.next_action_at
            for notice in decision.notices:
                item = notice.items[0]
                found.append((decision.decided_on, item.level))
                case_ = case_.completed(item.level_no, item.level, decision.decided_on)
                now = decision.decided_at + timedelta(seconds=1)
        return case_, found

    @given(old=ladders(1), new=ladders(2), after_days=st.integers(-10, 80))
    def test_no_level_is_sent_twice_and_none_below_what_is_done(
        self, old: Policy, new: Policy, after_days: int
    ):
        old, new = (
            replace(
                policy,
                weekdays=frozenset(range(7)),
                levels=tuple(replace(level, gap_days=2) for level in policy.levels),
            )
            for policy in (old, new)
        )
        start, change, end = (
            datetime(2026, 4, 30, 6, tzinfo=UTC) + timedelta(days=days)
            for days in (-20, after_days, 400)
        )
        before, first = self.walk(
            case(policy_id="ours", policy_version=1, due_on=DATES.due_on), old, start, change
        )
        done = [
            DoneLevel(rung=item.level_no, code=item.code, outcome=item.outcome, on=item.on)
            for item in before.served
        ]
        rungs = rungs_by_code(done, old, new, DATES)
        moved = replace(
            before,
            policy_version=2,
            not_before=not_before(done, rungs, old, new),
            served=tuple(
                replace(item, level_no=rung)
                for item, rung in zip(before.served, rungs, strict=True)
            ),
        )

        after, second = self.walk(moved, new, change, end)

        codes = [code for _, code in first + second]
        assert len(set(codes)) == len(codes)
        if first and second:
            last, level = before.served[-1], old.level(before.served[-1].level_no)
            apart = 2 if level and not level.is_pre_due else 1
            following = new.level(max(rungs) + 1)
            apart = 1 if following and following.is_pre_due else apart
            assert second[0][0] >= last.on + timedelta(days=apart)
        assert [item.code for item in after.served[: len(done)]] == [item.code for item in done]
        places = {level.code: level.level_no for level in new.levels}
        reached = max(rungs, default=0)
        assert all(places[code] > reached for _, code in second)
        assert after.level_no == len(new.levels)
