"""What happened in the ledger: private facts, which a handler translates into published events.

Each fact about an invoice carries the invoice as it is after the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from invoice_ingest.domain.charge import ChargeKind
from invoice_ingest.domain.credit import CreditKey
from invoice_ingest.domain.invoice import Invoice

UndoneBy = Literal["payment_reversed", "charge_waived", "invoice_cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceIssued:
    """A new invoice was accepted."""

    invoice: Invoice
    effective_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceAmended:
    """A newer revision of an invoice was accepted."""

    invoice: Invoice
    effective_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceCancelled:
    """An invoice owes nothing any more, as if it had not been issued."""

    invoice: Invoice
    effective_on: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceWrittenOff:
    """The open rest of an invoice was given up."""

    invoice: Invoice
    effective_on: date
    amount_minor: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditAllocated:
    """A payment or a credit note covered part of an invoice."""

    invoice: Invoice
    effective_on: date
    key: CreditKey
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReversed:
    """A payment that had covered part of an invoice, from its value date on, bounced."""

    invoice: Invoice
    effective_on: date
    payment_id: str
    amount_minor: int
    covered_on: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePosted:
    """A charge was booked beside an invoice's principal."""

    invoice: Invoice
    effective_on: date
    charge_id: str
    kind: ChargeKind
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeWaived:
    """A charge beside an invoice's principal was given up."""

    invoice: Invoice
    effective_on: date
    charge_id: str
    kind: ChargeKind
    amount_minor: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePaid:
    """A payment covered part of a charge, of which `charge_open_minor` is still owed."""

    invoice: Invoice
    effective_on: date
    payment_id: str
    charge_id: str
    kind: ChargeKind
    amount_minor: int
    charge_open_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePaymentUndone:
    """A payment that had covered part of a charge, from `covered_on` on, covers it no more.

    The payment bounced and the charge is owed again, or the charge is about to be given up and the
    money becomes unallocated cash.
    """

    invoice: Invoice
    effective_on: date
    payment_id: str
    charge_id: str
    kind: ChargeKind
    amount_minor: int
    charge_open_minor: int
    covered_on: date
    cause: UndoneBy
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CashChanged:
    """Money of a debtor that covers nothing is now `unallocated_minor`."""

    tenant: str
    debtor_id: str
    currency: str
    unallocated_minor: int
    effective_on: date


ChargeFact = ChargePosted | ChargeWaived | ChargePaid | ChargePaymentUndone
InvoiceFact = (
    InvoiceIssued
    | InvoiceAmended
    | InvoiceCancelled
    | InvoiceWrittenOff
    | CreditAllocated
    | PaymentReversed
    | ChargeFact
)
Fact = InvoiceFact | CashChanged
