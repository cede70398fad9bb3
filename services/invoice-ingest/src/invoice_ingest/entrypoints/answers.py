"""What the routes answer, for OpenAPI and the reader; dates are ISO, amounts decimal strings."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel

from dunning_common.events.tenants import TenantRegisteredV1
from invoice_ingest.domain.outcome import Status
from invoice_ingest.domain.payment_order import Component, OrderChoice, SequenceName


class Taken(BaseModel):
    """An order was accepted."""

    id: str
    status: Status


class TenantWarning(BaseModel):
    """Something that the law wants on the tenant's letters and that is empty."""

    pointer: str
    detail: str
    remedy: str


class TakenTenant(Taken):
    """A tenant was registered; what its country's formal notices still lack."""

    warnings: list[TenantWarning] = []


class TenantView(TenantRegisteredV1):
    """What was registered last; what its country's formal notices still lack."""

    warnings: tuple[TenantWarning, ...] = ()


class TakenInvoice(Taken):
    """An invoice as it stands now."""

    version: int
    open: str
    invoice_status: Literal["open", "paid", "cancelled", "written_off"]


class WaivedCharge(Taken):
    """A charge was given up; its invoice as it stands now."""

    invoice_id: str
    charges_open: str
    version: int


class AllocationView(BaseModel):
    """What covers an invoice's principal: `amount` now, `booked` at first."""

    kind: Literal["payment", "credit_note"]
    id: str
    amount: str
    booked: str
    effective_on: date
    reversed_on: date | None


class ChargePaymentView(BaseModel):
    """What a payment covers of a charge: `amount` now, `booked` at first."""

    payment_id: str
    amount: str
    booked: str
    effective_on: date
    reversed_on: date | None


class ChargeView(BaseModel):
    """A charge beside the principal: `amount` is `paid`, `given_up` or still `open`.

    It is `waived` when somebody gave it up, `cancelled` or `written_off` when it went with its
    invoice.
    """

    charge_id: str
    kind: Literal["interest", "compensation", "fee"]
    status: Literal["open", "paid", "waived", "cancelled", "written_off"]
    amount: str
    open: str
    paid: str
    given_up: str
    payments: list[ChargePaymentView]
    assessed_on: date
    basis: str
    waived_on: date | None
    waived_reason: str | None


class InvoiceSummary(BaseModel):
    """An invoice in a list; `document_id` is the invoice that an instalment is a part of."""

    invoice_id: str
    debtor_id: str
    number: str
    issued_on: date
    due_on: date
    currency: str
    amount: str
    open: str
    charges_open: str
    status: Literal["open", "paid", "cancelled", "written_off"]
    settled_on: date | None
    revision: int
    version: int
    policy_id: str | None
    tags: list[str]
    document_id: str | None


class InstalmentView(InvoiceSummary):
    """An instalment, an invoice of its own, with all that happened to it."""

    allocations: list[AllocationView]
    charges: list[ChargeView]


class InvoiceView(InvoiceSummary):
    """An invoice with all that happened to it.

    When it is due in `instalments`, amounts, allocations and charges are those of all of them.
    """

    allocations: list[AllocationView]
    charges: list[ChargeView]
    instalments: list[InstalmentView] = []


class InvoicePage(BaseModel):
    """Some invoices, by id."""

    items: list[InvoiceSummary]
    next_cursor: str | None


class ShareView(BaseModel):
    """What a credit covers of an invoice's principal."""

    invoice_id: str
    amount: str


class ChargeShareView(BaseModel):
    """What a payment covers of a charge."""

    invoice_id: str
    charge_id: str
    kind: Literal["interest", "compensation", "fee"]
    amount: str


class CreditView(BaseModel):
    """A payment or credit note; `dated_on` is its value date or issue date.

    Its amount is what `allocations` cover of principals, what `charges` cover, and `unallocated`.
    `payment_order` is the order by which a payment was allocated last.
    """

    id: str
    debtor_id: str
    currency: str
    amount: str
    dated_on: date
    unallocated: str
    reversed_on: date | None
    payment_order: SequenceName | None
    allocations: list[ShareView]
    charges: list[ChargeShareView]


