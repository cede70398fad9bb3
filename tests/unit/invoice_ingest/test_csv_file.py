from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from invoice_ingest.domain.csv_file import FileError, Row, RowError, read_rows
from invoice_ingest.domain.mapping import parse_mapping

IBM = Path(__file__).resolve().parents[3] / "examples" / "mappings" / "ibm-late-payment.yaml"
HEADER = "customer;name;number;issued;due;total;paid\n"


def read(text: str | bytes, **changes: Any) -> list[Row | RowError]:
    mapping = parse_mapping(
        {
            "format": "dunning-import/1",
            "delimiter": ";",
            "date_format": "%d/%m/%Y",
            "decimal_separator": ",",
            "thousands_separator": " ",
            "missing": ["NULL"],
            "constants": {
                "debtor.country": "FR", "debtor.kind": "business", "invoice.currency": "EUR",
            },
            "columns": {
                "customer": "debtor.debtor_id",
                "name": "debtor.name",
                "number": "invoice.invoice_id",
                "issued": "invoice.issued_on",
                "due": "invoice.due_on",
                "total": "invoice.amount",
                "paid": "invoice.settled_on",
            },
        }
        | changes
    )  # fmt: skip
    return list(read_rows(text if isinstance(text, bytes) else text.encode(), mapping))


def error(row: str) -> RowError:
    [found] = read(HEADER + row)
    assert isinstance(found, RowError), found
    return found


def row(line: str) -> Row:
    [found] = read(HEADER + line)
    assert isinstance(found, Row), found
    return found


def test_a_row_becomes_debtor_invoice_and_payment() -> None:
    found = row("C1;Petit;F1;01/02/2026;03/03/2026;1 234,50;05/03/2026\n")

    assert found == Row(
        line=2,
        debtor={"debtor_id": "C1", "name": "Petit", "kind": "business", "country": "FR"},
        invoice={
            "invoice_id": "F1",
            "debtor_id": "C1",
            "issued_on": "2026-02-01",
            "due_on": "2026-03-03",
            "currency": "EUR",
            "amount": "1234.50",
        },
        payment={
            "payment_id": "settlement-F1",
            "debtor_id": "C1",
            "currency": "EUR",
            "amount": "1234.50",
            "value_date": "2026-03-05",
            "allocations": [{"invoice_id": "F1", "amount": "1234.50"}],
        },
    )


def test_an_open_invoice_has_no_payment() -> None:
    assert row("C1;Petit;F1;01/02/2026;03/03/2026;1,00;NULL\n").payment is None


def test_nothing_is_paid_for_nothing() -> None:
    assert row("C1;Petit;F1;01/02/2026;03/03/2026;0,00;05/03/2026\n").payment is None


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        (";P;F1;01/02/2026;03/03/2026;1,00;", "customer", "empty"),
        ("C;P;F1;2026-02-01;03/03/2026;1,00;", "issued", "not a date written as %d/%m/%Y"),
        ("C;P;F1;01/02/2026;31/02/2026;1,00;", "due", "no such day"),
        ("C;P;F1;01/02/2026;31/01/2026;1,00;", "due", "not due before"),
        ("C;P;F1;01/02/2026;03/03/2026;1.00;", "total", "not an amount"),
        ("C;P;F1;01/02/2026;03/03/2026;1 23,00;", "total", "not an amount"),
        ("C;P;F1;01/02/2026;03/03/2026;1,005;", "total", "2 decimals"),
        ("C;P;F1;01/02/2026;03/03/2026;-1,00;", "total", "not negative"),
        ("C;P;F1;01/02/2026;03/03/2026;NaN;", "total", "not an amount"),
        ("C;P;F1;01/02/2026;03/03/2026;1e30;", "total", "not an amount"),
        ("C;P;F1;01/02/2026;03/03/2026;99999999999999999,00;", "total", "larger"),
        ("C;P;F1;01/02/2026", None, "4 fields, the header 7"),
        ("C;P;F1;01/02/2026;03/03/2026;1,00;;", None, "8 fields, the header 7"),
        ('C;"P;F1;01/02/2026;03/03/2026;1,00;', None, "cannot be read"),
    ],
)
def test_a_bad_row_is_named_with_line_column_and_reason(
    line: str, column: str | None, words: str
) -> None:
    found = error(line)

    assert (found.line, found.column) == (2, column)
    assert words in found.reason


