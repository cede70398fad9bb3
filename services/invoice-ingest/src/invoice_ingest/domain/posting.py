"""The orders that the ledger takes, posted to a worksheet one after the other.

Each function checks, changes the sheet and notes the facts, or refuses and changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import assert_never

from invoice_ingest.domain import allocation, covering
from invoice_ingest.domain import invoice as invoicing
from invoice_ingest.domain.allocation import OpenItem, Split
from invoice_ingest.domain.book import Book
from invoice_ingest.domain.credit import Credit, CreditDraft, CreditKey
from invoice_ingest.domain.fact import (
    InvoiceAmended,
    InvoiceCancelled,
    InvoiceIssued,
    InvoiceWrittenOff,
    PaymentReversed,
)
from invoice_ingest.domain.invoice import Invoice, InvoiceDraft
from invoice_ingest.domain.outcome import (
    Flaw,
    Outcome,
    Refusal,
    Status,
    Why,
    conflict,
    invalid,
    unknown,
)
from invoice_ingest.domain.payment_order import SEQUENCES, Component, SequenceName
from invoice_ingest.domain.revision import Verdict, judge


def put_invoice(book: Book, draft: InvoiceDraft) -> Outcome:  # noqa: PLR0911 -- one a verdict
    """Take an invoice: new, amended, already known, or out of date."""
    if draft.due_on < draft.issued_on:
        return invalid("/due_on", "an invoice is not due before it is issued")
    debtor = book.debtors.get(draft.debtor_id)
    if debtor is None:
        return invalid("/debtor_id", "there is no such debtor; send the debtor first")
    stored = book.invoices.get(draft.invoice_id)
    match judge(stored, draft):
        case Verdict.NEW:
            return _issue(book, draft, erased=debtor.is_erased)
        case Verdict.NEWER:
            if stored is None:
                raise AssertionError("a newer revision needs an older one")
            return _amend(book, stored, draft)
        case Verdict.SAME:
            return Status.UNCHANGED
        case Verdict.OLDER:
            return Status.STALE
        case Verdict.CONTRADICTION:
            return contradiction()
        case never:
            assert_never(never)


def contradiction() -> Refusal:
    """The answer to a revision that says something else than before."""
    return conflict(
        "revision-conflict",
        "This revision was stored with other content.",
        Flaw(pointer="/revision", detail="send the new content with a higher revision"),
    )


def cancel_invoice(book: Book, invoice_id: str, *, reason: str, on: date | None) -> Outcome:
    """Cancel an invoice; what had covered it and its charges becomes unallocated cash."""
    stored = book.invoices.get(invoice_id)
    if stored is None:
        return unknown("invoice")
    if stored.cancelled:
        return Status.UNCHANGED
    effective_on = on or book.today
    freed_minor = 0
    for charge in book.charges_of(invoice_id):
        freed_minor += covering.free_charge(
            book, charge.charge_id, cause="invoice_cancelled", reason=reason, on=effective_on
        )
    cancelled, surplus = invoicing.cancel(book.invoices[invoice_id], on=effective_on)
    book.put_invoice(cancelled)
    _give_up_charges(book, invoice_id)
    book.facts.append(InvoiceCancelled(invoice=cancelled, effective_on=effective_on, reason=reason))
    freed_minor += covering.free_principal(book, cancelled, surplus)
    book.add_cash(cancelled.debtor_id, cancelled.currency, freed_minor, on=effective_on)
    return Status.UPDATED


def write_off_invoice(book: Book, invoice_id: str, *, reason: str, on: date | None) -> Outcome:
    """Give up what is open of an invoice and of its charges; what was paid stays paid."""
    stored = book.invoices.get(invoice_id)
    if stored is None:
        return unknown("invoice")
    match stored.status:
        case "written_off":
            return Status.UNCHANGED
        case "paid" | "cancelled":
            return conflict(
                f"invoice-{stored.status}",
                f"The invoice is {stored.status}: there is nothing to write off.",
            )
        case "open":
            effective_on = on or book.today
            written_off = invoicing.write_off(stored, on=effective_on)
            book.put_invoice(written_off)
            _give_up_charges(book, invoice_id)
            book.facts.append(
                InvoiceWrittenOff(
                    invoice=written_off,
                    effective_on=effective_on,
                    amount_minor=stored.open_minor,
                    reason=reason,
                )
            )
            return Status.UPDATED
        case never:
            assert_never(never)


def put_credit(book: Book, draft: CreditDraft) -> Outcome:
    """Take a payment or a credit note: an immutable fact that covers what it can."""
    stored = book.credits.get(draft.key)
    if stored is not None:
        if stored.draft == draft:
            return Status.UNCHANGED
        noun = draft.kind.replace("_", " ")
        return conflict(
            f"{draft.kind.replace('_', '-')}-conflict",
            f"This {noun} was stored with other content, and a {noun} never changes.",
            *_differences(stored.draft, draft),
        )
    if draft.debtor_id not in book.debtors:
        return invalid("/debtor_id", "there is no such debtor; send the debtor first")
    flaws = _flaws_of_wanted(book, draft)
    if flaws:
        return Refusal(
            why=Why.INVALID,
            slug="invalid-request",
            title="Some fields are missing or wrong.",
            flaws=flaws,
        )
    order = book.order_of(draft)
    split = _split(book, draft, order)
    book.put_credit(Credit(draft=draft, unallocated_minor=split.rest_minor, payment_order=order))
    for share in split.shares:
        covering.cover(book, draft.key, share, on=draft.dated_on)
    book.add_cash(draft.debtor_id, draft.currency, split.rest_minor, on=draft.dated_on)
    return Status.CREATED


def reverse_payment(book: Book, payment_id: str, *, reason: str, on: date | None) -> Outcome:
    """A payment bounced or was charged back: principal and charges it covered are owed again."""
    key = CreditKey("payment", payment_id)
    stored = book.credits.get(key)
    if stored is None:
        return unknown("payment")
    if stored.reversed_on is not None:
        return Status.UNCHANGED
    effective_on = on or book.today
    for cover in book.covers_by(key):
        book.put_cover(replace(cover, amount_minor=0, reversed_on=effective_on))
        remaining = book.covers_of(cover.invoice_id)
        owing = invoicing.uncover(
            book.invoices[cover.invoice_id],
            cover.amount_minor,
            covered_on=max((other.effective_on for other in remaining), default=None),
        )
        book.put_invoice(owing)
        book.facts.append(
            PaymentReversed(
                invoice=owing,
                effective_on=effective_on,
                payment_id=payment_id,
                amount_minor=cover.amount_minor,
                covered_on=cover.effective_on,
                reason=reason,
            )
        )
    for paid in book.charge_covers_by(key):
        covering.undo_charge_cover(
            book, paid, cause="payment_reversed", reason=reason, on=effective_on
        )
    draft = stored.draft
    book.put_credit(replace(stored, unallocated_minor=0, reversed_on=effective_on))
    book.add_cash(draft.debtor_id, draft.currency, -stored.unallocated_minor, on=effective_on)
    return Status.UPDATED


def allocate_cash(book: Book, debtor_id: str, *, on: date | None) -> Outcome:
    """Let what lies unallocated cover what is owed now: the oldest credit first.

    For money that came before its invoice, or was freed by a cancellation. Never done unasked: the
    ERP may have other plans with it.
    """
    if debtor_id not in book.debtors:
        return unknown("debtor")
    effective_on = on or book.today
    status = Status.UNCHANGED
    for credit in book.unallocated_credits(debtor_id):
        draft = replace(credit.draft, wanted=None)  # nobody's word on it any more
        order = book.order_of(draft)
        split = _automatic(book, draft, credit.unallocated_minor, order, on=effective_on)
        for share in split.shares:
            covering.cover(book, draft.key, share, on=effective_on)
            status = Status.UPDATED
        if split.shares:
            used_minor = credit.unallocated_minor - split.rest_minor
            book.put_credit(
                replace(credit, unallocated_minor=split.rest_minor, payment_order=order)
            )
            book.add_cash(debtor_id, draft.currency, -used_minor, on=effective_on)
    return status


def _issue(book: Book, draft: InvoiceDraft, *, erased: bool) -> Outcome:
    if erased:
        return conflict(
            "debtor-erased",
            "The debtor was erased and takes no new invoices.",
            Flaw(pointer="/debtor_id", detail="register the debtor anew under another id"),
        )
    issued = invoicing.issue(book.tenant, draft)
    book.put_invoice(issued)
    book.facts.append(InvoiceIssued(invoice=issued, effective_on=issued.issued_on))
    return Status.CREATED


def _amend(book: Book, stored: Invoice, draft: InvoiceDraft) -> Outcome:
    if stored.cancelled:
        return conflict(
            "invoice-cancelled",
            "The invoice was cancelled and does not come back.",
            Flaw(pointer="/invoice_id", detail="issue it anew under another id"),
        )
    if draft.debtor_id != stored.debtor_id:
        return invalid(
            "/debtor_id", "an invoice stays with its debtor; cancel it and issue another"
        )
    if draft.currency != stored.currency:
        return invalid("/currency", "an invoice keeps its currency; cancel it and issue another")
    effective_on = draft.effective_on or book.today
    amended, surplus = invoicing.amend(stored, draft, on=effective_on)
    book.put_invoice(amended)
    book.facts.append(InvoiceAmended(invoice=amended, effective_on=effective_on))
    freed_minor = covering.free_principal(book, amended, surplus)
    book.add_cash(amended.debtor_id, amended.currency, freed_minor, on=effective_on)
    return Status.UPDATED


def _give_up_charges(book: Book, invoice_id: str) -> None:
    """Nothing more is owed of the charges; the invoice itself says so already."""
    for charge in book.charges_of(invoice_id):
        if charge.open_minor:
            given_up = charge.given_up_minor + charge.open_minor
            book.put_charge(replace(charge, given_up_minor=given_up))


def _split(book: Book, draft: CreditDraft, order: SequenceName | None) -> Split:
    if draft.wanted is None:
        return _automatic(book, draft, draft.amount_minor, order, on=draft.dated_on)
    named = {want.invoice_id: book.named(want.invoice_id) for want in draft.wanted}
    return allocation.as_wanted(
        draft.amount_minor,
        draft.wanted,
        {i.invoice_id: _item(book, i, order) for found in named.values() for i in found},
        _sequence(order),
        on=draft.dated_on,
        documents={key: [i.invoice_id for i in found] for key, found in named.items()},
    )


def _automatic(
    book: Book, draft: CreditDraft, amount_minor: int, order: SequenceName | None, *, on: date
) -> Split:
    invoices = book.owing_invoices(draft.debtor_id, draft.currency)
    items = [_item(book, invoice, order) for invoice in invoices]
    return allocation.automatic(amount_minor, items, _sequence(order), on=on)


def _item(book: Book, invoice: Invoice, order: SequenceName | None) -> OpenItem:
    """An invoice as a credit may cover it; without an order the charges are out of its reach."""
    return covering.open_item(book, invoice, with_charges=order is not None)


def _sequence(order: SequenceName | None) -> tuple[Component, ...]:
    return SEQUENCES[order or "principal_first"]


def _flaws_of_wanted(book: Book, draft: CreditDraft) -> tuple[Flaw, ...]:
    """What is wrong with the ERP's own allocation, each with its pointer."""
    if draft.wanted is None:
        return ()
    is_note = draft.kind == "credit_note"
    flaws: list[Flaw] = []
    seen: set[tuple[str, str | None]] = set()
    for index, want in enumerate(draft.wanted):
        pointer = "/invoice_id" if is_note else f"/allocations/{index}/invoice_id"
        invoice = next(iter(book.named(want.invoice_id)), None)
        if invoice is None:
            flaws.append(Flaw(pointer=pointer, detail="there is no such invoice; send it first"))
        elif invoice.debtor_id != draft.debtor_id:
            flaws.append(Flaw(pointer=pointer, detail="this is another debtor's invoice"))
        elif invoice.currency != draft.currency:
            flaws.append(Flaw(pointer=pointer, detail=f"this invoice is in {invoice.currency}"))
        elif (want.invoice_id, want.covers) in seen:
            flaws.append(Flaw(pointer=pointer, detail="this invoice is named twice"))
        seen.add((want.invoice_id, want.covers))
    if sum(want.amount_minor for want in draft.wanted) > draft.amount_minor:
        flaws.append(Flaw(pointer="/allocations", detail="more is allocated than was paid"))
    return tuple(flaws)


def _differences(stored: CreditDraft, draft: CreditDraft) -> list[Flaw]:
    """Which fields contradict the stored fact; names only, no values."""
    is_note = draft.kind == "credit_note"
    fields = {
        "debtor_id": "/debtor_id",
        "currency": "/currency",
        "amount_minor": "/amount",
        "dated_on": "/issued_on" if is_note else "/value_date",
        "wanted": "/invoice_id" if is_note else "/allocations",
    }
    return [
        Flaw(pointer=pointer, detail="this differs from what is stored")
        for field, pointer in fields.items()
        if getattr(stored, field) != getattr(draft, field)
    ]
