"""Takes addresses and numbers out of what providers say, so that it can be stored."""

from __future__ import annotations

import re

_EMAIL = re.compile(r"[^\s<>()\[\]:;,\"']+@[^\s<>()\[\]:;,\"']+")
_PHONE = re.compile(
    r"\+\d[\d\s()./-]{6,}\d"  # international
    r"|(?<!\w)0\d(?:[\s./-]?\d{2,3}){3,4}(?!\w)"  # national, in groups
    r"|(?<![\w.])\d{9,}(?!\w)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST = 300
_LONGEST_READ = 4000
"""What lies behind is cut off unread: the patterns take the square of a long word's length."""


def redact(text: str) -> str:
    """The text without e-mail addresses, telephone numbers and control characters, cut to 300."""
    read = _CONTROL.sub(" ", text[:_LONGEST_READ])
    return plain(_PHONE.sub("<number>", _EMAIL.sub("<address>", read)))


def plain(text: str) -> str:
    """The text without control characters, cut to 300: for identifiers and codes of others."""
    valid = text.encode("utf-8", "replace").decode()  # servers may say what is not UTF-8
    return _CONTROL.sub(" ", valid)[:_LONGEST].strip()
