"""Turns bodies into the core's drafts: minor units, phones in E.164, defaults filled.

What is wrong is collected with JSON pointers, so that one answer names all of it.
"""

from __future__ import annotations

from typing import NoReturn

import phonenumbers

from dunning_common.events.contacts import PostalAddress
from dunning_common.events.tenants import BankDetails, LegalIdentity, TenantRegisteredV1
from dunning_common.money import MoneyError, parse_minor
from dunning_common.problems import FieldError, ProblemError
from invoice_ingest.adapters import territory
from invoice_ingest.domain.allocation import Wanted
from invoice_ingest.domain.credit import CreditDraft
from invoice_ingest.domain.debtor import Address, Contact, Debtor, Terms
from invoice_ingest.domain.invoice import Instalment, InvoiceDraft
from invoice_ingest.entrypoints.bodies import (
    AddressBody,
    CreditNoteBody,
    DebtorBody,
    InvoiceBody,
    PaymentBody,
    TenantBody,
)


def tenant_profile(tenant: str, body: TenantBody) -> TenantRegisteredV1:
    """A tenant as it is published."""
    legal = body.legal
    return TenantRegisteredV1(
        tenant_id=tenant,
        name=body.name,
        country=body.country,
        zone=body.zone,
        language=body.language,
        base_currency=body.base_currency,
        legal=LegalIdentity(
            legal_name=legal.legal_name,
            form=legal.form,
            capital=legal.capital,
            register_entry=legal.register_entry,
            vat_id=legal.vat_id,
            directors=legal.directors,
            address=_postal(legal.address),
            email=legal.email,
            phone=legal.phone,
        ),
        bank=BankDetails(holder=body.bank.holder, iban=body.bank.iban, bic=body.bank.bic),
        email_from=body.email_from,
        sms_from=body.sms_from,
        sandbox=body.sandbox,
        sandbox_starts_on=body.sandbox_starts_on,
        payments_fresh_until=body.payments_fresh_until,
    )


def debtor_draft(debtor_id: str, body: DebtorBody) -> Debtor:
    """A debtor, complete.

    Raises:
        ProblemError: 422, a phone number is none.
    """
    contacts = body.contacts
    phones: dict[str, None] = {}
    errors = []
    for index, phone in enumerate(contacts.phones):
        e164 = _e164(phone, body.country)
        if e164 is None:
            errors.append(
                FieldError(
                    pointer=f"/contacts/phones/{index}",
                    detail=f"this is not a phone number, neither with +… nor inside {body.country}",
                )
            )
        else:
            phones[e164] = None
    if errors:
        _refuse(errors)
    return Debtor(
        debtor_id=debtor_id,
        terms=Terms(
            kind=body.kind,
            country=body.country,
            region=body.region,
            zone=body.zone or territory.default_zone(body.country),
            language=body.language or territory.default_language(body.country),
            segment=body.segment,
            risk=body.risk,
            policy_id=body.policy_id,
            tags=body.tags,
        ),
        contact=Contact(
            name=body.name,
            emails=contacts.emails,
            phones=tuple(phones),
            address=None if contacts.address is None else _address(contacts.address),
        ),
    )


def invoice_draft(invoice_id: str, body: InvoiceBody) -> InvoiceDraft:
    """An invoice in minor units.

    Raises:
        ProblemError: 422, an amount is not one.
    """
    errors: list[FieldError] = []
    amount_minor = _minor(body.amount, body.currency, "/amount", errors, least=0)
    plan = tuple(
        Instalment(
            due_on=part.due_on,
            amount_minor=_minor(
                part.amount, body.currency, f"/instalments/{index}/amount", errors, least=1
            ),
        )
        for index, part in enumerate(body.instalments or ())
    )
    if errors:
        _refuse(errors)
    return InvoiceDraft(
        invoice_id=invoice_id,
        debtor_id=body.debtor_id,
        number=body.number or invoice_id,
        issued_on=body.issued_on,
        due_on=body.due_on or plan[-1].due_on,
        currency=body.currency,
        amount_minor=amount_minor,
        revision=body.revision,
        policy_id=body.policy_id,
        tags=body.tags,
        effective_on=body.effective_on,
        instalments=plan,
    )


def payment_draft(payment_id: str, body: PaymentBody) -> CreditDraft:
    """A payment in minor units.

    Raises:
        ProblemError: 422, an amount is not one.
    """
    errors: list[FieldError] = []
    amount_minor = _minor(body.amount, body.currency, "/amount", errors, least=1)
    wanted = None
    if body.allocations is not None:
        wanted = tuple(
            Wanted(
                invoice_id=part.invoice_id,
                amount_minor=_minor(
                    part.amount, body.currency, f"/allocations/{index}/amount", errors, least=1
                ),
                covers=part.covers,
            )
            for index, part in enumerate(body.allocations)
        )
    if errors:
        _refuse(errors)
    return CreditDraft(
        kind="payment",
        credit_id=payment_id,
        debtor_id=body.debtor_id,
        currency=body.currency,
        amount_minor=amount_minor,
        dated_on=body.value_date,
        wanted=wanted,
    )


def credit_note_draft(credit_note_id: str, body: CreditNoteBody) -> CreditDraft:
    """A credit note in minor units.

    Raises:
        ProblemError: 422, the amount is not one.
    """
    errors: list[FieldError] = []
    amount_minor = _minor(body.amount, body.currency, "/amount", errors, least=1)
    if errors:
        _refuse(errors)
    wanted = None
    if body.invoice_id is not None:
        wanted = (Wanted(invoice_id=body.invoice_id, amount_minor=amount_minor),)
    return CreditDraft(
        kind="credit_note",
        credit_id=credit_note_id,
        debtor_id=body.debtor_id,
        currency=body.currency,
        amount_minor=amount_minor,
        dated_on=body.issued_on,
        wanted=wanted,
    )


def _minor(
    amount: str, currency: str, pointer: str, errors: list[FieldError], *, least: int
) -> int:
    try:
        minor = parse_minor(amount, currency)
    except MoneyError as error:
        errors.append(FieldError(pointer=pointer, detail=str(error)))
        return least
    if minor < least:
        detail = (
            "an amount is not negative; money back is a credit note"
            if minor < 0
            else ("an amount is more than zero")
        )
        errors.append(FieldError(pointer=pointer, detail=detail))
    return minor


def _e164(phone: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _address(body: AddressBody) -> Address:
    return Address(lines=body.lines, postcode=body.postcode, city=body.city, country=body.country)


def _postal(body: AddressBody) -> PostalAddress:
    return PostalAddress(
        lines=body.lines, postcode=body.postcode, city=body.city, country=body.country
    )


def _refuse(errors: list[FieldError]) -> NoReturn:
    raise ProblemError(422, "invalid-request", "Some fields are missing or wrong.", errors=errors)