class TakenCredit(Taken):
    """A payment or credit note, and what it covers now, of principals and of charges."""

    unallocated: str
    allocations: list[ShareView]
    charges: list[ChargeShareView]


class LawView(BaseModel):
    """What `by_law` means for debtors in a country, and where that stands."""

    country: str
    order: SequenceName
    covers: list[Component]
    source: str


class PaymentOrderView(BaseModel):
    """A tenant's choice, and what the laws say."""

    automatic: OrderChoice
    allocated: OrderChoice
    laws: list[LawView]


class AddressView(BaseModel):
    """Where a letter goes."""

    lines: list[str]
    postcode: str
    city: str
    country: str


class ContactsView(BaseModel):
    """How to reach a debtor."""

    emails: list[str]
    phones: list[str]
    address: AddressView | None


class DebtorSummary(BaseModel):
    """A debtor in a list; name and contacts are None after erasure."""

    debtor_id: str
    name: str | None
    kind: Literal["business", "consumer", "public"]
    country: str
    region: str | None
    zone: str
    language: str
    segment: str | None
    risk: str | None
    policy_id: str | None
    tags: list[str]
    is_erased: bool
    contacts: ContactsView | None


class BalanceView(BaseModel):
    """What a debtor owes in a currency, and what lies unallocated."""

    currency: str
    open: str
    charges_open: str
    unallocated: str


class DebtorView(DebtorSummary):
    """A debtor with balances."""

    balances: list[BalanceView]


class DebtorPage(BaseModel):
    """Some debtors, by id."""

    items: list[DebtorSummary]
    next_cursor: str | None


class Allocated(Taken):
    """Unallocated cash was used: `invoices` are those that it covered, in whole or in part."""

    invoices: list[str]


class Erased(BaseModel):
    """A debtor was erased now, or before."""

    id: str
    status: Literal["erased", "unchanged"]


class BulkSummary(BaseModel):
    """How many items ended how."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    invalid: int = 0


class BulkItem(BaseModel):
    """What came of one item; `id` is missing when it could not be read."""

    index: int
    id: str | None
    status: Literal["created", "updated", "unchanged", "stale", "invalid"]
    problem: dict[str, object] | None = None


class BulkAnswer(BaseModel):
    """One result per item, in the order in which they were sent."""

    summary: BulkSummary
    items: list[BulkItem]


class BadRow(BaseModel):
    """A row that was not taken; line 1 is the header."""

    line: int
    column: str | None
    reason: str


class ImportAnswer(BaseModel):
    """What came of a file. Without `commit` nothing was stored."""

    rows: int
    taken: int
    bad: list[BadRow]
    summary: dict[str, BulkSummary]
    committed: bool


class PermitRefusal(BaseModel):
    """Why a message may not go out."""

    invoice_id: str
    reason: Literal["paid", "cancelled", "written_off", "changed", "unknown"]


class PermitView(BaseModel):
    """The answer to one permit request."""

    permit_id: str
    granted: bool
    expires_in_s: float | None = None
    refused: list[PermitRefusal] = []


class PermitsAnswer(BaseModel):
    """One answer per request, in order."""

    answers: list[PermitView]


class KeptOriginal(BaseModel):
    """A document that is kept for an invoice."""

    id: str
    status: Status
    file_name: str
    sha256: str
    size_bytes: int


class OriginalView(BaseModel):
    """A document of an invoice, base64."""

    tenant: str
    invoice_id: str
    file_name: str
    media_type: str
    content: str


class OriginalsAnswer(BaseModel):
    """Documents of those invoices that have one; `left_out` had no room in the answer."""

    documents: list[OriginalView]
    left_out: list[str]


class KeyView(BaseModel):
    """A debtor's key, base64."""

    tenant: str
    debtor_id: str
    key_id: str
    key: str


class KeysAnswer(BaseModel):
    """Keys of those debtors that exist and were not erased."""

    keys: list[KeyView]
