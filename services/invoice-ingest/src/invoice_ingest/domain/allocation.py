"""How an amount is split over invoices, and taken back: pure arithmetic that conserves money.

Amounts are minor units of one currency. Nothing here knows a payment from a credit note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

K = TypeVar("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the ERP says a payment is for."""

    invoice_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """An invoice that can take money."""

    invoice_id: str
    issued_on: date
    due_on: date
    open_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Shares in the order in which they are booked, and the rest that covers nothing."""

    shares: tuple[Wanted, ...]
    rest_minor: int


def oldest_first(amount_minor: int, items: Iterable[OpenItem]) -> Split:
    """Cover what was due first, then what was issued first, then by id."""
    ordered = sorted(items, key=lambda item: (item.due_on, item.issued_on, item.invoice_id))
    shares: list[Wanted] = []
    rest = amount_minor
    for item in ordered:
        if rest == 0:
            break
        taken = min(rest, item.open_minor)
        if taken:
            shares.append(Wanted(invoice_id=item.invoice_id, amount_minor=taken))
            rest -= taken
    return Split(shares=tuple(shares), rest_minor=rest)


def as_wanted(amount_minor: int, wanted: Iterable[Wanted], open_minor: Mapping[str, int]) -> Split:
    """Cover what the ERP names, each up to what is open there; what does not fit is rest.

    A payment is a fact: when an invoice is already covered, the money is still there, so it is
    never refused for that.

    Raises:
        ValueError: more is named than was paid; check with the caller first.
    """
    shares: list[Wanted] = []
    rest = amount_minor
    for want in wanted:
        if want.amount_minor > rest:
            raise ValueError("more is allocated than was paid")
        taken = min(want.amount_minor, open_minor[want.invoice_id])
        if taken:
            shares.append(Wanted(invoice_id=want.invoice_id, amount_minor=taken))
            rest -= taken
    return Split(shares=tuple(shares), rest_minor=rest)


def take_back(surplus_minor: int, covers: Iterable[tuple[K, int]]) -> list[tuple[K, int]]:
    """Take a surplus out of what covers an invoice, in the order given.

    Raises:
        ValueError: the covers hold less than the surplus.
    """
    taken: list[tuple[K, int]] = []
    rest = surplus_minor
    for key, amount_minor in covers:
        part = min(rest, amount_minor)
        if part:
            taken.append((key, part))
            rest -= part
    if rest:
        raise ValueError(f"{rest} of the surplus was never covered")
    return taken
