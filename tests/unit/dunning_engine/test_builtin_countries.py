"""The ladders that come with the platform: lawful, in order, and complete for their country."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.domain.compensation import FixedSum, fixed_compensation
from dunning_engine.domain.interest import InterestTerms, interest_terms
from dunning_engine.domain.policy import BUILT_IN_BY_COUNTRY, TEMPLATES
from tests.unit.dunning_engine.builders import NO_HOLIDAYS, account, case, diary, judged, local

POLICIES = [pytest.param(policy, id=name) for name, policy in builtin_policies().items()]
CAPITALS = {
    "AT": "Europe/Vienna",
    "BE": "Europe/Brussels",
    "DE": "Europe/Berlin",
    "ES": "Europe/Madrid",
    "FR": "Europe/Paris",
    "GB": "Europe/London",
    "IE": "Europe/Dublin",
    "IT": "Europe/Rome",
    "NL": "Europe/Amsterdam",
}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_follows_the_law_of_the_country_it_is_for(policy):
    assert BUILT_IN_BY_COUNTRY[policy.country] == policy.policy_id


@pytest.mark.parametrize("policy", POLICIES)
def test_reminders_come_first_the_claim_of_interest_later_and_the_hand_over_last(policy):
    charging = [level for level in policy.levels if level.charges]
    sent = [TEMPLATES.index(level.template) for level in policy.levels if level.template]

    assert [level.template in ("final_demand", "formal_notice") for level in charging] == [True]
    assert charging[0].threshold_days >= 28
    assert sent == sorted(sent)
    assert [level.final for level in policy.levels if level.final] == ["agency"]
    assert policy.levels[-1].final


@pytest.mark.parametrize("policy", POLICIES)
def test_a_debtor_has_the_time_to_pay_that_the_letter_gave(policy):
    for level, following in pairwise(policy.levels):
        assert following.gap_days >= (level.pay_within_days or 0)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_the_claim_asks_for_is_given_by_that_law(policy):
    day = date(2026, 4, 1)
    currency = "GBP" if policy.country == "GB" else "EUR"
    for kind in ("business", "public"):
        assert isinstance(interest_terms(policy.country, kind, day), InterestTerms)
        found = fixed_compensation(
            policy.country, kind, currency=currency, debt_minor=100000, issued_on=day, due_on=day
        )
        assert isinstance(found, FixedSum)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_ladder_is_climbed_to_its_end(policy):
    zone = CAPITALS[policy.country]
    debtor = account(country=policy.country, zone=zone)
    invoice = case(policy_id=policy.policy_id)

    served = diary(
        invoice,
        start=local("2026-04-01", zone),
        until=local("2026-08-31", zone),
        debtor=debtor,
        calendar=NO_HOLIDAYS,
    )

    assert [code for _, code in served] == [level.code for level in policy.levels]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_consumer_under_it_is_never_shown_a_fixed_sum(policy):
    zone = CAPITALS[policy.country]
    debtor = account(country=policy.country, zone=zone, kind="consumer")
    level = next(level for level in policy.levels if level.charges)
    invoice = case(policy_id=policy.policy_id)
    for before in policy.levels[: level.level_no - 1]:
        invoice = invoice.completed(before.level_no, before.code, date(2026, 5, 20))

    decision = judged(invoice, now=local("2026-07-15T10:00", zone), debtor=debtor)

    (notice,) = decision.notices
    assert [charge.kind for charge in notice.charges if charge.kind == "compensation"] == []
    reasons = [dict(taken.facts)["reason"] for taken in decision.verdicts[0].trace
               if taken.code == "no_compensation"]  # fmt: skip
    assert reasons[0] in ("consumer", "consumer_conditions")
