"""Domain values as plain JSON data and back, without loss and without floats.

Fields that hold their default are left out: a field that is added later with a default changes
neither old documents nor what is made of them.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from dunning_common.values import REQUIRED, fields_of, is_value

T = TypeVar("T")
Writer: TypeAlias = Callable[[Any], str]


def canonical_json(value: object) -> bytes:
    """A domain value, or plain data, as JSON bytes: sorted keys, no spaces, dates as ISO text.

    Equal values give equal bytes.

    Raises:
        TypeError: a value inside has no exact plain form.
    """
    return _WRITERS[type(value)](value).encode()


class _Writers(dict[type, Writer]):
    """How values of a type are written; found out when the first one comes."""

    def __missing__(self, kind: type) -> Writer:
        self[kind] = found = _writer(kind)
        return found


_WRITERS = _Writers()


def _writer(kind: type) -> Writer:
    if is_value(kind):
        return _compiled(kind)
    for base, write in _BY_BASE:
        if issubclass(kind, base):
            return write
    raise TypeError(f"{kind.__name__} has no exact plain form")


def _compiled(kind: type) -> Writer:
    """The writer of a dataclass, compiled from its fields as `dataclasses` makes `__init__`.

    Every decision is recorded with all that it looked at: a loop over the fields that asks each for
    its type would take longer than deciding.
    """
    known: dict[str, Any] = dict(_KNOWN)
    lines = ["def write(value):", "    members = []"]
    for name, default in sorted(fields_of(kind)):
        text = _expression(_hints(kind)[name], "item")
        append = f"members.append({_text(name) + ':'!r} + {text})"
        lines += [f"    item = value.{name}"]
        if default is REQUIRED:
            lines += [f"    {append}"]
        else:
            known[f"default_{name}"] = default
            lines += [f"    if item != default_{name}:", f"        {append}"]
    lines += ["    return '{' + ','.join(members) + '}'"]
    exec("\n".join(lines), known)  # noqa: S102 - made of the names and types of our own fields
    writer: Writer = known["write"]
    return writer


def _expression(hint: Any, item: str) -> str:
    """Source text that writes what the variable `item` holds, of a field with that type."""
    origin, arguments = get_origin(hint), get_args(hint)
    rest = [argument for argument in arguments if argument is not types.NoneType]
    if hint in _BY_HINT:
        return f"{_BY_HINT[hint]}({item})"
    if origin is Literal and all(isinstance(argument, str) for argument in arguments):
        return f"_text({item})"
    if origin in (Union, types.UnionType) and len(rest) == 1:
        return f"('null' if {item} is None else {_expression(rest[0], item)})"
    if origin is tuple and arguments[1:] == (...,):
        part = f"{item}_"
        parts = f"[{_expression(arguments[0], part)} for {part} in {item}]"
        return f"'[' + ','.join({parts}) + ']'"
    if origin is tuple:
        places = [_expression(part, f"{item}[{place}]") for place, part in enumerate(arguments)]
        return "'[' + " + " + ',' + ".join(places) + " + ']'"
    return f"_WRITERS[type({item})]({item})"


def _object(value: Mapping[str, object]) -> str:
    members = (f"{_text(key)}:{_WRITERS[type(value[key])](value[key])}" for key in sorted(value))
    return "{" + ",".join(members) + "}"


def _array(values: Iterable[object]) -> str:
    return "[" + ",".join([_WRITERS[type(value)](value) for value in values]) + "]"


@lru_cache(maxsize=4096)
def _day(value: date) -> str:
    return f'"{value.isoformat()}"'


def _instant(value: datetime) -> str:
    # Equal instants of two zones read differently: only those of one zone may share a text.
    return _utc_instant(value) if value.tzinfo is UTC else f'"{value.isoformat()}"'


@lru_cache(maxsize=4096)
def _utc_instant(value: datetime) -> str:
    return f'"{value.isoformat()}"'


_text: Callable[[str], str] = json.encoder.encode_basestring
_number: Callable[[int], str] = int.__repr__
_BY_HINT = {str: "_text", int: "_number", date: "_day", datetime: "_instant"}
_KNOWN = {
    "_WRITERS": _WRITERS,
    "_text": _text,
    "_number": _number,
    "_day": _day,
    "_instant": _instant,
}
_BY_BASE: tuple[tuple[type | tuple[type, ...], Writer], ...] = (
    (str, _text),
    (bool, lambda value: "true" if value else "false"),
    (int, _number),
    (types.NoneType, lambda _: "null"),
    (float, lambda value: json.dumps(value, allow_nan=False)),
    (datetime, _instant),
    (date, _day),
    ((Decimal, UUID), lambda value: f'"{value}"'),
    (dict, _object),
    ((tuple, list), _array),
    (frozenset, lambda value: _array(sorted(value))),
)


def from_plain(kind: type[T], data: Any) -> T:
    """The domain value that `canonical_json` made the data of.

    Raises:
        ValueError: the data are not of that kind.
    """
    made: T = _build(kind, data)
    return made


def _build(kind: Any, data: Any) -> Any:  # noqa: PLR0911 - one return per kind
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if data is None:
            return None
        return _build(next(item for item in arguments if item is not type(None)), data)
    if origin is tuple:
        return tuple(_build(arguments[0], item) for item in data)
    if origin is Literal or kind in (str, int, bool):
        return data
    if kind in (date, datetime):
        return kind.fromisoformat(data)
    if kind in (Decimal, UUID):
        return kind(data)
    hints = _hints(kind)
    if not isinstance(data, Mapping) or not data.keys() <= hints.keys():
        raise ValueError(f"these are not the fields of {kind.__name__}")
    return kind(**{name: _build(hints[name], item) for name, item in data.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