def test_all_that_is_wrong_with_a_row_is_one_error() -> None:
    found = error(";P;;01/02/2026;x;1,00;")

    assert found.column == "customer"
    assert [part.split(":")[0] for part in found.reason.split("; ")] == [
        "customer",
        "number",
        "due",
    ]


def test_an_unknown_currency_is_an_error_of_the_row() -> None:
    [found] = read(
        HEADER + "C;P;F1;01/02/2026;03/03/2026;1,00;",
        constants={"debtor.country": "FR", "debtor.kind": "business", "invoice.currency": "XXY"},
    )

    assert isinstance(found, RowError)
    assert "ISO 4217" in found.reason


def test_a_repeated_invoice_is_an_error_that_names_the_first_line() -> None:
    line = "C1;Petit;F1;01/02/2026;03/03/2026;1,00;\n"

    first, second = read(HEADER + line + line)

    assert isinstance(first, Row)
    assert second == RowError(
        line=3, column="number", reason="number: this invoice was already on line 2"
    )


def test_a_good_row_is_taken_although_its_key_was_on_a_bad_row_before() -> None:
    bad, good = read(
        HEADER + "C1;P;F1;01/02/2026;bad;1,00;\n" + "C1;P;F1;01/02/2026;03/03/2026;1,00;\n"
    )

    assert isinstance(bad, RowError)
    assert isinstance(good, Row)


def test_a_row_that_contradicts_what_was_said_about_the_debtor_is_an_error() -> None:
    _, second = read(
        HEADER
        + "C1;Petit;F1;01/02/2026;03/03/2026;1,00;\n"
        + "C1;Grand;F2;01/02/2026;03/03/2026;1,00;\n"
    )

    assert isinstance(second, RowError)
    assert "line 2" in second.reason


def test_the_rows_behind_an_open_quote_are_taken() -> None:
    bad, good = read(
        HEADER
        + 'C1;"Petit;F1;01/02/2026;03/03/2026;1,00;\n'
        + "C2;Grand;F2;01/02/2026;03/03/2026;1,00;\n"
    )

    assert isinstance(bad, RowError)
    assert (bad.line, good.line) == (2, 3)
    assert isinstance(good, Row)


def test_a_line_break_inside_quotes_belongs_to_the_field() -> None:
    first, second = read(
        HEADER
        + 'C1;"Pe\ntit";F1;01/02/2026;03/03/2026;1,00;\n'
        + "C2;Grand;F2;01/02/2026;bad;1,00;\n"
    )

    assert isinstance(first, Row)
    assert first.debtor is not None
    assert first.debtor["name"] == "Pe\ntit"
    assert second.line == 4


def test_one_line_in_another_encoding_is_an_error_of_that_line() -> None:
    bad, good = read(
        HEADER.encode()
        + "C1;Café;F1;01/02/2026;03/03/2026;1,00;\n".encode("latin-1")
        + "C2;Café;F2;01/02/2026;03/03/2026;1,00;\n".encode()
    )

    assert isinstance(bad, RowError)
    assert "not utf-8 (byte 0xe9" in bad.reason
    assert isinstance(good, Row)


