"""Stops that the law imposes."""

from __future__ import annotations

from datetime import date

import pytest

from dunning_engine.domain.stays import breathing_space_end, claim_deadline


@pytest.mark.parametrize("region", [None, "ENG", "WLS"])
def test_a_breathing_space_in_england_and_wales_takes_60_days(region: str | None) -> None:
    assert breathing_space_end("GB", region, date(2026, 3, 2)) == date(2026, 5, 1)


@pytest.mark.parametrize(("country", "region"), [("GB", "SCT"), ("GB", "NIR"), ("FR", None)])
def test_elsewhere_the_law_sets_no_end(country: str, region: str | None) -> None:
    assert breathing_space_end(country, region, date(2026, 3, 2)) is None


def test_a_claim_in_france_is_declared_within_two_months_of_publication() -> None:
    assert claim_deadline("FR", date(2026, 3, 10)) == date(2026, 5, 10)
    assert claim_deadline("FR", date(2025, 12, 31)) == date(2026, 2, 28)


def test_creditors_abroad_have_four_months_in_france() -> None:
    assert claim_deadline("FR", date(2026, 3, 10), creditor_abroad=True) == date(2026, 7, 10)


def test_where_the_court_sets_the_deadline_somebody_must_give_it() -> None:
    assert claim_deadline("DE", date(2026, 3, 10)) is None
