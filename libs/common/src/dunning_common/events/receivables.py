"""`receivables.v1`, written by invoice-ingest: what is owed, after each change.

Carries no personal data. Amounts are minor units of `currency`; dates are business dates.
Every event about an invoice carries the invoice as it is *after* the change, so the last one wins.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal

from pydantic import Field

from dunning_common.events.envelope import Contract, Payload

InvoiceStatus = Literal["open", "paid", "cancelled", "written_off"]
DebtorKind = Literal["business", "consumer", "public"]
ChargeKind = Literal["interest", "compensation", "fee"]


class InvoiceState(Contract):
    """An invoice as the ledger holds it.

    `open_minor` is principal still owed; charges are counted apart in `charges_open_minor`.
    `revision` is the ERP's own; `version` is the ledger's and grows with every change: the send
    permit compares it.
    """

    invoice_id: str
    debtor_id: str
    number: str
    issued_on: date
    due_on: date
    currency: str
    amount_minor: int = Field(ge=0)
    open_minor: int = Field(ge=0)
    charges_open_minor: int = Field(ge=0, default=0)
    status: InvoiceStatus
    settled_on: date | None = None
    revision: int
    version: int
    policy_id: str | None = None
    tags: tuple[str, ...] = ()


class _InvoicePayload(Payload):
    topic: ClassVar[str] = "receivables.v1"
    invoice: InvoiceState
    effective_on: date


class InvoiceIssuedV1(_InvoicePayload):
    """A new invoice was accepted."""


class InvoiceAmendedV1(_InvoicePayload):
    """The ERP sent a newer revision: amount, due date, text or policy changed."""


class InvoiceCancelledV1(_InvoicePayload):
    """The ERP cancelled the invoice; nothing is owed any more."""

    reason: str = ""


class InvoiceWrittenOffV1(_InvoicePayload):
    """The rest was written off."""

    amount_minor: int
    reason: str = ""


class PaymentAllocatedV1(_InvoicePayload):
    """Part of a payment was booked against the invoice. `effective_on` is the value date."""

    payment_id: str
    amount_minor: int


class PaymentReversedV1(_InvoicePayload):
    """A booked payment bounced or was charged back; the invoice owes again.

    `covered_on` is the day on which it had been booked against the invoice, its value date.
    """

    payment_id: str
    amount_minor: int
    covered_on: date | None = None
    reason: str = ""


class CreditNoteAllocatedV1(_InvoicePayload):
    """A credit note reduced the invoice."""

    credit_note_id: str
    amount_minor: int


class ChargePostedV1(_InvoicePayload):
    """A charge that the engine assessed was booked beside the principal."""

    charge_id: str
    kind: ChargeKind
    amount_minor: int


class ChargeWaivedV1(_InvoicePayload):
    """A charge was given up: nothing of it is owed any more."""

    charge_id: str
    kind: ChargeKind
    amount_minor: int
    reason: str


class ChargePaidV1(_InvoicePayload):
    """Part of a payment was booked against a charge, of which `charge_open_minor` is still owed.

    `effective_on` is the value date, or the day of the charge where that is later. The principal
    is told apart: `PaymentAllocatedV1`.
    """

    payment_id: str
    charge_id: str
    kind: ChargeKind
    amount_minor: int
    charge_open_minor: int = Field(ge=0)


class ChargePaymentUndoneV1(_InvoicePayload):
    """What a payment covered of a charge, from `covered_on` on, it covers no more.

    `payment_reversed`: the payment bounced, and the charge is owed again. `charge_waived` and
    `invoice_cancelled`: the charge is given up with the next event, and the money is unallocated.
    """

    payment_id: str
    charge_id: str
    kind: ChargeKind
    amount_minor: int
    charge_open_minor: int = Field(ge=0)
    covered_on: date
    cause: Literal["payment_reversed", "charge_waived", "invoice_cancelled"]
    reason: str = ""


class UnallocatedCashChangedV1(Payload):
    """Money of the debtor that covers no invoice yet."""

    topic: ClassVar[str] = "receivables.v1"
    debtor_id: str
    currency: str
    unallocated_minor: int
    effective_on: date


class DebtorTermsChangedV1(Payload):
    """What deciding needs to know about a debtor, without personal data.

    `zone` is an IANA time zone, `country` ISO 3166-1 alpha-2, `region` an ISO 3166-2 subdivision
    (without the country prefix) for regional holidays. `segment` and `risk` are the company's own
    words; policies choose by them.
    """

    topic: ClassVar[str] = "receivables.v1"
    debtor_id: str
    kind: DebtorKind
    country: str
    region: str | None = None
    zone: str
    language: str
    segment: str | None = None
    risk: str | None = None
    policy_id: str | None = None
    tags: tuple[str, ...] = ()


ReceivablesEvent = (
    InvoiceIssuedV1
    | InvoiceAmendedV1
    | InvoiceCancelledV1
    | InvoiceWrittenOffV1
    | PaymentAllocatedV1
    | PaymentReversedV1
    | CreditNoteAllocatedV1
    | ChargePostedV1
    | ChargeWaivedV1
    | ChargePaidV1
    | ChargePaymentUndoneV1
    | UnallocatedCashChangedV1
    | DebtorTermsChangedV1
)
InvoiceEvent = (
    InvoiceIssuedV1
    | InvoiceAmendedV1
    | InvoiceCancelledV1
    | InvoiceWrittenOffV1
    | PaymentAllocatedV1
    | PaymentReversedV1
    | CreditNoteAllocatedV1
    | ChargePostedV1
    | ChargeWaivedV1
    | ChargePaidV1
    | ChargePaymentUndoneV1
)
