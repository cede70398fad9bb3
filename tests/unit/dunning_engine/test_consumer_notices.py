"""The free notice that names a consumer the costs to come, in Belgium and in the Netherlands."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.values import replace
from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.domain.case import Balance
from dunning_engine.domain.charges import assess
from dunning_engine.domain.explain import explain_verdict
from dunning_engine.domain.policy_check import PublicFacts, check_policy
from dunning_engine.domain.selection import facts_of, select
from tests.unit.dunning_engine.builders import (
    NO_HOLIDAYS,
    RATES,
    account,
    case,
    diary,
    judged,
    local,
)

DUTCH, BELGIAN = (builtin_policies()[f"{name}-consumer"] for name in ("netherlands", "belgium"))
CLAUSE = ("penalty_clause",)
NOTICED = date(2026, 5, 15)


def debtor_of(policy, **changes):
    zone = "Europe/Amsterdam" if policy.country == "NL" else "Europe/Brussels"
    return account(**{"country": policy.country, "zone": zone, "kind": "consumer"} | changes)


def level_of(policy, code):
    return next(level for level in policy.levels if level.code == code)


def invoice_of(policy, **changes):
    return case(policy_id=policy.policy_id, **changes)


def noticed(policy, code, on=NOTICED, **changes):
    """An invoice whose free notice went out on a day."""
    return invoice_of(policy, **changes).completed(level_of(policy, code).level_no, code, on)


def announced(policy, code, invoice, **changes):
    found = assess(
        debtor_of(policy, **changes), invoice, policy, level_of(policy, code), NOTICED, RATES
    )
    return [one.amount_minor for one in found.announced]


def charged(policy, code, invoice, on, **changes):
    found = assess(debtor_of(policy, **changes), invoice, policy, level_of(policy, code), on, RATES)
    return found.minor("compensation")


def said(found):
    return [(step.code, dict(step.facts).get("reason")) for step in found.steps]


@pytest.mark.parametrize(
    ("open_minor", "costs_minor"),
    [(12500, 4000), (100000, 15000), (500000, 62500), (2300000, 100500)],
)
def test_the_dutch_letter_names_the_sum_of_the_scale(open_minor, costs_minor):
    invoice = invoice_of(DUTCH, amount_minor=open_minor)

    assert announced(DUTCH, "fourteen_days", invoice) == [costs_minor]


@pytest.mark.parametrize(
    ("open_minor", "costs_minor"), [(15000, 2000), (21500, 3650), (50100, 6505), (100000, 9000)]
)
def test_the_belgian_reminder_names_the_capped_sum_of_a_clause(open_minor, costs_minor):
    invoice = invoice_of(BELGIAN, amount_minor=open_minor, tags=CLAUSE)

    assert announced(BELGIAN, "first_reminder", invoice) == [costs_minor]


def test_without_a_clause_a_belgian_consumer_is_told_of_no_sum_and_owes_none():
    before = invoice_of(BELGIAN)
    after = noticed(BELGIAN, "first_reminder")

    assert announced(BELGIAN, "first_reminder", before) == []
    assert charged(BELGIAN, "formal_notice", after, date(2026, 9, 1)) == 0


def test_nothing_is_owed_yet_by_what_a_notice_announces():
    found = assess(
        debtor_of(DUTCH),
        invoice_of(DUTCH),
        DUTCH,
        level_of(DUTCH, "fourteen_days"),
        NOTICED,
        RATES,
    )

    assert found.charges == ()
    assert found.announced[0].basis == "art. 6:96 lid 5 en 6 BW, Besluit BIK"


@pytest.mark.parametrize(
    ("policy", "notice", "claim", "tags"),
    [
        (DUTCH, "fourteen_days", "final_demand", ()),
        (BELGIAN, "first_reminder", "formal_notice", CLAUSE),
    ],
    ids=["NL", "BE"],
)
def test_the_sum_is_owed_once_the_days_of_the_law_have_passed_and_not_on_the_last(
    policy, notice, claim, tags
):
    invoice = noticed(policy, notice, tags=tags)

    on_the_last = charged(policy, claim, invoice, date(2026, 6, 4))
    after = charged(policy, claim, invoice, date(2026, 6, 5))

    assert on_the_last == 0
    assert after == announced(policy, notice, invoice_of(policy, tags=tags))[0]


def test_a_consumer_who_was_sent_no_such_letter_owes_no_costs():
    reminded = invoice_of(DUTCH).completed(2, "first_reminder", date(2026, 5, 5))
    lapsed = reminded.lapsed(4, "fourteen_days", date(2026, 5, 15), "not_applicable")
    level = level_of(DUTCH, "final_demand")

    found = assess(debtor_of(DUTCH), lapsed, DUTCH, level, date(2026, 9, 1), RATES)

    assert found.minor("compensation") == 0
    assert ("no_compensation", "consumer_conditions") in said(found)


def test_who_pays_a_part_in_time_owes_the_costs_of_the_rest():
    paid = noticed(
        DUTCH,
        "fourteen_days",
        open_minor=20000,
        balances=(
            Balance(since=date(2026, 4, 30), open_minor=100000),
            Balance(since=date(2026, 5, 20), open_minor=20000),
        ),
    )

    assert charged(DUTCH, "final_demand", paid, date(2026, 6, 5)) == 4000


@given(
    named=st.integers(1, 10**7),
    later=st.lists(st.integers(1, 10**7), max_size=3),
    disputed=st.integers(0, 10**6),
)
def test_never_more_is_charged_than_the_letter_named(named, later, disputed):
    """Whatever was paid, came back or is disputed since."""
    first = invoice_of(DUTCH, amount_minor=10**7, open_minor=named)
    balances = [Balance(since=date(2026, 4, 30), open_minor=named)]
    balances += [
        Balance(since=date(2026, 5, 20 + place), open_minor=minor)
        for place, minor in enumerate(later)
    ]
    after = noticed(
        DUTCH,
        "fourteen_days",
        amount_minor=10**7,
        open_minor=balances[-1].open_minor,
        balances=tuple(balances),
        disputed_minor=min(disputed, balances[-1].open_minor),
    )

    asked = charged(DUTCH, "final_demand", after, date(2026, 6, 5))

    assert asked <= announced(DUTCH, "fourteen_days", first)[0]


def test_a_business_is_told_of_no_sum_under_the_same_policy():
    assert announced(DUTCH, "fourteen_days", invoice_of(DUTCH), kind="business") == []


def test_the_notice_carries_what_it_announces():
    invoice = invoice_of(DUTCH).completed(2, "first_reminder", date(2026, 5, 5))

    decision = judged(
        invoice,
        now=local("2026-05-15T10:00", "Europe/Amsterdam"),
        debtor=debtor_of(DUTCH),
        calendar=NO_HOLIDAYS,
    )

    (notice,) = decision.notices
    assert [one.amount_minor for one in notice.items[0].announced] == [15000]
    assert notice.pay_by == date(2026, 6, 4)
    words = " ".join(explain_verdict(decision.verdicts[0], "EUR", "Europe/Amsterdam"))
    assert "It announces 150.00 EUR of costs for when it changes nothing" in words


def test_who_owes_several_invoices_gets_a_reminder_that_names_no_costs():
    """Art. 6:96 lid 7 BW: what one letter could name has one sum together."""
    pair = [
        invoice_of(DUTCH, invoice_id=name).completed(2, "first_reminder", date(2026, 5, 5))
        for name in ("i1", "i2")
    ]

    decision = judged(
        *pair,
        now=local("2026-05-14T10:00", "Europe/Amsterdam"),
        debtor=debtor_of(DUTCH),
        calendar=NO_HOLIDAYS,
    )

    (notice,) = decision.notices
    assert {item.level for item in notice.items} == {"second_reminder"}
    assert [item.announced for item in notice.items] == [(), ()]


def test_a_dutch_policy_that_names_the_costs_of_each_of_several_invoices_is_refused():
    facts = PublicFacts(rates=RATES, countries=("NL",), today=date(2026, 5, 1))
    careless = replace(
        DUTCH, levels=tuple(replace(level, when=None) for level in DUTCH.levels), policy_id="ours"
    )

    assert check_policy(DUTCH, facts) == []
    assert ["lid 7" in problem.message for problem in check_policy(careless, facts)] == [True]


@pytest.mark.parametrize(
    ("country", "kind", "policy_id"),
    [
        ("BE", "consumer", "belgium-consumer"),
        ("NL", "consumer", "netherlands-consumer"),
        ("NL", "business", "netherlands-b2b"),
        ("BE", "public", "belgium-b2b"),
        ("FR", "consumer", "france-b2b"),
    ],
)
def test_consumers_get_the_policy_that_their_law_wants(country, kind, policy_id):
    facts = facts_of(
        account(country=country, kind=kind),
        case(),
        invoice_policy_id=None,
        debtor_policy_id=None,
        default_policy_id=None,
    )

    assert select(facts, ()).policy_id == policy_id


def test_a_british_company_is_handed_over_after_its_14_days_and_everybody_else_after_30():
    def climb(tags):
        invoice = case(policy_id="uk-b2b", currency="GBP", tags=tags)
        zone = "Europe/London"
        days = diary(
            invoice,
            start=local("2026-04-01", zone),
            until=local("2026-12-31", zone),
            debtor=account(country="GB", zone=zone),
            calendar=NO_HOLIDAYS,
        )
        letter = next(
            day for day, code in days if code in ("letter_before_action", "letter_of_claim")
        )
        end = next(day for day, code in days if code in ("hand_over", "hand_over_company"))
        return (date.fromisoformat(end) - date.fromisoformat(letter)).days

    assert climb(("company",)) == 17  # 15, and a weekend
    assert climb(()) == 31
