"""The rules of dunning, one sentence each."""

from __future__ import annotations

from datetime import date, time, timedelta
from uuid import UUID

import pytest

from dunning_common.values import replace
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.schedule import Calendar, CalendarYearMissingError
from tests.unit.dunning_engine.builders import (
    FRANCE,
    account,
    applied,
    case,
    diary,
    hold,
    judged,
    local,
    paris,
)

NOTICE = UUID(int=1)


def verdict(*cases, **where):
    return judged(*cases, **where).verdicts[0]


def served(*levels):
    """A case whose levels were served: ("first_reminder", "2026-05-07"), ..."""
    found = case()
    for code, on in levels:
        level_no = next(level.level_no for level in FRANCE.levels if level.code == code)
        found = found.completed(level_no, code, date.fromisoformat(on))
    return found


class TestTheLadder:
    def test_the_french_ladder_from_courtesy_to_hand_over(self):
        assert diary(case(), start=paris("2026-04-01"), until=paris("2027-01-01")) == [
            ("2026-04-27", "courtesy"),  # Saturday 25 moved to Monday
            ("2026-05-07", "first_reminder"),
            ("2026-05-21", "second_reminder"),
            ("2026-06-05", "formal_notice"),
            ("2026-06-15", "hand_over"),
        ]

    def test_the_german_ladder_works_on_saturdays(self):
        invoice = case(policy_id="germany-b2b", due_on=date(2026, 4, 29))
        debtor = account(country="DE", zone="Europe/Berlin")

        days = diary(invoice, start=paris("2026-04-01"), until=paris("2027-01-01"), debtor=debtor)

        assert days == [
            ("2026-05-02", "first_reminder"),  # a Saturday
            ("2026-05-13", "second_reminder"),
            ("2026-05-27", "final_demand"),
            ("2026-06-10", "hand_over"),
        ]

    def test_the_british_ladder_has_a_letter_before_action(self):
        invoice = case(policy_id="uk-b2b", currency="GBP")
        debtor = account(country="GB", zone="Europe/London")

        days = diary(invoice, start=paris("2026-04-01"), until=paris("2027-01-01"), debtor=debtor)

        assert days == [
            ("2026-04-27", "courtesy"),
            ("2026-05-07", "first_reminder"),
            ("2026-05-15", "second_reminder"),
            ("2026-05-29", "final_demand"),
            ("2026-06-12", "letter_before_action lapsed"),
            ("2026-06-15", "letter_of_claim"),
            ("2026-06-30", "hand_over_company lapsed"),
            ("2026-07-16", "hand_over"),
        ]

    def test_a_level_that_went_out_late_moves_all_that_follow(self):
        late = served(("first_reminder", "2026-05-18"))

        assert verdict(late, now=paris("2026-05-21T09:00")).at == paris("2026-06-01T08:00")

    def test_a_gap_never_pulls_a_level_before_its_threshold(self):
        early = served(("first_reminder", "2026-05-01"))

        assert verdict(early, now=paris("2026-05-02T09:00")).at == paris("2026-05-21T08:00")

    def test_a_pre_due_level_sets_no_spacing(self):
        levels = (FRANCE.levels[0], replace(FRANCE.levels[1], gap_days=20), *FRANCE.levels[2:])
        policy = replace(FRANCE, version=2, levels=levels)
        reminded = replace(served(("courtesy", "2026-04-27")), policy_version=2)

        assert verdict(reminded, policy=policy, now=paris("2026-05-01")).at == paris(
            "2026-05-07T08:00"
        )

    def test_a_lapsed_level_sets_no_spacing_under_another_policy_either(self):
        # What lapsed before the due date under the French policy is level 1 of the German ladder.
        moved = case(policy_id="germany-b2b").lapsed(1, "courtesy", date(2026, 5, 12))

        assert verdict(moved, now=paris("2026-05-13")).at == paris("2026-05-15T08:00")

    def test_grace_days_keep_early_levels_back(self):
        policy = replace(FRANCE, version=7, grace_days=10)

        found = verdict(case(policy_version=7), policy=policy, now=paris("2026-05-01T09:00"))

        assert found.at == paris("2026-05-11T08:00")

    def test_after_downtime_levels_go_out_one_by_one_with_their_gaps(self):
        days = diary(case(), start=paris("2026-07-01T10:30"), until=paris("2027-01-01"))

        assert days == [
            ("2026-07-01", "courtesy lapsed"),
            ("2026-07-01", "first_reminder"),
            ("2026-07-15", "second_reminder"),
            ("2026-07-30", "formal_notice"),
            ("2026-08-10", "hand_over"),
        ]

    def test_a_ladder_without_hand_over_ends_exhausted(self):
        policy = replace(FRANCE, version=9, levels=FRANCE.levels[:2])
        reminded = replace(served(("first_reminder", "2026-05-07")), policy_version=9)

        decision = judged(reminded, policy=policy, now=paris("2026-12-01T09:00"))

        assert decision.verdicts[0].state == "exhausted"
        assert decision.next_action_at is None
        assert not decision.has_effects

    def test_handing_over_sends_nothing_and_ends_the_case(self):
        ripe = served(("formal_notice", "2026-06-05"))

        decision = judged(ripe, now=paris("2026-06-15T08:00"))

        assert decision.notices == ()
        assert [done.level for done in decision.hand_overs] == ["hand_over"]
        after = judged(applied(ripe, decision), now=paris("2026-06-15T08:00"))
        assert after.verdicts[0].state == "closed"
        assert after.next_action_at is None
        assert not after.has_effects


