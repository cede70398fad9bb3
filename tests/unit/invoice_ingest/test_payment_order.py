from typing import get_args

import pytest

from invoice_ingest.domain.payment_order import (
    LAWS,
    SEQUENCES,
    Component,
    OrderChoice,
    PaymentOrder,
    SequenceName,
    order_by_law,
)


def test_every_order_names_everything_that_can_be_owed_once() -> None:
    assert set(SEQUENCES) == set(get_args(SequenceName))
    for sequence in SEQUENCES.values():
        assert sorted(sequence) == sorted(get_args(Component))


def test_every_choice_is_an_order_or_leaves_it_to_the_law() -> None:
    assert set(get_args(OrderChoice)) == {*SEQUENCES, "by_law"}


def test_each_country_has_one_law_with_its_source() -> None:
    assert len({law.country for law in LAWS}) == len(LAWS)
    assert all(law.source for law in LAWS)
    assert [law.country for law in LAWS] == sorted(law.country for law in LAWS)


@pytest.mark.parametrize(
    ("country", "order"),
    [
        ("DE", "costs_interest_principal"),
        ("FR", "interest_costs_principal"),
        ("GB", "principal_first"),
        ("XX", "principal_first"),
    ],
)
def test_the_law_of_a_country_says_the_order_and_an_unknown_one_spares_the_debtor(
    country: str, order: str
) -> None:
    assert order_by_law(country) == order


def test_who_chooses_nothing_has_the_principal_first_in_every_country() -> None:
    order = PaymentOrder()

    for country in ("DE", "FR", "NL"):
        assert order.of_automatic(country) == order.of_allocated(country) == "principal_first"


def test_what_the_erp_allocated_may_go_by_another_order_than_the_rest() -> None:
    order = PaymentOrder(automatic="by_law", allocated="interest_costs_principal")

    assert order.of_automatic("DE") == "costs_interest_principal"
    assert order.of_allocated("DE") == "interest_costs_principal"
