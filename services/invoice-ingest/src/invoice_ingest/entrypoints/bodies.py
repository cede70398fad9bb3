"""The bodies that the REST interface takes: shapes and syntax. Unknown members are refused.

`drafts` turns them into the core's drafts.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from invoice_ingest.domain.instalments import INSTALMENTS_MAX, INSTALMENTS_MIN
from invoice_ingest.domain.payment_order import OrderChoice
from invoice_ingest.entrypoints.fields import (
    Amount,
    Bic,
    Count,
    Country,
    Currency,
    Day,
    Email,
    Emails,
    Iban,
    Id,
    Label,
    Language,
    Phones,
    Reason,
    Region,
    Tags,
    Text,
    Zone,
)

Short = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Body(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AddressBody(Body):
    """Where a letter goes."""

    lines: Annotated[tuple[Text, ...], Field(min_length=1, max_length=5)]
    postcode: Short = ""
    city: Short = ""
    country: Country


class LegalBody(Body):
    """What must stand on a letter."""

    legal_name: Text
    form: Short = ""
    capital: Short = ""
    register_entry: Short = ""
    vat_id: Short = ""
    directors: Annotated[tuple[Text, ...], Field(max_length=20)] = ()
    address: AddressBody
    email: Short = ""
    phone: Short = ""


class BankBody(Body):
    """Where the debtor pays."""

    holder: Text
    iban: Iban
    bic: Bic = ""


class TenantBody(Body):
    """A creditor: who it is and how it is set up."""

    name: Text
    country: Country
    zone: Zone
    language: Language
    base_currency: Currency
    legal: LegalBody
    bank: BankBody
    email_from: Email
    sms_from: Short = ""
    sandbox: Annotated[bool, Field(strict=True)] = False
    sandbox_starts_on: Day | None = None
    payments_fresh_until: AwareDatetime | None = None


class ContactsBody(Body):
    """How to reach a debtor. Phones may be national: the debtor's country is assumed."""

    emails: Emails = ()
    phones: Phones = ()
    address: AddressBody | None = None


class DebtorBody(Body):
    """A customer that owes. `zone` and `language` default to the country's.

    `segment` and `risk` are the company's own words, which policies may choose by.
    """

    name: Text
    kind: Literal["business", "consumer", "public"]
    country: Country
    region: Region | None = None
    zone: Zone | None = None
    language: Language | None = None
    segment: Text | None = None
    risk: Label | None = None
    policy_id: Id | None = None
    tags: Tags = ()
    contacts: ContactsBody = ContactsBody()


class DebtorItem(DebtorBody):
    """A debtor in bulk."""

    debtor_id: Id


class InstalmentBody(Body):
    """A part of an invoice with a due date of its own."""

    due_on: Day
    amount: Amount


def _are_several(parts: tuple[InstalmentBody, ...]) -> tuple[InstalmentBody, ...]:
    """Counted here, because pydantic's own count leaves out parts that are wrong themselves."""
    if len(parts) < INSTALMENTS_MIN:
        raise PydanticCustomError(
            "too_few", "at least two instalments; an invoice due at once has none"
        )
    return parts


Instalments = Annotated[
    tuple[InstalmentBody, ...],
    Field(max_length=INSTALMENTS_MAX, json_schema_extra={"minItems": INSTALMENTS_MIN}),
    AfterValidator(_are_several),
]


class InvoiceBody(Body):
    """An invoice.

    With `instalments` it is due in parts: dates ascend, amounts add up to `amount`, and `due_on`
    may be left out. Each instalment becomes an invoice of its own, `{invoice_id}~1` and so on.

    With a `revision`, an older one is answered `stale` and an equal one must say the same. Without,
    the last one sent wins. `effective_on` dates an amendment (today when left out).
    """

    debtor_id: Id
    number: Text | None = None
    issued_on: Day
    instalments: Instalments | None = None
    due_on: Annotated[
        Day | None, Field(validate_default=True, description="Required without `instalments`.")
    ] = None
    currency: Currency
    amount: Amount
    revision: Count | None = None
    policy_id: Id | None = None
    tags: Tags = ()
    effective_on: Day | None = None

    @field_validator("due_on")
    @classmethod
    def _is_due_once(cls, due_on: date | None, info: ValidationInfo) -> date | None:
        if due_on is None and info.data.get("instalments", ()) is None:
            raise PydanticCustomError("missing", "Field required")
        return due_on


