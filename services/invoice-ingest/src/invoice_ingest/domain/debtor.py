"""A debtor: what deciding needs to know about it (terms), and how to reach it (contacts).

Contacts are personal data: they are in clear nowhere but in the ledger, and erasure removes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from invoice_ingest.domain.outcome import Flaw, Outcome, Status, conflict

DebtorKind = Literal["business", "consumer", "public"]
DebtorRef = tuple[str, str]
"""(tenant, debtor id)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a letter goes. `country` is ISO 3166-1 alpha-2."""

    lines: tuple[str, ...]
    postcode: str = ""
    city: str = ""
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Who it is and how to reach them. Phones are E.164."""

    name: str
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What deciding needs, without personal data."""

    kind: DebtorKind
    country: str
    region: str | None = None
    zone: str
    language: str
    segment: str | None = None
    risk: str | None = None
    policy_id: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Debtor:
    """A debtor; `contact` is None after erasure."""

    debtor_id: str
    terms: Terms
    contact: Contact | None

    @property
    def is_erased(self) -> bool:
        """Whether the person was erased; the account stays."""
        return self.contact is None


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtorKey:
    """The key that a debtor's contacts are sealed with, in clear: handle with care, never log."""

    key_id: str
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What came of a batch: one outcome per draft, and the debtors as they are to be stored.

    `retold_terms` and `retold_contacts` are the ids whose change must be told to others.
    """

    outcomes: tuple[Outcome, ...]
    debtors: tuple[Debtor, ...]
    created: frozenset[str]
    retold_terms: frozenset[str]
    retold_contacts: frozenset[str]


def keep(drafts: Sequence[Debtor], stored: Mapping[str, Debtor]) -> Kept:
    """Take debtors in order; the last telling of each wins, an erased one never comes back."""
    now = dict(stored)
    outcomes: list[Outcome] = []
    for draft in drafts:
        before = now.get(draft.debtor_id)
        if before is None:
            outcomes.append(Status.CREATED)
        elif before.is_erased:
            outcomes.append(
                conflict(
                    "debtor-erased",
                    "The debtor was erased and is not taken back.",
                    Flaw(pointer="/debtor_id", detail="register the debtor under another id"),
                )
            )
            continue
        else:
            outcomes.append(Status.UNCHANGED if before == draft else Status.UPDATED)
        now[draft.debtor_id] = draft
    changed = {key: debtor for key, debtor in now.items() if stored.get(key) != debtor}
    created = frozenset(key for key in changed if key not in stored)
    return Kept(
        outcomes=tuple(outcomes),
        debtors=tuple(changed[key] for key in sorted(changed)),
        created=created,
        retold_terms=created
        | {
            key
            for key, debtor in changed.items()
            if key in stored and _terms_moved(stored[key], debtor)
        },
        retold_contacts=created
        | {
            key
            for key, debtor in changed.items()
            if key in stored and _contacts_moved(stored[key], debtor)
        },
    )


def erase(debtor: Debtor) -> Debtor:
    """The debtor without the person: terms that could point at somebody go too."""
    return replace(
        debtor, contact=None, terms=replace(debtor.terms, segment=None, risk=None, tags=())
    )


def _terms_moved(before: Debtor, after: Debtor) -> bool:
    return before.terms != after.terms


def _contacts_moved(before: Debtor, after: Debtor) -> bool:
    return before.contact != after.contact or before.terms.language != after.terms.language
