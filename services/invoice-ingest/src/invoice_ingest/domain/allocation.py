"""How an amount is split over what is owed, and taken back: pure arithmetic that conserves money.

Amounts are minor units of one currency. Nothing here knows a payment from a credit note: whoever
asks leaves out the charges that the money may not cover.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar

from invoice_ingest.domain.payment_order import Component

K = TypeVar("K")
Designation = Literal["principal", "charges"]
Place = tuple[str, str | None]
"""An invoice's principal, or one of its charges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the ERP says a payment is for; `covers` is what the debtor designated, if anything."""

    invoice_id: str
    amount_minor: int
    covers: Designation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCharge:
    """A charge that can take money."""

    charge_id: str
    kind: Component
    assessed_on: date
    open_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """An invoice that can take money; `open_minor` is its principal."""

    invoice_id: str
    issued_on: date
    due_on: date
    open_minor: int
    charges: tuple[OpenCharge, ...] = ()


class Slot(NamedTuple):
    """One thing that can take money: a principal, or a charge when `charge_id` is set."""

    invoice_id: str
    charge_id: str | None
    open_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What goes to a principal, or to a charge when `charge_id` is set."""

    invoice_id: str
    amount_minor: int
    charge_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Shares in the order in which they are booked, and the rest that covers nothing."""

    shares: tuple[Share, ...]
    rest_minor: int


def automatic(
    amount_minor: int, items: Iterable[OpenItem], order: Sequence[Component], *, on: date
) -> Split:
    """Cover what is owed without anybody's word on it: due debts first, the oldest first of all.

    1. Invoice by invoice that is due by `on`: the principal, after those charges that come before
       it in `order`.
    2. All other charges, invoice by invoice.
    3. The principal of what is not due yet.

    A charge assessed after `on` was not owed on that day, so it never comes before a principal.
    """
    ordered = sorted(items, key=_age)
    due = [item for item in ordered if item.due_on <= on]
    slots = [slot for item in due for slot in (*_before(item, order, on), _principal(item))]
    taken = {slot.charge_id for slot in slots}
    slots += [
        slot for item in ordered for slot in _charges(item, order) if slot.charge_id not in taken
    ]
    slots += [_principal(item) for item in ordered if item.due_on > on]
    return fill(amount_minor, slots)


def as_wanted(
    amount_minor: int,
    wanted: Sequence[Wanted],
    items: Mapping[str, OpenItem],
    order: Sequence[Component],
    *,
    on: date,
    documents: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Split:
    """Cover what the ERP names, each up to what is open there; what does not fit is rest.

    A document's id stands for the invoices in `documents`, its instalments: the oldest due first,
    all of their principals before what comes after a principal.

    What is left at the end covers the charges of those named invoices whose principal is covered,
    the oldest due first: an ERP does not know charges and cannot name them. Not where the debtor
    designated the principal alone.

    A payment is a fact: when an invoice is already covered, the money is still there, so it is
    never refused for that.

    Raises:
        ValueError: more is named than was paid; check with the caller first.
    """
    taken: dict[Place, int] = {}
    rest = amount_minor
    for want in wanted:
        if want.amount_minor > rest:
            raise ValueError("more is allocated than was paid")
        named = [items[i] for i in documents.get(want.invoice_id, (want.invoice_id,))]
        slots = _slots_of(sorted(named, key=_age), order, on, want.covers)
        rest -= want.amount_minor - _take(want.amount_minor, slots, taken)
    payable = {
        invoice_id: items[invoice_id]
        for want in wanted
        if may_cover_charges(want)
        for invoice_id in documents.get(want.invoice_id, (want.invoice_id,))
    }
    oldest = sorted(
        (i for i in payable.values() if taken.get((i.invoice_id, None), 0) == i.open_minor),
        key=_age,
    )
    rest = _take(rest, [slot for item in oldest for slot in _charges(item, order)], taken)
    shares = (
        Share(invoice_id=invoice_id, charge_id=charge_id, amount_minor=minor)
        for (invoice_id, charge_id), minor in taken.items()
    )
    return Split(shares=tuple(shares), rest_minor=rest)


def may_cover_charges(want: Wanted) -> bool:
    """Whether a payment's money may cover charges of an invoice that it names."""
    return want.covers != "principal"


def fill(amount_minor: int, slots: Iterable[Slot]) -> Split:
    """Cover slot after slot, each up to what is open there."""
    shares: list[Share] = []
    rest = amount_minor
    for slot in slots:
        if rest == 0:
            break
        taken = min(rest, slot.open_minor)
        if taken:
            shares.append(
                Share(invoice_id=slot.invoice_id, charge_id=slot.charge_id, amount_minor=taken)
            )
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


def _age(item: OpenItem) -> tuple[date, date, str]:
    return item.due_on, item.issued_on, item.invoice_id


def _principal(item: OpenItem) -> Slot:
    return Slot(item.invoice_id, None, item.open_minor)


def _charges(item: OpenItem, order: Sequence[Component]) -> list[Slot]:
    """An invoice's charges in the order of their kinds, the oldest of a kind first."""
    if not item.charges:
        return []
    ordered = sorted(item.charges, key=lambda c: (order.index(c.kind), c.assessed_on, c.charge_id))
    return [Slot(item.invoice_id, charge.charge_id, charge.open_minor) for charge in ordered]


def _before(item: OpenItem, order: Sequence[Component], on: date) -> list[Slot]:
    """The charges that were owed on the day and come before the principal."""
    first = order[: order.index("principal")]
    early = {c.charge_id for c in item.charges if c.kind in first and c.assessed_on <= on}
    return [slot for slot in _charges(item, order) if slot.charge_id in early] if early else []


def _slots_of(
    items: Sequence[OpenItem], order: Sequence[Component], on: date, covers: Designation | None
) -> list[Slot]:
    if covers == "principal":
        return [_principal(item) for item in items]
    charges = [slot for item in items for slot in _charges(item, order)]
    if covers == "charges":
        return charges
    first = [slot for item in items for slot in (*_before(item, order, on), _principal(item))]
    return [*first, *(slot for slot in charges if slot not in first)]


def _take(amount_minor: int, slots: Iterable[Slot], taken: dict[Place, int]) -> int:
    """Fill what earlier shares have left of the slots, and note it; what does not fit."""
    left = (
        slot._replace(open_minor=slot.open_minor - taken.get((slot.invoice_id, slot.charge_id), 0))
        for slot in slots
    )
    split = fill(amount_minor, left)
    for share in split.shares:
        place = (share.invoice_id, share.charge_id)
        taken[place] = taken.get(place, 0) + share.amount_minor
    return split.rest_minor
