"""The fixed sum for recovery costs: who owes it, how much, and why not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.domain.compensation import FixedSum, fixed_compensation, on_scale
from dunning_engine.domain.law_of_fixed_sums import FIXED_SUM_RULES
from dunning_engine.domain.law_of_interest import COUNTRY_NAMES
from dunning_engine.domain.rates import RateBook

FORTY_EUROS = ("FR", "DE", "AT", "BE", "LU", "IT", "ES", "PT")
ZLOTYS = RateBook({"nbp_eur": {"2025-12": Decimal("4.2267")}})


def fixed(country, kind="business", **changes):
    usual = {
        "currency": "EUR",
        "debt_minor": 50000,
        "issued_on": date(2026, 1, 1),
        "due_on": date(2026, 1, 31),
    }
    found = fixed_compensation(country, kind, **usual | changes)
    return found.amount_minor if isinstance(found, FixedSum) else found


@pytest.mark.parametrize("kind", ["business", "public"])
@pytest.mark.parametrize("country", FORTY_EUROS)
def test_forty_euros_in_most_of_the_union(country, kind):
    assert fixed(country, kind) == 4000


@pytest.mark.parametrize("country", [*COUNTRY_NAMES, "US"])
@pytest.mark.parametrize("currency", ["EUR", "GBP", "PLN", "CHF"])
def test_a_consumer_is_never_asked_for_it(country, currency):
    asked = fixed(country, "consumer", currency=currency, rates=ZLOTYS)

    assert asked in ("consumer", "consumer_conditions", "only_if_agreed", "no_fixed_sum_in_law")


def test_only_belgian_and_dutch_consumers_owe_it_under_conditions():
    asked = {
        country: fixed(
            country,
            "consumer",
            consumer_conditions_met=True,
            tags=frozenset({"penalty_clause"}),
        )
        for country in COUNTRY_NAMES
    }

    assert {country for country, sum_ in asked.items() if isinstance(sum_, int)} == {"BE", "NL"}


def test_the_public_buyer_of_france_has_a_law_of_its_own():
    found = fixed_compensation(
        "FR",
        "public",
        currency="EUR",
        debt_minor=100,
        issued_on=date(2026, 1, 1),
        due_on=date(2026, 1, 31),
    )

    assert found.basis == "CCP L2192-13, D2192-35"
    assert fixed("FR", "public", issued_on=date(2013, 3, 15)) == "before_the_law"


def test_french_claims_due_before_2013_have_none():
    assert fixed("FR", due_on=date(2012, 12, 31)) == "before_the_law"
    assert fixed("FR", due_on=date(2013, 1, 1), issued_on=date(2012, 12, 1)) == 4000


def test_german_contracts_before_29_july_2014_have_none():
    assert fixed("DE", issued_on=date(2014, 7, 28)) == "before_the_law"
    assert fixed("DE", issued_on=date(2014, 7, 29)) == 4000


@pytest.mark.parametrize(
    ("minor", "expected"),
    [(100000, 4000), (100001, 7000), (1000000, 7000), (1000001, 10000)],
)
def test_irish_tiers_hold_their_limits(minor, expected):
    assert fixed("IE", debt_minor=minor) == expected


@pytest.mark.parametrize(
    ("minor", "expected"),
    [(500000, 16907), (500001, 29587), (4999999, 29587), (5000000, 42267)],
)
def test_polish_tiers_are_euros_at_the_rate_of_the_month_before_the_due_date(minor, expected):
    assert fixed("PL", currency="PLN", debt_minor=minor, rates=ZLOTYS) == expected


def test_without_that_rate_nothing_is_claimed_in_poland():
    assert fixed("PL", currency="PLN") == "no_conversion_rate"
    assert (
        fixed("PL", currency="PLN", rates=ZLOTYS, due_on=date(2026, 2, 1)) == "no_conversion_rate"
    )


def test_a_dutch_business_owes_forty_euros_at_least():
    assert fixed("NL", debt_minor=1) == 4000
    assert fixed("NL", debt_minor=26667) == 4000
    assert fixed("NL", debt_minor=26670) == 4001  # 40.005, halves up


def test_it_is_not_converted_into_another_currency():
    assert fixed("FR", currency="USD") == "other_currency"
    assert fixed("GB", currency="EUR") == "other_currency"
    assert fixed("PL", currency="EUR", rates=ZLOTYS) == "other_currency"


def test_switzerland_and_unknown_countries_have_none():
    assert fixed("CH", currency="CHF") == "no_fixed_sum_in_law"
    assert fixed("US", currency="USD") == "no_fixed_sum_in_law"


def test_what_nobody_looked_up_says_so():
    usual = {"currency": "EUR", "debt_minor": 1, "issued_on": date(2026, 1, 1)}

    assert fixed_compensation("DE", "business", **usual, due_on=date(2026, 2, 1)).confidence == (
        "sourced"
    )
    assert fixed_compensation("IT", "business", **usual, due_on=date(2026, 2, 1)).confidence == (
        "unverified"
    )


def test_every_rule_says_where_it_stands_and_where_it_was_read():
    assert all(rule.basis and rule.source and rule.checked_on for rule in FIXED_SUM_RULES)


@given(
    st.sampled_from(FIXED_SUM_RULES),
    st.decimals(0, 10**9, places=2),
    st.decimals(0, 10**9, places=2),
)
def test_a_larger_debt_never_owes_a_smaller_sum(rule, debt, more):
    assert 0 < on_scale(rule, debt) <= on_scale(rule, debt + more)