@pytest.mark.parametrize("encoding", ["cp1252", "iso-8859-15", "utf-16"])
def test_the_mapping_names_the_encoding(encoding: str) -> None:
    text = HEADER + "C1;Café à 5 €;F1;01/02/2026;03/03/2026;1,00;\n"

    [found] = read(text.encode(encoding), encoding=encoding)

    assert isinstance(found, Row)
    assert found.debtor is not None
    assert found.debtor["name"] == "Café à 5 €"


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter() -> None:
    text = "\ufeff" + HEADER + "C1;P;F1;01/02/2026;03/03/2026;1,00;\n\n"

    [found] = read(text.replace("\n", "\r\n"))

    assert isinstance(found, Row)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("customer;name;number\n", "lacks issued, due, total, paid"),
        (HEADER.replace("name", "customer"), "lacks name"),
        ("total;" + HEADER, "more than once"),
        (HEADER.encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_as_a_whole(text: str | bytes, words: str) -> None:
    with pytest.raises(FileError, match=words):
        read(text)


def test_contacts_and_tags_come_of_their_columns() -> None:
    mapping = parse_mapping(
        {
            "format": "dunning-import/1",
            "constants": {"debtor.country": "DE"},
            "columns": {
                "id": "debtor.debtor_id",
                "kind": {"to": "debtor.kind", "values": {"B": "business", "C": "consumer"}},
                "mail": "debtor.email",
                "tel": "debtor.phone",
                "street": "debtor.address_line_1",
                "zip": "debtor.postcode",
                "town": "debtor.city",
                "grade": {"to": "debtor.tag.grade", "one_of": ["A", "B"]},
                "score": {"to": "debtor.risk", "values": {"1": "low", "9": "high"}},
            },
        }
    )
    text = (
        b"id,kind,mail,tel,street,zip,town,grade,score\n"
        b"D1,C,a@x.de; b@x.de,030 1,Weg 1,10115,Berlin,A,9\n"
    )

    [found] = read_rows(text, mapping)

    assert isinstance(found, Row)
    assert found.debtor == {
        "debtor_id": "D1",
        "name": "D1",
        "kind": "consumer",
        "country": "DE",
        "risk": "high",
        "contacts": {
            "emails": ["a@x.de", "b@x.de"],
            "phones": ["030 1"],
            "address": {"lines": ["Weg 1"], "postcode": "10115", "city": "Berlin", "country": "DE"},
        },
        "tags": ["grade:A"],
    }


def test_a_file_of_payments_needs_no_invoices() -> None:
    mapping = parse_mapping(
        {
            "format": "dunning-import/1",
            "constants": {"payment.currency": "EUR"},
            "columns": {
                "id": "payment.payment_id",
                "who": "payment.debtor_id",
                "much": "payment.amount",
                "when": "payment.value_date",
                "what": "payment.invoice_id",
            },
        }
    )

    first, second = read_rows(
        b"id,who,much,when,what\nP1,D1,5.00,2026-01-02,F1\nP2,D1,5.00,2026-01-02,\n", mapping
    )

    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert first.payment is not None
    assert first.payment["allocations"] == [{"invoice_id": "F1", "amount": "5.00"}]
    assert second.payment is not None
    assert "allocations" not in second.payment


def test_a_real_file_is_read_to_the_cent(shared: Path) -> None:
    mapping = parse_mapping(yaml.safe_load(IBM.read_text()))
    file = shared / "data" / "ibm_late_payment" / "WA_Fn-UseC_-Accounts-Receivable.csv"

    rows = list(read_rows(file.read_bytes(), mapping))

    good = [found for found in rows if isinstance(found, Row)]
    assert len(rows) == len(good) == 2466
    amounts = [Decimal(found.invoice["amount"]) for found in good if found.invoice]
    assert sum(amounts) == Decimal("147703.18")
    late = [
        f for f in good if f.payment and f.invoice and f.payment["value_date"] > f.invoice["due_on"]
    ]
    assert len(late) == 877


def test_a_real_bad_file_names_every_bad_row_and_gives_every_good_one(shared: Path) -> None:
    mapping = parse_mapping(yaml.safe_load(IBM.read_text()))
    file = shared / "data" / "ibm_late_payment" / "WA_Fn-UseC_-Accounts-Receivable_with_missing.csv"
    lines = file.read_text().splitlines()

    rows = list(read_rows(file.read_bytes(), mapping))

    bad = [found for found in rows if isinstance(found, RowError)]
    assert (len(rows), len(bad)) == (2586, 120)
    with_holes = [number for number, line in enumerate(lines, 1) if ",," in line]
    assert [found.line for found in bad] == with_holes


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    rows = read(HEADER.encode() + raw)

    assert all(isinstance(found, Row | RowError) for found in rows)


@given(st.text(alphabet='C1;"\n\r, \té/2026', max_size=200))
def test_every_line_is_a_row_an_error_or_blank(text: str) -> None:
    rows = read(HEADER + text)

    lines = [found.line for found in rows]
    assert lines == sorted(set(lines))
