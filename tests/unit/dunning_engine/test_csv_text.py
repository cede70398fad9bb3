"""CSV that spreadsheets can open without running what debtors wrote."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_engine.entrypoints.csv_text import csv_lines, safe_cell


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "＝1",
        "-2+3+cmd|' /C calc'!A0",
    ],
)
def test_what_a_spreadsheet_would_run_is_made_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Lieferung fehlt", "1234.50", "a=b", "2026-01-01", "x\n=y"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert safe_cell(text) == text


def test_nothing_is_an_empty_cell() -> None:
    assert csv_lines([[None, 1, True]]) == ",1,True\r\n"


@given(rows=st.lists(st.lists(st.text(st.characters(exclude_characters="\x00")), min_size=2)))
def test_every_cell_comes_back_and_none_begins_a_formula(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_lines(rows), newline="")))

    assert read == [[safe_cell(cell) for cell in row] for row in rows]
    for row in read:
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "-", "@"))
