"""The EPC QR code ("GiroCode"): a transfer in euros that a banking app reads from paper.

Pure: no input or output. A code is left out rather than wrong. Source: EPC069-12, version 2.1.
"""

from __future__ import annotations

from segno import QRCode

from dunning_common.events.tenants import BankDetails
from dunning_common.money import to_decimal_string
from notifier.content.account import compact, is_bic, is_iban, is_qr_iban
from notifier.content.clean import clean
from notifier.content.qr import qr_code
from notifier.content.reference import MAX_REFERENCE_CHARS, Reference, ReferenceKind
from notifier.content.summary import Section

_MAX_HOLDER_CHARS = 70
_MAX_CENTS = 99_999_999_999
_MAX_PAYLOAD_BYTES = 331
"""What version 13 holds at level M, which is the largest code that the guideline allows."""


def payment_code(bank: BankDetails, demanded: Section, reference: Reference) -> QRCode | None:
    """The code for the euro part of what is demanded, or None where it cannot be right."""
    total = next((part for part in demanded.totals if part.currency == "EUR"), None)
    payload = epc_payload(bank, total.due_minor, reference) if total else None
    return None if payload is None else qr_code(payload)


def epc_payload(bank: BankDetails, cents: int, reference: Reference) -> bytes | None:
    """The text inside the code: version 002, UTF-8, one of structured and unstructured reference.

    Only ISO 11649 goes into the structured line; a Belgian reference is recognised by its crosses
    in the free text, where Belgian banks look for it.

    None where the holder or the reference is empty, the IBAN's check digits are wrong, the account
    takes no SEPA transfers (a Swiss QR-IBAN), or the amount is outside 0.01 to 999,999,999.99
    euros. A long text is cut to what fits.
    """
    iban, bic = compact(bank.iban), compact(bank.bic)
    holder = clean(bank.holder)[:_MAX_HOLDER_CHARS].strip()
    if not holder or not 1 <= cents <= _MAX_CENTS or not is_iban(iban) or is_qr_iban(iban):
        return None
    amount = f"EUR{to_decimal_string(cents, 'EUR')}"
    head = ["BCD", "002", "1", "SCT", bic if is_bic(bic) else "", holder, iban, amount, ""]
    if reference.kind is ReferenceKind.CREDITOR:
        return "\n".join([*head, reference.value]).encode()
    before = "\n".join([*head, "", ""])
    room = _MAX_PAYLOAD_BYTES - len(before.encode())
    written = clean(reference.shown)[:MAX_REFERENCE_CHARS]
    text = written.encode()[:room].decode(errors="ignore").strip()
    return f"{before}{text}".encode() if text else None
