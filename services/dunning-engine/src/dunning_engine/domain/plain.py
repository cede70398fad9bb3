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


def canonical_json(value: object) -> bytes:
    """A domain value, or plain data, as JSON bytes: sorted keys, no spaces, dates as ISO text.

    Equal values give equal bytes.

    Raises:
        TypeError: a value inside has no exact plain form.
    """
    return _ENCODER.encode(value).encode()


def _one_level(value: Any) -> Any:
    """The plain form of a value that JSON does not know; the encoder goes on inside it."""
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            name: item
            for name, default in _defaults(type(value))
            if (item := getattr(value, name)) != default
        }
    raise TypeError(f"{type(value).__name__} has no exact plain form")


_ENCODER = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
    default=_one_level,
)


@cache
def _defaults(kind: Any) -> tuple[tuple[str, object], ...]:
    return tuple((field.name, field.default) for field in dataclasses.fields(kind))


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
