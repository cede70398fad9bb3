"""Values as canonical JSON: equal values give equal bytes, today and in years.

Sorted keys, no spaces, dates and instants as ISO text, decimals and UUIDs as text. Fields that hold
their default are left out: a field that is added later with a default changes neither old bytes nor
what is made of them. Only writes; reading back is the business of whoever knows the types.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias, get_args, get_type_hints
from uuid import UUID

import orjson

from dunning_common.values import REQUIRED, fields_of, is_value

Plain: TypeAlias = Callable[[Any], Any]

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


def canonical_json(value: object) -> bytes:
    """A value, or plain data, as canonical JSON bytes.

    Raises:
        TypeError: something inside has no exact plain form, such as bytes, a whole number beyond 64
            bits, or a field for floats.
    """
    try:
        return orjson.dumps(value, _plain, _OPTIONS)
    except TypeError as error:
        raise TypeError(str(error.__cause__ or error)) from error


def _plain(value: object) -> Any:
    return _FORMS[type(value)](value)


class _Forms(dict[type, Plain]):
    """How values of a type become something that JSON knows; found out when the first one comes."""

    def __missing__(self, kind: type) -> Plain:
        self[kind] = found = _form(kind)
        return found


_FORMS = _Forms()


def _form(kind: type) -> Plain:
    if is_value(kind):
        return _members_of(kind)
    if issubclass(kind, Decimal | UUID):  # UUIDs of a class of their own, as asyncpg reads them
        return str
    if issubclass(kind, frozenset):
        return sorted
    raise TypeError(f"{kind.__name__} has no exact plain form")


def _members_of(kind: type) -> Plain:
    """A function that takes a value apart, compiled as `dataclasses` makes `__init__`.

    Every decision is recorded with all that it looked at: a loop over the fields that asks each for
    its default would take longer than deciding.
    """
    hints = get_type_hints(kind)
    known: dict[str, Any] = {}
    lines = ["def members(value):", "    found = {}"]
    for name, default in sorted(fields_of(kind)):
        if float in (hints[name], *get_args(hints[name])):
            raise TypeError(f"{kind.__name__}.{name} may be a float, which has no exact plain form")
        if default is REQUIRED:
            lines += [f"    found[{name!r}] = value.{name}"]
        else:
            known[f"default_{name}"] = default
            lines += [
                f"    item = value.{name}",
                f"    if item is not default_{name} and item != default_{name}:",
                f"        found[{name!r}] = item",
            ]
    lines += ["    return found"]
    exec("\n".join(lines), known)  # noqa: S102 - made of the names of our own fields
    members: Plain = known["members"]
    return members
