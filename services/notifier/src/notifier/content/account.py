"""Bank accounts as people and codes write them: IBAN, BIC, British sort codes.

Pure: no input or output.
"""

from __future__ import annotations

import re
from functools import lru_cache

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?", re.ASCII)
_SWISS_CHARS = 21
_QR_INSTITUTIONS = range(30_000, 32_000)
"""Institution numbers (IID) that only QR-IBANs have (SIX, implementation guidelines QR-bill)."""

_ACCOUNTS = 1024
"""Accounts whose kind is remembered: a creditor's is asked for with every message."""


def compact(iban: str) -> str:
    """An IBAN or a BIC without spaces, in capitals."""
    return "".join(iban.split()).upper()


def is_iban(iban: str) -> bool:
    """Whether the check digits of a compact IBAN are right (ISO 7064 mod 97-10)."""
    if not _IBAN.fullmatch(iban):
        return False
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def is_bic(bic: str) -> bool:
    """Whether a compact BIC has the shape of one."""
    return _BIC.fullmatch(bic) is not None


def is_swiss_iban(iban: str) -> bool:
    """Whether it is an account in Switzerland or Liechtenstein, with the right check digits."""
    text = compact(iban)
    return text[:2] in ("CH", "LI") and len(text) == _SWISS_CHARS and is_iban(text)


@lru_cache(maxsize=_ACCOUNTS)
def is_qr_iban(iban: str) -> bool:
    """Whether it is a Swiss account that takes money with a QR reference only."""
    text = compact(iban)
    return is_swiss_iban(text) and text[4:9].isdigit() and int(text[4:9]) in _QR_INSTITUTIONS


def british_account(iban: str) -> tuple[str, str] | None:
    """Sort code and account number inside a British IBAN, which is what people there type."""
    text = compact(iban)
    if not text.startswith("GB") or len(text) != 22 or not is_iban(text):
        return None
    sort = text[8:14]
    return f"{sort[:2]}-{sort[2:4]}-{sort[4:]}", text[14:]
