"""One notice per debtor, one message per channel, and what it charges."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from dunning_common.values import replace
from dunning_engine.domain.case import Balance
from dunning_engine.domain.notice import outcome_of
from tests.unit.dunning_engine.builders import FRANCE, account, case, judged, paris


def after(level_no, on, **changes):
    """A case whose level of that number was served on that day, as were all before."""
    found = case(**changes)
    for level in FRANCE.levels[:level_no]:
        found = found.completed(level.level_no, level.code, date.fromisoformat(on))
    return found


COURTESY = case(invoice_id="c", due_on=date(2026, 6, 10))
FIRST = after(1, "2026-05-01", invoice_id="a", due_on=date(2026, 5, 20))
SECOND = after(2, "2026-05-07", invoice_id="b")
FORMAL = after(3, "2026-05-21", invoice_id="d")
NOW = paris("2026-06-05T08:00")


def test_one_notice_holds_all_that_is_due_now_longest_overdue_first():
    notice = judged(COURTESY, FIRST, SECOND, FORMAL, now=NOW).notices[0]

    assert [(item.invoice_id, item.level) for item in notice.items] == [
        ("b", "second_reminder"),
        ("d", "formal_notice"),
        ("a", "first_reminder"),
        ("c", "courtesy"),
    ]


def test_one_message_per_channel_covers_what_uses_it_in_the_tone_of_the_highest():
    notice = judged(COURTESY, FIRST, SECOND, FORMAL, now=NOW).notices[0]

    assert [
        (message.channel, message.template, message.level_no, message.invoice_ids)
        for message in notice.messages
    ] == [
        ("email", "formal_notice", 4, ("b", "d", "a", "c")),
        ("sms", "second_reminder", 3, ("b",)),
        ("registered_letter", "formal_notice", 4, ("d",)),
    ]


def test_the_day_to_pay_by_is_that_of_the_highest_level():
    notice = judged(SECOND, FORMAL, now=NOW).notices[0]

    assert notice.pay_by == date(2026, 6, 13)
    assert {item.invoice_id: item.pay_by for item in notice.items} == {
        "b": date(2026, 6, 12),
        "d": date(2026, 6, 13),
    }


def test_a_courtesy_names_no_day_to_pay_by():
    assert judged(COURTESY, now=NOW).notices[0].pay_by is None


def test_asking_twice_is_asking_once():
    first = judged(FIRST, SECOND, now=NOW)
    again = judged(SECOND, FIRST, now=NOW)

    assert first.notices[0].notice_id == again.notices[0].notice_id
    assert first.decision_id == again.decision_id


@pytest.mark.parametrize("debtor", [account(tenant="other"), account(debtor_id="d2")])
def test_another_debtor_has_another_notice(debtor):
    assert (
        judged(FIRST, now=NOW).notices[0].notice_id
        != judged(FIRST, now=NOW, debtor=debtor).notices[0].notice_id
    )


def test_days_late_count_from_the_due_date_and_are_negative_before_it():
    items = judged(COURTESY, FORMAL, now=NOW).notices[0].items

    assert {item.invoice_id: item.days_late for item in items} == {"c": -5, "d": 36}


class TestCharges:
    def test_a_formal_notice_claims_interest_through_today_and_forty_euros(self):
        item = judged(FORMAL, now=NOW).notices[0].items[0]

        # 36 days at 12.15 % on 1,000.00
        assert (item.interest_minor, item.compensation_minor) == (1198, 4000)
        assert [(c.kind, c.amount_minor, c.basis) for c in item.charges] == [
            ("interest", 1198, "C. com. L441-10 II"),
            ("compensation", 4000, "C. com. L441-10 II, D441-5"),
        ]
        assert item.charges[0].segments[0].rate_percent == Decimal("12.15")
        assert item.charges[0].assessed_on == date(2026, 6, 5)

    def test_earlier_levels_charge_nothing(self):
        assert judged(FIRST, SECOND, now=NOW).notices[0].items[0].charges == ()

    def test_charges_keep_their_ids_when_the_level_is_tried_again(self):
        first = judged(FORMAL, now=NOW).notices[0].items[0].charges
        failed = FORMAL.requested(judged(FORMAL, now=NOW).notices[0].notice_id, 4)
        failed = failed.failed(date(2026, 6, 5), "no_address")
        second = judged(failed, now=paris("2026-06-08T08:00")).notices[0].items[0].charges

        assert [c.charge_id for c in first] == [c.charge_id for c in second]
        assert second[0].amount_minor > first[0].amount_minor

    def test_what_was_charged_before_is_not_charged_again(self):
        charged = replace(FORMAL, interest_through=date(2026, 5, 26), compensation_charged=True)

        item = judged(charged, now=NOW).notices[0].items[0]

        assert item.compensation_minor == 0
        assert item.interest_minor == 333  # 10 of the 36 days
        assert item.charges[0].segments[0].first_day == date(2026, 5, 27)

    def test_interest_follows_the_principal_as_it_was_paid_down(self):
        paid_down = replace(
            FORMAL,
            open_minor=40000,
            balances=(
                Balance(since=date(2026, 4, 1), open_minor=100000),
                Balance(since=date(2026, 5, 11), open_minor=40000),
            ),
        )

        segments = judged(paid_down, now=NOW).notices[0].items[0].charges[0].segments

        assert [(s.days, s.amount_minor) for s in segments] == [(10, 333), (26, 346)]

    def test_an_invoice_in_dollars_bears_interest_but_no_euros(self):
        decision = judged(replace(FORMAL, currency="USD"), now=NOW)

        item = decision.notices[0].items[0]
        assert (item.interest_minor, item.compensation_minor) == (1198, 0)
        facts = [dict(s.facts) for s in decision.verdicts[0].trace if s.code == "no_compensation"]
        assert facts == [{"reason": "other_currency"}]

    def test_a_french_consumer_is_not_charged_by_the_formal_notice_itself(self):
        decision = judged(FORMAL, now=NOW, debtor=account(kind="consumer"))

        assert decision.notices[0].items[0].charges == ()
        reasons = [dict(s.facts)["reason"] for s in decision.verdicts[0].trace if "no_" in s.code]
        assert reasons == ["consumer_before_formal_notice", "consumer"]

    def test_a_french_consumer_pays_the_legal_rate_from_the_day_after_the_formal_notice(self):
        levels = (
            *FRANCE.levels[:4],
            replace(
                FRANCE.levels[4],
                final=None,
                channels=("letter",),
                template="letter_before_action",
                charges=frozenset({"interest"}),
            ),
        )
        policy = replace(FRANCE, version=2, levels=levels)
        warned = replace(after(4, "2026-06-05"), policy_version=2)

        decision = judged(
            warned, now=paris("2026-07-15T08:00"), debtor=account(kind="consumer"), policy=policy
        )

        segments = decision.notices[0].items[0].charges[0].segments
        assert [(s.first_day, s.days, str(s.rate_percent)) for s in segments] == [
            (date(2026, 6, 6), 25, "2.62"),
            (date(2026, 7, 1), 15, "2.75"),
        ]

    def test_a_british_consumer_owes_no_statutory_charges(self):
        policy = replace(FRANCE, version=2, country="GB")
        consumer = account(kind="consumer")

        decision = judged(
            replace(FORMAL, policy_version=2, currency="GBP"),
            now=NOW,
            debtor=consumer,
            policy=policy,
        )

        assert decision.notices[0].items[0].charges == ()

    def test_a_policy_without_a_country_charges_nothing(self):
        policy = replace(FRANCE, version=2, country=None)

        decision = judged(replace(FORMAL, policy_version=2), now=NOW, policy=policy)

        assert decision.notices[0].items[0].charges == ()

    def test_a_level_may_charge_the_fixed_sum_alone(self):
        levels = tuple(
            replace(level, charges=level.charges & {"compensation"}) for level in FRANCE.levels
        )
        policy = replace(FRANCE, version=2, levels=levels)

        item = judged(replace(FORMAL, policy_version=2), now=NOW, policy=policy).notices[0].items[0]

        assert [charge.kind for charge in item.charges] == ["compensation"]

    def test_a_level_without_a_template_cannot_send(self):
        policy = replace(FRANCE, version=2, levels=(replace(FRANCE.levels[1], template=None),))

        with pytest.raises(ValueError, match="has no template"):
            judged(case(policy_version=2), now=NOW, policy=policy)

    def test_interest_that_rounds_to_nothing_is_no_charge(self):
        decision = judged(replace(FORMAL, open_minor=1), now=NOW)

        assert [charge.kind for charge in decision.notices[0].items[0].charges] == ["compensation"]


class TestOutcome:
    @pytest.mark.parametrize(
        ("states", "outcome"),
        [
            (["sent"], "served"),
            (["unknown"], "served"),
            (["sent", "failed"], "served"),
            (["sent", "suppressed"], "served"),
            (["sent", "returned"], "served"),
            (["sent", "pending"], "in_flight"),
            (["pending"], "in_flight"),
            ([], "in_flight"),
            (["failed"], "failed"),
            (["suppressed", "suppressed"], "failed"),
            (["failed", "returned"], "returned"),
        ],
    )
    def test_a_level_is_served_when_one_message_went_out_and_none_is_pending(self, states, outcome):
        assert outcome_of(states) == outcome

    def test_a_revoked_item_comes_back_instead_of_failing(self):
        assert outcome_of(["suppressed"], revoked=True) == "returned"
        assert outcome_of(["sent"], revoked=True) == "served"
