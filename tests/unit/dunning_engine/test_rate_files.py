"""Rate files: dated figures with a source, written so that no float ever reads them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from dunning_engine.adapters.rate_files import RateFileError, load_series, read_rates
from dunning_engine.domain.interest import RATE_SERIES

GOOD = """
series:
  - name: ecb
    what: the rate
    source: the bank
    checked_on: 2026-11-21
    computed: [26H1]
    percent:
      26H1: "2.15"
      26H2: "-0.40"

  - name: nbp_eur
    source: the other bank
    checked_on: 2026-11-21
    unverified: [2026-01]
    pln_per_eur:
      2026-01: "4.2041"
      2026-02: "4.1850"
      2026-03: "4.2000"
"""


def test_figures_are_exact_decimals_with_what_is_known_about_them():
    ecb, nbp = read_rates(GOOD, "x.yaml")

    assert ecb.figures == {"26H1": Decimal("2.15"), "26H2": Decimal("-0.40")}
    assert (ecb.what, ecb.source, ecb.checked_on) == ("the rate", "the bank", date(2026, 11, 21))
    assert ecb.doubts == {"26H1": "computed"}
    assert (ecb.file, ecb.last_line, ecb.last_period) == ("x.yaml", 10, "26H2")
    assert nbp.figures["2026-02"] == Decimal("4.1850")
    assert (nbp.is_monthly, nbp.last_line, nbp.doubts) == (True, 19, {"2026-01": "unverified"})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("source: the bank", "what: no source", "what stands twice"),
        ("    source: the bank\n", "", "x.yaml: series ecb needs a 'source'"),
        ("checked_on: 2026-11-21", "checked_on: lately", "a 'checked_on' date"),
        ('"2.15"', "2.15", "x.yaml: series ecb: write the rate of 26H1 in quotes"),
        ('"2.15"', '"two"', "'two' of 26H1 is no number"),
        ('"2.15"', '"NaN"', "'NaN' of 26H1 is no number"),
        ("26H2:", "26H1:", "x.yaml: line 10: 26H1 stands twice; remove one"),
        ("26H2:", "26H3:", "26H3 is no period such as 26H2"),
        ("26H2:", "2026-07:", "2026-07 is no period such as 26H2"),
        ("computed: [26H1]", "computed: [25H1]", "computed: there is no figure of 25H1"),
        ("computed: [26H1]", "computed: 26H1", "computed: list periods"),
        ("computed: [26H1]", "compute: [26H1]", "unknown key compute"),
        ("    percent:", "    per_cent:", "unknown key per_cent"),
        ("name: nbp_eur", "name: ecb", "series ecb stands twice"),
        ("series:", "serie:", "needs a list 'series'"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(old, new, problem):
    text = GOOD
    with pytest.raises(RateFileError, match=problem):
        read_rates(text.replace(old, new), "x.yaml")


def test_an_empty_series_may_wait_for_its_first_figure():
    text = GOOD[: GOOD.index("    unverified")] + "    pln_per_eur: {}\n"

    _, nbp = read_rates(text, "x.yaml")

    assert (nbp.figures, nbp.last_period, nbp.last_line) == ({}, None, 15)


class TestTheShippedFiles:
    def test_every_series_names_a_source_and_a_day(self):
        assert all(one.what and one.source and one.checked_on for one in load_series())

    def test_every_series_that_a_law_looks_at_is_there(self):
        wanted = {name for names in RATE_SERIES.values() for name in names}

        assert wanted <= {one.name for one in load_series()}

    def test_the_last_line_is_the_one_after_which_to_add(self):
        for one in load_series():
            line = Path(one.file).read_text().splitlines()[one.last_line - 1]
            assert line.strip().startswith(f"{one.last_period}:" if one.figures else "pln_per_eur")

    def test_figures_stand_in_the_order_of_time(self):
        for one in load_series():
            assert list(one.figures) == sorted(one.figures)

    def test_what_was_not_looked_up_is_marked(self):
        doubts = {one.name: one.doubts for one in load_series()}

        assert set(doubts["nbp"].values()) == {"unverified"}
        assert doubts["be_commercial"]["26H2"] == "computed"
        assert "26H2" not in doubts["ecb"]
