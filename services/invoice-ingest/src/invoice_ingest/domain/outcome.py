"""What came of one order to the ledger: done in one of four ways, or refused with reasons.

Knows nothing of HTTP; the entry points turn a refusal into a problem document.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How an accepted order changed the ledger; `stale` is an older revision, left aside."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"


class Why(StrEnum):
    """The family of a refusal.

    `invalid`: the order contradicts itself or names what does not fit. `conflict`: it contradicts
    what the ledger holds. `unknown`: what it is about does not exist. `erased`: it did exist.
    """

    INVALID = "invalid"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is wrong; `pointer` is an RFC 6901 pointer into the order."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An order that was not carried out, and why. `slug` is stable, `title` is for people."""

    why: Why
    slug: str
    title: str
    flaws: tuple[Flaw, ...] = ()


Outcome = Status | Refusal


def invalid(pointer: str, detail: str) -> Refusal:
    """A refusal because one field is wrong."""
    return Refusal(
        why=Why.INVALID,
        slug="invalid-request",
        title="Some fields are missing or wrong.",
        flaws=(Flaw(pointer=pointer, detail=detail),),
    )


def conflict(slug: str, title: str, *flaws: Flaw) -> Refusal:
    """A refusal because the ledger already holds something else."""
    return Refusal(why=Why.CONFLICT, slug=slug, title=title, flaws=flaws)


def unknown(noun: str) -> Refusal:
    """A refusal because the tenant has no such thing (or it is another tenant's: same words)."""
    return Refusal(why=Why.UNKNOWN, slug=f"unknown-{noun}", title=f"There is no such {noun}.")
