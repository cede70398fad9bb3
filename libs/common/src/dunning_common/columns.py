"""Rows as the parameters of one statement: a column each, in PostgreSQL's own writing of arrays.

asyncpg takes lists for arrays, too, and looks at each element several times before it writes it: 7
to 10 µs for a row of twenty columns. Here a column is one text, made by a JSON writer in one go:
0.5 µs, and 0.7 µs more in PostgreSQL, which has to read it. JSON's elements are those of an array
but for control characters in texts, the seconds of old zones' offsets, and lists and objects; each
is looked for, and none is left to chance.

Knows no statement and no table. Not for floats: JSON has no NaN, and would make it NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
import orjson

ColumnType = Literal["text", "int", "bigint", "boolean", "uuid", "date", "timestamptz", "bytea"]
Argument: TypeAlias = "str | list[Any]"


class ColumnError(ValueError):
    """A value that its column cannot hold. The message names the column, never the value."""


class RowSet:
    """The rows of a statement: names and PostgreSQL types of their columns, in order.

        _HOLDS = RowSet(tenant="text", hold_id="uuid", released_at="timestamptz")
        _END = f"UPDATE hold h SET released_at = w.released_at FROM {_HOLDS.source('w')} WHERE …"
        await sql.execute(_END, *_HOLDS.arguments(rows))

    `bytea` goes as asyncpg sends it: as text, long values would be twice as long. The first column
    is the one that must not be NULL in every row.
    """

    def __init__(self, /, **types: ColumnType) -> None:
        self._writers = tuple((name, _WRITERS[kind]) for name, kind in types.items())
        self._types = types

    def source(self, alias: str) -> str:
        """The rows in a FROM clause, as `alias`; they take the statement's first parameters."""
        # In a SELECT list, as unnest() in FROM keeps a row of its own for every element.
        columns = ", ".join(
            f"unnest(${number}::{'' if kind == 'bytea' else 'text::'}{kind}[]) AS {name}"
            for number, (name, kind) in enumerate(self._types.items(), start=1)
        )
        return f"(SELECT {columns}) AS {alias}"

    def arguments(self, rows: Sequence[Sequence[Any]]) -> list[Argument]:
        """The statement's parameters.

        Args:
            rows: each with a value for every column: None, or what asyncpg would take (`str`,
                `int`, `bool`, `UUID`, `date`, aware `datetime`, `bytes`).

        Raises:
            ColumnError: a value that PostgreSQL does not know: a text with a NUL or half a
                surrogate pair, an integer beyond 64 bits, an instant without a zone, a list, an
                object. What PostgreSQL can read as the column's type (the number 5 in a text
                column), it does; the rest it refuses when the statement runs.
            ValueError: a row is longer or shorter than the others or the columns.
        """
        columns = zip(*rows, strict=True) if rows else ((),) * len(self._writers)
        arguments: list[Argument] = []
        for (name, write), column in zip(self._writers, columns, strict=True):
            try:
                # unnest() fills up short columns with NULL, so an empty one says it for all rows;
                # but one column has to tell how many there are.
                empty = column[:1] == (None,) and arguments and column.count(None) == len(column)
                arguments.append(write(() if empty else column))
            except (TypeError, ValueError) as error:
                raise ColumnError(f"column {name}: {error}") from error
        return arguments


_ESCAPED_CONTROL = re.compile(rb"\\[bfnrtu]")
"""JSON escapes quotes and backslashes as PostgreSQL does, and control characters otherwise."""
_WHOLE_MINUTES: Final = datetime(1972, 1, 8, tzinfo=UTC)
"""Since then all zones are whole minutes away from UTC, and JSON writers know only minutes."""
_TIMES = msgspec.json.Encoder()
"""Eight times as fast as orjson for instants, and half as fast for everything else."""


def _texts(column: Sequence[str | None]) -> str:
    raw = orjson.dumps(column)
    if b"\\" in raw and _ESCAPED_CONTROL.search(raw):
        _refuse_others(column, str)
        return "{" + ",".join("NULL" if text is None else _quoted(text) for text in column) + "}"
    return _array(raw, column, str)


def _quoted(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text holds a NUL, which PostgreSQL cannot store")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _scalars(kind: type, column: Sequence[object]) -> str:
    return _array(orjson.dumps(column, default=_other), column, kind)


def _other(value: object) -> str:
    """What the JSON writer does not know: asyncpg answers with UUIDs of a class of its own."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is none of the values of columns")


def _dates(column: Sequence[date | None]) -> str:
    return _array(_TIMES.encode(column), column, date)


def _instants(column: Sequence[datetime | None]) -> str:
    # The comparison refuses what is no instant, or has no zone.
    if min(filter(None, column), default=_WHOLE_MINUTES) < _WHOLE_MINUTES:
        return "{" + ",".join("NULL" if at is None else at.isoformat() for at in column) + "}"
    return _array(_TIMES.encode(column), column, datetime)


def _array(json_list: bytes, column: Sequence[object], kind: type) -> str:
    if json_list.rfind(b"[") or b"{" in json_list:  # inside of texts, or of lists and objects
        _refuse_others(column, kind)
    return "{" + json_list[1:-1].decode() + "}"


def _refuse_others(column: Sequence[object], kind: type) -> None:
    for value in column:
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"a {type(value).__name__} where a {kind.__name__} belongs")


_WRITERS: Mapping[ColumnType, Callable[[Sequence[Any]], Argument]] = {
    "text": _texts,
    "int": partial(_scalars, int),
    "bigint": partial(_scalars, int),
    "boolean": partial(_scalars, bool),
    "uuid": partial(_scalars, UUID),
    "date": _dates,
    "timestamptz": _instants,
    "bytea": list,
}
