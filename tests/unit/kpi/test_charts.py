"""Charts are well-formed, escaped, to scale, and carry nothing that the page's policy forbids."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.dashboard import charts, words
from kpi.dashboard.charts import Bar, Column, Line, Segment, Tick

text = st.text(
    alphabet=st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from("<>&\"'"),
    max_size=20,
).filter(lambda said: "nan" not in said.lower())  # the tests look for NaN
amounts = st.integers(min_value=-(10**17), max_value=10**17)


def rects(markup: str, style: str) -> list[ET.Element]:
    return [each for each in ET.fromstring(markup).iter("rect") if each.get("class") == style]


@given(rows=st.lists(st.tuples(text, text, st.lists(amounts, max_size=4)), max_size=6))
def test_bars_are_well_formed_and_stay_inside_for_any_words_and_numbers(
    rows: list[tuple[str, str, list[int]]],
) -> None:
    bars = [
        Bar(label=label, words=said, segments=tuple(
            Segment(value=value, style="series-1", words=label) for value in values
        ))
        for label, said, values in rows
    ]  # fmt: skip

    svg = ET.fromstring(charts.bars(bars, title="t"))

    assert [each.text for each in svg.iter("text") if each.get("class") == "strong"] == [
        label or None for label, _, _ in rows
    ]
    for rect in svg.iter("rect"):
        x, width = float(rect.get("x", "0").rstrip("%")), float(rect.get("width", "").rstrip("%"))
        assert 0 <= x <= x + width <= 100.1


def test_a_bar_is_as_long_as_its_share_of_the_longest() -> None:
    rows = [
        Bar(label="a", words="", segments=(Segment(value=200, style="x", words=""),)),
        Bar(label="b", words="", segments=(Segment(value=50, style="x", words=""),) * 2),
    ]

    drawn = rects(charts.bars(rows, title="t"), "x")

    assert [(each.get("x"), each.get("width")) for each in drawn] == [
        ("0%", "100%"), ("0%", "25%"), ("25%", "25%"),
    ]  # fmt: skip


@given(
    values=st.lists(amounts, max_size=40),
    ticks=st.lists(st.tuples(st.floats(0, 1), text), max_size=5),
)
def test_lines_and_columns_are_well_formed_for_any_numbers(
    values: list[int], ticks: list[tuple[float, str]]
) -> None:
    top, marks = charts.scale(max(values, default=0))
    scale = [Tick(at=mark / top, words=str(mark)) for mark in marks]
    across = [Tick(at=at, words=said) for at, said in ticks]

    line = charts.lines(
        (Line(style="open", values=tuple(values)),), across=across, ticks=scale, top=top,
        title='"', words=[said for _, said in ticks],
    )  # fmt: skip
    column = charts.columns(
        [Column(label="<", value=value, words="&") for value in values],
        ticks=scale, top=top, title="<",
    )  # fmt: skip

    for markup in (line, column):
        ET.fromstring(markup)
        assert "style=" not in markup
        assert "nan" not in markup.lower()


@given(largest=st.integers(min_value=1, max_value=10**17))
def test_a_scale_reaches_its_largest_value_in_few_round_steps(largest: int) -> None:
    top, marks = charts.scale(largest)

    assert marks[0] == 0
    assert marks[-1] == top >= largest
    assert len(marks) <= 6
    assert len({b - a for a, b in pairwise(marks)}) == 1


def test_an_empty_scale_has_only_its_zero() -> None:
    assert charts.scale(0) == (1, [0])


@pytest.mark.parametrize(
    ("minor", "exact", "large", "short"),
    [
        (0, "€0.00", "€0.00", "€0"),
        (123_450, "€1,234.50", "€1,234.50", "€1.2K"),
        (14_770_318, "€147,703.18", "€147,703", "€147.7K"),
        (20_000_000, "€200,000.00", "€200,000", "€200K"),
        (-500, "-€5.00", "-€5.00", "-€5"),
    ],
)
def test_money_in_words(minor: int, exact: str, large: str, short: str) -> None:
    assert words.money(minor, "EUR") == exact
    assert words.money_round(minor, "EUR") == large
    assert words.money_short(minor, "EUR") == short


def test_currencies_keep_their_own_decimals() -> None:
    assert words.money(1_234, "JPY") == "JP¥1,234"
    assert words.money(1_234, "KWD") == "KWD1.234"


def test_codes_and_days_become_words() -> None:
    assert words.level("second_reminder") == "Second reminder"
    assert words.channel("registered_letter") == "Registered letter"
    assert words.channel("carrier-pigeon") == "Carrier pigeon"
    assert words.day(date(2026, 3, 1)) == "1 Mar 2026"
