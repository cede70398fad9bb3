"""The order of work: more money or more age never ranks lower, and the order is the same for all."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from dunning_common.values import replace
from dunning_engine.domain.work_item import WORK_KINDS
from dunning_engine.domain.work_ranking import (
    DAYS_MAX,
    FACTOR_PERCENT,
    UNIT,
    Ranked,
    Scale,
    place_of,
    ranking_value,
)

TODAY = date(2026, 6, 1)
CURRENCIES = ("EUR", "GBP", "JPY", "KWD")
amounts = st.integers(0, 10**15)
days = st.integers(-400, 4000)
items = st.builds(
    Ranked,
    kind=st.sampled_from(WORK_KINDS),
    target=st.text("ab", max_size=3),
    currency=st.sampled_from(CURRENCIES),
    amount_minor=amounts,
    aged_from=days.map(lambda n: TODAY - timedelta(days=n)),
)
weights = st.dictionaries(
    st.sampled_from(CURRENCIES), st.fractions(Fraction(1, 1000), 1000), max_size=4
)
scales = st.builds(
    Scale,
    today=st.just(TODAY),
    base_currency=st.none() | st.sampled_from(CURRENCIES),
    weights=weights,
)


@given(items, st.integers(0, 10**15), scales)
def test_more_money_never_ranks_lower(item: Ranked, more: int, scale: Scale) -> None:
    richer = replace(item, amount_minor=item.amount_minor + more)

    assert place_of(richer, scale) <= place_of(item, scale)


@given(items, st.integers(0, 4000), scales)
def test_older_never_ranks_lower(item: Ranked, more: int, scale: Scale) -> None:
    older = replace(item, aged_from=item.aged_from - timedelta(days=more))

    assert place_of(older, scale) <= place_of(item, scale)


@given(st.lists(items, max_size=4, unique=True), scales)
def test_the_order_does_not_depend_on_where_the_items_come_from(
    found: list[Ranked], scale: Scale
) -> None:
    orders = {tuple(sorted(given_, key=lambda i: place_of(i, scale)))
              for given_ in permutations(found)}  # fmt: skip

    distinct = {(item.kind, item.target, item.currency) for item in found}
    assert len(orders) == 1 or len(distinct) < len(found)


@given(items, items, scales)
def test_two_items_share_a_place_only_if_they_are_about_the_same(
    one: Ranked, other: Ranked, scale: Scale
) -> None:
    if place_of(one, scale) == place_of(other, scale):
        assert (one.kind, one.target) == (other.kind, other.target)


@given(items, items, st.none() | st.sampled_from(CURRENCIES))
def test_without_weights_currencies_are_never_compared_by_amount(
    one: Ranked, other: Ranked, base: str | None
) -> None:
    scale = Scale(today=TODAY, base_currency=base, weights={})
    huge = replace(one, amount_minor=10**15)

    if one.currency != other.currency:
        before = place_of(one, scale) < place_of(other, scale)
        assert (place_of(huge, scale) < place_of(other, scale)) is before


@given(items, scales, st.fractions(Fraction(1, 1000), 1000))
def test_a_scale_that_is_stretched_ranks_the_same(
    item: Ranked, scale: Scale, factor: Fraction
) -> None:
    other = replace(item, target="other", amount_minor=item.amount_minor // 2 + 7)
    stretched = replace(
        scale, weights={name: weight * factor for name, weight in scale.weights.items()}
    )

    assert (place_of(item, scale) < place_of(other, scale)) is (
        place_of(item, stretched) < place_of(other, stretched)
    )


def test_an_invoice_a_month_late_counts_twice_and_at_most_twenty_five_fold() -> None:
    fresh = ranking_value("approval", 100_00, 0)

    assert fresh == 100_00 * UNIT
    assert ranking_value("approval", 100_00, -5) == fresh
    assert ranking_value("approval", 100_00, 30) == 2 * fresh
    assert ranking_value("approval", 100_00, DAYS_MAX) == 25 * fresh
    assert ranking_value("approval", 100_00, 10 * DAYS_MAX) == 25 * fresh


def test_every_kind_of_work_has_a_factor() -> None:
    assert set(FACTOR_PERCENT) == set(WORK_KINDS)
    assert all(0 < factor <= 100 for factor in FACTOR_PERCENT.values())
