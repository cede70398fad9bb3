"""Which policy an invoice gets: the precedence, the rules, and what is refused in a rules file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.canonical import canonical_json
from dunning_common.values import replace
from dunning_engine.adapters.countries import countries
from dunning_engine.adapters.policy_yaml import PolicyTextError, parse_rules
from dunning_engine.domain.plain import from_plain
from dunning_engine.domain.selection import Facts, Rule, Selection, When, facts_of, misfit, select
from dunning_engine.domain.selection_document import (
    Known,
    read_rules,
    rules_document,
    stored_rules,
)

from .builders import account, case

FACTS = Facts(
    kind="business", country="FR", segment="gold", risk="low", tags=("vip",), currency="EUR",
    amount_minor=500_00,
)  # fmt: skip
KEY_ACCOUNTS = Rule(code="key_accounts", rank=10, when=When(segments=("gold",)), policy_id="soft")
LARGE = Rule(
    code="large", rank=20, when=When(amount_at_least_minor=(("EUR", 100_00),)), policy_id="hard"
)
KNOWN = Known(policies={"soft", "hard", "france-b2b"}, countries=countries())


def chosen(selection: Selection) -> tuple[str, str]:
    return selection.winner.source, selection.policy_id


def test_the_invoice_comes_before_the_debtor_before_rules_before_default_before_built_in():
    everything = replace(
        FACTS, invoice_policy_id="own", debtor_policy_id="theirs", default_policy_id="ours"
    )

    assert chosen(select(everything, [KEY_ACCOUNTS])) == ("invoice", "own")
    everything = replace(everything, invoice_policy_id=None)
    assert chosen(select(everything, [KEY_ACCOUNTS])) == ("debtor", "theirs")
    everything = replace(everything, debtor_policy_id=None)
    assert chosen(select(everything, [KEY_ACCOUNTS])) == ("rule", "soft")
    assert chosen(select(everything, [])) == ("default", "ours")
    everything = replace(everything, default_policy_id=None)
    assert chosen(select(everything, [])) == ("built_in", "france-b2b")
    assert chosen(select(replace(everything, country="DE"), [])) == ("built_in", "germany-b2b")
    assert chosen(select(replace(everything, country="JP"), [])) == ("built_in", "france-b2b")


def test_the_losers_are_shown_with_their_reason():
    facts = replace(FACTS, segment="silver", default_policy_id="ours")

    shown = select(facts, [LARGE, KEY_ACCOUNTS]).candidates

    assert [(c.source, c.rule, c.policy_id, c.won, c.why) for c in shown] == [
        ("invoice", None, None, False, "the invoice names no policy"),
        ("debtor", None, None, False, "the debtor names no policy"),
        ("rule", "key_accounts", "soft", False, "the segment is silver, not gold"),
        ("rule", "large", "hard", True, "the rule 'large' (rank 20) fits"),
        ("default", None, "ours", False, "the rule 'large' comes first"),
        ("built_in", None, "france-b2b", False, "the rule 'large' comes first"),
    ]


def test_the_rule_of_the_smaller_rank_wins_whatever_the_order_of_the_list():
    assert select(FACTS, [LARGE, KEY_ACCOUNTS]).policy_id == "soft"
    assert select(FACTS, [KEY_ACCOUNTS, LARGE]) == select(FACTS, [LARGE, KEY_ACCOUNTS])


@pytest.mark.parametrize(
    ("when", "why"),
    [
        (When(segments=("silver", "bronze")), "the segment is gold, not silver or bronze"),
        (When(risks=("high",)), "the risk is low, not high"),
        (When(kinds=("consumer",)), "the kind is business, not consumer"),
        (When(countries=("DE",)), "the country is FR, not DE"),
        (When(currencies=("USD",)), "the currency is EUR, not USD"),
        (When(tags=("export",)), "neither the invoice nor the debtor has the tag export"),
        (
            When(amount_at_least_minor=(("EUR", 500_01),)),
            "the invoice's amount is below the rule's",
        ),
        (When(amount_at_least_minor=(("USD", 1),)), "it names no amount in EUR"),
        (When(segments=("gold",), risks=("high",)), "the risk is low, not high"),
    ],
)
def test_every_condition_can_keep_a_rule_from_fitting(when: When, why: str):
    assert misfit(when, FACTS) == why


def test_a_rule_fits_when_everything_it_asks_for_is_true():
    when = When(
        segments=("gold",), risks=("low",), kinds=("business",), countries=("FR",),
        tags=("vip", "other"), currencies=("EUR",), amount_at_least_minor=(("EUR", 500_00),),
    )  # fmt: skip

    assert misfit(when, FACTS) is None


def test_tags_of_the_invoice_and_of_the_debtor_count_alike():
    facts = facts_of(
        account(tags=("vip",)),
        case(tags=("export",)),
        invoice_policy_id=None,
        debtor_policy_id=None,
        default_policy_id=None,
    )

    assert facts.tags == ("export", "vip")


WORDS = st.sampled_from(["gold", "silver", "low", "high", "vip"])
LISTS = st.lists(WORDS, max_size=2, unique=True).map(lambda found: tuple(sorted(found)))
WHENS = st.builds(
    When,
    segments=LISTS,
    risks=LISTS,
    tags=LISTS,
    kinds=st.sampled_from([(), ("business",), ("consumer", "public")]),
    countries=st.sampled_from([(), ("FR",), ("DE", "GB")]),
    amount_at_least_minor=st.sampled_from([(), (("EUR", 100),), (("USD", 5),)]),
).filter(lambda when: when != When())
RULES = st.lists(
    st.builds(
        Rule,
        code=st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
        rank=st.integers(1, 1000),
        when=WHENS,
        policy_id=st.sampled_from(["soft", "hard"]),
    ),
    unique_by=(lambda rule: rule.code, lambda rule: rule.rank),
    max_size=6,
)
ANY_FACTS = st.builds(
    Facts,
    invoice_policy_id=st.sampled_from([None, "a"]),
    debtor_policy_id=st.sampled_from([None, "b"]),
    default_policy_id=st.sampled_from([None, "c"]),
    kind=st.sampled_from(["business", "consumer", "public"]),
    country=st.sampled_from(["FR", "DE", "JP"]),
    segment=st.sampled_from([None, "gold", "silver"]),
    risk=st.sampled_from([None, "low"]),
    tags=LISTS,
    currency=st.sampled_from(["EUR", "USD"]),
    amount_minor=st.integers(0, 1000),
)


@given(facts=ANY_FACTS, rules=RULES)
def test_exactly_one_candidate_wins_and_everyone_before_it_did_not_fit(
    facts: Facts, rules: list[Rule]
):
    found = select(facts, rules)

    won = [candidate.won for candidate in found.candidates]
    assert won.count(True) == 1
    assert found.winner.policy_id == found.policy_id
    assert len(found.candidates) == len(rules) + 4
    assert "comes first" not in found.winner.why
    before = [c for c in found.candidates[: won.index(True)] if c.rule]
    by_code = {rule.code: rule for rule in rules}
    assert all(misfit(by_code[c.rule].when, facts) == c.why for c in before)


@given(facts=ANY_FACTS, rules=RULES)
def test_a_choice_can_be_shown_again_from_what_is_kept_of_it(facts: Facts, rules: list[Rule]):
    kept = json.loads(canonical_json(facts))
    document = json.loads(
        json.dumps(rules_document(read_rules([*map(_plain, rules)], version=1, known=KNOWN)))
    )

    again = select(from_plain(Facts, kept), stored_rules(document, version=1).rules)

    assert again == select(facts, rules)


def _plain(rule: Rule) -> dict:
    return rules_document(type("R", (), {"rules": (rule,)}))["rules"][0]


GOOD = """
rules:
  - code: key_accounts
    rank: 10
    when: {segments: [gold], amount_at_least: {EUR: "1000.00"}}
    policy_id: soft
  - code: exports
    rank: 20
    when:
      countries: [US, JP]
      kinds: [business]
    policy_id: hard