class TestPreDueLevels:
    def test_a_courtesy_may_still_go_out_on_the_due_date(self):
        assert judged(case(), now=paris("2026-04-30T19:59")).notices

    def test_a_courtesy_lapses_when_the_window_of_the_due_date_has_closed(self):
        decision = judged(case(), now=paris("2026-04-30T20:00"))

        assert [(lapse.level, lapse.reason) for lapse in decision.lapses] == [
            ("courtesy", "too_late")
        ]
        assert decision.verdicts[0].level == "first_reminder"

    def test_a_courtesy_lapses_when_every_day_up_to_the_due_date_is_closed(self):
        # Easter: Friday 3 April (Good Friday is no holiday there) to Monday 6 April 2026.
        policy = replace(
            FRANCE,
            version=3,
            levels=(replace(FRANCE.levels[0], threshold_days=-1), *FRANCE.levels[1:]),
        )
        sunday = case(due_on=date(2026, 4, 5), policy_version=3)

        assert judged(sunday, policy=policy, now=paris("2026-04-01")).lapses

    def test_a_lapsed_level_is_not_served_again(self):
        start = judged(case(), now=paris("2026-05-02"))
        lapsed = applied(case(), start)

        assert lapsed.level_no == 1
        assert not judged(lapsed, now=paris("2026-05-02")).lapses

    def test_several_pre_due_levels_lapse_in_one_decision(self):
        levels = (
            Level(
                code="a", level_no=1, threshold_days=-9, channels=("email",), template="courtesy"
            ),
            Level(
                code="b", level_no=2, threshold_days=-2, channels=("email",), template="courtesy"
            ),
            Level(code="c", level_no=3, threshold_days=1, channels=("email",), template="courtesy"),
        )
        policy = replace(FRANCE, version=4, levels=levels)

        decision = judged(case(policy_version=4), policy=policy, now=paris("2026-05-05T09:00"))

        assert [lapse.level for lapse in decision.lapses] == ["a", "b"]
        assert [item.level for item in decision.notices[0].items] == ["c"]


class TestWhenItMaySpeak:
    @pytest.mark.parametrize(
        ("now", "at"),
        [
            ("2026-05-07T07:59:59", "2026-05-07T08:00"),
            ("2026-05-07T20:00", "2026-05-11T08:00"),  # 8 May is a holiday, then the weekend
            ("2026-05-09T12:00", "2026-05-11T08:00"),
        ],
    )
    def test_outside_the_window_a_due_level_waits_for_the_next_opening(self, now, at):
        lapsed = case().lapsed(1, "courtesy", date(2026, 5, 1))

        found = verdict(lapsed, now=paris(now))

        assert (found.state, found.at) == ("scheduled", paris(at))

    @pytest.mark.parametrize("now", ["2026-05-07T08:00", "2026-05-07T13:37", "2026-05-07T19:59:59"])
    def test_inside_the_window_a_due_level_goes_out_at_once(self, now):
        assert judged(case(), now=paris(now)).notices

    def test_the_day_is_the_debtors_not_the_creditors(self):
        tokyo = account(country="JP", zone="Asia/Tokyo")

        found = verdict(case(), now=paris("2026-05-01"), debtor=tokyo)

        assert found.at == local("2026-05-07T08:00", "Asia/Tokyo")

    def test_regional_holidays_come_from_the_calendar_that_is_passed_in(self):
        closed = judged(case(), now=paris("2026-05-08T09:00"))
        ignoring = replace(FRANCE, version=5, observe_holidays=False)
        open_ = judged(case(policy_version=5), policy=ignoring, now=paris("2026-05-08T09:00"))

        assert closed.notices == ()
        assert open_.notices

    def test_a_calendar_of_the_wrong_years_is_refused(self):
        with pytest.raises(CalendarYearMissingError, match="2050"):
            judged(case(), now=paris("2050-01-03T09:00"))

    def test_a_time_without_zone_is_refused(self):
        with pytest.raises(ValueError, match="timezone-aware"):
            judged(case(), now=paris("2026-05-07").replace(tzinfo=None))


