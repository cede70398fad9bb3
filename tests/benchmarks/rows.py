"""Tables as lists of columns, so that the same rows can be written once more by plain SQL.

Makes statements for three ways of writing; runs none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from dunning_common.columns import ColumnType, RowSet

UPDATED = ("dunning_case", "account", "stream_head")
INSERTED = ("notice", "case_level", "decision", "outbox")
"""What a sweep writes; plain SQL writes the same in this order."""

CLAIM = """
SELECT debtor_id FROM account
WHERE time_source = 'real' AND next_action_at <= statement_timestamp()
  AND returns = returns_checked
ORDER BY next_action_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
"""

_COLUMNS = """
SELECT column_name, udt_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = $1
  AND is_generated = 'NEVER' AND is_identity = 'NO'
ORDER BY ordinal_position
"""
_KEY = """
SELECT a.attname FROM pg_index i JOIN pg_attribute a
    ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indisprimary AND i.indrelid = $1::text::regclass
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table's columns that can be written, with their types, and those of its primary key."""

    name: str
    types: Mapping[str, str]
    key: list[str]

    @property
    def columns(self) -> list[str]:
        """All columns, in the table's order."""
        return list(self.types)

    @property
    def owner(self) -> str:
        """The column that says whose row it is."""
        return "debtor_id" if "debtor_id" in self.columns else "key"

    @property
    def same(self) -> str:
        """The condition that `t` and `k` are the same row."""
        return "WHERE " + " AND ".join(f"t.{column} = k.{column}" for column in self.key)


async def tables_of(sql: asyncpg.Connection[Any], names: Sequence[str]) -> list[Table]:
    """What there is to know of these tables."""
    return [
        Table(
            name=name,
            types=dict(await sql.fetch(_COLUMNS, name)),
            key=[row["attname"] for row in await sql.fetch(_KEY, name)],
        )
        for name in names
    ]


def plain_update(table: Table) -> str:
    """Bring the rows of some owners to what is kept of them."""
    changing = [column for column in table.columns if column not in table.key]
    there = ", ".join(f"k.{column}" for column in changing)
    return (
        f"UPDATE {table.name} t SET ({', '.join(changing)}) = ROW({there}) "
        f"FROM kept.{table.name} k {table.same} AND k.{table.owner} = ANY($1)"
    )


async def changed_columns(sql: asyncpg.Connection[Any], table: Table) -> list[str]:
    """The columns in which any row differs from what is kept of it."""
    rest = [column for column in table.columns if column not in table.key]
    differs = ", ".join(f"bool_or(t.{name} IS DISTINCT FROM k.{name})" for name in rest)
    row = await sql.fetchrow(
        f"SELECT {differs} FROM {table.name} t, kept.{table.name} k {table.same}"
    )
    return [name for name, found in zip(rest, row, strict=True) if found] if row else []


def write_of_one(table: Table, changing: Sequence[str]) -> str:
    """A statement for one row: its values are the parameters, the key's first in an update."""
    if table.name in INSERTED:
        values = ", ".join(f"${number}" for number, _ in enumerate(table.columns, start=1))
        return f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({values})"
    key = " AND ".join(f"{name} = ${number}" for number, name in enumerate(table.key, start=1))
    new = ", ".join(
        f"{name} = ${number}" for number, name in enumerate(changing, start=len(table.key) + 1)
    )
    return f"UPDATE {table.name} SET {new} WHERE {key}"


_PLAIN_TYPES: Mapping[str, ColumnType] = {
    "text": "text", "int4": "int", "int8": "bigint", "bool": "boolean", "uuid": "uuid",
    "date": "date", "timestamptz": "timestamptz", "bytea": "bytea",
}  # fmt: skip
"""What a row set can send as it is; everything else goes as text and is cast there."""


def is_sent_as_text(table: Table, column: str) -> bool:
    """Is the column sent as text and cast in the statement?"""
    return table.types[column] not in _PLAIN_TYPES


def write_of_many(table: Table, changing: Sequence[str]) -> tuple[str, RowSet]:
    """A statement for any number of rows, and how these become its parameters."""
    sent = table.columns if table.name in INSERTED else [*table.key, *changing]
    rows = RowSet(**{name: _PLAIN_TYPES.get(table.types[name], "text") for name in sent})
    value = {
        name: f"w.{name}" + (f"::{table.types[name]}" if is_sent_as_text(table, name) else "")
        for name in sent
    }
    if table.name in INSERTED:
        there = f"SELECT {', '.join(value.values())} FROM {rows.source('w')}"
        return f"INSERT INTO {table.name} ({', '.join(sent)}) {there}", rows
    new = ", ".join(f"{name} = {value[name]}" for name in changing)
    same = " AND ".join(f"t.{name} = w.{name}" for name in table.key)
    return f"UPDATE {table.name} t SET {new} FROM {rows.source('w')} WHERE {same}", rows
