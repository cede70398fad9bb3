"""Encryption of personal data, one key per debtor: destroying the key erases the person.

AES-256-GCM; the tenant and the debtor are bound in as associated data. Holds no keys: the ledger
owns them and hands them out through its internal interface.
"""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dunning_common.events.contacts import Contacts

_NONCE_BYTES = 12


class VaultError(ValueError):
    """The cipher text does not belong to this key, tenant and debtor."""


def new_key() -> bytes:
    """A fresh 256-bit key."""
    return AESGCM.generate_key(bit_length=256)


def seal(key: bytes, plaintext: bytes, *, context: str) -> bytes:
    """Encrypt; `context` must be given again to open."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context.encode())


def unseal(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """Decrypt.

    Raises:
        VaultError: wrong key or context, or tampered with.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError):  # the second: a key or a nonce of the wrong length
        raise VaultError("the cipher text does not open with this key and context") from None


def seal_contacts(key: bytes, contacts: Contacts, *, tenant: str, debtor_id: str) -> str:
    """Contacts as base64 cipher text for `ContactsChangedV1`."""
    sealed = seal(key, contacts.model_dump_json().encode(), context=_context(tenant, debtor_id))
    return base64.b64encode(sealed).decode()


def open_contacts(key: bytes, ciphertext: str, *, tenant: str, debtor_id: str) -> Contacts:
    """The contacts inside a `ContactsChangedV1`.

    Raises:
        VaultError: wrong key, tenant or debtor, or not a cipher text at all.
    """
    return Contacts.model_validate_json(
        open_personal(key, ciphertext, tenant=tenant, debtor_id=debtor_id)
    )


def seal_personal(key: bytes, clear: bytes, *, tenant: str, debtor_id: str) -> str:
    """Any personal data of a debtor as base64 cipher text, to travel; `open_personal` opens it."""
    return base64.b64encode(seal(key, clear, context=_context(tenant, debtor_id))).decode()


def open_personal(key: bytes, ciphertext: str, *, tenant: str, debtor_id: str) -> bytes:
    """The clear text of any personal data of a debtor that travels sealed, as base64.

    Raises:
        VaultError: wrong key, tenant or debtor, or not a cipher text at all.
    """
    try:
        sealed = base64.b64decode(ciphertext, validate=True)
    except ValueError:
        raise VaultError("the cipher text is not base64") from None
    return unseal(key, sealed, context=_context(tenant, debtor_id))


def _context(tenant: str, debtor_id: str) -> str:
    """Both names with the border between them, so that moving the border does not open it."""
    return f"{len(tenant)}|{tenant}|{debtor_id}"
