"""Books shares of credits on principals and charges, and takes them back; notes each fact.

The arithmetic of who gets how much is `allocation`; here the worksheet is kept in balance.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from invoice_ingest.domain import allocation
from invoice_ingest.domain import invoice as invoicing
from invoice_ingest.domain.allocation import OpenCharge, OpenItem, Share
from invoice_ingest.domain.book import Book
from invoice_ingest.domain.charge import ChargeCover
from invoice_ingest.domain.credit import Cover, CreditKey
from invoice_ingest.domain.fact import ChargePaid, ChargePaymentUndone, CreditAllocated, UndoneBy
from invoice_ingest.domain.invoice import Invoice


def open_item(book: Book, invoice: Invoice, *, with_charges: bool) -> OpenItem:
    """An invoice as something that can take money."""
    charges = book.charges_of(invoice.invoice_id) if with_charges else []
    return OpenItem(
        invoice_id=invoice.invoice_id,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        open_minor=invoice.open_minor,
        charges=tuple(
            OpenCharge(
                charge_id=charge.charge_id,
                kind=charge.kind,
                assessed_on=charge.assessed_on,
                open_minor=charge.open_minor,
            )
            for charge in charges
            if charge.open_minor
        ),
    )


def cover(book: Book, key: CreditKey, share: Share, *, on: date) -> None:
    """Book a share of a credit; one credit may cover the same thing in two steps."""
    if share.charge_id is not None:
        _pay_charge(book, key, share.charge_id, share.amount_minor, on=on)
        return
    covered = invoicing.cover(book.invoices[share.invoice_id], share.amount_minor, on=on)
    before = book.covers.get((key, share.invoice_id))
    book.put_invoice(covered)
    book.put_cover(
        Cover(
            key=key,
            invoice_id=share.invoice_id,
            booked_minor=share.amount_minor + (before.booked_minor if before else 0),
            amount_minor=share.amount_minor + (before.amount_minor if before else 0),
            effective_on=on,
        )
    )
    book.facts.append(
        CreditAllocated(invoice=covered, effective_on=on, key=key, amount_minor=share.amount_minor)
    )


def _pay_charge(book: Book, key: CreditKey, charge_id: str, amount_minor: int, *, on: date) -> None:
    if key.kind != "payment":
        raise ValueError("a credit note never covers charges")
    before = book.charges[charge_id]
    paid = replace(before, covered_minor=before.covered_minor + amount_minor)
    if paid.open_minor < 0:
        raise ValueError(f"{amount_minor} does not fit into {before.open_minor} open")
    effective_on = max(on, before.assessed_on)  # not paid before it was there
    invoice = invoicing.discharge(book.invoices[before.invoice_id], amount_minor)
    earlier = book.charge_covers.get((key, charge_id))
    book.put_charge(paid)
    book.put_invoice(invoice)
    book.put_charge_cover(
        ChargeCover(
            key=key,
            charge_id=charge_id,
            invoice_id=before.invoice_id,
            booked_minor=amount_minor + (earlier.booked_minor if earlier else 0),
            amount_minor=amount_minor + (earlier.amount_minor if earlier else 0),
            effective_on=effective_on,
        )
    )
    book.facts.append(
        ChargePaid(
            invoice=invoice,
            effective_on=effective_on,
            payment_id=key.credit_id,
            charge_id=charge_id,
            kind=paid.kind,
            amount_minor=amount_minor,
            charge_open_minor=paid.open_minor,
        )
    )


def undo_charge_cover(
    book: Book, cover: ChargeCover, *, cause: UndoneBy, reason: str, on: date
) -> None:
    """Take a payment's money off a charge, which is owed again; the money is the caller's to place.

    A charge that was given up meanwhile is owed again as far as it had been paid.
    """
    before = book.charges[cover.charge_id]
    owed = replace(before, covered_minor=before.covered_minor - cover.amount_minor)
    invoice = invoicing.charge(book.invoices[cover.invoice_id], cover.amount_minor)
    book.put_charge(owed)
    book.put_invoice(invoice)
    reversed_on = on if cause == "payment_reversed" else None
    book.put_charge_cover(replace(cover, amount_minor=0, reversed_on=reversed_on))
    book.facts.append(
        ChargePaymentUndone(
            invoice=invoice,
            effective_on=on,
            payment_id=cover.key.credit_id,
            charge_id=cover.charge_id,
            kind=before.kind,
            amount_minor=cover.amount_minor,
            charge_open_minor=owed.open_minor,
            covered_on=cover.effective_on,
            cause=cause,
            reason=reason,
        )
    )


def free_charge(book: Book, charge_id: str, *, cause: UndoneBy, reason: str, on: date) -> int:
    """Give what payments cover of a charge back to them; how much that is, for the cash."""
    freed_minor = 0
    for paid in book.covers_of_charge(charge_id):
        undo_charge_cover(book, paid, cause=cause, reason=reason, on=on)
        _free(book, paid.key, paid.amount_minor)
        freed_minor += paid.amount_minor
    return freed_minor


def free_principal(book: Book, invoice: Invoice, surplus_minor: int) -> int:
    """Give what an invoice no longer needs back to the credits it came from; the same amount.

    The surplus is off the invoice already.
    """
    covers = {cover.key: cover for cover in book.covers_of(invoice.invoice_id)}
    parts = allocation.take_back(surplus_minor, [(k, c.amount_minor) for k, c in covers.items()])
    for key, part in parts:
        book.put_cover(replace(covers[key], amount_minor=covers[key].amount_minor - part))
        _free(book, key, part)
    return surplus_minor


def _free(book: Book, key: CreditKey, amount_minor: int) -> None:
    credit = book.credits[key]
    book.put_credit(replace(credit, unallocated_minor=credit.unallocated_minor + amount_minor))
