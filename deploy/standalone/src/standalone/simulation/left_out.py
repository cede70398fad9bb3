"""What share of the money the bad rows of a file leave out of a simulation. Pure.

Bad rows are read once more, as far as they can be: a row whose date is missing still names its
amount. One that cannot be read at all is counted, and said to be of unknown amount.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from dunning_common.money import MoneyError, parse_minor, to_decimal_string
from invoice_ingest.domain import mapping as import_mapping
from invoice_ingest.domain.csv_file import LINES_MAX, RowError

_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """The money of bad rows by currency (minor units), and rows whose amount nobody can read.

    `repeated` rows speak of invoices that are used, or were counted before: no money is lost.
    """

    minor: Mapping[str, int]
    unreadable: int
    repeated: int


def left_out(
    raw: bytes, mapping: import_mapping.Mapping, bad: Iterable[RowError], taken: frozenset[str]
) -> LeftOut:
    """Sum up what bad rows leave out, given the ids of the invoices that are used."""
    lines = raw.decode(mapping.encoding, "replace").lstrip("\ufeff").splitlines()
    header = [name.strip() for name in _fields(lines, 1, mapping)]
    seen, minor = set(taken), Counter[str]()
    unreadable = repeated = 0
    for line in sorted({error.line for error in bad}):
        cells = dict(zip(header, _fields(lines, line, mapping), strict=False))
        invoice_id = _value(cells, "invoice.invoice_id", mapping)
        if invoice_id in seen:
            repeated += 1
            continue
        try:
            currency = _value(cells, "invoice.currency", mapping)
            amount = _plain(_value(cells, "invoice.amount", mapping), mapping)
            minor[currency] += abs(parse_minor(amount, currency))
        except MoneyError:
            unreadable += 1
        else:
            seen.add(invoice_id)
    return LeftOut(minor=dict(minor), unreadable=unreadable, repeated=repeated)


def shares(left: LeftOut, used_minor: Mapping[str, int]) -> list[dict[str, Any]]:
    """Per currency: what was used, what was left out, and its share in percent (one decimal)."""
    found = []
    for currency in sorted({*left.minor, *used_minor}):
        used, lost = used_minor.get(currency, 0), left.minor.get(currency, 0)
        share = Decimal(100 * lost) / (used + lost) if used + lost else Decimal(0)
        found.append(
            {
                "currency": currency,
                "used": to_decimal_string(used, currency),
                "left_out": to_decimal_string(lost, currency),
                "left_out_percent": str(share.quantize(_TENTH, rounding=ROUND_HALF_UP)),
            }
        )
    return found


def _fields(lines: Sequence[str], line: int, mapping: import_mapping.Mapping) -> list[str]:
    rest = (text + "\n" for text in lines[line - 1 : line - 1 + LINES_MAX])
    reader = csv.reader(rest, delimiter=mapping.delimiter, quotechar=mapping.quote)
    try:
        return next(reader, [])
    except csv.Error:
        return []


def _value(cells: Mapping[str, str], target: str, mapping: import_mapping.Mapping) -> str:
    """What the row says about a field, or the mapping's constant; empty when neither does."""
    for column in mapping.columns:
        if target in column.to:
            text = cells.get(column.name, "").strip()
            return column.values.get(text, text)
    return mapping.constants.get(target, "")


def _plain(text: str, mapping: import_mapping.Mapping) -> str:
    if mapping.thousands_separator:
        text = re.sub(rf"[{re.escape(mapping.thousands_separator)}\u00a0\u202f ]", "", text)
    return text.replace(mapping.decimal_separator, ".")
