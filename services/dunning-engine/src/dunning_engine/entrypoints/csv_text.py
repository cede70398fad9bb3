"""CSV for people's spreadsheets: text of debtors must never run as a formula there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# Also their full-width forms, which spreadsheets of East Asian locales take for the same.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(value: object) -> str:
    """A cell's text; what a spreadsheet would run gets an apostrophe in front. None is empty."""
    text = "" if value is None else str(value)
    # A space in front does not keep every program from seeing the formula behind it.
    if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA):
        return f"'{text}"
    return text


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV (RFC 4180), every cell made safe."""
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])
    return sheet.getvalue()
