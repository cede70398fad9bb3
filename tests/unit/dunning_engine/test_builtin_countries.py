"""The ladders that come with the platform: lawful, in order, and complete for their country."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest

from dunning_common.values import replace
from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.domain.compensation import FixedSum, fixed_compensation
from dunning_engine.domain.conditions import Conditions
from dunning_engine.domain.explain import NOT_CHARGED, explain_verdict
from dunning_engine.domain.interest import InterestTerms, interest_terms
from dunning_engine.domain.law_of_interest import COUNTRY_NAMES
from dunning_engine.domain.policy import BUILT_IN_FOR_CONSUMERS, TEMPLATES, built_in_policy_id
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.record import make_record, recompute
from tests.unit.dunning_engine.builders import (
    NO_HOLIDAYS,
    RATES,
    account,
    case,
    diary,
    judged,
    local,
)

EVERY = [pytest.param(policy, id=name) for name, policy in builtin_policies().items()]
POLICIES = [
    pytest.param(policy, id=name)
    for name, policy in builtin_policies().items()
    if policy.policy_id not in BUILT_IN_FOR_CONSUMERS.values()
]
"""Those for businesses."""
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


@pytest.mark.parametrize("policy", EVERY)
def test_a_policy_follows_the_law_of_the_country_it_is_for(policy):
    by_kind = {built_in_policy_id(policy.country, kind) for kind in ("business", "consumer")}

    assert policy.policy_id in by_kind


@pytest.mark.parametrize("policy", EVERY)
def test_reminders_come_first_the_claim_of_interest_later_and_the_hand_over_last(policy):
    charging = [level for level in policy.levels if level.charges]
    sent = [TEMPLATES.index(level.template) for level in policy.levels if level.template]

    assert [level.template in ("final_demand", "formal_notice") for level in charging] == [True]
    assert charging[0].threshold_days >= 28
    assert sent == sorted(sent)
    assert {level.final for level in policy.levels if level.final} == {"agency"}
    assert policy.levels[-1].final


@pytest.mark.parametrize("kind", ["business", "consumer", "public"])
@pytest.mark.parametrize("tags", [(), ("company",), ("penalty_clause",)], ids=str)
@pytest.mark.parametrize("policy", EVERY)
def test_a_debtor_has_the_time_to_pay_that_the_letter_gave(policy, tags, kind):
    """Whoever it is, the level that follows comes after the day to pay by, and not on it."""
    reached = [level for level in policy.levels if concerns(level, tags, kind)]

    for level, following in pairwise(reached):
        if not level.is_pre_due:
            assert following.gap_days > (level.pay_within_days or 0), (level.code, following.code)


def concerns(level, tags, kind):
    """Is the level for such a debtor? How much it owes may be either way."""
    when = level.when or Conditions()
    return (
        (not when.tags or bool(when.tags & {*tags}))
        and not when.without_tags & {*tags}
        and (not when.kinds or kind in when.kinds)
    )


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


@pytest.mark.parametrize("policy", EVERY)
def test_a_ladder_is_climbed_to_its_end(policy):
    zone = CAPITALS[policy.country]
    kind = "consumer" if policy.policy_id.endswith("consumer") else "business"
    debtor = account(country=policy.country, zone=zone, kind=kind)
    invoice = case(policy_id=policy.policy_id)

    served = diary(
        invoice,
        start=local("2026-04-01", zone),
        until=local("2026-08-31", zone),
        debtor=debtor,
        calendar=NO_HOLIDAYS,
    )

    assert [code.removesuffix(" lapsed") for _, code in served] == [
        level.code for level in policy.levels
    ]
    assert [code for _, code in served if code.endswith("lapsed")] == [
        f"{level.code} lapsed"
        for level in policy.levels
        if level.when and not for_one_person(level)
    ]


def for_one_person(level):
    """Is the level for a debtor who is no company and owes a single invoice?"""
    return not level.when.tags and (level.when.invoices_at_least or 1) <= 1


def claimed(policy, *, now, rates=RATES, kind="business", **facts):
    """The decision about an invoice whose level with charges is due, and its record."""
    zone = CAPITALS.get(policy.country, "Europe/Warsaw")
    debtor = account(country=policy.country, zone=zone, kind=kind)
    level = next(level for level in policy.levels if level.charges)
    invoice = case(policy_id=policy.policy_id, policy_version=policy.version, **facts)
    for before in policy.levels[: level.level_no - 1]:
        invoice = invoice.completed(before.level_no, before.code, date(2026, 5, 20))
    decision = judged(
        invoice,
        now=local(now, zone),
        debtor=debtor,
        policy=policy,
        calendar=NO_HOLIDAYS,
        rates=rates,
    )
    policies = {policy.key: policy}
    return decision, make_record(debtor, [invoice], policies, NO_HOLIDAYS, rates, decision)


def reasons(decision, code):
    trace = decision.verdicts[0].trace
    return [dict(taken.facts)["reason"] for taken in trace if taken.code == code]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_record_of_a_claim_holds_every_rate_it_looked_at(policy):
    currency = "GBP" if policy.country == "GB" else "EUR"

    decision, record = claimed(
        policy, now="2026-07-15T10:00", currency=currency, due_on=date(2025, 3, 31)
    )

    (notice,) = decision.notices
    assert notice.items[0].interest_minor > 0
    assert notice.items[0].compensation_minor >= 4000
    assert recompute(record) == record


@pytest.mark.parametrize("kind", ["business", "consumer", "public"])
@pytest.mark.parametrize("country", COUNTRY_NAMES)
def test_any_country_may_be_claimed_in_or_says_why_not(country, kind):
    """Under one ladder, whatever the law: never an error, and the record recomputes."""
    policy = replace(builtin_policies()["germany-b2b"], country=country, policy_id="ours")

    decision, record = claimed(policy, now="2026-06-15T10:00", kind=kind)

    assert recompute(record) == record
    if kind == "consumer":
        assert decision.notices[0].items[0].compensation_minor == 0
    for code in ("no_interest", "no_compensation"):
        assert all(reason in NOT_CHARGED for reason in reasons(decision, code))
    assert explain_verdict(decision.verdicts[0], "EUR", "Europe/Berlin")


def test_a_polish_claim_in_zlotys_records_the_rate_that_converts_it():
    policy = replace(builtin_policies()["germany-b2b"], country="PL", policy_id="ours")
    book = RateBook({**RATES.series, "nbp_eur": {"2026-03": Decimal("4.2500")}})

    decision, record = claimed(policy, now="2026-06-15T10:00", rates=book, currency="PLN")

    assert decision.notices[0].items[0].compensation_minor == 17000
    assert json.loads(record)["inputs"]["rates"] == {
        "nbp": {"26H1": "4.00"},
        "nbp_eur": {"2026-03": "4.2500"},
    }
    assert recompute(record) == record


def test_a_missing_half_year_blocks_the_claim_of_that_country_only():
    policy = replace(builtin_policies()["germany-b2b"], country="PL", policy_id="ours")

    decision, _ = claimed(policy, now="2026-07-15T10:00", currency="PLN")

    assert (decision.verdicts[0].state, decision.verdicts[0].reason) == ("blocked", "missing_rate")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_consumer_under_it_is_never_shown_a_fixed_sum(policy):
    decision, _ = claimed(policy, now="2026-07-15T10:00", kind="consumer")

    (notice,) = decision.notices
    assert [item.compensation_minor for item in notice.items] == [0]
    assert reasons(decision, "no_compensation")[0] in (
        "consumer",
        "consumer_conditions",
        "only_if_agreed",
    )
