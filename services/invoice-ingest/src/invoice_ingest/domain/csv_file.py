"""Reads a CSV file by its mapping: each row becomes records shaped as bulk items, or an error.

Pure, and lazy over the rows. A bad row never hides the good ones behind it; only a file that lacks
a mapped column is refused as a whole. Dates and money are checked here, ids and texts by whoever
takes the records.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, assert_never

from dunning_common.money import MoneyError, parse_minor
from invoice_ingest.domain.mapping import Column, Mapping

Record = dict[str, Any]

LINES_MAX = 100
"""A quoted field may hold line breaks, but not so many: then a quote was not closed."""


class FileError(ValueError):
    """A file that cannot be read at all; the message names the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """A row that was not taken. `line` counts from 1 (the header); `column` may be unknown."""

    line: int
    column: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a good row says, in the shape of bulk items; a record that the mapping lacks is None."""

    line: int
    debtor: Record | None = None
    invoice: Record | None = None
    payment: Record | None = None


def read_rows(raw: bytes, mapping: Mapping) -> Iterator[Row | RowError]:
    """The rows of a file, in order.

    Raises:
        FileError: the header is missing or lacks columns, or the encoding is wrong from the start.
    """
    lines = _lines(raw, mapping.encoding)
    records = _records(lines, mapping)
    header_line, header = next(records, (1, "the file is empty"))
    if isinstance(header, str):
        raise FileError(f"line {header_line}: {header}")
    places = _places(header, mapping)
    reader = _Reader(mapping, places, len(header))
    for line, fields in records:
        if isinstance(fields, str):
            yield RowError(line=line, column=None, reason=fields)
        else:
            yield reader.row(line, fields)


class _Reader:
    """Turns fields into records, and remembers what the file has already said."""

    def __init__(self, mapping: Mapping, places: dict[str, int], width: int) -> None:
        self._mapping = mapping
        self._places = places
        self._width = width
        self._amount = _amount_pattern(mapping)
        self._seen: dict[tuple[str, str], tuple[int, Record]] = {}

    def row(self, line: int, fields: Sequence[str]) -> Row | RowError:
        if len(fields) != self._width:
            return RowError(
                line=line,
                column=None,
                reason=f"the row has {len(fields)} fields, the header {self._width}",
            )
        flaws: list[tuple[str | None, str]] = []
        values = dict(self._mapping.constants)
        for column in self._mapping.columns:
            text = fields[self._places[column.name]].strip()
            try:
                value = self._cell(column, text)
            except ValueError as error:
                flaws.append((column.name, str(error)))
                continue
            if value is not None:
                values.update(dict.fromkeys(column.to, value))
        if not flaws:
            flaws += self._check(values)
        row = self._row(line, values) if not flaws else None
        if row is not None:
            flaws += self._repeats(row)
        if row is None or flaws:
            reason = "; ".join(f"{name}: {text}" if name else text for name, text in flaws)
            return RowError(line=line, column=flaws[0][0], reason=reason)
        self._remember(row)
        return row

    def _cell(self, column: Column, text: str) -> str | None:
        if text in self._mapping.missing:
            if column.required:
                raise ValueError("it is empty, but required")
            return None
        if column.one_of is not None and text not in column.one_of:
            raise ValueError("it is none of " + ", ".join(sorted(column.one_of)))
        if column.values:
            if text not in column.values:
                raise ValueError("it is none of " + ", ".join(sorted(column.values)))
            text = column.values[text]
        return self._typed(column, text)

    def _typed(self, column: Column, text: str) -> str:
        match column.type:
            case "date":
                return self._date(text)
            case "amount":
                return self._plain_amount(text)
            case "integer":
                if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
                    raise ValueError("it is not a whole number")
                return text
            case "text":
                return text
            case never:
                assert_never(never)

    def _date(self, text: str) -> str:
        found = self._mapping.date_pattern.fullmatch(text)
        if found is None:
            raise ValueError(f"it is not a date written as {self._mapping.date_format}")
        try:
            return date(int(found["Y"]), int(found["m"]), int(found["d"])).isoformat()
        except ValueError:
            raise ValueError("there is no such day in the calendar") from None

    def _plain_amount(self, text: str) -> str:
        if not self._amount.fullmatch(text):
            raise ValueError("it is not an amount as the mapping describes them")
        for separator in _thousands(self._mapping.thousands_separator):
            text = text.replace(separator, "")
        return text.replace(self._mapping.decimal_separator, ".")

    def _check(self, values: Record) -> list[tuple[str | None, str]]:
        flaws = []
        for record in ("invoice", "payment"):
            if record not in self._mapping.makes:
                continue
            target = f"{record}.amount"
            try:
                minor = parse_minor(values[target], values[f"{record}.currency"])
            except MoneyError as error:
                flaws.append((self._mapping.column_of(target), str(error)))
                continue
            if minor < 0:
                flaws.append((self._mapping.column_of(target), "an amount is not negative"))
        if (
            "invoice" in self._mapping.makes
            and values["invoice.due_on"] < values["invoice.issued_on"]
        ):
            column = self._mapping.column_of("invoice.due_on")
            flaws.append((column, "an invoice is not due before it is issued"))
        return flaws

    def _row(self, line: int, values: Record) -> Row:
        makes = self._mapping.makes
        invoice = _invoice(values) if "invoice" in makes else None
        payment = _payment(values) if "payment" in makes else _settlement(values, invoice)
        return Row(
            line=line,
            debtor=_debtor(values) if "debtor" in makes else None,
            invoice=invoice,
            payment=payment,
        )

    def _repeats(self, row: Row) -> list[tuple[str | None, str]]:
        flaws = []
        for key, record in _keys(row):
            seen = self._seen.get(key)
            if seen is None:
                continue
            line, before = seen
            name = key[0]
            column = self._mapping.column_of(f"{name}.{name}_id")
            if name != "debtor" or self._mapping.makes == {"debtor"}:
                flaws.append((column, f"this {name} was already on line {line}"))
            elif before != record:
                flaws.append((column, f"line {line} says something else about this debtor"))
        return flaws

    def _remember(self, row: Row) -> None:
        for key, record in _keys(row):
            self._seen.setdefault(key, (row.line, record))


def _keys(row: Row) -> Iterator[tuple[tuple[str, str], Record]]:
    for name, record in (
        ("debtor", row.debtor),
        ("invoice", row.invoice),
        ("payment", row.payment),
    ):
        if record is not None:
            yield (name, record[f"{name}_id"]), record


def _debtor(values: Record) -> Record:
    given = _fields(values, "debtor")
    record = {"debtor_id": given["debtor_id"], "name": given.get("name", given["debtor_id"])}
    plain = ("kind", "country", "region", "zone", "language", "segment", "risk", "policy_id")
    record |= {name: given[name] for name in plain if name in given}
    lines = [given[f"address_line_{n}"] for n in (1, 2, 3) if f"address_line_{n}" in given]
    contacts: Record = {}
    if "email" in given:
        contacts["emails"] = _several(given["email"])
    if "phone" in given:
        contacts["phones"] = _several(given["phone"])
    if lines:
        contacts["address"] = {
            "lines": lines,
            "postcode": given.get("postcode", ""),
            "city": given.get("city", ""),
            "country": given["country"],
        }
    if contacts:
        record["contacts"] = contacts
    return record | _tags(values, "debtor")


def _invoice(values: Record) -> Record:
    given = _fields(values, "invoice")
    names = ("invoice_id", "number", "issued_on", "due_on", "currency", "amount", "policy_id")
    record: Record = {name: given[name] for name in names if name in given}
    record["debtor_id"] = given.get("debtor_id", values.get("debtor.debtor_id"))
    if "revision" in given:
        record["revision"] = int(given["revision"])
    return record | _tags(values, "invoice")


def _payment(values: Record) -> Record:
    given = _fields(values, "payment")
    names = ("payment_id", "currency", "amount", "value_date")
    record: Record = {name: given[name] for name in names}
    record["debtor_id"] = given.get("debtor_id", values.get("debtor.debtor_id"))
    if "invoice_id" in given:
        record["allocations"] = [{"invoice_id": given["invoice_id"], "amount": given["amount"]}]
    return record


def _settlement(values: Record, invoice: Record | None) -> Record | None:
    """`invoice.settled_on` means: paid in full on that day. Nothing was paid for nothing."""
    settled_on = values.get("invoice.settled_on")
    if invoice is None or settled_on is None or not invoice["amount"].strip("0."):
        return None
    return {
        "payment_id": f"settlement-{invoice['invoice_id']}",
        "debtor_id": invoice["debtor_id"],
        "currency": invoice["currency"],
        "amount": invoice["amount"],
        "value_date": settled_on,
        "allocations": [{"invoice_id": invoice["invoice_id"], "amount": invoice["amount"]}],
    }


def _fields(values: Record, record: str) -> Record:
    start = f"{record}."
    return {name.removeprefix(start): v for name, v in values.items() if name.startswith(start)}


def _tags(values: Record, record: str) -> Record:
    start = f"{record}.tag."
    tags = [f"{n.removeprefix(start)}:{v}" for n, v in values.items() if n.startswith(start)]
    return {"tags": sorted(tags)} if tags else {}


def _several(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[;,]", text) if part.strip()]


def _thousands(separator: str) -> str:
    """All that may stand for the separator: files write a space in three ways."""
    return " \u00a0\u202f" if separator == " " else separator


def _amount_pattern(mapping: Mapping) -> re.Pattern[str]:
    decimal = re.escape(mapping.decimal_separator)
    plain = rf"-?\d{{1,18}}({decimal}\d{{1,6}})?"
    if not mapping.thousands_separator:
        return re.compile(plain, re.ASCII)
    thousands = f"[{re.escape(_thousands(mapping.thousands_separator))}]"
    grouped = rf"-?\d{{1,3}}({thousands}\d{{3}})+({decimal}\d{{1,6}})?"
    return re.compile(f"{plain}|{grouped}", re.ASCII)


def _places(header: Sequence[str], mapping: Mapping) -> dict[str, int]:
    names = [name.strip() for name in header]
    missing = [column.name for column in mapping.columns if column.name not in names]
    if missing:
        raise FileError(f"the header lacks {', '.join(missing)}")
    twice = [column.name for column in mapping.columns if names.count(column.name) > 1]
    if twice:
        raise FileError(f"the header names {', '.join(twice)} more than once")
    return {column.name: names.index(column.name) for column in mapping.columns}


_Line = str | UnicodeDecodeError


def _lines(raw: bytes, encoding: str) -> list[_Line]:
    """Physical lines; one that is not in the encoding stays as its error, the others are good."""
    if encoding == "utf-16":
        try:
            return list(raw.decode(encoding).splitlines())
        except UnicodeDecodeError:
            raise FileError("the file is not UTF-16; set `encoding` to what it is") from None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileError("the file is UTF-16; set `encoding: utf-16`")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    unix = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines: list[_Line] = []
    for line in unix.split(b"\n"):
        try:
            lines.append(line.decode(encoding))
        except UnicodeDecodeError as error:
            lines.append(error)
    return lines


def _records(lines: list[_Line], mapping: Mapping) -> Iterator[tuple[int, list[str] | str]]:
    """(line, fields) of each record, or (line, what is wrong); blank lines are skipped.

    After a broken record reading goes on at the next physical line.
    """
    position = 0
    while position < len(lines):
        start = position
        first = lines[start]
        if not isinstance(first, str):
            position += 1
            detail = f"byte {first.object[first.start]:#04x} at {first.start + 1}"
            yield start + 1, f"the line is not {mapping.encoding} ({detail})"
            continue
        feed = _Feed(lines, start)
        reader = csv.reader(feed, delimiter=mapping.delimiter, quotechar=mapping.quote, strict=True)
        try:
            fields = next(reader)
        except (csv.Error, StopIteration) as error:
            position += 1
            yield start + 1, f"the row cannot be read: {error}"
            continue
        position = feed.position
        if fields and any(field.strip() for field in fields):
            yield start + 1, fields


class _Feed:
    """Gives the CSV reader as many lines as one record may take, and counts them."""

    def __init__(self, lines: list[_Line], start: int) -> None:
        self._lines = lines
        self._end = min(len(lines), start + LINES_MAX)
        self.position = start

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._lines[self.position] if self.position < self._end else None
        if not isinstance(line, str):
            raise StopIteration
        self.position += 1
        return line + "\n"
