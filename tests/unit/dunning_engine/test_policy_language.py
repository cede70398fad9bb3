"""What a policy can say beyond days: anchors, conditions, budgets, approvals, gates, fees, blocks."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dunning_common.values import replace
from dunning_engine.domain.account import Hold, Instalment
from dunning_engine.domain.case import Approval, Balance
from dunning_engine.domain.conditions import Conditions
from dunning_engine.domain.fees import Fee, FeeTier, fee_minor
from dunning_engine.domain.policy import ContactBudget, Policy
from dunning_engine.testing.policies import level, policy
from tests.unit.dunning_engine.builders import account, applied, case, judged, paris

DUE = date(2026, 4, 30)  # a Thursday
ON_DUE_DAY = paris("2026-04-30T09:00")


def ours(**changes: Any) -> Any:
    return case(policy_id="own", **changes)


def states(decision: Any) -> dict[str, str]:
    return {verdict.invoice_id: verdict.state for verdict in decision.verdicts}


class TestAnchors:
    @pytest.mark.parametrize(
        ("anchor", "days", "expected"),
        [
            ("due_date", 5, "2026-05-05"),
            ("invoice_date", 40, "2026-05-11"),
            ("end_of_month", 4, "2026-05-04"),
        ],
    )
    def test_a_level_counts_from_its_anchor(self, anchor, days, expected):
        own = policy(level(1, days, anchor=anchor))

        (verdict,) = judged(ours(), policy=own, now=ON_DUE_DAY).verdicts

        assert verdict.state == "scheduled"
        assert verdict.at == paris(f"{expected}T08:00")

    def test_a_level_can_count_from_the_level_before(self):
        own = policy(level(1, 0), level(2, 9, anchor="previous_level", gap_days=0))
        served = ours().completed(1, "level_1", date(2026, 5, 5))

        (verdict,) = judged(served, policy=own, now=paris("2026-05-05T10:00")).verdicts

        assert verdict.at == paris("2026-05-15T08:00")  # 14 May is Ascension Day

    def test_business_days_leave_out_weekends_and_holidays(self):
        own = policy(level(1, 3, counting="business_days"))

        (verdict,) = judged(ours(), policy=own, now=ON_DUE_DAY).verdicts

        # 1 May is a holiday, 2 and 3 May a weekend: Monday, Tuesday, Wednesday.
        assert verdict.at == paris("2026-05-06T08:00")

    def test_two_levels_never_go_out_on_one_day(self):
        own = policy(level(1, -1), level(2, 0))
        served = ours().completed(1, "level_1", DUE)

        (verdict,) = judged(served, policy=own, now=ON_DUE_DAY).verdicts

        assert (verdict.state, verdict.at) == ("scheduled", paris("2026-05-04T08:00"))


class TestConditions:
    @pytest.mark.parametrize(
        ("when", "applies"),
        [
            (Conditions(minimum_minor=(("EUR", 100000),)), True),
            (Conditions(minimum_minor=(("EUR", 100001),)), False),
            (Conditions(minimum_minor=(("GBP", 999999),)), True),
            (Conditions(maximum_minor=(("EUR", 99999),)), False),
            (Conditions(kinds=frozenset({"consumer"})), False),
            (Conditions(countries=frozenset({"FR", "BE"})), True),
            (Conditions(segments=frozenset({"key"})), True),
            (Conditions(risks=frozenset({"high"})), False),
            (Conditions(tags=frozenset({"vip"})), True),
            (Conditions(without_tags=frozenset({"vip"})), False),
        ],
    )
    def test_a_level_applies_only_where_its_conditions_hold(self, when, applies):
        own = policy(level(1, 0, when=when), level(2, 14))
        debtor = account(segment="key", risk="low", tags=("vip",))

        decision = judged(ours(), policy=own, debtor=debtor, now=ON_DUE_DAY)

        assert [item.level for item in decision.items] == (["level_1"] if applies else [])
        assert [lapse.reason for lapse in decision.lapses] == (
            [] if applies else ["not_applicable"]
        )

    def test_a_skipped_level_sets_no_spacing(self):
        skipped = level(1, 0, when=Conditions(risks=frozenset({"high"})))
        own = policy(skipped, level(2, 1, gap_days=30))

        (verdict,) = judged(ours(), policy=own, now=ON_DUE_DAY).verdicts

        assert verdict.level == "level_2"
        assert verdict.at == paris("2026-05-04T08:00")

    def test_a_level_that_waits_goes_out_once_its_conditions_hold(self):
        when = Conditions(invoices_at_least=2)
        own = policy(level(1, 0, when=when, otherwise="wait"))
        later = paris("2026-05-04T09:00")
        alone = judged(ours(), policy=own, now=later)
        both = judged(ours(), ours(invoice_id="i2"), policy=own, now=later)

        assert states(alone) == {"i1": "blocked"}
        assert alone.next_action_at == paris("2026-05-05T08:00"), "days alone can change it"
        assert len(both.items) == 2

    def test_the_sum_of_a_debtor_counts_only_what_is_overdue_in_that_currency(self):
        when = Conditions(debtor_minimum_minor=(("EUR", 150000),))
        own = policy(level(1, 1, when=when, otherwise="wait"))
        later = paris("2026-05-04T09:00")
        others = [
            ours(invoice_id="i2", currency="GBP"),
            ours(invoice_id="i3", due_on=date(2026, 6, 1)),
        ]

        assert states(judged(ours(), *others, policy=own, now=later))["i1"] == "blocked"
        assert judged(ours(), ours(invoice_id="i4"), *others, policy=own, now=later).items


class TestApprovals:
    own = policy(level(1, 0, needs_approval=True), level(2, 14))

    def test_a_level_waits_for_a_person(self):
        decision = judged(ours(), policy=self.own, now=ON_DUE_DAY)

        assert states(decision) == {"i1": "awaiting_approval"}
        assert decision.next_action_at is None

    def test_an_approved_level_goes_out(self):
        approved = ours(approval=Approval(level_no=1, approved=True))

        assert judged(approved, policy=self.own, now=ON_DUE_DAY).items

    def test_a_rejected_level_is_skipped_and_the_next_one_follows_in_its_time(self):
        rejected = ours(approval=Approval(level_no=1, approved=False))

        decision = judged(rejected, policy=self.own, now=ON_DUE_DAY)

        assert [lapse.reason for lapse in decision.lapses] == ["rejected"]
        assert decision.verdicts[0].level == "level_2"

    def test_an_approval_of_one_level_says_nothing_about_the_next(self):
        own = policy(level(1, 0), level(2, 7, needs_approval=True))
        walked = ours(approval=Approval(level_no=1, approved=True)).completed(1, "level_1", DUE)

        decision = judged(walked, policy=own, now=paris("2026-05-11T09:00"))

        assert states(decision) == {"i1": "awaiting_approval"}


class TestContactBudget:
    def test_what_goes_beyond_the_budget_waits_for_the_first_free_day(self):
        own = policy(budget=ContactBudget(max_contacts=2, days=7))
        debtor = account(contacted_on=(date(2026, 4, 27), date(2026, 4, 29)))

        decision = judged(ours(), policy=own, debtor=debtor, now=ON_DUE_DAY)

        assert decision.notices == ()
        (verdict,) = decision.verdicts
        assert (verdict.state, verdict.reason) == ("scheduled", "contact_budget")
        assert verdict.at == paris("2026-05-04T08:00")

    def test_quiet_days_lie_between_two_contacts(self):
        own = policy(budget=ContactBudget(max_contacts=100, days=7, quiet_days=4))
        debtor = account(contacted_on=(date(2026, 4, 30),))

        (verdict,) = judged(ours(), policy=own, debtor=debtor, now=ON_DUE_DAY).verdicts

        assert verdict.at == paris("2026-05-05T08:00")

    def test_a_level_beyond_the_budget_goes_out_alone(self):
        own = policy(
            level(1, 0),
            level(2, 7, beyond_budget=True),
            budget=ContactBudget(max_contacts=1, days=7),
        )
        debtor = account(contacted_on=(date(2026, 5, 6),))
        formal = ours(invoice_id="i2").completed(1, "level_1", DUE)

        decision = judged(ours(), formal, policy=own, debtor=debtor, now=paris("2026-05-07T09:00"))

        assert [item.invoice_id for item in decision.items] == ["i2"]
        assert states(decision)["i1"] == "scheduled"

    def test_a_courtesy_without_room_gives_way_to_the_level_after_the_due_date(self):
        own = policy(
            level(1, -5),
            level(2, 1, beyond_budget=True),
            budget=ContactBudget(max_contacts=1, days=90),
        )
        debtor = account(contacted_on=(date(2026, 4, 20),))

        courtesy = judged(ours(), policy=own, debtor=debtor, now=paris("2026-04-27T09:00"))
        reminder = judged(ours(), policy=own, debtor=debtor, now=courtesy.next_action_at)

        assert courtesy.next_action_at == paris("2026-05-04T08:00")  # 1 May is a holiday
        assert [lapse.reason for lapse in reminder.lapses] == ["too_late"]
        assert [item.level for item in reminder.items] == ["level_2"]

    def test_separate_notices_use_the_budget_one_by_one(self):
        own = policy(consolidation="invoice", budget=ContactBudget(max_contacts=1, days=7))

        decision = judged(ours(), ours(invoice_id="i2"), policy=own, now=ON_DUE_DAY)

        assert [item.invoice_id for item in decision.items] == ["i1"]


class TestConsolidation:
    def test_one_notice_speaks_of_everything_unless_the_policy_differs(self):
        invoices = [ours(), ours(invoice_id="i2", tags=("alone",)), ours(invoice_id="i3")]
        joint = policy()
        tagged = policy(separate_tags=frozenset({"alone"}))
        each = policy(consolidation="invoice")

        def bundles(own: Policy) -> list[list[str]]:
            decision = judged(*invoices, policy=own, now=ON_DUE_DAY)
            return [[item.invoice_id for item in notice.items] for notice in decision.notices]

        assert bundles(joint) == [["i1", "i2", "i3"]]
        assert bundles(tagged) == [["i1", "i3"], ["i2"]]
        assert bundles(each) == [["i1"], ["i2"], ["i3"]]

    def test_a_failed_try_goes_by_the_fallback(self):
        own = policy(level(1, 0, channels=("email",), fallback=("letter",)))
        failed = ours(tries=1).failed(date(2026, 4, 29), "no_address")

        (item,) = judged(failed, policy=own, now=ON_DUE_DAY).items

        assert item.channels == ("letter",)


class TestGates:
    def test_nothing_goes_out_while_payments_are_not_known_far_enough(self):
        own = policy(payment_feed_hours=24)

        def state(fresh_until: datetime | None) -> tuple[str, str | None]:
            debtor = account(payments_fresh_until=fresh_until)
            (verdict,) = judged(ours(), policy=own, debtor=debtor, now=ON_DUE_DAY).verdicts
            return verdict.state, verdict.reason

        assert state(ON_DUE_DAY - timedelta(hours=24)) == ("due", None)
        assert state(ON_DUE_DAY - timedelta(hours=25)) == ("held", "stale_feed")
        assert state(None) == ("held", "stale_feed")

    def test_money_that_covers_nothing_yet_holds_back_what_it_would_cover(self):
        own = policy(unmatched_receipts="hold")
        debtor = account(unallocated_minor=(("EUR", 50000),))
        small = ours(invoice_id="i2", amount_minor=50000)

        decision = judged(ours(), small, policy=own, debtor=debtor, now=ON_DUE_DAY)

        assert states(decision) == {"i1": "due", "i2": "held"}


class TestFees:
    @pytest.mark.parametrize(
        ("fee", "principal_minor", "expected"),
        [
            (Fee(fixed_minor=(("EUR", 500),)), 100000, 500),
            (Fee(fixed_minor=(("GBP", 500),)), 100000, 0),
            (Fee(percent=Decimal("1.5")), 33333, 500),
            (Fee(percent=Decimal(1), maximum_minor=(("EUR", 300),)), 100000, 300),
            (Fee(fixed_minor=(("EUR", 100),), percent=Decimal(1)), 100000, 1100),
            (
                Fee(tiers=(("EUR", (FeeTier(up_to_minor=5000, amount_minor=100),
                                    FeeTier(up_to_minor=None, amount_minor=900))),)),
                5000, 100,
            ),
            (
                Fee(tiers=(("EUR", (FeeTier(up_to_minor=5000, amount_minor=100),
                                    FeeTier(up_to_minor=None, amount_minor=900))),)),
                5001, 900,
            ),
        ],
    )  # fmt: skip
    def test_a_fee_is_the_sum_of_its_parts(self, fee, principal_minor, expected):
        assert fee_minor(fee, "EUR", principal_minor) == expected

    def test_a_consumer_bears_no_fee_unless_the_policy_says_so(self):
        fee = Fee(fixed_minor=(("EUR", 500),))

        def asked(kind: str, own_fee: Fee) -> int:
            own = policy(level(1, 0, fee=own_fee))
            return (
                judged(ours(), policy=own, debtor=account(kind=kind), now=ON_DUE_DAY)
                .items[0]
                .fee_minor
            )

        assert asked("business", fee) == 500
        assert asked("consumer", fee) == 0
        assert asked("consumer", replace(fee, consumers=True)) == 500

    def test_a_fee_for_the_notice_is_borne_by_the_oldest_invoice(self):
        own = policy(level(1, 0, fee=Fee(fixed_minor=(("EUR", 500),), per="notice")))
        older = ours(invoice_id="older", due_on=date(2026, 4, 20))

        items = judged(ours(), older, policy=own, now=ON_DUE_DAY).items

        assert {item.invoice_id: item.fee_minor for item in items} == {"i1": 0, "older": 500}
        assert [len(item.charges) for item in items] == [1, 0]


class TestDisputes:
    own = policy()

    def dispute(self, **changes: Any) -> Hold:
        usual: dict[str, Any] = {
            "hold_id": "h1",
            "kind": "dispute",
            "invoice_ids": ("i1",),
            "placed_at": paris("2026-04-01"),
        }
        return Hold(**usual | changes)

    def test_the_undisputed_rest_goes_on(self):
        debtor = account(holds=(self.dispute(disputed_minor=30000),))

        (item,) = judged(ours(), policy=self.own, debtor=debtor, now=ON_DUE_DAY).items

        assert (item.open_minor, item.disputed_minor) == (100000, 30000)

    @pytest.mark.parametrize("disputed_minor", [None, 100000, 200000])
    def test_a_dispute_of_the_whole_stops_the_invoice_alone(self, disputed_minor):
        debtor = account(holds=(self.dispute(disputed_minor=disputed_minor),))

        decision = judged(
            ours(), ours(invoice_id="i2"), policy=self.own, debtor=debtor, now=ON_DUE_DAY
        )

        assert states(decision) == {"i1": "held", "i2": "due"}


class TestArrangements:
    own = policy(resume_days=3)

    def promise(self, *instalments: tuple[date, int], **changes: Any) -> Hold:
        usual: dict[str, Any] = {
            "hold_id": "h1",
            "kind": "promise",
            "placed_at": paris("2026-04-29"),
            "currency": "EUR",
            "baseline_minor": 100000,
            "instalments": tuple(
                Instalment(on=on, amount_minor=minor) for on, minor in instalments
            ),
        }
        return Hold(**usual | changes)

    def ended(self, hold: Hold, now: str, **changes: Any) -> list[tuple[str, int | None]]:
        debtor = account(holds=(hold,))
        decision = judged(ours(**changes), policy=self.own, debtor=debtor, now=paris(now))
        return [(end.outcome, end.paid_minor) for end in decision.holds_ended]

    def test_a_promise_holds_until_the_day_after_its_day(self):
        hold = self.promise((date(2026, 5, 5), 100000))
        debtor = account(holds=(hold,))

        decision = judged(ours(), policy=self.own, debtor=debtor, now=ON_DUE_DAY)

        assert states(decision) == {"i1": "held"}
        assert decision.next_action_at == paris("2026-05-06T00:00")

    @pytest.mark.parametrize(
        ("open_minor", "outcome", "paid_minor"),
        [(100000, "broken", 0), (60000, "partly_kept", 40000)],
    )
    def test_a_promise_that_was_not_kept_ends_and_the_ladder_goes_on(
        self, open_minor, outcome, paid_minor
    ):
        hold = self.promise((date(2026, 5, 5), 100000))

        assert self.ended(hold, "2026-05-05T23:59", open_minor=open_minor) == []
        assert self.ended(hold, "2026-05-06T00:00", open_minor=open_minor) == [
            (outcome, paid_minor)
        ]

    def test_a_promise_of_a_part_is_kept_by_the_part_and_quiet_follows(self):
        hold = self.promise((date(2026, 5, 5), 40000))
        debtor = account(holds=(hold,))

        decision = judged(
            ours(open_minor=60000), policy=self.own, debtor=debtor, now=paris("2026-05-04T09:00")
        )

        assert [end.outcome for end in decision.holds_ended] == ["kept"]
        assert [r.not_before for r in decision.resumes] == [date(2026, 5, 7)]
        assert decision.verdicts[0].at == paris("2026-05-07T08:00")

    def test_a_plan_is_broken_by_the_first_instalment_that_is_late_beyond_its_grace(self):
        plan = self.promise(
            (date(2026, 5, 5), 40000),
            (date(2026, 6, 5), 60000),
            kind="plan",
            grace_days=3,
            tolerance_minor=1000,
        )

        assert self.ended(plan, "2026-05-08T10:00") == []
        assert self.ended(plan, "2026-05-09T10:00") == [("broken", 0)]
        assert self.ended(plan, "2026-05-09T10:00", open_minor=61000) == []
        assert self.ended(plan, "2026-06-09T10:00", open_minor=61000) == [("partly_kept", 39000)]
        assert self.ended(plan, "2026-06-01T10:00", open_minor=1000) == [("kept", 99000)]


class TestQuiet:
    def test_a_part_payment_buys_the_days_that_the_policy_gives(self):
        own = policy(quiet_after_payment_days=10)
        paid = ours(
            open_minor=40000,
            balances=(
                Balance(since=date(2026, 4, 1), open_minor=100000),
                Balance(since=date(2026, 4, 29), open_minor=40000),
            ),
        )

        (verdict,) = judged(paid, policy=own, now=ON_DUE_DAY).verdicts

        assert verdict.at == paris("2026-05-11T08:00")  # paid on 28 April; 8 May is a holiday

    def test_after_a_long_hold_one_level_goes_out_not_all_that_were_missed(self):
        own = policy(level(1, 0), level(2, 7), level(3, 14))
        hold = Hold(hold_id="h1", placed_at=paris("2026-04-01"), until=paris("2026-08-03T00:00"))
        now = paris("2026-08-03T09:00")

        decision = judged(ours(), policy=own, debtor=account(holds=(hold,)), now=now)
        after = applied(ours(), decision).completed(1, "level_1", date(2026, 8, 3))
        (verdict,) = judged(after, policy=own, now=now).verdicts

        assert [item.level for item in decision.items] == ["level_1"]
        assert (verdict.level, verdict.at) == ("level_2", paris("2026-08-10T08:00"))


class TestCreditBlock:
    own = policy(level(1, 0, credit_block=True), level(2, 30))

    def test_a_served_level_asks_for_it_and_payment_lifts_it(self):
        served = ours().completed(1, "level_1", DUE)
        later = paris("2026-05-04T09:00")

        asked = judged(served, policy=self.own, now=later)
        kept = judged(served, policy=self.own, debtor=account(credit_blocked=True), now=later)
        lifted = judged(
            replace(served, status="paid", open_minor=0),
            policy=self.own,
            debtor=account(credit_blocked=True),
            now=later,
        )

        assert (asked.credit_block, kept.credit_block, lifted.credit_block) == (True, None, False)

    def test_an_invoice_that_is_with_others_keeps_it(self):
        debtor = account(credit_blocked=True, handed_over_invoices=1)

        assert judged(policy=self.own, debtor=debtor, now=ON_DUE_DAY).credit_block is None
