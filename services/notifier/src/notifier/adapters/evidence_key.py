"""The key that signs archives of evidence: Ed25519 (RFC 8032), a PEM file kept by the operator."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


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
