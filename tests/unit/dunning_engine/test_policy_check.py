"""What keeps a policy from being stored on a day: a rate that nobody entered, a country there is not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial

import pytest

from dunning_common.values import replace
from dunning_engine.adapters.builtin_policies import BUILT_IN_IDS, builtin_text
from dunning_engine.adapters.countries import countries
from dunning_engine.adapters.policy_yaml import PolicyTextError, parse_policy
from dunning_engine.adapters.rate_files import load_rates
from dunning_engine.domain.policy import BUILT_IN_BY_COUNTRY
from dunning_engine.domain.policy_check import PublicFacts, check_policy
from dunning_engine.domain.rates import RateBook

FACTS = PublicFacts(rates=load_rates(), countries=countries(), today=date(2026, 11, 21))
TEXT = """\
name: Ours
country: FR
levels:
  - code: demand
    threshold_days: 10
    channels: [letter]
    template: formal_notice
    charges: [interest]
    when: {countries: [FR, BE]}
"""


def problems(text: str, facts: PublicFacts = FACTS) -> list[tuple[int, str]]:
    try:
        parse_policy(text, policy_id="ours", version=1, check=partial(check_policy, facts=facts))
    except PolicyTextError as error:
        return [(problem.line, problem.message) for problem in error.problems]
    return []


def test_a_policy_whose_rates_are_known_is_fine():
    assert problems(TEXT) == []


def test_interest_without_the_rate_of_the_present_half_year_is_refused_at_its_line():
    found = problems(TEXT, replace(FACTS, today=date(2039, 5, 1)))

    ((line, message),) = found
    assert line == 8
    assert "ecb" in message
    assert "39H1" in message
    assert "add it with its source" in message


def test_without_interest_no_rate_is_missed():
    later = replace(FACTS, today=date(2039, 5, 1))

    assert problems(TEXT.replace("[interest]", "[compensation]"), later) == []


def test_a_series_by_month_is_none_that_the_law_cannot_do_without():
    monthly = {
        name: {"2026-10": Decimal(4)} if name != "ecb" else figures
        for name, figures in load_rates().series.items()
    }

    assert problems(TEXT, replace(FACTS, rates=RateBook(monthly))) == []


def test_a_country_that_there_is_not_is_refused_at_its_line():
    ((line, message),) = problems(TEXT.replace("BE", "ZZ"))

    assert line == 9
    assert "'ZZ' is no country" in message


@pytest.mark.parametrize("policy_id", BUILT_IN_IDS)
def test_every_policy_that_is_shipped_could_be_stored_today(policy_id: str):
    assert problems(builtin_text(policy_id)) == []


def test_every_country_with_a_built_in_policy_has_its_file():
    assert set(BUILT_IN_BY_COUNTRY.values()) <= set(BUILT_IN_IDS)
