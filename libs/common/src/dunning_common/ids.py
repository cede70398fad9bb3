"""Identifiers: time-ordered ones for events, name-based ones where the same input must agree."""

from __future__ import annotations

import hashlib
import uuid

import uuid_utils

_NAMESPACE = uuid_utils.UUID("6f2c7c0e-6f0a-5d6c-9a53-3f4d3a0d5b11")
_make, _set, _UNKNOWN = object.__new__, object.__setattr__, uuid.SafeUUID.unknown


def new_id() -> uuid.UUID:
    """A UUIDv7: unique, and sorted by the time it was made."""
    return _uuid(uuid_utils.uuid7().int)


def name_id(*parts: str) -> uuid.UUID:
    """A UUIDv5 of the parts: the same parts give the same id on every machine, for ever."""
    return _uuid(uuid_utils.uuid5(_NAMESPACE, "\x1f".join(parts)).int)


def short_hash(*parts: str) -> str:
    """16 hex digits that stand for the parts where the parts themselves must not be shown."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def account_key(tenant: str, debtor_id: str) -> str:
    """The Kafka key of everything about one debtor: `tenant:debtor`."""
    return f"{tenant}:{debtor_id}"


def _uuid(number: int) -> uuid.UUID:
    """`UUID(int=number)` of a number that is one for certain: half of the time goes into checks."""
    made = _make(uuid.UUID)
    _set(made, "int", number)
    _set(made, "is_safe", _UNKNOWN)
    return made
