"""Plain JSON data back to domain values: the other way of `dunning_common.canonical`."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

T = TypeVar("T")


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