class InvoiceItem(InvoiceBody):
    """An invoice in bulk."""

    invoice_id: Id


class AllocationBody(Body):
    """What of a payment is for which invoice.

    `covers` is what the debtor designated: the principal alone, or the charges alone. Left out, the
    tenant's payment order says.
    """

    invoice_id: Id
    amount: Amount
    covers: Literal["principal", "charges"] | None = None


class PaymentBody(Body):
    """Money received. Without `allocations` the oldest due invoice is covered first.

    An ERP does not know the charges: what is left of a payment that names invoices covers theirs.
    """

    debtor_id: Id
    currency: Currency
    amount: Amount
    value_date: Day
    allocations: Annotated[tuple[AllocationBody, ...], Field(max_length=1000)] | None = None


class PaymentItem(PaymentBody):
    """A payment in bulk."""

    payment_id: Id


class CreditNoteBody(Body):
    """A credit note, for one invoice or (without `invoice_id`) for the oldest due first."""

    debtor_id: Id
    currency: Currency
    amount: Amount
    issued_on: Day
    invoice_id: Id | None = None


class CreditNoteItem(CreditNoteBody):
    """A credit note in bulk."""

    credit_note_id: Id


class ClosingBody(Body):
    """Why something is cancelled, written off, waived or reversed, and since when (today)."""

    reason: Reason
    effective_on: Day | None = None


class WaiverBody(ClosingBody):
    """Why a charge is given up. What was paid of it is freed, unless `open_part_only`."""

    open_part_only: Annotated[bool, Field(strict=True)] = False


class PaymentOrderBody(Body):
    """What money covers first; see docs/ledger.md. `by_law` goes by the debtor's country.

    `automatic` is for payments without allocations, `allocated` for what the ERP allocated to an
    invoice.
    """

    automatic: OrderChoice = "principal_first"
    allocated: OrderChoice = "principal_first"


class AllocateBody(Body):
    """As of which day unallocated cash covers what is open (default today)."""

    effective_on: Day | None = None


class PermitInvoiceBody(Body):
    """An invoice inside a permit request, at the version that the message was made from."""

    invoice_id: Id
    version: Count


class PermitBody(Body):
    """A message that is about to go out."""

    permit_id: Id
    tenant: Id
    invoices: Annotated[tuple[PermitInvoiceBody, ...], Field(min_length=1, max_length=1000)]


class PermitsBody(Body):
    """A batch of permit requests."""

    lease_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]
    requests: Annotated[tuple[PermitBody, ...], Field(max_length=1000)]


class PermitReturnBody(Body):
    """Permits that are not needed any more."""

    permit_ids: Annotated[tuple[Id, ...], Field(max_length=10_000)]


class DebtorRefBody(Body):
    """A debtor of a tenant."""

    tenant: Id
    debtor_id: Id


class DebtorKeysBody(Body):
    """Whose keys are asked for."""

    debtors: Annotated[tuple[DebtorRefBody, ...], Field(max_length=10_000)]


class InvoiceRefBody(Body):
    """An invoice of a tenant."""

    tenant: Id
    invoice_id: Id


class OriginalsBody(Body):
    """Whose documents are asked for, and how many bytes of them at most."""

    invoices: Annotated[tuple[InvoiceRefBody, ...], Field(max_length=10_000)]
    bytes_max: Annotated[int, Field(ge=0, le=64 * 1024 * 1024)] = 16 * 1024 * 1024
