"""What goes in comes out, as if asyncpg had sent arrays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dunning_common.columns import ColumnType, RowSet
from standalone.embedded.postgres import EmbeddedPostgres

Sql: TypeAlias = "asyncpg.Connection[Any]"

_texts = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.text("\\\"{}[],/'$ \t\n\r\b\f\x01\x1f\x7fnrtbfuNUL0é\u2028\ufeff😀"),
    st.sampled_from(["", "NULL", "null", '{"email":["pending",null]}', "\\n", "\\\\n", "\\u0041"]),
)
_instants = st.datetimes(
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC) | st.timezones(),
).filter(lambda at: datetime(1, 1, 2, tzinfo=UTC) <= at)  # in UTC it is in a year, too
VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    "text": _texts,
    "int": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "uuid": st.uuids(),
    "date": st.dates(max_value=date(9999, 12, 30)),
    "timestamptz": _instants,
    "bytea": st.binary(),
}
ALL = RowSet(**{kind: kind for kind in VALUES})
THROUGH_TEXT = f"SELECT * FROM {ALL.source('w')}"
THROUGH_ARRAYS = f"""
SELECT * FROM unnest({", ".join(f"${n}::{kind}[]" for n, kind in enumerate(VALUES, start=1))})
    AS w ({", ".join(VALUES)})
"""
# The first column is the one that must not be NULL in every row.
ROWS = st.lists(
    st.tuples(
        *(values if kind == "text" else st.none() | values for kind, values in VALUES.items())
    ),
    min_size=1,
    max_size=20,
)


@pytest.fixture(scope="module")
async def sql(postgres: EmbeddedPostgres) -> AsyncIterator[Sql]:
    connection = await asyncpg.connect(postgres.admin_url)
    yield connection
    await connection.close()


def _in_utc(value: object) -> object:
    """Python calls no instant of a zone's repeated hour equal to one elsewhere."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=ROWS)
async def test_what_goes_in_comes_out_as_through_arrays(
    sql: Sql, rows: list[tuple[Any, ...]]
) -> None:
    found = [tuple(row) for row in await sql.fetch(THROUGH_TEXT, *ALL.arguments(rows))]

    assert found == [tuple(map(_in_utc, row)) for row in rows]
    columns = map(list, zip(*rows, strict=True))
    assert found == [tuple(row) for row in await sql.fetch(THROUGH_ARRAYS, *columns)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(st.none() | _texts, min_size=1))
@example(texts=["a\tb", "\\t", '"', None, "NULL", "", "\x01", "/", "é", "😀"])
@example(texts=["\\", '\\"', "\\u0000", None])
async def test_every_text_comes_out(sql: Sql, texts: list[str | None]) -> None:
    rows = RowSet(number="int", words="text")

    found = await sql.fetch(
        f"SELECT words FROM {rows.source('w')} ORDER BY number",
        *rows.arguments(list(enumerate(texts))),
    )

    assert [row["words"] for row in found] == texts


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1900, 1, 1, 0, 0, 1, 5, tzinfo=ZoneInfo("Europe/Paris")),
        datetime(1971, 12, 31, tzinfo=ZoneInfo("Africa/Monrovia")),
        datetime(1972, 1, 8, tzinfo=ZoneInfo("Africa/Monrovia")),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
async def test_an_instant_comes_out_to_the_microsecond(sql: Sql, at: datetime, zone: str) -> None:
    rows = RowSet(at="timestamptz")
    await sql.execute(f"SET TIME ZONE '{zone}'")

    found = await sql.fetchval(f"SELECT at FROM {rows.source('w')}", *rows.arguments([(at,)]))

    assert found == at.astimezone(UTC)
    await sql.execute("RESET TIME ZONE")


async def test_ids_as_they_come_from_the_database_go_back(sql: Sql) -> None:
    rows = RowSet(notice_id="uuid")
    read = await sql.fetchval("SELECT gen_random_uuid()")
    assert type(read) is not UUID

    found = await sql.fetchval(
        f"SELECT notice_id FROM {rows.source('w')}", *rows.arguments([(read,)])
    )

    assert found == read


async def test_a_column_without_any_value_is_null_in_every_row(sql: Sql) -> None:
    rows = RowSet(tenant="text", until="date", record="bytea")

    found = await sql.fetch(
        f"SELECT * FROM {rows.source('w')}",
        *rows.arguments([("a", None, None), ("b", None, None)]),
    )

    assert [tuple(row) for row in found] == [("a", None, None), ("b", None, None)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int", 2**31), ("int", 1.5), ("int", True), ("bigint", 2**63), ("uuid", "x"), ("date", 5)],
)
async def test_what_its_type_has_no_room_for_is_refused_by_postgresql(
    sql: Sql, kind: ColumnType, value: object
) -> None:
    rows = RowSet(odd=kind)

    with pytest.raises(asyncpg.DataError):
        await sql.fetch(f"SELECT odd FROM {rows.source('w')}", *rows.arguments([(value,)]))
