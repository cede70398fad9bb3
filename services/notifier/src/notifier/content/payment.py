"""How the debtor pays: the reference to quote, the account as people read it, the EPC QR code.

Pure: no input or output. A QR code is left out rather than wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from uuid import UUID

import segno
from segno import QRCode

from dunning_common.events.tenants import BankDetails
from dunning_common.money import to_decimal_string
from notifier.content.clean import clean
from notifier.content.summary import Section

MAX_REFERENCE_CHARS = 140
"""EPC069-12 allows 140 characters of unstructured remittance information."""

_MAX_HOLDER_CHARS = 70
_MAX_CENTS = 99_999_999_999
_MAX_PAYLOAD_BYTES = 331
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?", re.ASCII)


def notice_reference(notice_id: UUID) -> str:
    """What to quote about the whole notice, the same on every channel: `DN-1A2B3C4D5E`."""
    return f"DN-{notice_id.hex[:10].upper()}"


def payment_reference(numbers: Sequence[str], reference: str) -> str:
    """What to write on the transfer: the invoice numbers, or the notice's reference if too many."""
    joined = ", ".join(numbers)
    return joined if len(joined) <= MAX_REFERENCE_CHARS else reference


def compact(iban: str) -> str:
    """An IBAN or a BIC without spaces, in capitals."""
    return "".join(iban.split()).upper()


def is_iban(iban: str) -> bool:
    """Whether the check digits of a compact IBAN are right (ISO 7064 mod 97-10)."""
    if not _IBAN.fullmatch(iban):
        return False
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def british_account(iban: str) -> tuple[str, str] | None:
    """Sort code and account number inside a British IBAN, which is what people there type."""
    text = compact(iban)
    if not text.startswith("GB") or len(text) != 22 or not is_iban(text):
        return None
    sort = text[8:14]
    return f"{sort[:2]}-{sort[2:4]}-{sort[4:]}", text[14:]


def payment_code(bank: BankDetails, demanded: Section, reference: str) -> QRCode | None:
    """The EPC QR code for the euro part of what is demanded, or None where it cannot be right."""
    total = next((part for part in demanded.totals if part.currency == "EUR"), None)
    payload = epc_payload(bank, total.due_minor, reference) if total else None
    if payload is None:
        return None
    # The guideline fixes level M; make_qr picks the smallest version, 13 at most for 331 bytes.
    return segno.make_qr(payload, error="m", boost_error=False, mode="byte")


def epc_payload(bank: BankDetails, cents: int, reference: str) -> bytes | None:
    """The text inside the code: EPC069-12 version 002, UTF-8, unstructured reference.

    None where the holder or the reference is empty, the IBAN's check digits are wrong or the amount
    is outside 0.01 to 999,999,999.99 euros. A long reference is cut to what fits.
    """
    iban, bic = compact(bank.iban), compact(bank.bic)
    holder = clean(bank.holder)[:_MAX_HOLDER_CHARS].strip()
    if not holder or not 1 <= cents <= _MAX_CENTS or not is_iban(iban):
        return None
    amount = f"EUR{to_decimal_string(cents, 'EUR')}"
    known_bic = bic if _BIC.fullmatch(bic) else ""
    head = f"BCD\n002\n1\nSCT\n{known_bic}\n{holder}\n{iban}\n{amount}\n\n\n"
    room = _MAX_PAYLOAD_BYTES - len(head.encode())
    text = clean(reference)[:MAX_REFERENCE_CHARS].encode()[:room].decode(errors="ignore").strip()
    return f"{head}{text}".encode() if text else None


def svg_of(code: QRCode) -> str:
    """The code as an SVG drawing without a quiet zone of its own."""
    drawing = BytesIO()
    code.save(drawing, kind="svg", border=0, xmldecl=False, svgns=True, nl=False)
    return drawing.getvalue().decode()
