"""Corners of the rules where a wrong, second or missing reminder could hide."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from dunning_common.values import replace
from dunning_engine.adapters.public_law import PublicLaw
from dunning_engine.domain.case import Approval, Case, Served
from dunning_engine.domain.conditions import Conditions
from dunning_engine.domain.decision import Decision, decide
from dunning_engine.domain.document import PolicyInvalidError
from dunning_engine.domain.fees import Fee
from dunning_engine.domain.policy_document import read_policy
from dunning_engine.domain.record import make_record, recompute
from dunning_engine.testing.policies import level, policy

from .builders import account, case, judged, local, paris

BERLIN = "Europe/Berlin"


def ours(**changes: Any) -> Case:
    return case(policy_id="own", **changes)


class TestBusinessDays:
    """They are counted from a day that may lie in another year than the decision."""

    own = policy(level(1, 8, counting="business_days"), country="DE")
    debtor = account(country="DE", zone=BERLIN)
    before_christmas = ours(issued_on=date(2025, 12, 1), due_on=date(2025, 12, 19))

    def decided(self, now: datetime, one: Case) -> tuple[Decision, bytes]:
        law, policies = PublicLaw(), {self.own.key: self.own}
        calendar = law.calendar("DE", None, BERLIN, now)
        decision = decide(self.debtor, [one], policies, now, calendar, law.rates)
        return decision, make_record(self.debtor, [one], policies, calendar, law.rates, decision)

    @pytest.mark.parametrize("now", ["2025-12-20T09:00", "2026-01-02T09:00"])
    def test_the_turn_of_the_year_does_not_make_a_level_due_earlier(self, now):
        decision, _ = self.decided(local(now, BERLIN), self.before_christmas)

        # 22, 23, 24, 29, 30, 31 December, 2 January: the eighth is Monday.
        assert [verdict.at for verdict in decision.verdicts] == [local("2026-01-05T08:00", BERLIN)]
        assert not decision.notices

    @pytest.mark.parametrize("issued_on", [date(2025, 12, 1), date(2026, 1, 5)])
    def test_a_record_holds_every_holiday_that_was_counted(self, issued_on):
        courtesy = level(1, -8, counting="business_days")
        one = ours(issued_on=issued_on, due_on=date(2026, 1, 7))
        law, policies = PublicLaw(), {("own", 1): policy(courtesy, country="DE")}
        now = local("2026-01-05T09:00", BERLIN)
        calendar = law.calendar("DE", None, BERLIN, now)
        decision = decide(self.debtor, [one], policies, now, calendar, law.rates)
        record = make_record(self.debtor, [one], policies, calendar, law.rates, decision)

        assert recompute(record) == record


class TestChargesBeforeTheDueDate:
    def test_a_level_that_counts_from_the_invoice_date_charges_nothing_before_the_due_date(self):
        early = level(
            1,
            10,
            anchor="invoice_date",
            charges=frozenset({"interest", "compensation"}),
            fee=Fee(fixed_minor=(("EUR", 500),)),
        )

        decision = judged(ours(), policy=policy(early), now=paris("2026-04-13T09:00"))

        (item,) = decision.items
        assert (item.charges, item.fee_minor, item.compensation_minor) == ((), 0, 0)


class TestLevelsOfOneDay:
    @pytest.mark.parametrize(("threshold_days", "gap_days"), [(0, None), (0, 0)])
    def test_two_levels_that_would_go_out_on_one_day_are_refused(self, threshold_days, gap_days):
        second = {
            "code": "second", "threshold_days": threshold_days, "anchor": "previous_level",
            "channels": ["email"], "template": "second_reminder",
        }  # fmt: skip
        if gap_days is not None:
            second["gap_days"] = gap_days
        first = {
            "code": "first", "threshold_days": 7, "channels": ["email"],
            "template": "first_reminder",
        }  # fmt: skip

        with pytest.raises(PolicyInvalidError, match="on one day"):
            read_policy({"name": "Own", "levels": [first, second]}, policy_id="own", version=1)


class TestAfterAMigration:
    def test_a_level_before_the_due_date_whose_code_is_gone_sets_no_spacing(self):
        own = policy(level(1, 7, gap_days=14))
        courtesy = Served(level_no=0, code="courtesy", on=date(2026, 4, 27))
        moved = replace(ours(), served=(courtesy,))

        (verdict,) = judged(moved, policy=own, now=paris("2026-05-04T10:00")).verdicts

        assert verdict.at == paris("2026-05-07T08:00")

    def test_a_reminder_that_counts_as_a_courtesy_keeps_its_spacing(self):
        own = policy(level(1, -5, template="courtesy"), level(2, 10, gap_days=7))
        reminder = Served(level_no=1, code="gone", on=date(2026, 5, 7))
        moved = replace(ours(), served=(reminder,))

        (verdict,) = judged(moved, policy=own, now=paris("2026-05-11T10:00")).verdicts

        assert verdict.at == paris("2026-05-15T08:00")  # 14 May is Ascension Day

    def test_a_reminder_that_counts_as_a_formal_notice_starts_no_interest(self):
        own = policy(
            level(1, 10, template="formal_notice", code="formal"),
            level(2, 40, charges=frozenset({"interest"})),
        )
        reminder = Served(level_no=1, code="gone", on=date(2026, 5, 11))
        moved = replace(ours(), served=(reminder,))
        consumer = account(kind="consumer")

        decision = judged(moved, policy=own, debtor=consumer, now=paris("2026-06-09T10:00"))

        (item,) = decision.items
        assert item.interest_minor == 0


class TestDecisionIds:
    def test_two_levels_rejected_at_one_instant_are_two_decisions(self):
        asked = {"needs_approval": True, "gap_days": 0}
        own = policy(level(1, 0, **asked), level(2, 1, **asked), level(3, 2, **asked))
        now = paris("2026-05-11T10:00")

        def rejected(one: Case, number: int) -> Decision:
            said = replace(one, approval=Approval(level_no=number, approved=False))
            return judged(said, policy=own, now=now)

        first = rejected(ours(), 1)
        second = rejected(ours().lapsed(1, "level_1", date(2026, 5, 11), "rejected"), 2)

        assert [lapse.level_no for lapse in (*first.lapses, *second.lapses)] == [1, 2]
        assert first.decision_id != second.decision_id


class TestWakes:
    """A level in whose way something stands is looked at again when its conditions may change."""

    def test_a_level_whose_tries_are_used_up_is_skipped_when_its_conditions_no_longer_hold(self):
        risky = Conditions(risks=frozenset({"high"}))
        own = policy(level(1, 0, when=risky), level(2, 14), max_attempts=1)
        failed = replace(
            ours(), failures=1, tries=1, last_failure_on=date(2026, 5, 4), failure_reason="bounced"
        )
        calm = account(risk="low")

        (verdict,) = judged(failed, policy=own, debtor=calm, now=paris("2026-05-04T09:00")).verdicts
        later = judged(failed, policy=own, debtor=calm, now=paris("2026-05-05T08:00"))

        assert (verdict.state, verdict.at) == ("blocked", paris("2026-05-05T08:00"))
        assert [lapse.reason for lapse in later.lapses] == ["not_applicable"]

    @pytest.mark.parametrize(
        ("obstacle", "facts"),
        [
            ({"needs_approval": True}, {}),
            ({"minimum_minor": (("EUR", 500000),)}, {}),
            ({}, {"failures": 3, "tries": 3, "failure_reason": "bounced"}),
        ],
    )
    def test_days_that_pass_can_end_a_level_that_waits_for_something_else(self, obstacle, facts):
        alone = Conditions(invoices_at_most=1)
        own = policy(level(1, 0, when=alone, **obstacle), level(2, 14))
        stuck = replace(ours(), **facts)
        another = ours(invoice_id="i2", due_on=date(2026, 5, 20))

        decision = judged(stuck, another, policy=own, now=paris("2026-05-04T09:00"))
        later = judged(stuck, another, policy=own, now=paris("2026-05-21T09:00"))

        assert decision.verdicts[0].at == paris("2026-05-05T08:00")
        assert ("i1", 1) in [(lapse.invoice_id, lapse.level_no) for lapse in later.lapses]
