"""Values: immutable, compared by content, without identity, cheap to make.

What a decision looks at and what comes out are such values, some forty for each case; as frozen
dataclasses their making alone took a sixth of a sweep (docs/decisions/0013). No behaviour here, and
no reading of untrusted data: a value is not checked when it is made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

REQUIRED: Any = msgspec.NODEFAULT
"""Stands for the default of a field that has none."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """Base of values: `class Money(Value, frozen=True, kw_only=True)`.

    Both words have to be said again by each class, for readers and type checkers. The garbage
    collector does not look at values: never let one hold, even far below, what holds it.
    """


def replace(value: T, **changes: Any) -> T:
    """A copy of a value, or of a dataclass, with other contents in some fields."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changes)
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]


def is_value(kind: type) -> bool:
    """Is it a class of values, or a dataclass?"""
    return issubclass(kind, Value) or dataclasses.is_dataclass(kind)


def fields_of(kind: Any) -> Iterator[tuple[str, Any]]:
    """Names and defaults (or `REQUIRED`) of the fields of a class of values or a dataclass."""
    if issubclass(kind, Value):
        for field in msgspec.structs.fields(kind):
            yield field.name, field.default
    else:
        for item in dataclasses.fields(kind):
            yield item.name, REQUIRED if item.default is dataclasses.MISSING else item.default
