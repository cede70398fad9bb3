"""Orders on invoices that may be documents with instalments, posted to a worksheet.

A plain invoice goes straight to `posting`. A document's orders become orders on its instalments:
all of them are carried out, or none.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from invoice_ingest.domain import instalments as planning
from invoice_ingest.domain import posting
from invoice_ingest.domain.book import Book
from invoice_ingest.domain.invoice import Invoice, InvoiceDraft
from invoice_ingest.domain.outcome import Flaw, Outcome, Refusal, Status, Why, conflict
from invoice_ingest.domain.revision import Verdict, weigh


def put_invoice(book: Book, draft: InvoiceDraft) -> Outcome:
    """Take an invoice, plain or with instalments."""
    stored = book.invoices.get(draft.invoice_id)
    if stored is not None and stored.document_id is not None:
        return _is_an_instalment(
            stored, "change the plan in a new revision of the document instead"
        )
    if draft.instalments:
        return _put_document(book, draft)
    if book.instalments_of(draft.invoice_id):
        return conflict(
            "invoice-has-instalments",
            "The invoice is known with instalments.",
            Flaw(
                pointer="/instalments",
                detail="send it with instalments; or cancel it and issue it under another id",
            ),
        )
    return posting.put_invoice(book, draft)


def cancel_invoice(book: Book, invoice_id: str, *, reason: str, on: date | None) -> Outcome:
    """Cancel an invoice; of a document, all instalments of its plan."""
    stored = book.invoices.get(invoice_id)
    if stored is not None and stored.document_id is not None:
        return _is_an_instalment(
            stored, "cancel the document, or send a revision of it without this instalment"
        )
    if stored is not None or not book.instalments_of(invoice_id):
        return posting.cancel_invoice(book, invoice_id, reason=reason, on=on)
    return _all(
        posting.cancel_invoice(book, part.invoice_id, reason=reason, on=on)
        for part in planning.current(book.instalments_of(invoice_id))
    )


def write_off_invoice(book: Book, invoice_id: str, *, reason: str, on: date | None) -> Outcome:
    """Give up what is open of an invoice; of a document, of all its instalments."""
    found = book.instalments_of(invoice_id)
    if invoice_id in book.invoices or not found:
        return posting.write_off_invoice(book, invoice_id, reason=reason, on=on)
    status = planning.as_document(found).status
    if status in ("paid", "cancelled"):
        return conflict(
            f"invoice-{status}", f"The invoice is {status}: there is nothing to write off."
        )
    return _all(
        posting.write_off_invoice(book, part.invoice_id, reason=reason, on=on)
        for part in planning.current(found)
        if part.status == "open"
    )


def _put_document(book: Book, draft: InvoiceDraft) -> Outcome:
    if draft.invoice_id in book.invoices:
        return conflict(
            "invoice-without-instalments",
            "The invoice is known without instalments.",
            Flaw(
                pointer="/instalments",
                detail="send it without; or cancel it and issue it under another id",
            ),
        )
    if flaws := planning.flaws_of_plan(draft):
        return Refusal(
            why=Why.INVALID,
            slug="invalid-request",
            title="Some fields are missing or wrong.",
            flaws=flaws,
        )
    return _replace_plan(book, draft)


def _replace_plan(book: Book, draft: InvoiceDraft) -> Outcome:
    """A document whose plan makes sense: new, revised, already known, or out of date."""
    stored = book.instalments_of(draft.invoice_id)
    if not stored:
        return _carry_out(book, draft, [], revision=draft.revision or 1)
    plan = planning.current(stored)
    revision = plan[0].revision
    match weigh(revision, draft.revision, is_same=_says(plan, draft)):
        case Verdict.SAME:
            return Status.UNCHANGED
        case Verdict.OLDER:
            return Status.STALE
        case Verdict.CONTRADICTION:
            return posting.contradiction()
        case _:
            return _carry_out(book, draft, stored, revision=draft.revision or revision + 1)


def _says(plan: list[Invoice], draft: InvoiceDraft) -> bool:
    """Whether the draft has this plan's content, whatever its revision."""
    if len(plan) != len(draft.instalments):
        return False
    parts = planning.parts_of(draft, plan, revision=plan[0].revision)
    return all(stored.says(part) for stored, part in zip(plan, parts, strict=True))


def _carry_out(book: Book, draft: InvoiceDraft, stored: list[Invoice], *, revision: int) -> Outcome:
    """Bring the instalments to the new plan; a refusal of one takes all of it back."""
    parts = planning.parts_of(draft, stored, revision=revision)
    mark = book.mark()
    refusal = _drop(book, stored, parts, on=draft.effective_on)
    for part in parts:
        if refusal is None:
            refusal = _put_part(book, part)
    if refusal is not None:
        book.back_to(mark)
        return refusal
    return Status.UPDATED if stored else Status.CREATED


def _put_part(book: Book, part: InvoiceDraft) -> Refusal | None:
    taken = book.invoices.get(part.invoice_id)
    if taken is not None and taken.document_id != part.document_id:
        return conflict(
            "invoice-id-taken",
            f"An instalment would be invoice {part.invoice_id}, which is another invoice.",
            Flaw(pointer="/invoice_id", detail="send the document under another id"),
        )
    outcome = posting.put_invoice(book, part)
    return outcome if isinstance(outcome, Refusal) else None


def _drop(
    book: Book, stored: list[Invoice], parts: list[InvoiceDraft], *, on: date | None
) -> Refusal | None:
    """Cancel what is in the plan no more; refused when anything was paid on it."""
    kept = {part.invoice_id for part in parts}
    for gone in planning.current(stored):
        if gone.invoice_id in kept or gone.cancelled:
            continue
        if gone.covered_minor or any(c.covered_minor for c in book.charges_of(gone.invoice_id)):
            return conflict(
                "instalment-paid",
                f"Instalment {gone.invoice_id}, due on {gone.due_on}, is paid in part or whole.",
                Flaw(
                    pointer="/instalments",
                    detail="keep as many instalments as were paid on, or reverse the payment first",
                ),
            )
        posting.cancel_invoice(
            book, gone.invoice_id, reason="not in the plan of instalments any more", on=on
        )
    return None


def _all(outcomes: Iterable[Outcome]) -> Outcome:
    """One outcome for orders on all instalments, none of which can be refused."""
    changed = [outcome for outcome in outcomes if outcome is not Status.UNCHANGED]
    return changed[0] if changed else Status.UNCHANGED


def _is_an_instalment(stored: Invoice, remedy: str) -> Refusal:
    return conflict(
        "instalment-of-document",
        f"This is an instalment of invoice {stored.document_id}.",
        Flaw(pointer="/invoice_id", detail=remedy),
    )
