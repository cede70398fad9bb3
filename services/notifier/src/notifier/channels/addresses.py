"""Picks where a message goes: the first usable address of the right kind."""

from __future__ import annotations

import re

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from dunning_common.events.contacts import Contacts
from dunning_common.ids import short_hash
from notifier.channels.base import Recipient

_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})

_PLAIN = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+([a-z]{2,})"
)
_PLAIN_LENGTH = 64
"""Within it no part of an address is too long."""


def email_recipient(contacts: Contacts, *, tenant: str) -> Recipient | None:
    """The first e-mail address that can be written in an envelope; None when there is none.

    International domains become ASCII; an address whose local part is not ASCII is passed over.
    """
    for email in contacts.emails:
        if address := deliverable(email.strip()):
            return Recipient(
                name=contacts.name,
                address=address,
                hash=short_hash(tenant, "email", address.lower()),
            )
    return None


def deliverable(email: str) -> str | None:
    """An e-mail address as it is written in an envelope; None where it cannot be.

    The library takes 40 us even for an address in which there is nothing to judge, so it is asked
    about the others.
    """
    plain = _PLAIN.fullmatch(email) if len(email) <= _PLAIN_LENGTH else None
    if plain and plain[1] not in SPECIAL_USE_DOMAIN_NAMES:
        return email
    try:
        return validate_email(email, check_deliverability=False).ascii_email
    except EmailNotValidError:
        return None


def phone_recipients(contacts: Contacts, *, tenant: str, country: str) -> list[Recipient]:
    """All numbers as E.164, the best first: known ranges before unknown ones, mobile before others.

    A number of an unknown range is still listed: tables of ranges lag behind the regulators, and
    the provider has the last word.

    Args:
        contacts: the debtor's.
        tenant: goes into the hash.
        country: of numbers written without a country code, when the debtor's address names none.
    """
    region = (contacts.address.country if contacts.address else country).upper()
    numbers = [number for phone in contacts.phones if (number := _parse(phone, region))]
    numbers.sort(
        key=lambda number: (
            not phonenumbers.is_valid_number(number),
            phonenumbers.number_type(number) not in _MOBILE,
        )
    )
    written = [phonenumbers.format_number(number, PhoneNumberFormat.E164) for number in numbers]
    return [
        Recipient(name=contacts.name, address=number, hash=short_hash(tenant, "phone", number))
        for number in written
    ]


def phone_recipient(contacts: Contacts, *, tenant: str, country: str) -> Recipient | None:
    """The best of `phone_recipients`, or None."""
    return next(iter(phone_recipients(contacts, tenant=tenant, country=country)), None)


def postal_recipient(contacts: Contacts, *, tenant: str) -> Recipient | None:
    """The postal address; None when there is none that a carrier could use."""
    address = contacts.address
    if address is None or not any(line.strip() for line in address.lines):
        return None
    if not (address.city.strip() or address.postcode.strip()):
        return None
    written = address.model_dump_json()
    return Recipient(
        name=contacts.name,
        postal=address,
        hash=short_hash(tenant, "postal", contacts.name, written),
    )


def _parse(phone: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(phone, region)
    except NumberParseException:
        return None
    return number if phonenumbers.is_possible_number(number) else None
