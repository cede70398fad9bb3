"""The reference on a transfer: what kind it is, how a code carries it, how people read it.

Pure. It recognises references that the ERP gave its invoices as numbers and invents none, but for
the 27 digits without which a Swiss QR-IBAN takes no money.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from stdnum import iso11649
from stdnum.be import ogm_vcs
from stdnum.ch import esr

from notifier.content.account import compact, is_qr_iban

MAX_REFERENCE_CHARS = 140
"""Unstructured remittance information of a transfer (EPC069-12, SPS QR-bill)."""

_QRR_DIGITS = 26
_CREDITOR = re.compile(r"RF\d{2}[A-Z0-9 ]+", re.ASCII)
_BELGIAN = re.compile(r"(\+{3}|\*{3})?\d{3}/?\d{4}/?\d{5}(\+{3}|\*{3})?", re.ASCII)


class ReferenceKind(StrEnum):
    """Who checks the reference."""

    TEXT = "text"
    """Nobody: invoice numbers, or the notice's own reference."""

    CREDITOR = "iso11649"
    """Any bank: RF and two check digits, ISO 11649."""

    BELGIAN = "ogm"
    """Belgian banks: twelve digits, the last two their check (OGM-VCS)."""

    SWISS = "qrr"
    """Swiss banks: 27 digits, the last one the check digit (modulo 10, recursive)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What to quote: `value` for machines, `shown` for people."""

    kind: ReferenceKind
    value: str
    shown: str


def notice_reference(notice_id: UUID) -> str:
    """What to quote about the whole notice, the same on every channel: `DN-1A2B3C4D5E`."""
    return f"DN-{notice_id.hex[:10].upper()}"


def reference_of(numbers: Sequence[str], notice: str, iban: str) -> Reference:
    """What to quote on the transfer.

    Of a single invoice whose number is a structured reference itself, that one; else the invoice
    numbers, or the notice's reference where they are too many. A QR-IBAN takes nothing but QR
    references, so there the notice's reference is written as one.

    Args:
        numbers: of the invoices asked for, cleaned.
        notice: the notice's own reference (`notice_reference`).
        iban: the account to pay into.
    """
    number = numbers[0].strip() if len(numbers) == 1 else ""
    if is_qr_iban(iban):
        digits = "".join(number.split())
        return _swiss(digits if _is_swiss(digits) else swiss_reference(notice))
    if _CREDITOR.fullmatch(number) and iso11649.is_valid(number):
        value = iso11649.compact(number)
        shown = iso11649.format(value)
        return Reference(kind=ReferenceKind.CREDITOR, value=value, shown=shown)
    belgian = ogm_vcs.compact(number.strip("*")) if _BELGIAN.fullmatch(number) else ""
    if belgian and compact(iban).startswith("BE") and ogm_vcs.is_valid(belgian):
        shown = f"+++{ogm_vcs.format(belgian)}+++"
        return Reference(kind=ReferenceKind.BELGIAN, value=belgian, shown=shown)
    joined = ", ".join(numbers)
    text = joined if 0 < len(joined) <= MAX_REFERENCE_CHARS else notice
    return Reference(kind=ReferenceKind.TEXT, value=text, shown=text)


def payment_reference(numbers: Sequence[str], reference: str, iban: str = "") -> str:
    """What to write on the transfer, as people read it; the arguments are `reference_of`'s."""
    return reference_of(numbers, reference, iban).shown


def swiss_reference(notice: str) -> str:
    """The notice's reference as a QR reference: its hexadecimal digits as a number, with check."""
    digits = str(int(notice.removeprefix("DN-"), 16)).zfill(_QRR_DIGITS)
    return digits + esr.calc_check_digit(digits)


def _is_swiss(digits: str) -> bool:
    return bool(re.fullmatch(r"\d{27}", digits, re.ASCII)) and esr.is_valid(digits)


def _swiss(digits: str) -> Reference:
    return Reference(kind=ReferenceKind.SWISS, value=digits, shown=esr.format(digits))
