"""The payment part of a letter as plain data: amount, account, code or Swiss slips.

Which code there is depends on the creditor's country: a QR-bill in Switzerland and Liechtenstein,
the EPC code elsewhere and where no QR-bill can be. No layout here.
"""

from __future__ import annotations

from notifier.content.account import compact
from notifier.content.clean import breakable, clean
from notifier.content.payment import payment_code
from notifier.content.prepared import Prepared
from notifier.content.qr import qr_code, svg_of
from notifier.content.reference import Reference, ReferenceKind, notice_reference, reference_of
from notifier.content.swiss_bill import NoSwissBillError, SwissBill, swiss_bill
from notifier.content.swiss_words import words_of
from notifier.content.tables import amounts
from notifier.content.variables import Data

_SWISS = ("CH", "LI")


def payment_data(prepared: Prepared) -> tuple[Data, Data | None, tuple[str, ...]]:
    """The payment block, the slips of a QR-bill, and remarks on what could not be printed."""
    demanded, words = prepared.summary.demanded, prepared.script.wording.words
    bill, remarks = _bill(prepared)
    bank = prepared.request.tenant.bank
    code = None if bill else payment_code(bank, demanded, _reference(prepared))
    block: Data = {
        "title": words["payment"],
        "amount": amounts(demanded, prepared.formats),
        "lines": [
            {**line, "value": breakable(str(line["value"]), 36)} for line in prepared.accounts()
        ],
        "code": svg_of(code) if code else "",
        "code_label": f"{words['pay_code']}{_part_paid(prepared, 'EUR')}",
    }
    return block, _slips(bill, prepared) if bill else None, remarks


def _bill(prepared: Prepared) -> tuple[SwissBill | None, tuple[str, ...]]:
    request = prepared.request
    tenant = request.tenant
    if tenant.country.upper() not in _SWISS:
        return None, ()
    reference = _reference(prepared)
    numbers = _numbers(prepared)
    of_notice = notice_reference(request.notice.notice_id)
    message = of_notice if reference.kind is not ReferenceKind.TEXT else ", ".join(numbers)
    try:
        bill = swiss_bill(
            tenant.bank,
            tenant.legal.address,
            (request.contacts.name, request.contacts.address),
            prepared.summary.demanded,
            reference,
            message,
        )
    except NoSwissBillError as error:
        return None, (f"no QR-bill: {error}",)
    return bill, ()


def _reference(prepared: Prepared) -> Reference:
    request = prepared.request
    of_notice = notice_reference(request.notice.notice_id)
    return reference_of(_numbers(prepared), of_notice, request.tenant.bank.iban)


def _numbers(prepared: Prepared) -> list[str]:
    return [clean(item.number) for item in prepared.summary.demanded.items]


def _part_paid(prepared: Prepared, currency: str) -> str:
    """What the code pays, where that is not everything: it can only pay one currency."""
    totals = prepared.summary.demanded.totals
    if len(totals) == 1:
        return ""
    minor = next((total.due_minor for total in totals if total.currency == currency), 0)
    return f" ({prepared.formats.minor(minor, currency)})"


def _slips(bill: SwissBill, prepared: Prepared) -> Data:
    """What receipt and payment part print: the same data as in the code, in a Swiss language."""
    whole, _, cents = bill.amount.partition(".")
    return {
        "words": words_of(prepared.script.wording.code),
        "code": svg_of(qr_code(bill.payload)),
        "account": " ".join(compact(bill.iban)[at : at + 4] for at in range(0, len(bill.iban), 4)),
        "creditor": bill.creditor.printed,
        "debtor": bill.debtor.printed if bill.debtor else [],
        "currency": bill.currency,
        "amount": f"{int(whole):,}".replace(",", "\u00a0") + f".{cents}",
        "reference": bill.reference.shown if bill.reference_type != "NON" else "",
        "message": bill.message,
    }
