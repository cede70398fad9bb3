"""The formulas against published examples: set K and the figures printed beside it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kpi.domain import formulas

OPENING, SALES, CLOSING, CURRENT = 15_000_000, 30_000_000, 18_000_000, 13_000_000


@pytest.mark.parametrize(
    ("receivables", "sales", "days", "expected"),
    [
        (CLOSING, SALES, 90, Decimal(54)),
        ((OPENING + CLOSING) // 2, SALES, 90, Decimal("49.5")),
        (CURRENT, SALES, 90, Decimal(39)),
        (30_000, 60_000, 90, Decimal(45)),
        (5_700, 7_600, 91, Decimal("68.25")),
        (18_000, 20_000, 30, Decimal(27)),
    ],
)
def test_dso_is_receivables_over_sales_times_days(
    receivables: int, sales: int, days: int, expected: Decimal
) -> None:
    assert (
        formulas.dso_days(receivables_minor=receivables, credit_sales_minor=sales, period_days=days)
        == expected
    )


@pytest.mark.parametrize("sales", [0, -1])
def test_dso_without_sales_is_not_defined(sales: int) -> None:
    assert formulas.dso_days(receivables_minor=1, credit_sales_minor=sales, period_days=90) is None


def test_average_days_delinquent_is_what_is_beyond_the_best_possible() -> None:
    assert formulas.average_days_delinquent(dso=Decimal(54), best_possible=Decimal(39)) == 15
    assert formulas.average_days_delinquent(dso=Decimal(40), best_possible=Decimal(20)) == 20
    assert formulas.average_days_delinquent(dso=None, best_possible=None) is None


def test_collection_effectiveness_uses_the_sales_of_the_whole_period() -> None:
    whole = formulas.collection_effectiveness_percent(
        opening_minor=OPENING,
        credit_sales_minor=SALES,
        closing_minor=CLOSING,
        closing_current_minor=CURRENT,
    )
    monthly_mean = formulas.collection_effectiveness_percent(
        opening_minor=OPENING,
        credit_sales_minor=SALES // 3,
        closing_minor=CLOSING,
        closing_current_minor=CURRENT,
    )

    assert whole == Decimal("84.375")
    assert monthly_mean is not None
    assert round(monthly_mean, 2) == Decimal("58.33")


def test_collections_follow_from_the_balances() -> None:
    assert (
        formulas.collected_minor(
            opening_minor=OPENING, credit_sales_minor=SALES, closing_minor=CLOSING
        )
        == 27_000_000
    )


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (3_000_000, 4_000_000, "75"),  # recovery
        (5_000_000, CLOSING, "27.78"),  # delinquency
        (300_000, CLOSING, "1.67"),  # more than 90 days
        (150_000, SALES, "0.50"),  # bad debt
        (13_000_000, CLOSING, "72.22"),
        (2_500_000, CLOSING, "13.89"),
        (1_500_000, CLOSING, "8.33"),
        (700_000, CLOSING, "3.89"),
    ],
)
def test_shares_of_set_k(part: int, whole: int, expected: str) -> None:
    share = formulas.percent(part, whole)

    assert share is not None
    assert round(share, 2) == Decimal(expected)


def test_a_share_of_nothing_is_not_defined() -> None:
    assert formulas.percent(0, 0) is None
    assert formulas.ratio(0, 0) is None


def test_days_late_are_weighted_by_amount_and_early_counts_as_zero() -> None:
    paid = [(100_000, 10), (300_000, 0), (600_000, 20)]

    assert formulas.weighted_days_late(paid) == 13
    assert formulas.weighted_days_late([*paid[:1], (300_000, -9), *paid[2:]]) == 13
    assert formulas.ratio(sum(days for _, days in paid), len(paid)) == 10
    assert formulas.weighted_days_late([]) is None
