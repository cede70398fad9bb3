"""`contacts.v1`, written by invoice-ingest: personal data, and only here.

The payload is encrypted with the debtor's own key (`dunning_common.vault`); erasure destroys it.
"""

from __future__ import annotations

from typing import ClassVar

from dunning_common.events.envelope import Contract, Payload


class PostalAddress(Contract):
    """Where a letter goes. `country` is ISO 3166-1 alpha-2."""

    lines: tuple[str, ...]
    postcode: str = ""
    city: str = ""
    country: str


class Contacts(Contract):
    """The clear text inside `ContactsChangedV1`: never logged, in clear only in the ledger."""

    name: str
    language: str
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    address: PostalAddress | None = None


class ContactCorrection(Contract):
    """The clear text inside `ContactCorrectedV1`; what is absent stays as it is."""

    name: str | None = None
    emails: tuple[str, ...] | None = None
    phones: tuple[str, ...] | None = None
    address: PostalAddress | None = None


class ContactsChangedV1(Payload):
    """Names and addresses changed. `ciphertext` is base64 of AES-256-GCM over `Contacts`."""

    topic: ClassVar[str] = "contacts.v1"
    debtor_id: str
    key_id: str
    ciphertext: str


class DebtorErasedV1(Payload):
    """The debtor's key was destroyed; whoever holds the ciphertext must drop it."""

    topic: ClassVar[str] = "contacts.v1"
    debtor_id: str


ContactsEvent = ContactsChangedV1 | DebtorErasedV1
