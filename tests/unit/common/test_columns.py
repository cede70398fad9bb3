"""Columns are written as PostgreSQL's array literals, or refused by name; never written wrong."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

import pytest

from dunning_common.columns import ColumnError, ColumnType, RowSet

ONE_TEXT = RowSet(words="text")


def test_a_statement_names_its_columns_and_their_types_once() -> None:
    rows = RowSet(tenant="text", at="timestamptz", record="bytea")

    assert rows.source("w") == (
        "(SELECT unnest($1::text::text[]) AS tenant, unnest($2::text::timestamptz[]) AS at, "
        "unnest($3::bytea[]) AS record) AS w"
    )


def test_a_column_is_one_text() -> None:
    rows = RowSet(tenant="text", number="int", notice_id="uuid", done="boolean")
    notice = UUID("00000000-0000-0000-0000-0000000000aa")

    assert rows.arguments([("acme", 1, notice, True), ("globex", None, None, False)]) == [
        '{"acme","globex"}',
        "{1,null}",
        '{"00000000-0000-0000-0000-0000000000aa",null}',
        "{true,false}",
    ]


def test_bytes_go_as_they_are() -> None:
    assert RowSet(record="bytea").arguments([(b"\x00\xff",), (None,)]) == [[b"\x00\xff", None]]


def test_a_column_without_any_value_is_left_empty_but_not_the_first() -> None:
    rows = RowSet(tenant="text", reason="text", record="bytea")

    assert rows.arguments([(None, None, None), (None, None, None)]) == ["{null,null}", "{}", []]


def test_no_rows_are_empty_columns() -> None:
    assert RowSet(tenant="text", record="bytea").arguments([]) == ["{}", []]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", "a\0b"),
        ("text", "\ud800"),
        ("text", ["a", 1]),
        ("text", [1, 2]),
        ("text", {"a": 1}),
        ("text", ["\n"]),
        ("text", b"bytes"),
        ("text", Decimal("1.5")),
        ("int", [1, 2]),
        ("bigint", 2**64),
        ("bigint", -(2**63) - 1),
        ("boolean", {}),
        ("uuid", b"0123456789abcdef"),
        ("uuid", ["x"]),
        ("date", [date(2026, 1, 1)]),
        ("timestamptz", datetime(2026, 1, 1)),  # noqa: DTZ001
        ("timestamptz", date(2026, 1, 1)),
        ("timestamptz", "2026-01-01"),
    ],
)
def test_what_a_column_cannot_hold_is_refused_by_its_name_and_not_shown(
    kind: ColumnType, value: Any
) -> None:
    rows = RowSet(tenant="text", odd=kind)

    with pytest.raises(ColumnError, match=r"^column odd: ") as refused:
        rows.arguments([("acme", None), ("acme", value)])

    assert repr(value) not in str(refused.value)


@pytest.mark.parametrize("row", [("a",), ("a", "b", "c"), ()])
def test_a_row_of_another_length_is_refused(row: tuple[str, ...]) -> None:
    rows = RowSet(tenant="text", reason="text")

    with pytest.raises(ValueError, match="argument"):
        rows.arguments([row])
    with pytest.raises(ValueError, match="argument"):
        rows.arguments([("a", "b"), row])


def test_floats_have_no_column() -> None:
    assert not {"real", "float8", "numeric"} & set(get_args(ColumnType))
    with pytest.raises(KeyError):
        RowSet(percent="float8")  # type: ignore[arg-type]


def test_what_postgresql_would_unquote_stays_quoted() -> None:
    (literal,) = ONE_TEXT.arguments([("NULL",), ("",), ('a"b\\n,{}',), ("a\nb\\",), (None,)])

    assert literal == '{"NULL","","a\\"b\\\\n,{}","a\nb\\\\",NULL}'
