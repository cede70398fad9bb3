"""How many SMS a text is billed as: GSM 03.38 septets when it fits that alphabet, else UCS-2."""

from __future__ import annotations

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")

_GSM_SINGLE, _GSM_PART = 160, 153
_UCS2_SINGLE, _UCS2_PART = 70, 67


def segment_count(text: str) -> int:
    """Number of SMS parts; an empty text counts as one.

    A character outside the GSM alphabet makes the whole text UCS-2, where emoji take two units.
    A two-septet character is never split over parts, which can cost a part more than the sum says.
    """
    if all(char in _BASIC or char in _EXTENDED for char in text):
        return _parts([2 if char in _EXTENDED else 1 for char in text], _GSM_SINGLE, _GSM_PART)
    return _parts([2 if ord(char) > 0xFFFF else 1 for char in text], _UCS2_SINGLE, _UCS2_PART)


def _parts(widths: list[int], single: int, part: int) -> int:
    if sum(widths) <= single:
        return 1
    parts, room = 1, part
    for width in widths:
        if width > room:
            parts, room = parts + 1, part
        room -= width
    return parts