class TestPaymentsAndOtherFacts:
    @pytest.mark.parametrize("status", ["paid", "cancelled", "written_off"])
    def test_a_settled_invoice_stops_the_ladder(self, status):
        settled = case(status=status, open_minor=0)

        decision = judged(settled, now=paris("2026-05-07T09:00"))

        assert decision.notices == ()
        assert [(c.invoice_id, c.reason) for c in decision.closings] == [("i1", status)]
        assert decision.next_action_at is None
        assert not judged(applied(settled, decision), now=paris("2026-05-08")).has_effects

    def test_a_closing_for_another_reason_is_announced_too(self):
        paid = case(status="paid", open_minor=0, closed="paid")

        assert not judged(paid, now=paris("2026-05-08")).closings
        corrected = judged(replace(paid, status="cancelled"), now=paris("2026-05-08"))
        assert [closing.reason for closing in corrected.closings] == ["cancelled"]

    def test_an_open_invoice_that_owes_nothing_counts_as_paid(self):
        assert (
            judged(case(open_minor=0), now=paris("2026-05-07T09:00")).closings[0].reason == "paid"
        )

    def test_a_payment_revokes_the_notice_that_is_on_its_way_once(self):
        asked = applied(case(), judged(case(), now=paris("2026-05-07T09:00")))
        paid = replace(asked, status="paid", open_minor=0)

        decision = judged(paid, now=paris("2026-05-07T09:01"))

        assert [(r.invoice_id, r.reason) for r in decision.revocations] == [("i1", "paid")]
        assert decision.revocations[0].notice_id == asked.in_flight.notice_id
        assert not judged(applied(paid, decision), now=paris("2026-05-07T09:02")).revocations

    def test_after_a_partial_payment_the_rest_goes_on(self):
        decision = judged(case(open_minor=30000), now=paris("2026-05-07T09:00"))

        assert decision.notices[0].items[0].open_minor == 30000
        assert decision.notices[0].items[0].amount_minor == 100000

    def test_a_moved_due_date_re_anchors_what_was_not_served(self):
        moved = replace(served(("first_reminder", "2026-05-07")), due_on=date(2026, 6, 15))

        assert verdict(moved, now=paris("2026-05-10")).at == paris("2026-07-06T08:00")

    def test_a_reversed_payment_goes_on_where_the_ladder_stopped(self):
        reminded = served(("first_reminder", "2026-05-07"))
        paid = applied(reminded, judged(replace(reminded, status="paid"), now=paris("2026-05-11")))
        bounced = replace(paid, status="open")

        decision = judged(bounced, now=paris("2026-09-01T10:00"))

        assert decision.reopened == ("i1",)
        assert [item.level for item in decision.notices[0].items] == ["second_reminder"]
        after = applied(bounced, decision).completed(3, "second_reminder", decision.decided_on)
        assert verdict(after, now=paris("2026-09-01T10:01")).at == paris("2026-09-16T08:00")

    def test_a_handed_over_case_stays_handed_over(self):
        gone = case(closed="handed_over", status="paid", open_minor=0)

        decision = judged(gone, now=paris("2026-09-01T10:00"))

        assert not decision.has_effects
        assert decision.verdicts[0].reason == "handed_over"

    def test_nothing_is_decided_while_a_notice_is_in_flight(self):
        asked = applied(case(), judged(case(), now=paris("2026-05-07T09:00")))

        decision = judged(asked, now=paris("2026-12-01T09:00"))

        assert decision.verdicts[0].state == "in_flight"
        assert not decision.has_effects
        assert decision.next_action_at is None


