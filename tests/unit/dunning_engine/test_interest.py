"""Statutory interest and fixed sums, against published figures."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.domain.case import Balance
from dunning_engine.domain.interest import (
    FixedSum,
    InterestTerms,
    compute_interest,
    fixed_compensation,
    french_contract_floor,
    interest_terms,
    is_below_french_floor,
)
from dunning_engine.domain.rates import MissingRateError, RateBook, half_year_of, half_years
from tests.unit.dunning_engine.builders import RATES


def interest(
    country, minor, due, through, *, kind="business", issued=None, starts=None, rates=RATES
):
    """Interest on one principal from the day after the due date through the last day."""
    terms = interest_terms(country, kind, date.fromisoformat(issued or due))
    first = date.fromisoformat(starts) if starts else date.fromisoformat(due) + timedelta(days=1)
    return compute_interest(
        terms,
        balances=[Balance(since=first, open_minor=minor)],
        starts_on=first,
        first_day=first,
        through=date.fromisoformat(through),
        rates=rates,
    )


def lines(found):
    return [(s.days, str(s.rate_percent), s.amount_minor) for s in found.segments]


def rate_of(found):
    return {str(segment.rate_percent) for segment in found.segments}


def at_rate(percent, minor, days):
    """Interest at a plain rate, for published figures that name only rate and days."""
    terms = InterestTerms(
        series="plain", points=Decimal(percent), is_fixed_at_start=True, basis="contract"
    )
    first = date(2026, 1, 1)
    return compute_interest(
        terms,
        balances=[Balance(since=first, open_minor=minor)],
        starts_on=first,
        first_day=first,
        through=first + timedelta(days=days - 1),
        rates=RateBook({"plain": {"26H1": Decimal(0)}}),
    ).amount_minor


class TestPublishedFigures:
    def test_france_over_two_half_years(self):
        found = interest("FR", 1000000, "2026-04-30", "2026-08-31")

        assert lines(found) == [(61, "12.15", 20305), (62, "12.40", 21063)]
        assert found.amount_minor == 41368

    def test_france_over_new_year_at_one_rate(self):
        found = interest("FR", 120000, "2025-11-30", "2026-03-15")

        assert [days for days, _, _ in lines(found)] == [31, 74]
        assert found.amount_minor == 4194

    def test_a_leap_year_still_has_365_days(self):
        found = interest("FR", 500000, "2024-01-31", "2024-08-30")

        assert lines(found) == [(151, "14.50", 29993), (61, "14.25", 11908)]
        assert found.amount_minor == 41901

    def test_the_french_floor_of_contract_rates(self):
        day = date(2026, 11, 21)

        assert french_contract_floor(RATES, day) == Decimal("8.25")
        assert is_below_french_floor(Decimal(5), RATES, day)
        assert not is_below_french_floor(Decimal("8.25"), RATES, day)

    def test_a_french_consumer_pays_the_legal_rate_after_the_formal_notice(self):
        found = interest(
            "FR", 50000, "2025-12-01", "2026-05-02", kind="consumer", starts="2026-02-02"
        )

        assert lines(found) == [(90, "2.62", 323)]

    def test_france_in_2014(self):
        assert interest("FR", 1000000, "2014-01-31", "2014-05-01").amount_minor == 25274

    def test_a_german_consumer_pays_five_points_over_base(self):
        found = interest("DE", 80000, "2025-12-01", "2026-09-30", kind="consumer")

        assert rate_of(found) == {"6.27", "6.52"}
        assert found.amount_minor == 4214

    def test_a_negative_base_rate_lowers_the_german_rates(self):
        assert rate_of(interest("DE", 80000, "2021-08-01", "2021-09-01")) == {"8.12"}
        assert rate_of(interest("DE", 80000, "2021-08-01", "2021-09-01", kind="consumer")) == {
            "4.12"
        }

    def test_the_day_after_the_due_date_counts_and_so_does_the_day_of_payment(self):
        found = interest("DE", 80000, "2026-07-01", "2026-07-05")

        assert [(s.first_day, s.last_day, s.days) for s in found.segments] == [
            (date(2026, 7, 2), date(2026, 7, 5), 4)
        ]

    def test_a_year_has_365_days_and_not_360(self):
        assert at_rate("12.62", 1000000, 30) == 10373

    @pytest.mark.parametrize(
        ("minor", "percent", "days", "expected"),
        [
            (100000, "8.5", 50, 1164),  # exact; daily amounts rounded to pence would give 11.50
            (200000, "13.25", 45, 3267),
            (500000, "12.25", 101, 16949),  # exact; daily rounding would give 169.68
        ],
    )
    def test_british_figures_are_exact_and_rounded_once(self, minor, percent, days, expected):
        assert at_rate(percent, minor, days) == expected


class TestTheRules:
    def test_the_british_rate_stays_what_it_was_when_the_interest_started(self):
        found = interest("GB", 100000, "2024-06-29", "2026-12-31")

        assert rate_of(found) == {"13.25"}
        assert rate_of(interest("GB", 100000, "2024-12-31", "2025-08-01")) == {"12.75"}

    def test_an_old_german_contract_pays_eight_points(self):
        old = interest("DE", 1000, "2014-08-15", "2014-09-15", issued="2014-07-28")
        new = interest("DE", 1000, "2014-08-15", "2014-09-15", issued="2014-07-29")

        assert rate_of(old) == {"7.27"}
        assert rate_of(new) == {"8.27"}

    def test_a_french_public_buyer_pays_eight_points_over_the_rate_of_the_first_half_year(self):
        assert rate_of(interest("FR", 1000, "2026-01-31", "2026-09-30", kind="public")) == {"10.15"}

    def test_public_contracts_before_the_decree_of_2013_have_no_known_rule(self):
        assert interest_terms("FR", "public", date(2013, 3, 15)) is None
        assert fixed("FR", kind="public", issued_on=date(2013, 3, 15)) == "before_the_law"

    @pytest.mark.parametrize(("country", "kind"), [("GB", "consumer"), ("US", "business")])
    def test_where_the_law_gives_no_interest_there_are_no_terms(self, country, kind):
        assert interest_terms(country, kind, date(2026, 1, 1)) is None

    def test_a_half_year_that_is_not_known_raises_and_names_itself(self):
        with pytest.raises(MissingRateError, match="ecb rate for 27H1") as caught:
            interest("FR", 1000, "2026-12-01", "2027-01-01")

        assert (caught.value.series, caught.value.half_year) == ("ecb", "27H1")

    def test_nothing_runs_before_the_first_day(self):
        found = interest("FR", 100000, "2026-04-30", "2026-04-30")

        assert found.amount_minor == 0
        assert found.segments == ()

    def test_after_a_part_payment_only_the_rest_bears_interest(self):
        """100 days at 12.15 %: 1,000.00 through the day of payment, then 400.00."""
        found = compute_interest(
            interest_terms("FR", "business", date(2026, 1, 1)),
            balances=[
                Balance(since=date(2026, 1, 1), open_minor=100000),
                Balance(since=date(2026, 2, 10), open_minor=40000),
            ],
            starts_on=date(2026, 1, 31),
            first_day=date(2026, 1, 31),
            through=date(2026, 5, 10),
            rates=RATES,
        )

        assert [(s.first_day, s.days) for s in found.segments] == [
            (date(2026, 1, 31), 10),
            (date(2026, 2, 10), 90),
        ]
        assert found.amount_minor == 1531  # 100000*10 + 40000*90 day-cents at 12.15 %


class TestFixedSums:
    @pytest.mark.parametrize(
        ("minor", "expected"),
        [(99999, 4000), (100000, 7000), (999999, 7000), (1000000, 10000)],
    )
    def test_british_tiers(self, minor, expected):
        assert fixed("GB", currency="GBP", debt_minor=minor).amount_minor == expected

    def test_forty_euros_in_france_and_germany(self):
        assert fixed("FR").amount_minor == fixed("DE").amount_minor == 4000

    @pytest.mark.parametrize("country", ["FR", "DE", "GB"])
    def test_a_consumer_never_owes_it(self, country):
        assert fixed(country, kind="consumer") == "consumer"

    def test_a_public_buyer_owes_it(self):
        assert fixed("FR", kind="public") == FixedSum(
            amount_minor=4000, basis="CCP L2192-13, D2192-35"
        )

    def test_french_claims_due_before_2013_have_none(self):
        assert fixed("FR", due_on=date(2012, 12, 31)) == "before_the_law"
        assert fixed("FR", due_on=date(2013, 1, 1)).amount_minor == 4000

    def test_german_contracts_before_29_july_2014_have_none(self):
        assert fixed("DE", issued_on=date(2014, 7, 28)) == "before_the_law"
        assert fixed("DE", issued_on=date(2014, 7, 29)).amount_minor == 4000

    def test_it_is_not_converted_into_another_currency(self):
        assert fixed("FR", currency="USD") == "other_currency"
        assert fixed("GB", currency="EUR") == "other_currency"

    def test_other_countries_have_none(self):
        assert fixed("US", currency="USD") == "no_fixed_sum_in_law"


def fixed(country, kind="business", **changes):
    usual = {
        "currency": "EUR",
        "debt_minor": 50000,
        "issued_on": date(2026, 1, 1),
        "due_on": date(2026, 1, 31),
    }
    return fixed_compensation(country, kind, **usual | changes)


class TestTheBook:
    def test_every_half_year_from_2012_to_2026_is_there(self):
        wanted = {f"{year:02d}H{half}" for year in range(12, 27) for half in (1, 2)}

        assert {name: figures.keys() for name, figures in RATES.series.items()} == dict.fromkeys(
            ("de_base", "ecb", "fr_legal_individuals", "fr_legal_other", "boe"), wanted
        )

    def test_the_german_base_rate_follows_the_ecb_rate(self):
        for half_year, base in RATES.series["de_base"].items():
            assert base == RATES.series["ecb"][half_year] - Decimal("0.88")

    def test_anchors_agree_with_the_days_on_which_the_ecb_moved(self):
        moves = (
            "11-12-14 1.00 12-07-11 0.75 13-05-08 0.50 13-11-13 0.25 14-06-11 0.15 14-09-10 0.05 \
            16-03-16 0.00 22-07-27 0.50 22-09-14 1.25 22-11-02 2.00 22-12-21 2.50 23-02-08 3.00 \
            23-03-22 3.50 23-05-10 3.75 23-06-21 4.00 23-08-02 4.25 23-09-20 4.50 24-06-12 4.25 \
            24-09-18 3.65 24-10-23 3.40 24-12-18 3.15 25-02-05 2.90 25-03-12 2.65 25-04-23 2.40 \
            25-06-11 2.15 26-06-17 2.40 26-09-16 2.65"
        )
        assert_anchors("ecb", moves, lambda year, half: date(year, 1 if half == 1 else 7, 1))

    def test_anchors_agree_with_the_days_on_which_the_bank_of_england_moved(self):
        moves = (
            "09-03-05 0.50 16-08-04 0.25 17-11-02 0.50 18-08-02 0.75 20-03-11 0.25 20-03-19 0.10 \
            21-12-16 0.25 22-02-03 0.50 22-03-17 0.75 22-05-05 1.00 22-06-16 1.25 22-08-04 1.75 \
            22-09-22 2.25 22-11-03 3.00 22-12-15 3.50 23-02-02 4.00 23-03-23 4.25 23-05-11 4.50 \
            23-06-22 5.00 23-08-03 5.25 24-08-01 5.00 24-11-07 4.75 25-02-06 4.50 25-05-08 4.25 \
            25-08-07 4.00 25-12-18 3.75"
        )
        assert_anchors(
            "boe",
            moves,
            lambda year, half: date(year - 1, 12, 31) if half == 1 else date(year, 6, 30),
        )

    def test_a_year_of_another_century_is_never_taken_for_one_of_this(self):
        assert half_year_of(date(2026, 7, 1)) == "26H2"
        assert half_year_of(date(1926, 6, 30)) == "1926H1"
        with pytest.raises(MissingRateError, match="1915H1"):
            interest("FR", 1000, "1915-03-01", "1915-03-02")

    def test_an_extract_holds_only_what_was_asked_for(self):
        part = RATES.extract(["boe", "unknown"], date(2025, 12, 31), date(2026, 1, 1))

        assert part.series == {"boe": {"25H2": Decimal("4.25"), "26H1": Decimal("3.75")}}


def assert_anchors(series, moves, anchor):
    words = moves.split()
    changes = [
        (date.fromisoformat("20" + day), rate)
        for day, rate in zip(words[::2], words[1::2], strict=True)
    ]
    for half_year, percent in RATES.series[series].items():
        day = anchor(2000 + int(half_year[:2]), int(half_year[3]))
        in_force = [rate for since, rate in changes if since <= day][-1]
        assert (half_year, percent) == (half_year, Decimal(in_force))


dates = st.dates(min_value=date(2012, 1, 1), max_value=date(2026, 12, 31))


@given(dates, dates)
def test_half_years_cover_a_stretch_without_gap_or_overlap(first, last):
    pieces = list(half_years(first, last))

    covered = [
        start + timedelta(days=n) for start, end in pieces for n in range((end - start).days + 1)
    ]
    assert covered == [first + timedelta(days=n) for n in range((last - first).days + 1)]
    assert all(half_year_of(start) == half_year_of(end) for start, end in pieces)


@given(
    country=st.sampled_from(["FR", "DE", "GB"]),
    days=st.lists(dates, min_size=2, max_size=2, unique=True),
    minor=st.integers(1, 10**12),
    drops=st.lists(st.tuples(dates, st.integers(0, 10**12)), max_size=4),
)
def test_lines_add_up_and_cover_every_day_once(country, days, minor, drops):
    first, last = sorted(days)
    terms = interest_terms(country, "business", first)
    later = {since: open_minor for since, open_minor in drops if since > first}
    balances = [Balance(since=first, open_minor=minor)]
    balances += [Balance(since=since, open_minor=later[since]) for since in sorted(later)]

    found = compute_interest(
        terms, balances=balances, starts_on=first, first_day=first, through=last, rates=RATES
    )

    assert sum(segment.amount_minor for segment in found.segments) == found.amount_minor
    assert sum(segment.days for segment in found.segments) == (last - first).days + 1
    for segment, following in zip(found.segments, found.segments[1:], strict=False):
        assert following.first_day == segment.last_day + timedelta(days=1)


@given(dates, dates, st.integers(0, 10**12), st.integers(0, 10**12))
def test_more_principal_never_bears_less_interest(first, last, minor, more):
    small = interest("FR", minor, str(first), str(last)).amount_minor
    large = interest("FR", minor + more, str(first), str(last)).amount_minor

    assert small <= large
