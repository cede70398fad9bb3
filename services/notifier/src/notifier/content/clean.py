"""Makes names and addresses from outside safe to print: no control, no direction overrides.

It never translates or transliterates; what a person can read stays as it was written.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MAX_CHARS = 300

_REMEMBERED = 4096
"""Texts whose clean form is kept: a creditor's own data is printed on every message."""

_DROPPED_CATEGORIES = frozenset({"Cc", "Cn", "Co", "Cs"})
"""Control, unassigned, private use (the marks of bold text live there), lone surrogates."""

_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = frozenset("\u00ad\u200b\u2060\ufeff\ufff9\ufffa\ufffb")
_ZERO_WIDTH = "\u200b"
_MAX_COMBINING = 4


@lru_cache(maxsize=_REMEMBERED)
def clean(text: str, *, limit: int = MAX_CHARS) -> str:
    """One line of printable text, in composed form, of at most `limit` characters.

    Control characters, direction overrides and invisible marks are dropped, white space of any kind
    becomes one space, and a tower of combining marks is cut to four.
    """
    if text.isascii() and text.isprintable() and len(text) <= limit and "  " not in text:
        return text.strip()
    kept: list[str] = []
    combining = 0
    for char in unicodedata.normalize("NFC", text[: limit * 4]):
        if char.isspace():
            kept.append(" ")
            continue
        combining = combining + 1 if unicodedata.combining(char) else 0
        if combining <= _MAX_COMBINING and _is_shown(char):
            kept.append(char)
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def breakable(text: str, longest: int) -> str:
    """The text with words of `longest` signs or more made breakable anywhere.

    For letters, so that no word runs out of its column. Done here and not by a rule in Typst, where
    each use of a pattern costs a millisecond.
    """
    if len(text) < longest:
        return text
    return re.sub(rf"[^\s-]{{{longest},}}", lambda word: _ZERO_WIDTH.join(word.group()), text)


def _is_shown(char: str) -> bool:
    if char in _DIRECTION or char in _INVISIBLE:
        return False
    return unicodedata.category(char) not in _DROPPED_CATEGORIES
