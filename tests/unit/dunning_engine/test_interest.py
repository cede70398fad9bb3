"""Statutory interest: which rate a claim bears, from when, on what; and the book of rates."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest

from dunning_common.values import replace
from dunning_engine.domain.case import Balance
from dunning_engine.domain.day_count import count_days, year_fraction
from dunning_engine.domain.interest import (
    RATE_SERIES,
    compute_interest,
    interest_terms,
    rate_series,
    runs_from_notice,
)
from dunning_engine.domain.law_of_interest import COUNTRY_NAMES, INTEREST_RULES
from dunning_engine.domain.rates import MissingRateError, RateBook, half_year_of, month_before
from tests.unit.dunning_engine.builders import RATES

HALF_YEARS = [f"{year:02d}H{half}" for year in range(12, 27) for half in (1, 2)]


def terms_of(country, kind="business", issued="2026-01-01", **more):
    return interest_terms(country, kind, date.fromisoformat(issued), **more)


def interest(
    country, minor, due, through, *, kind="business", issued=None, rates=RATES, tags=(), **changes
):
    """Interest on one principal from the day after the due date through the last day."""
    terms = terms_of(country, kind, issued or due, tags=frozenset(tags))
    first = date.fromisoformat(due) + timedelta(days=1)
    usual = {
        "balances": [Balance(since=first, open_minor=minor)],
        "starts_on": first,
        "first_day": first,
        "through": date.fromisoformat(through),
        "rates": rates,
    }
    return compute_interest(terms, **usual | changes)


def rate_of(found):
    return {str(segment.rate_percent) for segment in found.segments}


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
        assert terms_of("FR", "public", "2013-03-15") == "before_the_law"

    @pytest.mark.parametrize(
        ("country", "kind"), [("GB", "consumer"), ("IE", "consumer"), ("US", "business")]
    )
    def test_where_the_law_gives_no_interest_there_are_no_terms(self, country, kind):
        assert terms_of(country, kind) == "no_interest_in_law"

    @pytest.mark.parametrize(
        ("country", "kind", "rate"),
        [
            ("FR", "business", "12.40"),
            ("FR", "public", "10.40"),
            ("DE", "business", "10.52"),
            ("DE", "public", "10.52"),
            ("DE", "consumer", "6.52"),
            ("GB", "business", "11.75"),
            ("AT", "business", "10.73"),
            ("AT", "consumer", "4"),
            ("BE", "business", "10.5"),
            ("BE", "public", "10.5"),
            ("BE", "consumer", "4.50"),
            ("NL", "business", "10.40"),
            ("NL", "consumer", "4.00"),
            ("LU", "business", "10.40"),
            ("IT", "business", "10.40"),
            ("IT", "consumer", "1.60"),
            ("ES", "business", "10.40"),
            ("ES", "consumer", "3.25"),
            ("PT", "public", "10.40"),
            ("PT", "consumer", "4"),
            ("IE", "business", "10.40"),
            ("CH", "business", "5"),
            ("CH", "consumer", "5"),
        ],
    )
    def test_the_rate_of_the_second_half_of_2026(self, country, kind, rate):
        assert rate_of(interest(country, 1000, "2026-07-31", "2026-08-31", kind=kind)) == {rate}

    def test_what_only_a_contract_gives_is_not_claimed(self):
        assert terms_of("LU", "consumer") == "only_if_agreed"

    def test_a_rate_that_moves_from_day_to_day_is_not_taken_from_half_years(self):
        assert terms_of("PL", "consumer") == "rate_not_kept"

    def test_ireland_has_one_rate_that_of_the_day_of_payment(self):
        assert rate_of(interest("IE", 1000, "2024-06-29", "2026-03-31")) == {"10.15"}
        assert rate_of(interest("IE", 1000, "2024-06-29", "2026-07-01")) == {"10.40"}

    def test_polish_contracts_before_2020_and_public_health_bodies_pay_eight_points(self):
        assert rate_of(interest("PL", 1000, "2020-01-31", "2020-02-28")) == {"11.50"}
        assert rate_of(interest("PL", 1000, "2020-01-31", "2020-02-28", issued="2019-12-31")) == {
            "9.50"
        }
        assert rate_of(
            interest("PL", 1000, "2026-01-31", "2026-02-28", kind="public", tags=["public_health"])
        ) == {"12.00"}

    def test_food_in_italy_pays_twelve_points(self):
        found = interest("IT", 1000, "2026-07-31", "2026-08-31", tags=["perishable_food"])

        assert rate_of(found) == {"14.40"}

    def test_a_tag_of_another_country_changes_nothing(self):
        assert terms_of("FR", tags=frozenset({"perishable_food"})) == terms_of("FR")

    def test_before_the_directive_was_law_the_union_paid_seven_points(self):
        assert rate_of(interest("ES", 1000, "2012-07-31", "2012-08-31")) == {"8.00"}
        assert rate_of(interest("ES", 1000, "2013-07-31", "2013-08-31")) == {"8.50"}

    def test_against_some_consumers_interest_runs_only_from_a_notice(self):
        day = date(2026, 1, 1)

        assert [
            country for country in COUNTRY_NAMES if runs_from_notice(country, "consumer", day)
        ] == ["FR", "BE", "ES"]
        assert not any(runs_from_notice(country, "business", day) for country in COUNTRY_NAMES)

    def test_a_rule_that_nobody_looked_up_says_so(self):
        assert terms_of("FR").confidence == "sourced"
        assert terms_of("LU").confidence == "unverified"

    def test_french_citations_follow_the_code(self):
        assert terms_of("FR", issued="2019-04-25").basis == "C. com. L441-6 I"
        assert terms_of("FR", issued="2019-04-26").basis == "C. com. L441-10 II"
        assert terms_of("FR", issued="2027-01-01").basis == "C. com. L441-10 II"

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

    def test_a_reference_rate_far_below_zero_never_makes_a_debt_smaller(self):
        negative = RateBook({"de_base": {"26H1": Decimal(-20)}})

        found = interest("DE", 100000, "2026-01-31", "2026-03-31", rates=negative)

        assert (found.amount_minor, rate_of(found)) == (0, {"0"})

    def test_a_floor_is_taken_where_a_contract_says_so(self):
        """In the first half of 2024 three times the legal rate was more than the default."""
        terms = replace(terms_of("FR"), floor_series="fr_legal_other", floor_factor=3)
        found = compute_interest(
            terms,
            balances=[Balance(since=date(2024, 6, 1), open_minor=1000)],
            starts_on=date(2024, 6, 1),
            first_day=date(2024, 6, 1),
            through=date(2025, 1, 31),
            rates=RATES,
        )

        assert [str(line.rate_percent) for line in found.segments] == ["15.21", "14.76", "13.15"]


class TestCompounding:
    """The Netherlands: after a year its interest bears interest."""

    def test_the_second_year_bears_interest_on_the_first_years(self):
        book = RateBook({"nl_legal": dict.fromkeys(("24H1", "24H2", "25H1", "25H2"), Decimal(10))})
        found = interest("NL", 100000, "2023-12-31", "2025-12-30", kind="consumer", rates=book)

        first_year = 100000 * 366 / 3650  # 1 January 2024 to 31 December: a leap year
        second_year = (100000 + first_year) * 364 / 3650
        assert found.amount_minor == round(first_year + second_year)
        assert sum(line.amount_minor for line in found.segments) == found.amount_minor

    def test_the_year_begins_with_the_interest_not_with_the_calendar(self):
        lines = interest("NL", 100000, "2025-03-14", "2026-04-30").segments

        assert [str(line.first_day) for line in lines] == [
            "2025-03-15", "2025-07-01", "2026-01-01", "2026-03-15",
        ]  # fmt: skip

    def test_charging_in_two_steps_asks_for_the_same_sum(self):
        whole = interest("NL", 10000000, "2023-05-31", "2026-05-31")
        early = interest("NL", 10000000, "2023-05-31", "2025-02-10")
        late = interest("NL", 10000000, "2023-05-31", "2026-05-31", first_day=date(2025, 2, 11))

        assert late.segments[0].first_day == date(2025, 2, 11)
        assert abs(early.amount_minor + late.amount_minor - whole.amount_minor) <= 1

    def test_interest_that_was_paid_bears_none(self):
        usual = {"first_day": date(2025, 2, 11)}
        owed = interest("NL", 10000000, "2023-05-31", "2025-05-31", **usual)
        paid = interest(
            "NL", 10000000, "2023-05-31", "2025-05-31", **usual, earlier_is_unpaid=False
        )

        assert paid.amount_minor == 336027  # 110 days at 11.15 % on 100,000.00
        assert paid.amount_minor < owed.amount_minor

    def test_a_year_that_began_on_29_february_ends_with_february(self):
        lines = interest("NL", 100000, "2024-02-28", "2025-03-31").segments

        assert date(2025, 3, 1) in {line.first_day for line in lines}

    def test_german_interest_bears_none(self):
        book = RateBook({"de_base": dict.fromkeys(("25H1", "25H2", "26H1"), Decimal(1))})

        found = interest("DE", 100000, "2024-12-31", "2026-06-30", rates=book)

        assert found.amount_minor == round(100000 * 0.1 * 546 / 365)


class TestDayCounts:
    def test_the_thirty_first_counts_nothing_where_months_have_thirty_days(self):
        assert count_days("30/360", date(2026, 1, 31), date(2026, 1, 31)) == 0
        assert count_days("30/360", date(2026, 2, 1), date(2026, 2, 28)) == 28
        assert count_days("30/360", date(2026, 1, 1), date(2026, 12, 31)) == 360

    def test_a_leap_year_is_longer_where_years_are_as_long_as_they_are(self):
        whole = date(2024, 1, 1), date(2024, 12, 31)

        assert year_fraction("ACT/ACT", *whole) == 1
        assert year_fraction("ACT/365", *whole) > 1
        assert year_fraction("ACT/ACT", date(2026, 1, 1), date(2026, 12, 31)) == 1


class TestTheLaw:
    def test_every_rule_says_where_it_stands_and_where_it_was_read(self):
        assert all(rule.basis and rule.source and rule.checked_on for rule in INTEREST_RULES)

    def test_no_two_rules_of_a_country_hold_at_once(self):
        for rule in INTEREST_RULES:
            for other in INTEREST_RULES:
                if rule is other or (rule.country, rule.tag) != (other.country, other.tag):
                    continue
                if not set(rule.kinds) & set(other.kinds):
                    continue
                last = other.valid_to or date.max
                assert not other.valid_from <= rule.valid_from <= last, (rule, other)

    def test_every_rule_is_about_a_known_country_and_a_known_series(self):
        assert {rule.country for rule in INTEREST_RULES} == set(COUNTRY_NAMES)
        assert {rule.series for rule in INTEREST_RULES if rule.series} <= RATES.series.keys()

    def test_a_country_names_every_series_that_its_law_looks_at(self):
        assert rate_series("FR") == ("ecb", "fr_legal_other")
        assert rate_series("NL") == ("ecb", "nl_legal")
        assert rate_series("PL") == ("nbp", "nbp_eur")
        assert rate_series("CH") == rate_series("US") == rate_series(None) == ()
        assert set(RATE_SERIES) == set(COUNTRY_NAMES)


class TestTheBook:
    def test_every_half_year_that_was_found_is_there(self):
        first = dict.fromkeys(
            ("ecb", "de_base", "boe", "fr_legal_individuals", "fr_legal_other"), "12H1"
        )
        first |= dict.fromkeys(("at_base", "be_commercial", "it_legal"), "16H1")
        first |= {"nl_legal": "15H1", "es_legal": "23H1", "be_legal": "24H1"}
        wanted = {name: HALF_YEARS[HALF_YEARS.index(since) :] for name, since in first.items()}
        wanted["nbp"] = HALF_YEARS[HALF_YEARS.index("16H1") : -1]  # 26H2 was not found

        assert {name: list(figures) for name, figures in RATES.series.items()} == wanted | {
            "nbp_eur": []
        }

    def test_what_was_not_found_raises(self):
        with pytest.raises(MissingRateError, match="nbp rate for 26H2"):
            interest("PL", 1000, "2026-06-30", "2026-07-01")
        with pytest.raises(MissingRateError, match="at_base rate for 15H2"):
            interest("AT", 1000, "2015-06-30", "2015-07-01")

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
            interest("FR", 1000, "1915-03-01", "1915-03-02", issued="2026-01-01")

    def test_the_belgian_rate_is_the_eu_rate_rounded_up_to_the_half_point(self):
        for half_year, rate in RATES.series["be_commercial"].items():
            eu_rate = RATES.series["ecb"][half_year] + 8
            assert Decimal(0) <= rate - eu_rate < Decimal("0.5")
            assert rate * 2 % 1 == 0

    def test_every_figure_is_the_one_of_the_collected_tables(self, shared):
        """The tables print what a claim bears; the book holds what the law starts from."""
        rows = re.findall(
            r"^\| (\d\dH[12]) \|(.*)\|$", (shared / "facts/legal.md").read_text(), re.MULTILINE
        )
        tables = {half: [cell.strip() for cell in cells.split("|")] for half, cells in rows}
        for half in HALF_YEARS:
            cells, day = tables[half], f"20{half[:2]}-{'02' if half[3] == '1' else '08'}-"
            assert RATES.series["ecb"][half] == Decimal(cells[0])
            assert RATES.series["de_base"][half] == Decimal(cells[3 if half < "16" else 4])
            if half < "16":
                continue
            seen = {
                country: rate_of(interest(country, 1000, day + "01", day + "02"))
                for country in ("FR", "DE", "AT", "BE", "ES", "GB")
            }
            printed = {
                "FR": cells[1],
                "DE": cells[5].split(" / ")[0],
                "AT": cells[6].split(" -> ")[-1],
                "BE": cells[7],
                "ES": cells[8],
                "GB": cells[9].split(" -> ")[-1],
            }
            assert {key: {Decimal(rate) for rate in rates} for key, rates in seen.items()} == {
                key: {Decimal(rate)} for key, rate in printed.items()
            }, half
            if cells[10] != "?":
                assert rate_of(interest("PL", 1000, day + "01", day + "02")) == {cells[10]}
            legal = re.match(r"([\d.]+) / ([\d.]+)", cells[2]).groups()
            assert legal == (
                str(RATES.series["fr_legal_individuals"][half]),
                str(RATES.series["fr_legal_other"][half]),
            )

    def test_an_extract_holds_only_what_was_asked_for(self):
        part = RATES.extract(["boe", "unknown"], date(2025, 12, 31), date(2026, 1, 1))

        assert part.series == {"boe": {"25H2": Decimal("4.25"), "26H1": Decimal("3.75")}}

    def test_an_extract_holds_the_month_before_it_too(self):
        months = {f"2026-{month:02d}": Decimal(month) for month in range(1, 13)}
        book = RateBook({"nbp_eur": months})

        part = book.extract(["nbp_eur"], date(2026, 3, 31), date(2026, 5, 1))

        assert list(part.series["nbp_eur"]) == ["2026-02", "2026-03", "2026-04", "2026-05"]
        assert month_before(date(2026, 1, 31)) == "2025-12"


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
