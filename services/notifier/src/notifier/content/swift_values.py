"""What the functions written by `swift_source` call: how values become text, compare and are found.

Each follows the Liquid library to the letter, or gives up with `UnusualError`, and the library then
does the whole text.
"""

from __future__ import annotations

import re
from decimal import Decimal

from markupsafe import Markup, escape

_PARTS_WEIGHED = 256
"""Pieces of output after which a loop weighs what it wrote."""

is_special = re.compile("[&<>'\"]").search
"""Finds a sign that a page needs escaped."""


class UnusualError(Exception):
    """Something that only the library knows what to do with."""


class Page:
    """What a template with loops has written so far, and how much of its limits is left."""

    __slots__ = ("full", "room", "turns_left", "written")

    def __init__(self, written: list[str], max_turns: int, max_chars: int) -> None:
        self.written = written
        self.full = _PARTS_WEIGHED
        self.turns_left = max_turns
        self.room = max_chars

    def turns(self, entries: object) -> list[object]:
        """The entries to loop over, taken off the turns that are left."""
        if entries.__class__ is not list:
            raise UnusualError
        self.turns_left -= len(entries)
        if self.turns_left < 0:
            raise UnusualError
        return entries

    def weigh(self) -> None:
        """Give up as soon as the text is too long, and not when it has filled the memory."""
        fresh = self.written[self.full - _PARTS_WEIGHED :]
        self.full = len(self.written) + _PARTS_WEIGHED
        self.room -= sum(map(len, fresh))
        if self.room < 0:
            raise UnusualError


def plain(found: object) -> str:
    """Text of a value, as the library writes it."""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, str | int | Decimal):
        return str(found)
    if found is None:
        return ""
    raise UnusualError


def escaped(found: object) -> str:
    """Text of a value for a page; what is markup already stays as it is."""
    if found.__class__ is Markup:
        return found
    text = found if found.__class__ is str else plain(found)
    return str(escape(text))


def below(found: object, step: str | int) -> object:
    """What a step of a path finds that need not be a name: `size`, `first`, `last` or a place."""
    if found.__class__ is dict and step in found:
        return found[step]
    if not isinstance(found, list):
        if step == "size" and isinstance(found, dict):
            return len(found)
        raise UnusualError
    if step == "size":
        return len(found)
    if step == "first":
        return found[0]
    if step == "last":
        return found[-1]
    if isinstance(step, int):
        return found[step]
    raise UnusualError


def is_same(one: object, other: object) -> bool:
    """Whether two texts, two whole numbers or two truths are the same."""
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    if one.__class__ is other.__class__ and one.__class__ in (int, bool):
        return one == other
    raise UnusualError


def is_less(one: object, other: object) -> bool:
    """Whether a whole number is less than another."""
    if one.__class__ is not int or other.__class__ is not int:
        raise UnusualError
    return one < other
