"""The printed policies and law: fresh, whole, and plain about what nobody looked up."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.adapters.rate_files import load_series
from dunning_engine.domain.law_of_fixed_sums import FIXED_SUM_RULES
from dunning_engine.domain.law_of_interest import COUNTRY_NAMES, INTEREST_RULES
from dunning_engine.entrypoints import policy_catalogue

DOCS = Path(__file__).parents[3] / "docs"
TEXT = policy_catalogue.policies_markdown()


def test_the_document_is_the_one_the_data_give(tmp_path):
    policy_catalogue.write(tmp_path)

    assert (DOCS / policy_catalogue.DOCUMENT).read_text() == (
        tmp_path / policy_catalogue.DOCUMENT
    ).read_text(), "run `make policy-docs`"


@pytest.mark.parametrize("policy_id", builtin_policies())
def test_every_policy_is_printed_with_every_level(policy_id):
    section = TEXT.split(f"### `{policy_id}`")[1].split("\n### ")[0]

    for level in builtin_policies()[policy_id].levels:
        assert f"| {level.level_no} | `{level.code}` |" in section


@pytest.mark.parametrize("name", COUNTRY_NAMES.values())
def test_every_country_is_printed(name):
    assert f"\n### {name}\n" in TEXT


def test_every_rule_and_every_series_is_printed():
    assert all(f"| {rule.basis} |" in TEXT for rule in (*INTEREST_RULES, *FIXED_SUM_RULES))
    assert all(f"| `{one.name}` | {one.what} |" in TEXT for one in load_series())


def test_every_unverified_rule_is_marked():
    doubtful = [
        rule for rule in (*INTEREST_RULES, *FIXED_SUM_RULES) if rule.confidence == "unverified"
    ]

    assert TEXT.count("| **unverified**") == len(doubtful)


def test_comments_of_the_policy_say_why():
    assert "| Mise en demeure (C. civ. 1344, 1231-6). Late-payment interest" in TEXT


def test_tables_are_whole():
    rows = [line for line in TEXT.splitlines() if line.startswith("|")]

    for heads, rule in pairwise(rows):
        if set(rule) == {"|", "-"}:
            assert heads.count("|") == rule.count("|")
