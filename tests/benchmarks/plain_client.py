"""A program that writes rows it knows already by plain SQL: a process, as a sweeper is one.

    python -m tests.benchmarks.plain_client <database url> <schema> <rows | sets> <batch>

It reads what a sweep wrote from the tables in `kept` into memory and says `ready`. For each line on
stdin it claims the accounts that are due, a batch a transaction, writes their rows, and says `done`
when none is left. `rows`: a statement for every row, sent by `executemany`. `sets`: a statement for
every table and batch, its columns as arrays. Decides nothing, and reads nothing but whose turn it
is.
"""

from __future__ import annotations

import gc
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Protocol, TypeAlias

import asyncpg
import uvloop

from dunning_common.columns import RowSet
from tests.benchmarks.rows import (
    CLAIM,
    INSERTED,
    UPDATED,
    changed_columns,
    is_sent_as_text,
    tables_of,
    write_of_many,
    write_of_one,
)

Sql: TypeAlias = "asyncpg.Connection[Any]"
Rows = Mapping[str, Sequence[tuple[Any, ...]]]
"""The rows of each debtor."""


class Writer(Protocol):
    """Writes the rows of some debtors into one table."""

    async def write(self, sql: Sql, debtors: Sequence[str]) -> None:
        """Inside the caller's transaction."""
        ...


class OneByOne:
    """A statement for every row; asyncpg sends many of them before it waits for an answer."""

    def __init__(self, statement: str, rows: Rows) -> None:
        self._statement, self._rows = statement, rows

    async def write(self, sql: Sql, debtors: Sequence[str]) -> None:
        rows = chain.from_iterable(map(self._rows.__getitem__, debtors))
        await sql.executemany(self._statement, rows)


class AsSets:
    """One statement for all rows, a column a parameter."""

    def __init__(self, statement: str, sent: RowSet, rows: Rows) -> None:
        self._statement, self._sent, self._rows = statement, sent, rows

    async def write(self, sql: Sql, debtors: Sequence[str]) -> None:
        rows = list(chain.from_iterable(map(self._rows.__getitem__, debtors)))
        await sql.execute(self._statement, *self._sent.arguments(rows))


async def writers(sql: Sql, *, sets: bool) -> list[Writer]:
    """One for each table, with the rows in memory."""
    made: list[Writer] = []
    for table in await tables_of(sql, (*UPDATED, *INSERTED)):
        changed = await changed_columns(sql, table) if table.name in UPDATED else ()
        wanted = table.columns if table.name in INSERTED else [*table.key, *changed]
        columns = ", ".join(
            f"{name}::text" if sets and is_sent_as_text(table, name) else name for name in wanted
        )
        rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for found in await sql.fetch(f"SELECT {table.owner}, {columns} FROM kept.{table.name}"):
            owner, *row = found.values()
            rows[owner.removeprefix("acme:")].append(tuple(row))
        if sets:
            made.append(AsSets(*write_of_many(table, changed), rows))
        else:
            made.append(OneByOne(write_of_one(table, changed), rows))
    return made


async def write_batch(sql: Sql, tables: Sequence[Writer], batch: int) -> int:
    """Write what belongs to the accounts that are due. Returns how many these were."""
    async with sql.transaction():
        debtors = [row["debtor_id"] for row in await sql.fetch(CLAIM, batch)]
        for table in tables if debtors else ():
            await table.write(sql, debtors)
    return len(debtors)


async def main(url: str, schema: str, way: str, batch: str) -> None:
    """Serve stdin until it ends."""
    settings = {"search_path": schema, "jit": "off"}
    sql = await asyncpg.connect(url, server_settings=settings)
    tables = await writers(sql, sets=way == "sets")
    gc.freeze()  # the rows in memory are not looked at again and again
    print("ready", flush=True)
    for _ in sys.stdin:
        while await write_batch(sql, tables, int(batch)):
            pass
        print("done", flush=True)
    await sql.close()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
