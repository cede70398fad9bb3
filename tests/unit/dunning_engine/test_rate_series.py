"""What is known about reference rates, and what is missing on a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from dunning_engine.adapters.rate_files import load_series
from dunning_engine.domain.rate_series import (
    RateSeries,
    contradictions,
    gaps,
    holes,
    rounded_up_to_half,
)


def series(name="ecb", unit="percent", doubts=None, **figures):
    return RateSeries(
        name=name,
        what="a rate",
        source="a bank",
        checked_on=date(2026, 11, 21),
        unit=unit,
        figures={period.replace("_", "-")[1:]: Decimal(one) for period, one in figures.items()},
        doubts=doubts or {},
        file="x.yaml",
        last_line=7,
    )


def missing(one, on):
    return [(gap.period, gap.is_present) for gap in gaps([one], date.fromisoformat(on))]


def test_a_half_year_that_has_begun_is_missing_now():
    assert missing(series(_26H1="2.15"), "2026-07-01") == [("26H2", True)]
    assert missing(series(_26H1="2.15"), "2026-05-01") == []


@pytest.mark.parametrize(
    ("on", "found"),
    [("2026-11-16", []), ("2026-11-17", [("27H1", False)]), ("2026-12-31", [("27H1", False)])],
)
def test_the_coming_half_year_is_asked_for_45_days_before(on, found):
    assert missing(series(_26H2="2.40"), on) == found


def test_both_may_be_missing():
    assert missing(series(_26H1="2.15"), "2026-12-31") == [("26H2", True), ("27H1", False)]


def test_a_monthly_series_wants_the_month_before_and_never_blocks():
    one = series("nbp_eur", unit="pln_per_eur", _2026_10="4.23")

    assert missing(one, "2026-11-30") == []
    assert missing(one, "2026-12-01") == [("2026-11", False)]
    assert holes(one) == ()


def test_the_line_to_add_lacks_only_the_figure():
    (gap,) = gaps([series(_26H1="2.15")], date(2026, 7, 1))

    assert (gap.line, gap.series.file, gap.series.last_line) == ('26H2: "…"', "x.yaml", 7)


def test_a_hole_inside_a_series_is_found():
    assert holes(series(_25H1="1", _26H2="2")) == ("25H2", "26H1")
    assert holes(series()) == ()


def test_a_slip_of_the_pen_contradicts_the_rule():
    ecb = series(_26H1="2.15", _26H2="2.40")
    german = series("de_base", _26H1="1.27", _26H2="1.25")
    belgian = series("be_commercial", _26H1="10.5", _26H2="11")

    found = [
        (wrong.series.name, wrong.period, str(wrong.expected))
        for wrong in contradictions([german, ecb, belgian])
    ]

    assert found == [("de_base", "26H2", "1.52"), ("be_commercial", "26H2", "10.5")]
    assert list(contradictions([german])) == []


@pytest.mark.parametrize(
    ("percent", "expected"),
    [("10.00", "10"), ("10.01", "10.5"), ("10.50", "10.5"), ("10.51", "11"), ("-0.2", "0")],
)
def test_belgium_rounds_up_to_the_half_point(percent, expected):
    assert rounded_up_to_half(Decimal(percent)) == Decimal(expected)


class TestTheShippedSeries:
    def test_no_half_year_is_left_out_and_nothing_contradicts(self):
        assert [one.name for one in load_series() if holes(one)] == []
        assert list(contradictions(load_series())) == []

    def test_on_the_day_they_were_checked_only_the_polish_rate_is_missing(self):
        found = gaps(load_series(), date(2026, 11, 21))

        assert [(gap.series.name, gap.period) for gap in found if gap.is_present] == [
            ("nbp", "26H2")
        ]
