"""No notice to a consumer asks for what the law lets only businesses owe, whatever was charged."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case, Charged
from dunning_engine.domain.consumer_charges import unlawful
from dunning_engine.domain.explain import explain
from dunning_engine.domain.law_of_fixed_sums import FIXED_SUM_RULES
from dunning_engine.domain.law_of_interest import INTEREST_RULES
from tests.unit.dunning_engine.builders import (
    CALENDARS,
    POLICIES,
    RATES,
    account,
    case,
    judged,
    paris,
)

COMPENSATION = Charged(
    charge_id="0" * 8, kind="compensation", basis="C. com. L441-10 II, D441-5", open_minor=40_00
)
CONSUMER = account(kind="consumer")
BASES = [
    *(("interest", rule) for rule in INTEREST_RULES),
    *(("compensation", rule) for rule in FIXED_SUM_RULES),
]


@st.composite
def charges(draw: st.DrawFn) -> tuple[Charged, ...]:
    """Charges of any law, told to the ledger already or not."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        kind, rule = draw(st.sampled_from(BASES))
        found.append(
            Charged(
                charge_id=f"c{number}",
                kind=kind,
                basis=rule.basis,
                open_minor=draw(st.integers(1, 10**5)),
                withdrawn=draw(st.booleans()),
            )
        )
    return tuple(found)


def owing(charged: tuple[Charged, ...], fees_minor: int = 0) -> Case:
    """A French invoice long overdue, with these charges booked beside it."""
    return case(
        charged=charged,
        charges_open_minor=sum(charge.open_minor for charge in charged) + fees_minor,
        compensation_charged=any(charge.kind == "compensation" for charge in charged),
        interest_through=date(2026, 5, 20),
    ).lapsed(1, "courtesy", date(2026, 4, 20))


@given(charges(), st.integers(0, 5000), st.integers(0, 60))
def test_a_consumer_is_never_asked_for_what_only_businesses_owe(
    charged: tuple[Charged, ...], fees_minor: int, days: int
) -> None:
    decision = judged(
        owing(charged, fees_minor), now=paris("2026-05-22T09:00") + timedelta(days=days),
        debtor=CONSUMER,
    )  # fmt: skip
    for_consumers = {rule.basis for _, rule in BASES if "consumer" in rule.kinds}
    lawful_minor = sum(c.open_minor for c in charged if c.basis in for_consumers)

    for item in decision.items:
        assert item.charges_open_minor == lawful_minor + fees_minor
        assert item.compensation_minor == 0
    assert {gone.charge_id for gone in decision.withdrawals} == {
        charge.charge_id
        for charge in charged
        if charge.basis not in for_consumers and not charge.withdrawn
    }


def test_what_is_withdrawn_is_explained() -> None:
    found = explain(
        CONSUMER, [owing((COMPENSATION,))], "i1", POLICIES, paris("2026-05-22T09:00"),
        CALENDARS["FR"], RATES,
    )  # fmt: skip

    assert (
        "40.00 EUR of compensation under C. com. L441-10 II, D441-5 is withdrawn: a consumer does "
        "not owe it." in found.words
    )


@given(charges(), st.sampled_from(["business", "public"]))
def test_nobody_else_is_forgiven_anything(charged: tuple[Charged, ...], kind: str) -> None:
    debtor: Account = account(kind=kind)

    assert unlawful(debtor, owing(charged)) == ()


def test_no_law_of_businesses_has_the_name_of_one_of_consumers() -> None:
    """What a charge names must tell whose law it is."""
    terms: dict[str, set[frozenset[str]]] = {}
    for _, rule in BASES:
        terms.setdefault(rule.basis, set()).add(frozenset(rule.kinds))

    for basis, kinds in terms.items():
        assert len({"consumer" in of for of in kinds}) == 1, basis
