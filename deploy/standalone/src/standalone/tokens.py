"""Tokens for people and for the services themselves, signed with the key of this installation."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from dunning_common.auth import ANY_TENANT, SCOPES, mint
from dunning_common.clock import Clock

PEOPLE = SCOPES - {"internal"}
"""Everything but what services say among themselves."""

_SERVICE_LIFETIME = timedelta(days=400)


def for_services(signing_key_file: Path, clock: Clock) -> str:
    """What the services show to each other; made anew at every start."""
    return mint(
        signing_key_file,
        subject="standalone",
        tenant=ANY_TENANT,
        scopes=SCOPES,
        now=clock.now(),
        lifetime=_SERVICE_LIFETIME,
    )


def for_person(
    signing_key_file: Path,
    clock: Clock,
    *,
    tenant: str = ANY_TENANT,
    scopes: frozenset[str] = PEOPLE,
    days: float = 1,
    subject: str = "command-line",
) -> str:
    """What a person or an ERP shows.

    Args:
        signing_key_file: the private key.
        clock: what time it is.
        tenant: for which tenant; `*` acts for all.
        scopes: what it allows.
        days: how long it is good for.
        subject: whom it names in logs.

    Raises:
        ValueError: an unknown scope.
    """
    return mint(
        signing_key_file,
        subject=subject,
        tenant=tenant,
        scopes=scopes,
        now=clock.now(),
        lifetime=timedelta(days=days),
    )
