"""Charges that the engine assessed, booked beside the principal: once each, however often told.

A charge may be given up again; `waive` says whether, and nothing else about a charge ever changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date

from invoice_ingest.domain import invoice as invoicing
from invoice_ingest.domain.book import Book
from invoice_ingest.domain.fact import ChargeKind, ChargePosted, ChargeWaived
from invoice_ingest.domain.invoice import Invoice
from invoice_ingest.domain.outcome import Outcome, Status, conflict, unknown
from invoice_ingest.domain.permit import InvoiceRef

ChargeRef = tuple[str, str]
"""(tenant, charge id)."""


class ChargeError(ValueError):
    """A charge that does not fit the ledger; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Interest, compensation or a fee on one invoice; `basis` names the law or the contract.

    A charge is `void` when its invoice owed nothing any more as it arrived. `waived_on` is the day
    from which it is not owed any more because it was given up.
    """

    tenant: str
    charge_id: str
    invoice_id: str
    kind: ChargeKind
    currency: str
    amount_minor: int
    assessed_on: date
    basis: str
    is_void: bool = False
    waived_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """What to store: the new charges, the changed invoices, and what to tell."""

    charges: tuple[Charge, ...]
    invoices: tuple[Invoice, ...]
    facts: tuple[ChargePosted, ...]


def post_charges(
    charges: Sequence[Charge],
    *,
    invoices: Mapping[InvoiceRef, Invoice],
    known: AbstractSet[ChargeRef],
) -> Charged:
    """Book charges in order.

    Statutory interest stays owed when the principal was paid a moment ago, so a paid invoice takes
    the charge; a cancelled or written-off one does not.

    Raises:
        ChargeError: the invoice is unknown or in another currency.
    """
    now = dict(invoices)
    seen = set(known)
    booked: list[Charge] = []
    facts: list[ChargePosted] = []
    for charge in charges:
        ref = (charge.tenant, charge.invoice_id)
        if (charge.tenant, charge.charge_id) in seen:
            continue
        seen.add((charge.tenant, charge.charge_id))
        invoice = now.get(ref)
        if invoice is None:
            raise ChargeError(
                f"charge {charge.charge_id} is on an invoice the ledger does not have"
            )
        if invoice.currency != charge.currency:
            raise ChargeError(f"charge {charge.charge_id} is not in the invoice's currency")
        if invoice.status in ("cancelled", "written_off"):
            booked.append(replace(charge, is_void=True))
            continue
        booked.append(charge)
        now[ref] = invoicing.charge(invoice, charge.amount_minor)
        facts.append(
            ChargePosted(
                invoice=now[ref],
                effective_on=charge.assessed_on,
                charge_id=charge.charge_id,
                kind=charge.kind,
                amount_minor=charge.amount_minor,
            )
        )
    changed = tuple(now[ref] for ref in sorted(now) if now[ref] is not invoices[ref])
    return Charged(charges=tuple(booked), invoices=changed, facts=tuple(facts))


def waive(
    book: Book, invoice_id: str, charge: Charge | None, *, reason: str, on: date | None
) -> Outcome:
    """Give a charge up: nothing of it is owed any more.

    Refused when the invoice has no such charge, and when nothing of the charge is owed any more
    because it was paid or went with a cancelled or written-off invoice.
    """
    invoice = book.invoices.get(invoice_id)
    if invoice is None:
        return unknown("invoice")
    if charge is None or charge.is_void:
        return unknown("charge")
    if charge.waived_on is not None:
        return Status.UNCHANGED
    if invoice.status in ("cancelled", "written_off"):
        return conflict(
            f"invoice-{invoice.status.replace('_', '-')}",
            f"The invoice is {invoice.status.replace('_', ' ')}: its charges are owed no more.",
        )
    if invoice.charges_open_minor < charge.amount_minor:
        return conflict("charge-paid", "The charge is paid: there is nothing to give up.")
    effective_on = on or book.today
    waived = invoicing.waive(invoice, charge.amount_minor)
    book.put_invoice(waived)
    book.facts.append(
        ChargeWaived(
            invoice=waived,
            effective_on=effective_on,
            charge_id=charge.charge_id,
            kind=charge.kind,
            amount_minor=charge.amount_minor,
            reason=reason,
        )
    )
    return Status.UPDATED
