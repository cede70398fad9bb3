"""Text messages that fit the GSM alphabet, so that a reminder costs two segments, not six."""

from __future__ import annotations

import math
import unicodedata

GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""GSM 03.38 basic characters: one septet each."""

GSM_EXTENDED = frozenset("^{}\\[~]|€")
"""GSM 03.38 extension table: two septets each."""

LINKED_PARTS_MAX = 4
"""A text with a link leaves room for what its channel adds, such as how to stop texts."""

_FOLDED = {
    "’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-",
    "…": "...", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "×": "x", "−": "-",
    "•": "-", "·": "-", "`": "'", "´": "'", "ı": "i",
}  # fmt: skip


def gsm_text(text: str) -> str:
    """The text with everything foldable folded into the GSM alphabet.

    Accents that GSM lacks are dropped, typographic signs become plain ones, pictures disappear.
    Letters of other scripts stay; such a message is then sent as UCS-2.
    """
    folded = "".join(_fold(char) for char in text)
    return " ".join(folded.split())


def segments(text: str) -> int:
    """How many SMS the text is billed as."""
    septets = 0
    for char in text:
        if char in GSM:
            septets += 1
        elif char in GSM_EXTENDED:
            septets += 2
        else:
            return _parts(len(text.encode("utf-16-be")) // 2, 70, 67)
    return _parts(septets, 160, 153)


def with_link(text: str, label: str, url: str, *, parts_max: int) -> tuple[str, tuple[str, ...]]:
    """The text with a link at its end where that costs little, and a remark where it does not.

    It comes along while the text has at most `parts_max` parts with it, or no more than without,
    and is never folded: a changed address is none.
    """
    if not url:
        return text, ()
    linked = f"{text} {gsm_text(label)} {url}"
    with_it, without = segments(linked), segments(text)
    allowed = min(max(parts_max, without), LINKED_PARTS_MAX)
    if with_it <= allowed:
        return linked, ()
    more = f"{with_it} parts instead of {without}, and {allowed} are allowed"
    return text, (f"no link to the debtor's page: with it the text has {more}",)


def _fold(char: str) -> str:
    if char in GSM or char in GSM_EXTENDED:
        return char
    if char in _FOLDED:
        return _FOLDED[char]
    if char.isspace():
        return " "
    if unicodedata.category(char) in {"So", "Sk", "Cf", "Mn", "Me", "Cc", "Co"}:
        return ""
    plain = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return plain if plain and all(c in GSM for c in plain) else char


def _parts(units: int, single: int, part: int) -> int:
    return 1 if units <= single else math.ceil(units / part)
