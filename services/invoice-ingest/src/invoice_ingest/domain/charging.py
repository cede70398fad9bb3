"""Charges that the engine assessed, booked beside the principal: once each, however often told.

A charge takes money that was already paid and covers nothing yet, when it is meant for it. It may
be given up again, all of it or its open part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date

from invoice_ingest.domain import allocation, covering
from invoice_ingest.domain import invoice as invoicing
from invoice_ingest.domain.allocation import Share
from invoice_ingest.domain.book import Book
from invoice_ingest.domain.charge import Charge
from invoice_ingest.domain.credit import CreditDraft
from invoice_ingest.domain.fact import ChargePosted, ChargeWaived
from invoice_ingest.domain.invoice import Invoice
from invoice_ingest.domain.outcome import Outcome, Status, conflict, unknown

ChargeRef = tuple[str, str]
"""(tenant, charge id)."""


class ChargeError(ValueError):
    """A charge that does not fit the ledger; the message says what is wrong with it."""


def post_charges(
    books: Mapping[str, Book], charges: Sequence[Charge], *, known: AbstractSet[ChargeRef]
) -> None:
    """Book charges in order, each on its tenant's worksheet.

    Statutory interest stays owed when the principal was paid a moment ago, so a paid invoice takes
    the charge; a cancelled or written-off one does not.

    Raises:
        ChargeError: the invoice is unknown or in another currency.
    """
    seen = set(known)
    for charge in charges:
        ref = (charge.tenant, charge.charge_id)
        if ref not in seen:
            seen.add(ref)
            _post(books.get(charge.tenant), charge)


def _post(book: Book | None, charge: Charge) -> None:
    invoice = None if book is None else book.invoices.get(charge.invoice_id)
    if book is None or invoice is None:
        raise ChargeError(f"charge {charge.charge_id} is on an invoice the ledger does not have")
    if invoice.currency != charge.currency:
        raise ChargeError(f"charge {charge.charge_id} is not in the invoice's currency")
    if invoice.status in ("cancelled", "written_off"):
        book.put_charge(replace(charge, is_void=True, given_up_minor=charge.amount_minor))
        return
    charged = invoicing.charge(invoice, charge.amount_minor)
    book.put_charge(charge)
    book.put_invoice(charged)
    book.facts.append(
        ChargePosted(
            invoice=charged,
            effective_on=charge.assessed_on,
            charge_id=charge.charge_id,
            kind=charge.kind,
            amount_minor=charge.amount_minor,
        )
    )
    _cover_from_cash(book, charge.charge_id)


def _cover_from_cash(book: Book, charge_id: str) -> None:
    """Let money that came before the charge cover it, where it would have, had it come after.

    The ERP does not know charges and cannot allocate to them. What it says to be on account
    (`allocations: []`), and payments for other invoices, stay as they are.
    """
    charge = book.charges[charge_id]
    invoice = book.invoices[charge.invoice_id]
    debtor_id = invoice.debtor_id
    for credit in book.unallocated_credits(debtor_id):
        part = min(credit.unallocated_minor, book.charges[charge_id].open_minor)
        if not part or not _is_meant_for(credit.draft, invoice):
            continue
        on = max(credit.draft.dated_on, charge.assessed_on)
        share = Share(invoice_id=charge.invoice_id, charge_id=charge_id, amount_minor=part)
        covering.cover(book, credit.draft.key, share, on=on)
        book.put_credit(replace(credit, unallocated_minor=credit.unallocated_minor - part))
        book.add_cash(debtor_id, charge.currency, -part, on=on)


def _is_meant_for(draft: CreditDraft, invoice: Invoice) -> bool:
    """Whether a payment's rest may cover charges of the invoice, whose principal comes first."""
    if draft.kind != "payment" or draft.currency != invoice.currency:
        return False
    if draft.wanted is None:
        return not invoice.open_minor
    return any(
        want.covers == "charges" or (allocation.may_cover_charges(want) and not invoice.open_minor)
        for want in draft.wanted
        if want.invoice_id in (invoice.invoice_id, invoice.document_id)
    )


def waive(  # noqa: PLR0911 -- one a refusal
    book: Book,
    invoice_id: str,
    charge_id: str,
    *,
    reason: str,
    on: date | None,
    open_part_only: bool = False,
) -> Outcome:
    """Give a charge up: nothing of it is owed any more.

    What was paid of it becomes unallocated cash; with `open_part_only` it stays paid. Refused when
    the invoice has no such charge, and when there is nothing to give up because the charge is paid
    or went with a cancelled or written-off invoice.
    """
    invoice = book.invoices.get(invoice_id)
    if invoice is None:
        return unknown("invoice")
    charge = book.charges.get(charge_id)
    if charge is None or charge.invoice_id != invoice_id or charge.is_void:
        return unknown("charge")
    wanted_minor = charge.open_minor + (0 if open_part_only else charge.covered_minor)
    if charge.waived_on is not None and not wanted_minor:
        return Status.UNCHANGED
    if invoice.status in ("cancelled", "written_off"):
        return conflict(
            f"invoice-{invoice.status.replace('_', '-')}",
            f"The invoice is {invoice.status.replace('_', ' ')}: its charges are owed no more.",
        )
    if charge.amount_minor and not wanted_minor:
        if charge.covered_minor:
            return conflict("charge-paid", "The charge is paid: there is no open part to give up.")
        return conflict("charge-given-up", "The charge was given up with its invoice.")
    _waive(book, charge, reason=reason, on=on or book.today, frees=not open_part_only)
    return Status.UPDATED


def _waive(book: Book, charge: Charge, *, reason: str, on: date, frees: bool) -> None:
    freed_minor = 0
    if frees:
        freed_minor = covering.free_charge(
            book, charge.charge_id, cause="charge_waived", reason=reason, on=on
        )
    owed = book.charges[charge.charge_id]
    given_up = owed.given_up_minor + owed.open_minor
    invoice = invoicing.discharge(book.invoices[charge.invoice_id], owed.open_minor)
    book.put_charge(replace(owed, given_up_minor=given_up, waived_on=on, waived_reason=reason))
    book.put_invoice(invoice)
    book.facts.append(
        ChargeWaived(
            invoice=invoice,
            effective_on=on,
            charge_id=charge.charge_id,
            kind=charge.kind,
            amount_minor=owed.open_minor,
            reason=reason,
        )
    )
    book.add_cash(invoice.debtor_id, charge.currency, freed_minor, on=on)
