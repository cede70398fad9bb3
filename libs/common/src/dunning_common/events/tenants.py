"""`tenants.v1`, written by invoice-ingest: who the creditor is and how the tenant is set up."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pydantic import AwareDatetime

from dunning_common.events.contacts import PostalAddress
from dunning_common.events.envelope import Contract, Payload


class LegalIdentity(Contract):
    """What must stand on a letter by law (FR R123-237, DE §35a GmbHG, UK Companies Act)."""

    legal_name: str
    form: str = ""
    capital: str = ""
    register_entry: str = ""
    vat_id: str = ""
    directors: tuple[str, ...] = ()
    address: PostalAddress
    email: str = ""
    phone: str = ""


class BankDetails(Contract):
    """Where the debtor pays."""

    holder: str
    iban: str
    bic: str = ""


class TenantRegisteredV1(Payload):
    """A tenant was created or changed; the last one wins.

    A `sandbox` tenant has its own clock, which starts at `sandbox_starts_on` (00:00 in `zone`).
    `payments_fresh_until` is the ERP's statement up to when all payments were reported.
    """

    topic: ClassVar[str] = "tenants.v1"
    tenant_id: str
    name: str
    country: str
    zone: str
    language: str
    base_currency: str
    legal: LegalIdentity
    bank: BankDetails
    email_from: str
    sms_from: str = ""
    sandbox: bool = False
    sandbox_starts_on: date | None = None
    payments_fresh_until: AwareDatetime | None = None


TenantsEvent = TenantRegisteredV1
