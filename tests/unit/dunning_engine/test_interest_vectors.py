"""Published and computed figures of interest and fixed sums, one test a vector.

The numbers V1 to V26 are those of the project's collection of legal facts. Amounts are minor units.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from dunning_common.values import replace
from dunning_engine.domain.case import Balance
from dunning_engine.domain.compensation import FixedSum, fixed_compensation
from dunning_engine.domain.interest import (
    InterestTerms,
    compute_interest,
    french_contract_floor,
    interest_terms,
    is_below_french_floor,
)
from dunning_engine.domain.rates import RateBook
from tests.unit.dunning_engine.builders import RATES


def interest(country, minor, due, paid, *, kind="business", since=None, rates=RATES, **terms):
    """Interest on one principal from the day after the due date through the day of payment."""
    found = interest_terms(country, kind, date.fromisoformat(due))
    assert isinstance(found, InterestTerms)
    return on_terms(replace(found, **terms), minor, since or after(due), paid, rates)


def on_terms(terms, minor, since, paid, rates=RATES):
    first = date.fromisoformat(since)
    return compute_interest(
        terms,
        balances=[Balance(since=first, open_minor=minor)],
        starts_on=first,
        first_day=first,
        through=date.fromisoformat(paid),
        rates=rates,
    )


def after(day):
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def plain(percent, minor, days, **more):
    """Interest at a plain rate, for published figures that name only rate and days."""
    terms = InterestTerms(series=None, points=Decimal(percent), basis="contract", **more)
    last = date(2026, 1, 1) + timedelta(days=days - 1)
    return on_terms(terms, minor, "2026-01-01", last.isoformat()).amount_minor


def lines(found):
    return [(line.days, str(line.rate_percent), line.amount_minor) for line in found.segments]


def rates_of(found):
    return [str(line.rate_percent) for line in found.segments]


def fixed(country, minor, kind="business", currency="EUR", **more):
    found = fixed_compensation(
        country,
        kind,
        currency=currency,
        debt_minor=minor,
        issued_on=date(2026, 1, 1),
        due_on=date(2026, 1, 31),
        **more,
    )
    return found.amount_minor if isinstance(found, FixedSum) else found


class TestFrance:
    def test_v1_a_claim_over_two_half_years_is_cut_where_the_rate_changes(self):
        found = interest("FR", 1000000, "2026-04-30", "2026-08-31")

        assert lines(found) == [(61, "12.15", 20305), (62, "12.40", 21063)]
        assert found.amount_minor == 41368
        assert 1000000 + found.amount_minor + fixed("FR", 1000000) == 1045368

    def test_v3_over_new_year_at_one_rate(self):
        found = interest("FR", 120000, "2025-11-30", "2026-03-15")

        assert [line.days for line in found.segments] == [31, 74]
        assert rates_of(found) == ["12.15", "12.15"]
        assert found.amount_minor == 4194
        assert fixed("FR", 120000) == 4000

    def test_v4_a_leap_year_still_has_365_days(self):
        found = interest("FR", 500000, "2024-01-31", "2024-08-30")

        assert lines(found) == [(151, "14.50", 29993), (61, "14.25", 11908)]
        assert found.amount_minor == 41901

    def test_v5_the_floor_of_contract_rates_flags_a_clause_of_five_percent(self):
        day = date(2026, 11, 21)

        assert french_contract_floor(RATES, day) == Decimal("8.25")
        assert is_below_french_floor(Decimal(5), RATES, day)
        assert not is_below_french_floor(Decimal("8.25"), RATES, day)

    def test_v6_a_consumer_pays_the_legal_rate_after_the_formal_notice_and_no_fixed_sum(self):
        found = interest(
            "FR", 50000, "2025-12-01", "2026-05-02", kind="consumer", since="2026-02-02"
        )

        assert lines(found) == [(90, "2.62", 323)]
        assert fixed("FR", 50000, "consumer") == "consumer"

    def test_v7_ten_and_a_quarter_percent_in_2014(self):
        found = interest("FR", 1000000, "2014-01-31", "2014-05-01")

        assert lines(found) == [(90, "10.25", 25274)]
        assert plain("10.25", 1000000, 90, day_count="30/360") == 25625  # "256" for a quarter


class TestGermany:
    def test_v9_a_consumer_pays_five_points_over_base_and_no_fixed_sum(self):
        found = interest("DE", 80000, "2025-12-01", "2026-09-30", kind="consumer")

        assert rates_of(found) == ["6.27", "6.27", "6.52"]
        assert found.amount_minor == 4214
        assert fixed("DE", 80000, "consumer") == "consumer"

    def test_v10_a_negative_base_rate_lowers_both_rates(self):
        assert rates_of(interest("DE", 100, "2021-08-01", "2021-09-01")) == ["8.12"]
        assert rates_of(interest("DE", 100, "2021-08-01", "2021-09-01", kind="consumer")) == [
            "4.12"
        ]

    def test_v11_months_of_thirty_days(self):
        terms = InterestTerms(series=None, points=Decimal(6), basis="contract", day_count="30/360")
        found = on_terms(terms, 1000000, "2016-01-01", "2016-07-30")

        assert sum(line.days for line in found.segments) == 210
        assert found.amount_minor == 35000

    def test_v12_the_day_after_the_due_date_counts_and_so_does_the_day_of_payment(self):
        found = interest("DE", 80000, "2026-07-01", "2026-07-05")

        assert [(line.first_day, line.last_day, line.days) for line in found.segments] == [
            (date(2026, 7, 2), date(2026, 7, 5), 4)
        ]

    def test_v13_a_year_has_365_days_unless_the_terms_say_360(self):
        assert plain("12.62", 1000000, 30) == 10373
        assert plain("12.62", 1000000, 30, day_count="ACT/360") == 10517


class TestAustria:
    def test_v14_the_base_rate_of_the_half_year_before_and_nine_point_two_points(self):
        fictive = RateBook({"at_base": {"26H1": Decimal("2.00"), "26H2": Decimal("1.53")}})
        found = interest("AT", 120000, "2026-06-03", "2026-10-03", rates=fictive)

        assert lines(found) == [(27, "11.20", 994), (95, "10.73", 3351)]
        assert found.amount_minor == 4345
        assert interest("AT", 120000, "2026-06-03", "2026-10-03").amount_minor == 4304


class TestBelgium:
    @pytest.mark.parametrize(
        ("minor", "expected"),
        [
            (15000, 2000),
            (21500, 3650),
            (50000, 6500),
            (50100, 6505),
            (100000, 9000),
            (5000000, 200000),
        ],
    )
    def test_v16_what_a_clause_may_ask_of_a_consumer_is_capped(self, minor, expected):
        clause = frozenset({"penalty_clause"})

        found = fixed("BE", minor, "consumer", consumer_conditions_met=True, tags=clause)

        assert found == expected


class TestTheNetherlands:
    @pytest.mark.parametrize(
        ("minor", "expected"),
        [
            (12500, 4000),
            (100000, 15000),
            (500000, 62500),
            (2300000, 100500),
            (100000000, 677500),
        ],
    )
    def test_v17_the_scale_of_collection_costs(self, minor, expected):
        assert fixed("NL", minor) == expected
        assert fixed("NL", minor, "consumer", consumer_conditions_met=True) == expected


class TestBritain:
    def test_v19_exact_by_default_and_daily_rounding_where_the_terms_say_so(self):
        assert plain("8.5", 100000, 50) == 1164
        assert plain("8.5", 100000, 50, rounding="daily") == 1150

    def test_v20_thirteen_and_a_quarter_percent_over_45_days(self):
        found = interest("GB", 200000, "2024-07-15", "2024-08-29")

        assert lines(found) == [(45, "13.25", 3267)]
        assert fixed("GB", 200000, currency="GBP") == 7000

    def test_v21_twelve_and_a_quarter_percent_over_101_days(self):
        found = interest("GB", 500000, "2025-07-31", "2025-11-09")

        assert lines(found) == [(101, "12.25", 16949)]
        assert plain("12.25", 500000, 101, rounding="daily") == 16968
        assert fixed("GB", 500000, currency="GBP") == 7000

    @pytest.mark.parametrize(
        ("minor", "expected"), [(99999, 4000), (100000, 7000), (999999, 7000), (1000000, 10000)]
    )
    def test_v24_the_tiers_begin_at_their_limits(self, minor, expected):
        assert fixed("GB", minor, currency="GBP") == expected


class TestPoland:
    def test_v25_the_reference_rate_and_ten_points_over_new_year(self):
        found = interest("PL", 2000000, "2025-11-30", "2026-02-28")

        assert [(days, rate) for days, rate, _ in lines(found)] == [(31, "15.25"), (59, "14.00")]
        assert found.amount_minor == 71164


class TestSwitzerland:
    def test_v26_five_percent_by_a_year_of_365_or_360_days(self):
        first, last = "2026-01-31", "2026-05-31"

        assert interest("CH", 200000, first, last).amount_minor == 3288
        assert interest("CH", 200000, first, last, day_count="ACT/360").amount_minor == 3333
        assert interest("CH", 200000, first, last, day_count="30/360").amount_minor == 3333
