"""Statutory interest under arbitrary days, principals and payments, for every country."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dunning_common.values import replace
from dunning_engine.domain.case import Balance
from dunning_engine.domain.day_count import DAY_COUNTS, count_days, year_fraction
from dunning_engine.domain.interest import InterestTerms, compute_interest, interest_terms
from dunning_engine.domain.law_of_interest import COUNTRY_NAMES
from dunning_engine.domain.rates import RateBook, half_year_of, half_years
from tests.unit.dunning_engine.builders import RATES

KINDS = ("business", "consumer", "public")
CLAIMS = [
    (country, kind)
    for country in COUNTRY_NAMES
    for kind in KINDS
    if isinstance(interest_terms(country, kind, date(2026, 1, 1)), InterestTerms)
]
# Every series knows these half-years.
dates = st.dates(min_value=date(2024, 1, 1), max_value=date(2026, 6, 30))
long_dates = st.dates(min_value=date(2012, 1, 1), max_value=date(2026, 12, 31))
claims = st.sampled_from(CLAIMS)
one_rate_for_all_days = {"anchor": "half_year"}
"""Ireland's rate is that of the last day: what is charged then changes backwards, as the law has it."""
money = st.integers(0, 10**12)
day_counts = st.sampled_from(DAY_COUNTS)


@st.composite
def statutory_terms(draw):
    country, kind = draw(claims)
    return replace(
        interest_terms(country, kind, date(2026, 1, 1)),
        day_count=draw(day_counts),
        rounding=draw(st.sampled_from(["claim", "claim", "daily"])),
    )


def charged(terms, balances, starts, first, last, rates=RATES):
    if isinstance(balances, int):
        balances = [Balance(since=starts, open_minor=balances)]
    return compute_interest(
        terms,
        balances=balances,
        starts_on=starts,
        first_day=first,
        through=last,
        rates=rates,
    )


@st.composite
def histories(draw, first):
    """A principal that payments and corrections moved."""
    later = draw(st.dictionaries(dates.filter(lambda day: day > first), money, max_size=4))
    balances = [Balance(since=first, open_minor=draw(money))]
    return balances + [Balance(since=since, open_minor=later[since]) for since in sorted(later)]


@given(long_dates, long_dates)
def test_half_years_cover_a_stretch_without_gap_or_overlap(first, last):
    pieces = list(half_years(first, last))

    covered = [
        start + timedelta(days=n) for start, end in pieces for n in range((end - start).days + 1)
    ]
    assert covered == [first + timedelta(days=n) for n in range((last - first).days + 1)]
    assert all(half_year_of(start) == half_year_of(end) for start, end in pieces)


@given(st.data(), statutory_terms(), dates, dates)
def test_lines_add_up_and_cover_every_day_once(data, terms, one, other):
    first, last = sorted((one, other))

    found = charged(terms, data.draw(histories(first)), first, first, last)

    assert sum(line.amount_minor for line in found.segments) == found.amount_minor
    assert found.segments[0].first_day == first
    assert found.segments[-1].last_day == last
    for line, following in pairwise(found.segments):
        assert following.first_day == line.last_day + timedelta(days=1)
    assert sum(line.days for line in found.segments) == count_days(terms.day_count, first, last)


@given(statutory_terms(), dates, dates, money, st.integers(0, 400))
def test_another_day_never_lowers_the_interest(terms, one, other, minor, more):
    first, last = sorted((one, other))
    later = min(last + timedelta(days=more), date(2026, 6, 30))
    terms = replace(terms, **one_rate_for_all_days)

    short = charged(terms, minor, first, first, last).amount_minor
    long = charged(terms, minor, first, first, later).amount_minor

    assert 0 <= short <= long


@given(statutory_terms(), dates, dates, money, money)
def test_more_principal_never_bears_less_interest(terms, one, other, minor, more):
    first, last = sorted((one, other))

    small = charged(terms, minor, first, first, last).amount_minor
    large = charged(terms, minor + more, first, first, last).amount_minor

    assert small <= large


@given(st.data(), statutory_terms(), st.lists(dates, min_size=3, max_size=3))
def test_charging_in_two_steps_moves_the_sum_by_one_minor_unit_at_most(data, terms, days):
    """Rounded once a claim; rounded daily, half a cent a day may fall to either side of a cut."""
    first, cut, last = sorted(days)
    terms = replace(terms, **one_rate_for_all_days, rounding="claim")
    balances = data.draw(histories(first))

    whole = charged(terms, balances, first, first, last)
    early = charged(terms, balances, first, first, cut)
    late = charged(terms, balances, first, cut + timedelta(days=1), last)

    assert abs(early.amount_minor + late.amount_minor - whole.amount_minor) <= 1
    if late.segments:
        assert late.segments[0].first_day == cut + timedelta(days=1)


@given(statutory_terms(), dates, dates)
def test_nothing_owed_bears_nothing(terms, one, other):
    first, last = sorted((one, other))

    assert charged(terms, 0, first, first, last).amount_minor == 0


@given(claims, dates, dates, money, st.decimals(-50, 50, places=2))
def test_interest_is_never_negative_whatever_the_reference_rate(claim, one, other, minor, percent):
    first, last = sorted((one, other))
    terms = interest_terms(*claim, date(2026, 1, 1))
    halves = [half_year_of(start) for start, _ in half_years(first, last)]
    book = RateBook({terms.series: dict.fromkeys(halves, percent)})

    found = charged(terms, minor, first, first, last, book)

    assert found.amount_minor >= 0
    assert all(line.amount_minor >= 0 for line in found.segments)


@given(statutory_terms(), dates, dates, st.integers(1, 10**12))
def test_an_extract_of_the_book_computes_the_same(terms, one, other, minor):
    first, last = sorted((one, other))
    names = [terms.series] if terms.series else []

    part = RATES.extract(names, first - timedelta(days=1), last)

    assert charged(terms, minor, first, first, last, part) == charged(
        terms, minor, first, first, last
    )


@given(day_counts, st.lists(long_dates, min_size=3, max_size=3))
def test_the_parts_of_a_year_add_up_however_it_is_cut(day_count, days):
    first, cut, last = sorted(day.replace(year=2024, day=min(day.day, 28)) for day in days)
    parts = year_fraction(day_count, first, cut)
    parts += year_fraction(day_count, cut + timedelta(days=1), last)

    assert parts == year_fraction(day_count, first, last)


@given(claims, dates, dates, st.integers(1, 10**9))
def test_simple_interest_is_the_sum_of_its_days(claim, one, other, minor):
    """A slow and obvious model: every day on its own, exactly."""
    first, last = sorted((one, other))
    last = min(last, first + timedelta(days=200))
    terms = interest_terms(*claim, date(2026, 1, 1))
    exact = Decimal(0)
    for n in range((last - first).days + 1):
        day = first + timedelta(days=n)
        anchor = {"half_year": day, "start": first, "payment": last}[terms.anchor]
        rate = RATES.percent(terms.series, half_year_of(anchor)) if terms.series else Decimal(0)
        exact += minor * (rate + terms.points)
    expected = int(exact / 36500 + Decimal("0.5"))

    assert charged(terms, minor, first, first, last).amount_minor == expected
