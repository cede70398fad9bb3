import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from invoice_ingest.domain.mapping import FIELDS, MappingError, date_pattern, parse_mapping

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "mappings"


def mapping(**changes: Any) -> dict[str, Any]:
    good: dict[str, Any] = {
        "format": "dunning-import/1",
        "constants": {"invoice.currency": "EUR"},
        "columns": {
            "customer": "invoice.debtor_id",
            "number": "invoice.invoice_id",
            "issued": "invoice.issued_on",
            "due": "invoice.due_on",
            "total": "invoice.amount",
        },
    }
    return good | changes


def flaws(data: object) -> dict[str, str]:
    with pytest.raises(MappingError) as caught:
        parse_mapping(data)
    return dict(caught.value.flaws)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_is_a_good_mapping(file: Path) -> None:
    assert parse_mapping(yaml.safe_load(file.read_text())).makes


def test_what_a_row_makes_follows_from_the_columns() -> None:
    assert parse_mapping(mapping()).makes == {"invoice"}


def test_the_debtors_id_serves_its_invoice_too() -> None:
    columns = mapping()["columns"] | {"customer": "debtor.debtor_id"}
    constants = {"invoice.currency": "EUR", "debtor.kind": "business", "debtor.country": "FR"}

    assert parse_mapping(mapping(columns=columns, constants=constants)).makes == {
        "debtor", "invoice",
    }  # fmt: skip


def test_a_column_for_a_needed_field_is_required_without_saying_so() -> None:
    assert all(column.required for column in parse_mapping(mapping()).columns)


def test_everything_wrong_is_named_at_once() -> None:
    found = flaws(
        mapping(
            format="x",
            encoding="ebcdic",
            delimiter=";;",
            decimal_separator=".",
            thousands_separator=".",
            date_format="%d/%m",
            missing="none",
            debtors="maybe",
            surprise=1,
            constants={"invoice.currency": "EUR", "debtor.country": False, "invoice.due_on": "x"},
        )
    )

    assert set(found) == {
        "/format", "/encoding", "/delimiter", "/thousands_separator", "/date_format", "/missing",
        "/debtors", "/surprise", "/constants/debtor.country", "/constants/invoice.due_on",
    }  # fmt: skip
    assert "quotes" in found["/constants/debtor.country"]


@pytest.mark.parametrize(
    ("column", "pointer"),
    [
        ({"to": "invoice.nothing"}, "/columns/x/to"),
        ({"to": ["invoice.number", "invoice.settled_on"]}, "/columns/x/type"),
        ({"to": "invoice.number", "required": "yes"}, "/columns/x/required"),
        ({"to": "invoice.number", "one_of": "a"}, "/columns/x/one_of"),
        ({"to": "invoice.number", "values": {"a": 1}}, "/columns/x/values"),
        ({"to": "invoice.number", "type": "date"}, "/columns/x/type"),
        ({"type": "money"}, "/columns/x/type"),
        ({"from": "x"}, "/columns/x/from"),
        (7, "/columns/x"),
        ("invoice.due_on", "/columns/x"),
    ],
)
def test_a_bad_column_is_named(column: object, pointer: str) -> None:
    assert pointer in flaws(mapping(columns=mapping()["columns"] | {"x": column}))


def test_a_missing_field_is_named() -> None:
    columns = mapping()["columns"]
    del columns["due"]

    assert "invoice.due_on" in flaws(mapping(columns=columns))["/columns"]


@pytest.mark.parametrize("data", [None, [], "text", {}, {"columns": []}, {"columns": {1: "x"}}])
def test_what_is_no_mapping_is_refused(data: object) -> None:
    assert flaws(data)


@pytest.mark.parametrize(
    ("date_format", "text", "fits"),
    [
        ("%m/%d/%Y", "1/2/2013", True),
        ("%m/%d/%Y", "01/02/13", False),
        ("%d.%m.%Y", "31.12.2026", True),
        ("%d.%m.%Y", "31x12x2026", False),
        ("%Y%m%d", "20261231", True),
        ("%Y%m%d", "2026121", False),
    ],
)
def test_dates_are_written_as_the_format_says(date_format: str, text: str, fits: bool) -> None:
    pattern = date_pattern(date_format)

    assert pattern is not None
    assert (pattern.fullmatch(text) is not None) is fits


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(list(FIELDS)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(list(FIELDS)), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from([*mapping(), "encoding", "delimiter", "date_format", "missing"])


@given(changes=st.dictionaries(names, json))
def test_nothing_but_a_mapping_error_comes_of_bad_data(changes: dict[str, Any]) -> None:
    with contextlib.suppress(MappingError):
        assert parse_mapping(mapping(**changes)).columns
