"""Values that several tests start from."""

from __future__ import annotations

from datetime import date
from typing import Any

from invoice_ingest.domain.allocation import Wanted
from invoice_ingest.domain.book import Book, Loaded
from invoice_ingest.domain.credit import CreditDraft, CreditKind
from invoice_ingest.domain.invoice import Invoice, InvoiceDraft, issue

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


def wanted(**amounts: int) -> tuple[Wanted, ...]:
    return tuple(Wanted(invoice_id=i, amount_minor=minor) for i, minor in amounts.items())


def book(*invoices: Invoice, **debtors: bool) -> Book:
    known = debtors or {"d1": False, "d2": False}
    loaded = Loaded(
        debtors=known,
        invoices={i.invoice_id: i for i in invoices},
        credits={},
        covers={},
        cash={},
    )
    return Book(tenant="acme", today=TODAY, loaded=loaded)