"""


def test_rules_are_read_in_the_order_of_their_rank_as_a_list_or_under_their_key():
    found = parse_rules(GOOD, version=3, known=KNOWN)
    bare = parse_rules(json.dumps(rules_document(found)["rules"][::-1]), version=3, known=KNOWN)

    assert found.version == 3
    assert [rule.code for rule in found.rules] == ["key_accounts", "exports"]
    assert found.rules[0].when.amount_at_least_minor == (("EUR", 1000_00),)
    assert bare == found


def test_no_rules_at_all_are_rules_too():
    assert parse_rules("rules: []", version=1, known=KNOWN).rules == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ("rank: 20", "rank: 10", 8, 5, "the rank of 'key_accounts', too"),
        ("code: exports", "code: key_accounts", 7, 5, "used before"),
        ("policy_id: hard", "policy_id: harsh", 12, 5, "store and activate it first"),
        ("[US, JP]", "[US, XX]", 10, 23, "'XX' is unknown"),
        ("[business]", "[bank]", 11, 15, "'bank' is unknown; choose from business"),
        ("[business]", "[business, business]", 11, 25, "listed twice"),
        ("[business]", "business", 11, 7, "must be a list"),
        ("rank: 20", "rank: 0", 8, 5, "whole number from 1"),
        ("rank: 20", 'rank: "20"', 8, 5, "whole number from 1"),
        ("rank: 20", "rank: 20\n    rank: 30", 9, 5, "stands here twice"),
        ("rank: 20", "rank: 20\n    rung: 20", 9, 5, "unknown key"),
        ("rank: 20", "note: x", 7, 5, "'rank' is missing"),
        ("code: exports", "code: Exports!", 7, 5, "must be a code"),
        (
            "when:\n      countries: [US, JP]\n      kinds: [business]",
            "when: {}",
            9,
            5,
            "set the tenant's default policy",
        ),
        ('"1000.00"', '"0"', 5, 48, "must be more than 0"),
        ('EUR: "1000.00"', 'EURO: "1000.00"', 5, 48, "EURO"),
        ('"1000.00"', "true", 5, 48, "amount in quotes"),
        ('{EUR: "1000.00"}', "{}", 5, 30, "names no amount"),
        ("countries: [US, JP]", "currencies: [EUX]", 10, 20, "EUX"),
        ("countries: [US, JP]", "country: [US]", 10, 7, "unknown key"),
    ],
)
def test_what_is_wrong_with_rules_is_told_with_its_place_and_the_remedy(
    old: str, new: str, line: int, column: int, words: str
):
    assert old in GOOD

    with pytest.raises(PolicyTextError) as refused:
        parse_rules(GOOD.replace(old, new), version=1, known=KNOWN)

    first = refused.value.problems[0]
    assert words in first.message
    assert (first.line, first.column) == (line, column)


@pytest.mark.parametrize("text", ["7", "rules: 7", "{}", "- 7", "rules", "", "a: [", "[[1]]"])
def test_text_that_is_no_list_of_rules_is_refused(text: str):
    with pytest.raises(PolicyTextError):
        parse_rules(text, version=1, known=KNOWN)


@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["rules", "code", "rank", "when", "policy_id", "tags", "segments"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_gives_rules_or_a_list_of_problems(document: object):
    found, problems = (), ()
    try:
        found = parse_rules(json.dumps(document), version=1, known=KNOWN).rules
    except PolicyTextError as error:
        problems = error.problems

    assert not (found and problems)
    ranks = [rule.rank for rule in found]
    assert ranks == sorted(set(ranks))
    assert problems or document in ([], {"rules": []}) or found
