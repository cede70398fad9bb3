"""Rate files: dated figures with a source, written so that no float ever reads them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dunning_engine.adapters.rate_files import RateFileError, read_rates

GOOD = """
series:
  - name: ecb
    source: the bank
    checked_on: 2026-11-21
    percent:
      26H1: "2.15"
      26H2: "-0.40"
"""


def test_figures_are_exact_decimals():
    assert read_rates(GOOD, "x.yaml") == {
        "ecb": {"26H1": Decimal("2.15"), "26H2": Decimal("-0.40")}
    }


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("source: the bank", "what: no source", "x.yaml: series ecb needs a 'source'"),
        ("checked_on: 2026-11-21", "checked_on: lately", "a 'checked_on' date"),
        ('"2.15"', "2.15", "x.yaml: series ecb: write the rate of 26H1 in quotes"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(old, new, problem):
    with pytest.raises(RateFileError, match=problem):
        read_rates(GOOD.replace(old, new), "x.yaml")
