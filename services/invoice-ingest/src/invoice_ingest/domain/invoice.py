"""An invoice: what it says, what of it is covered, and what is still owed.

Every change gives a new value with a higher `version`. Amounts are minor units of `currency`.
Does not decide who pays what; that is `allocation`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

InvoiceStatus = Literal["open", "paid", "cancelled", "written_off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """A part of an invoice with a due date of its own."""

    due_on: date
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDraft:
    """An invoice as the ERP sends it.

    `revision` is the ERP's own count; None means that it keeps none, and the last one sent wins.
    `effective_on` dates an amendment; None is today. With `instalments` it is a document, due in
    parts; `document_id` is set on the draft of such a part.
    """

    invoice_id: str
    debtor_id: str
    number: str
    issued_on: date
    due_on: date
    currency: str
    amount_minor: int
    revision: int | None = None
    policy_id: str | None = None
    tags: tuple[str, ...] = ()
    effective_on: date | None = None
    instalments: tuple[Instalment, ...] = ()
    document_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice as the ledger holds it.

    `covered_minor` is principal covered by payments and credit notes, the last of them effective on
    `covered_on`; `charges_open_minor` are interest and fees beside the principal. `settled_on` is
    the day on which a paid invoice became so. `revision` is the ERP's, `version` the ledger's.
    `document_id` is set on an instalment: the invoice, known to the ERP, that it is a part of.
    """

    tenant: str
    invoice_id: str
    debtor_id: str
    number: str
    issued_on: date
    due_on: date
    currency: str
    amount_minor: int
    covered_minor: int = 0
    written_off_minor: int = 0
    charges_open_minor: int = 0
    cancelled: bool = False
    covered_on: date | None = None
    settled_on: date | None = None
    revision: int
    version: int
    policy_id: str | None = None
    tags: tuple[str, ...] = ()
    document_id: str | None = None

    @property
    def open_minor(self) -> int:
        """Principal still owed; never negative."""
        if self.cancelled:
            return 0
        return self.amount_minor - self.covered_minor - self.written_off_minor

    @property
    def status(self) -> InvoiceStatus:
        """Derived from the amounts, so that the two cannot contradict each other."""
        if self.cancelled:
            return "cancelled"
        if self.open_minor > 0:
            return "open"
        return "written_off" if self.written_off_minor else "paid"

    def says(self, draft: InvoiceDraft) -> bool:
        """Whether the draft has this invoice's content, whatever its revision."""
        return (
            self.debtor_id == draft.debtor_id
            and self.number == draft.number
            and self.issued_on == draft.issued_on
            and self.due_on == draft.due_on
            and self.currency == draft.currency
            and self.amount_minor == draft.amount_minor
            and self.policy_id == draft.policy_id
            and self.tags == draft.tags
        )


def issue(tenant: str, draft: InvoiceDraft) -> Invoice:
    """A new invoice; one over nothing is paid on the day it is issued."""
    return Invoice(
        tenant=tenant,
        invoice_id=draft.invoice_id,
        debtor_id=draft.debtor_id,
        number=draft.number,
        issued_on=draft.issued_on,
        due_on=draft.due_on,
        currency=draft.currency,
        amount_minor=draft.amount_minor,
        settled_on=draft.issued_on if draft.amount_minor == 0 else None,
        revision=draft.revision or 1,
        version=1,
        policy_id=draft.policy_id,
        tags=draft.tags,
        document_id=draft.document_id,
    )


def amend(invoice: Invoice, draft: InvoiceDraft, *, on: date) -> tuple[Invoice, int]:
    """The invoice after a newer revision, and the surplus: what is covered beyond its new amount.

    The surplus is already off `covered_minor`; the caller gives it back to where it came from.
    """
    surplus = max(0, invoice.covered_minor - draft.amount_minor)
    covered = invoice.covered_minor - surplus
    amended = _restate(
        invoice,
        on=on,
        number=draft.number,
        issued_on=draft.issued_on,
        due_on=draft.due_on,
        amount_minor=draft.amount_minor,
        covered_minor=covered,
        covered_on=invoice.covered_on if covered else None,
        written_off_minor=min(invoice.written_off_minor, draft.amount_minor - covered),
        revision=invoice.revision + 1 if draft.revision is None else draft.revision,
        policy_id=draft.policy_id,
        tags=draft.tags,
    )
    return amended, surplus


def cancel(invoice: Invoice, *, on: date) -> tuple[Invoice, int]:
    """The cancelled invoice, which owes nothing, not even charges, and what had covered it."""
    cancelled = _restate(
        invoice,
        on=on,
        cancelled=True,
        covered_minor=0,
        covered_on=None,
        written_off_minor=0,
        charges_open_minor=0,
    )
    return cancelled, invoice.covered_minor


def write_off(invoice: Invoice, *, on: date) -> Invoice:
    """The invoice with all that is open, charges included, given up."""
    return _restate(
        invoice,
        on=on,
        written_off_minor=invoice.written_off_minor + invoice.open_minor,
        charges_open_minor=0,
    )


def cover(invoice: Invoice, amount_minor: int, *, on: date) -> Invoice:
    """The invoice after a payment or credit note of `amount_minor`, at most what is open."""
    if not 0 < amount_minor <= invoice.open_minor:
        raise ValueError(f"{amount_minor} does not fit into {invoice.open_minor} open")
    last = on if invoice.covered_on is None else max(on, invoice.covered_on)
    return _restate(
        invoice, on=last, covered_minor=invoice.covered_minor + amount_minor, covered_on=last
    )


def uncover(invoice: Invoice, amount_minor: int, *, covered_on: date | None) -> Invoice:
    """The invoice after a payment bounced: it owes again.

    Args:
        invoice: a covered one.
        amount_minor: what the payment had covered.
        covered_on: effective day of the last payment or credit note that remains, if any.
    """
    if not 0 < amount_minor <= invoice.covered_minor:
        raise ValueError(f"{amount_minor} was not covered, only {invoice.covered_minor}")
    return _restate(
        invoice,
        on=invoice.settled_on or invoice.issued_on,
        covered_minor=invoice.covered_minor - amount_minor,
        covered_on=covered_on,
    )


def charge(invoice: Invoice, amount_minor: int) -> Invoice:
    """The invoice owing `amount_minor` beside its principal: a new charge, or one owed again."""
    return _restate(
        invoice,
        on=invoice.settled_on or invoice.issued_on,
        charges_open_minor=invoice.charges_open_minor + amount_minor,
    )


def discharge(invoice: Invoice, amount_minor: int) -> Invoice:
    """The invoice owing `amount_minor` of its charges less: paid, or given up."""
    if not 0 <= amount_minor <= invoice.charges_open_minor:
        raise ValueError(f"{amount_minor} is not open, only {invoice.charges_open_minor}")
    return _restate(
        invoice,
        on=invoice.settled_on or invoice.issued_on,
        charges_open_minor=invoice.charges_open_minor - amount_minor,
    )


def _restate(invoice: Invoice, *, on: date, **changes: Any) -> Invoice:
    """The next version. A paid invoice keeps the day it was settled, a newly paid one gets it."""
    changed = replace(invoice, version=invoice.version + 1, **changes)
    if changed.status != "paid":
        settled_on = None
    elif invoice.status == "paid":
        settled_on = invoice.settled_on
    else:
        settled_on = on if changed.covered_on is None else max(on, changed.covered_on)
    return changed if settled_on == changed.settled_on else replace(changed, settled_on=settled_on)
