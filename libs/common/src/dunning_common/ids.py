"""Identifiers: time-ordered ones for events, name-based ones where the same input must agree."""

from __future__ import annotations

import hashlib
import uuid

import uuid_utils

_NAMESPACE = uuid.UUID("6f2c7c0e-6f0a-5d6c-9a53-3f4d3a0d5b11").bytes


def new_id() -> uuid.UUID:
    """A UUIDv7: unique, and sorted by the time it was made."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


def name_id(*parts: str) -> uuid.UUID:
    """A UUIDv5 of the parts: the same parts give the same id on every machine, for ever."""
    digest = hashlib.sha1(_NAMESPACE + "\x1f".join(parts).encode()).digest()  # noqa: S324
    return uuid.UUID(bytes=digest[:16], version=5)


def short_hash(*parts: str) -> str:
    """16 hex digits that stand for the parts where the parts themselves must not be shown."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def account_key(tenant: str, debtor_id: str) -> str:
    """The Kafka key of everything about one debtor: `tenant:debtor`."""
    return f"{tenant}:{debtor_id}"