class TestHolds:
    def test_nothing_goes_out_while_a_hold_lasts(self):
        debtor = account(holds=(hold(reason="asked for time", until=paris("2026-05-20T12:00")),))

        decision = judged(case(), now=paris("2026-05-07T09:00"), debtor=debtor)

        assert decision.notices == ()
        assert decision.verdicts[0].state == "held"
        assert decision.verdicts[0].at == paris("2026-05-20T12:00")
        assert decision.next_action_at == paris("2026-05-20T12:00")

    def test_a_hold_without_end_leaves_nothing_to_wait_for(self):
        decision = judged(case(), now=paris("2026-05-07T09:00"), debtor=account(holds=(hold(),)))

        assert decision.verdicts[0].at is None
        assert decision.next_action_at is None

    def test_a_hold_of_one_invoice_leaves_the_others_alone(self):
        debtor = account(holds=(hold(invoice_ids=("i1",)),))

        decision = judged(
            case(), case(invoice_id="i2"), now=paris("2026-05-07T09:00"), debtor=debtor
        )

        assert [item.invoice_id for item in decision.notices[0].items] == ["i2"]

    def test_after_a_hold_one_level_goes_out_and_the_spacing_holds(self):
        reminded = served(("first_reminder", "2026-05-07"))
        debtor = account(holds=(hold(until=paris("2026-09-01T12:00")),))

        days = diary(
            reminded, start=paris("2026-05-07T09:00"), until=paris("2026-12-01"), debtor=debtor
        )

        assert days == [
            ("2026-09-01", "second_reminder"),
            ("2026-09-16", "formal_notice"),
            ("2026-09-28", "hand_over"),
        ]

    def test_the_end_of_a_hold_is_announced_though_nothing_is_due(self):
        debtor = account(holds=(hold(until=paris("2026-04-10T12:00")),))

        waiting = judged(case(), now=paris("2026-04-09"), debtor=debtor)
        ended = judged(case(), now=paris("2026-04-10T12:00"), debtor=debtor)

        assert waiting.next_action_at == paris("2026-04-10T12:00")
        assert waiting.holds_ended == ()
        assert [end.hold_id for end in ended.holds_ended] == ["h1"]

    def test_a_hold_revokes_the_notice_that_is_on_its_way(self):
        asked = applied(case(), judged(case(), now=paris("2026-05-07T09:00")))

        decision = judged(asked, now=paris("2026-05-07T09:01"), debtor=account(holds=(hold(),)))

        assert [revocation.reason for revocation in decision.revocations] == ["held"]

    def test_a_hold_that_starts_later_delays_what_falls_into_it(self):
        later = hold(placed_at=paris("2026-05-06"), until=paris("2026-05-09"))

        found = verdict(case(), now=paris("2026-05-05T09:00"), debtor=account(holds=(later,)))

        assert (found.state, found.at) == ("scheduled", paris("2026-05-11T08:00"))

    def test_a_courtesy_lapses_after_the_hold_not_during_it(self):
        held = account(holds=(hold(until=paris("2026-05-05")),))

        assert not judged(case(), now=paris("2026-05-02"), debtor=held).lapses
        assert judged(case(), now=paris("2026-05-05"), debtor=held).lapses


class TestFailedTries:
    def test_a_failed_level_is_tried_again_on_a_later_permitted_day(self):
        failed = case().lapsed(1, "courtesy", date(2026, 5, 1))
        failed = failed.requested(NOTICE, 2).failed(date(2026, 5, 7), "no_address")

        found = verdict(failed, now=paris("2026-05-07T09:00"))

        assert (found.state, found.at) == ("scheduled", paris("2026-05-11T08:00"))

    def test_each_try_is_a_notice_of_its_own(self):
        first = judged(case(), now=paris("2026-05-07T09:00"))
        failed = applied(case(), first).failed(date(2026, 5, 7), "no_address")
        second = judged(failed, now=paris("2026-05-11T09:00"))

        assert second.notices[0].notice_id != first.notices[0].notice_id
        assert [item.attempt for item in second.notices[0].items] == [2]

    def test_a_returned_notice_is_decided_again_at_once(self):
        first = judged(case(), now=paris("2026-05-07T09:00"))
        returned = applied(case(), first).returned()
        second = judged(returned, now=paris("2026-05-07T09:00"))

        assert second.notices[0].notice_id != first.notices[0].notice_id
        assert second.decision_id != first.decision_id

    def test_after_the_last_try_the_case_is_blocked_with_the_reason(self):
        stuck = case().lapsed(1, "courtesy", date(2026, 5, 1))
        for day in (7, 11, 12):
            stuck = stuck.requested(NOTICE, 2).failed(date(2026, 5, day), "no_address")

        decision = judged(stuck, now=paris("2026-05-13T09:00"))

        assert decision.verdicts[0].state == "blocked"
        assert decision.verdicts[0].reason == "no_address"
        assert decision.next_action_at is None

    def test_new_contacts_unblock_it_at_once_under_a_new_notice_id(self):
        stuck = case().lapsed(1, "courtesy", date(2026, 5, 1))
        ids = set()
        for day in (7, 11, 12):
            decision = judged(stuck, now=paris(f"2026-05-{day:02d}T09:00"))
            ids.add(decision.notices[0].notice_id)
            stuck = applied(stuck, decision).failed(date(2026, 5, day), "no_address")

        decision = judged(stuck.contacts_changed(), now=paris("2026-05-12T09:01"))

        assert decision.notices[0].notice_id not in ids

    def test_a_blocked_courtesy_gives_way_after_the_due_date(self):
        stuck = case(
            due_on=date(2026, 4, 28), failures=3, tries=3, last_failure_on=date(2026, 4, 27)
        )

        blocked = judged(stuck, now=paris("2026-04-27T09:00"))
        later = judged(stuck, now=blocked.next_action_at)

        assert blocked.verdicts[0].state == "blocked"
        assert blocked.next_action_at == paris("2026-04-29T08:00")
        assert [lapse.level for lapse in later.lapses] == ["courtesy"]
        assert later.verdicts[0].state == "scheduled"


