"""The key that signs archives of evidence: Ed25519 (RFC 8032), a PEM file kept by the operator.

Checking needs the public key alone, and no platform.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class EvidenceKeyError(ValueError):
    """The file is missing or holds no Ed25519 key; the message names the remedy."""


def make_evidence_key(file: Path) -> None:
    """Write a new key (mode 600), unless there is one already."""
    if file.exists():
        return
    file.touch(mode=0o600)
    file.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


class EvidenceKey:
    """Signs manifests.

    Raises:
        EvidenceKeyError: no such file, or no Ed25519 key in it.
    """

    def __init__(self, file: Path) -> None:
        remedy = f"make one with `openssl genpkey -algorithm ed25519 -out {file}`"
        try:
            key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise EvidenceKeyError(f"no key for evidence at {file}; {remedy}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise EvidenceKeyError(f"the key at {file} is not Ed25519; {remedy}")
        self._key = key

    def sign(self, manifest: bytes) -> bytes:
        """The signature over the manifest's bytes."""
        return self._key.sign(manifest)

    @property
    def public_pem(self) -> bytes:
        """The public key, to be published."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the public key, in hexadecimal digits."""
        return fingerprint_of(self.public_pem)


def fingerprint_of(public_pem: bytes) -> str:
    """The SHA-256 of a public key (its SubjectPublicKeyInfo in DER), in hexadecimal digits.

    As `openssl pkey -pubin -outform DER | sha256sum` says it.

    Raises:
        EvidenceKeyError: not an Ed25519 public key in PEM.
    """
    der = _public(public_pem).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def is_signed(public_pem: bytes, signature: bytes, manifest: bytes) -> bool:
    """Whether the key says that the signature is of these bytes; False for what is no key."""
    try:
        _public(public_pem).verify(signature, manifest)
    except (EvidenceKeyError, InvalidSignature):
        return False
    return True


def _public(pem: bytes) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EvidenceKeyError("this is no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise EvidenceKeyError("this public key is not Ed25519")
    return key
