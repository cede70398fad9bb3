"""Values that several tests start from."""

from __future__ import annotations

from datetime import date
from typing import Any

from invoice_ingest.domain.allocation import Designation, Wanted
from invoice_ingest.domain.book import Book, Loaded, Party
from invoice_ingest.domain.charge import Charge
from invoice_ingest.domain.charging import post_charges
from invoice_ingest.domain.credit import CreditDraft, CreditKind
from invoice_ingest.domain.invoice import Invoice, InvoiceDraft, issue
from invoice_ingest.domain.payment_order import OrderChoice, PaymentOrder

TODAY = date(2026, 3, 16)


def draft(invoice_id: str = "i1", **changes: Any) -> InvoiceDraft:
    given: dict[str, Any] = {
        "invoice_id": invoice_id,
        "debtor_id": "d1",
        "number": invoice_id,
        "issued_on": date(2026, 1, 1),
        "due_on": date(2026, 1, 31),
        "currency": "EUR",
        "amount_minor": 10_000,
    }
    return InvoiceDraft(**given | changes)


def invoice(invoice_id: str = "i1", **changes: Any) -> Invoice:
    return issue("acme", draft(invoice_id, **changes))


def credit(credit_id: str = "p1", kind: CreditKind = "payment", **changes: Any) -> CreditDraft:
    given: dict[str, Any] = {
        "kind": kind,
        "credit_id": credit_id,
        "debtor_id": "d1",
        "currency": "EUR",
        "amount_minor": 10_000,
        "dated_on": date(2026, 2, 5),
    }
    return CreditDraft(**given | changes)


def wanted(covers: Designation | None = None, **amounts: int) -> tuple[Wanted, ...]:
    return tuple(
        Wanted(invoice_id=i, amount_minor=minor, covers=covers) for i, minor in amounts.items()
    )


def charge(charge_id: str = "c1", **changes: Any) -> Charge:
    given: dict[str, Any] = {
        "tenant": "acme",
        "charge_id": charge_id,
        "invoice_id": "i1",
        "kind": "interest",
        "currency": "EUR",
        "amount_minor": 123,
        "assessed_on": date(2026, 2, 1),
        "basis": "L441-10",
    }
    return Charge(**given | changes)


def book(
    *invoices: Invoice,
    order: OrderChoice = "principal_first",
    country: str = "FR",
    **debtors: bool,
) -> Book:
    """A sheet of two debtors, or of those named with whether they were erased."""
    known = debtors or {"d1": False, "d2": False}
    loaded = Loaded(
        debtors={i: Party(country=country, is_erased=erased) for i, erased in known.items()},
        invoices={i.invoice_id: i for i in invoices},
    )
    both = PaymentOrder(automatic=order, allocated=order)
    return Book(tenant="acme", today=TODAY, loaded=loaded, order=both)


def charged(sheet: Book, *charges: Charge) -> Book:
    """The sheet after these charges were booked."""
    known = {("acme", charge_id) for charge_id in sheet.charges}
    post_charges({"acme": sheet}, charges, known=known)
    return sheet
