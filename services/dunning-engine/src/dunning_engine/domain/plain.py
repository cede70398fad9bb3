"""Domain values as plain JSON data and back, without loss and without floats.

Fields that hold their default are left out: a field that is added later with a default changes
neither old documents nor what is made of them.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

T = TypeVar("T")


def to_plain(value: object) -> Any:  # noqa: PLR0911 - one return per kind
    """JSON data of a domain value: dates as ISO text, decimals and ids as text.

    Raises:
        TypeError: a value that has no exact plain form, such as a float.
    """
    match value:
        case None | str() | bool() | int():
            return value
        case date():  # and datetime
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case tuple() | list():
            return [to_plain(item) for item in value]
        case frozenset():
            return sorted(to_plain(item) for item in value)
        case Mapping():
            return {str(key): to_plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields_of(value)
    raise TypeError(f"{type(value).__name__} has no exact plain form")


def _fields_of(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    return {
        name: to_plain(item)
        for name, default in _defaults(kind)
        if (item := getattr(value, name)) != default
    }


@cache
def _defaults(kind: Any) -> tuple[tuple[str, object], ...]:
    return tuple((field.name, field.default) for field in dataclasses.fields(kind))


def canonical_json(data: Any) -> bytes:
    """Plain data as bytes that are equal exactly when the data are: sorted keys, no spaces."""
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def from_plain(kind: type[T], data: Any) -> T:
    """The domain value that `to_plain` made the data of.

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
    if origin is frozenset:
        return frozenset(_build(arguments[0], item) for item in data)
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