class TestMoneyConditions:
    def test_below_its_minimum_a_level_waits_for_new_facts(self):
        levels = tuple(
            replace(level, minimum_minor=(("EUR", 1500),)) for level in FRANCE.levels[1:]
        )
        policy = replace(FRANCE, version=6, levels=levels)
        small = case(policy_version=6, open_minor=1499)

        decision = judged(small, policy=policy, now=paris("2026-05-07T09:00"))

        assert decision.verdicts[0].reason == "below_minimum"
        assert decision.next_action_at is None
        assert judged(
            replace(small, open_minor=1500), policy=policy, now=paris("2026-05-07T09:00")
        ).notices[0]
        assert judged(
            replace(small, currency="USD"), policy=policy, now=paris("2026-05-07T09:00")
        ).notices[0]

    def test_a_missing_rate_blocks_its_own_case_and_is_looked_at_daily(self):
        ripe = served(("second_reminder", "2026-05-21"))
        other = case(invoice_id="i2")

        decision = judged(ripe, other, now=paris("2026-06-05T09:00"), rates=RateBook({}))

        assert [(v.state, v.reason) for v in decision.verdicts] == [
            ("blocked", "missing_rate"),
            ("due", None),
        ]
        assert decision.next_action_at == paris("2026-06-08T08:00")
        assert judged(ripe, now=paris("2026-06-08T08:00")).notices[0]

    def test_an_unknown_policy_version_blocks_only_its_case(self):
        decision = judged(
            case(policy_version=99), case(invoice_id="i2"), now=paris("2026-05-07T09:00")
        )

        assert [(v.state, v.reason) for v in decision.verdicts] == [
            ("blocked", "policy_missing"),
            ("due", None),
        ]

    def test_a_policy_whose_every_day_is_a_holiday_blocks_without_searching_for_ever(self):
        sundays = replace(FRANCE, version=8, weekdays=frozenset({6}))
        every_sunday = frozenset(date(2026, 1, 4) + timedelta(days=7 * n) for n in range(200))
        calendar = Calendar(holidays=every_sunday, years=frozenset({2026}))

        found = verdict(
            case(policy_version=8), policy=sundays, now=paris("2026-05-07"), calendar=calendar
        )

        assert (found.state, found.reason) == ("blocked", "no_permitted_day")


class TestNeverLosingTheThread:
    def test_due_dates_at_the_ends_of_time_do_not_break_the_sweep(self):
        past = case(due_on=date.min)
        future = case(invoice_id="i2", due_on=date.max)

        decision = judged(past, future, now=paris("2026-05-07T09:00"))

        assert decision.verdicts[0].state == "due"
        assert decision.verdicts[1].state == "scheduled"

    def test_a_window_of_one_minute_is_a_window(self):
        narrow = replace(FRANCE, version=2, opens=time(8), closes=time(8, 1))

        assert judged(
            case(policy_version=2), policy=narrow, now=paris("2026-05-07T08:00:59")
        ).notices
        assert not judged(
            case(policy_version=2), policy=narrow, now=paris("2026-05-07T08:01")
        ).notices


def test_a_policy_knows_its_levels_by_number():
    policy: Policy = FRANCE

    assert policy.level(4).code == "formal_notice"
    assert policy.level(99) is None
