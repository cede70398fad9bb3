"""Personal data opens only with its own key, for its own tenant and debtor, and unharmed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_common.events.contacts import Contacts, PostalAddress
from dunning_common.vault import (
    VaultError,
    open_contacts,
    seal,
    seal_contacts,
    unseal,
)

CONTACTS = Contacts(
    name="Müller & Söhne GmbH",
    language="de",
    emails=("buch@mueller.example",),
    address=PostalAddress(lines=("Hauptstraße 1",), postcode="10115", city="Berlin", country="DE"),
)
KEY = b"k" * 32


def test_contacts_open_with_their_own_key() -> None:
    sealed = seal_contacts(KEY, CONTACTS, tenant="acme", debtor_id="d1")

    assert open_contacts(KEY, sealed, tenant="acme", debtor_id="d1") == CONTACTS


def test_the_cipher_text_shows_nothing_of_the_person() -> None:
    sealed = seal_contacts(KEY, CONTACTS, tenant="acme", debtor_id="d1")

    assert "Müller" not in sealed
    assert "mueller" not in sealed


def test_sealing_twice_gives_two_cipher_texts() -> None:
    first = seal_contacts(KEY, CONTACTS, tenant="acme", debtor_id="d1")
    second = seal_contacts(KEY, CONTACTS, tenant="acme", debtor_id="d1")

    assert first != second


@pytest.mark.parametrize(
    ("tenant", "debtor_id"), [("other", "d1"), ("acme", "d2"), ("acmed1", ""), ("acme|d", "1")]
)
def test_it_does_not_open_for_another_tenant_or_debtor(tenant: str, debtor_id: str) -> None:
    sealed = seal_contacts(KEY, CONTACTS, tenant="acme", debtor_id="d1")

    with pytest.raises(VaultError):
        open_contacts(KEY, sealed, tenant=tenant, debtor_id=debtor_id)


def test_the_border_between_tenant_and_debtor_cannot_be_moved() -> None:
    sealed = seal_contacts(KEY, CONTACTS, tenant="a|b", debtor_id="c")

    with pytest.raises(VaultError):
        open_contacts(KEY, sealed, tenant="a", debtor_id="b|c")


@pytest.mark.parametrize("key", [b"z" * 32, b"x" * 16, b"short", b""])
def test_it_does_not_open_with_another_key(key: bytes) -> None:
    sealed = seal_contacts(KEY, CONTACTS, tenant="acme", debtor_id="d1")

    with pytest.raises(VaultError):
        open_contacts(key, sealed, tenant="acme", debtor_id="d1")


@pytest.mark.parametrize("ciphertext", ["", "AAAA", "not base64!", "ünlesbar", "A" * 64])
def test_what_is_no_cipher_text_is_refused(ciphertext: str) -> None:
    with pytest.raises(VaultError):
        open_contacts(KEY, ciphertext, tenant="acme", debtor_id="d1")


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_is_sealed_opens_again(plaintext: bytes, context: str) -> None:
    assert unseal(KEY, seal(KEY, plaintext, context=context), context=context) == plaintext


@given(st.binary(min_size=1, max_size=60), st.data())
def test_any_changed_byte_is_noticed(plaintext: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY, plaintext, context="c"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(VaultError):
        unseal(KEY, bytes(sealed), context="c")
