"""Charges that the engine assessed, booked beside the principal: once each, however often told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date

from invoice_ingest.domain import invoice as invoicing
from invoice_ingest.domain.fact import ChargeKind, ChargePosted
from invoice_ingest.domain.invoice import Invoice
from invoice_ingest.domain.permit import InvoiceRef

ChargeRef = tuple[str, str]
"""(tenant, charge id)."""


class ChargeError(ValueError):
    """A charge that does not fit the ledger; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Interest, compensation or a fee on one invoice; `basis` names the law or the contract.

    A charge is `void` when its invoice owed nothing any more as it arrived.
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
