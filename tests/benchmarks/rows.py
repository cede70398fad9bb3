"""Tables as lists of columns, so that the same rows can be written once more by plain SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

_COLUMNS = """
SELECT column_name FROM information_schema.columns
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
    """A table's columns that can be written, and those of its primary key."""

    name: str
    columns: list[str]
    key: list[str]

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
            columns=[row["column_name"] for row in await sql.fetch(_COLUMNS, name)],
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
