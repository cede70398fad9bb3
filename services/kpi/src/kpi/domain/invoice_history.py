"""What one invoice adds to the aggregates, from its facts alone: the heart of the fold.

The ledger numbers the versions of an invoice in the order of booking, while figures are asked by
business day. So a version's *difference* is taken in the order of booking and *dated* by its
business day: a payment that is booked late lowers the balance from its value date on, and an
amendment moves what is open at that day from the old due date to the new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from kpi.domain.facts import ContactFact, InvoiceFact, LevelFact, Move, Tenant
from kpi.domain.tally import BALANCE, CONTACTS, LEVELS, SETTLED, Tally

NEVER: Final = date.max
"""`undone_on` of a settlement that was not undone."""


class _Place(NamedTuple):
    """Where an open amount stands: amounts of one place can be added."""

    currency: str
    due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceChange:
    """On `day` the open balance due on `due_on` changed; `invoices` counts open ones: -1, 0, 1."""

    day: date
    currency: str
    due_on: date
    move: Move
    open_minor: int
    charges_minor: int
    invoices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The invoice was fully paid on `settled_on`, until `undone_on` when a payment was reversed."""

    settled_on: date
    undone_on: date
    currency: str
    amount_minor: int
    days_late: int

    def covers(self, day: date) -> bool:
        """Whether the invoice had been paid before `day` and still was.

        The day of the payment itself does not count: a value date has no hour.
        """
        return self.settled_on < day < self.undone_on


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceHistory:
    """All facts about one invoice, in any order."""

    facts: tuple[InvoiceFact, ...] = ()
    contacts: tuple[ContactFact, ...] = ()
    levels: tuple[LevelFact, ...] = ()

    def plus(self, other: InvoiceHistory) -> InvoiceHistory:
        """Both histories as one; what was known first stays."""
        return InvoiceHistory(
            facts=tuple({(f.version, f.sequence): f for f in other.facts + self.facts}.values()),
            contacts=tuple({c.message_id: c for c in other.contacts + self.contacts}.values()),
            levels=tuple(
                {(e.level_no, e.level, e.served_at): e for e in other.levels + self.levels}.values()
            ),
        )


def tally_invoice(into: Tally, history: InvoiceHistory, tenant: Tenant, *, sign: int = 1) -> None:
    """Add what the invoice contributes, or take it away with sign -1.

    Without a fact of the ledger nothing is added: the currency is not known yet.
    """
    if not history.facts:
        return
    changes, settlements = walk(history.facts)
    currency = max(history.facts, key=lambda fact: (fact.version, fact.sequence)).currency
    name = tenant.tenant
    for change in changes:
        key = (name, change.currency, change.day, change.due_on, change.move.value)
        into.add(
            BALANCE, key, (change.open_minor, change.charges_minor, change.invoices), sign=sign
        )
    for paid in settlements:
        into.add(
            SETTLED,
            (name, paid.currency, paid.settled_on, paid.undone_on),
            (
                1,
                int(paid.days_late > 0),
                paid.amount_minor,
                paid.days_late,
                paid.amount_minor * paid.days_late,
            ),
            sign=sign,
        )
    for contact in history.contacts:
        day = tenant.day_of(contact.contacted_at)
        harmful = any(paid.covers(day) for paid in settlements)
        place = (name, currency, day, contact.level_no, contact.level, contact.channel)
        into.add(CONTACTS, place, (1, int(harmful)), sign=sign)
    for served in history.levels:
        day = tenant.day_of(served.served_at)
        into.add(LEVELS, (name, currency, day, served.level_no, served.level), (1,), sign=sign)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One version as a difference to the version booked before it."""

    day: date
    fact: InvoiceFact
    open_minor: int
    charges_minor: int
    moves_to: _Place | None


def walk(facts: Sequence[InvoiceFact]) -> tuple[list[BalanceChange], list[Settlement]]:
    """Dated balance changes and settlements of one invoice, in the order of their days."""
    walker = _Walker()
    for step in sorted(_steps(facts), key=lambda step: step.day):  # stable: booking order in a day
        walker.take(step)
    return walker.changes, walker.settlements


def _steps(facts: Sequence[InvoiceFact]) -> list[_Step]:
    booked = sorted(facts, key=lambda fact: (fact.version, fact.sequence))
    # Money that came before the invoice is no negative debt: it counts from the first day on.
    first_day = booked[0].effective_on
    steps: list[_Step] = []
    place: _Place | None = None
    open_minor = charges_minor = 0
    for fact in booked:
        here = _Place(fact.currency, fact.due_on)
        steps.append(
            _Step(
                day=max(fact.effective_on, first_day),
                fact=fact,
                open_minor=fact.open_minor - open_minor,
                charges_minor=fact.charges_open_minor - charges_minor,
                moves_to=here if here != place else None,
            )
        )
        place, open_minor, charges_minor = here, fact.open_minor, fact.charges_open_minor
    return steps


class _Walker:
    """Carries the running balance of one invoice from day to day."""

    def __init__(self) -> None:
        self.changes: list[BalanceChange] = []
        self.settlements: list[Settlement] = []
        self._place: _Place | None = None
        self._open_minor = 0
        self._charges_minor = 0

    def take(self, step: _Step) -> None:
        """Go one step on."""
        if step.moves_to is not None:
            self._move(step.day, step.moves_to)
        before = self._open_minor
        self._change(step.day, step.fact.move, step.open_minor, step.charges_minor)
        self._settle(step, before)

    def _move(self, day: date, place: _Place) -> None:
        carried = (self._open_minor, self._charges_minor)
        if self._place is not None and any(carried):
            self._change(day, Move.AMENDED, -carried[0], -carried[1])
            self._place = place
            self._change(day, Move.AMENDED, *carried)
        self._place = place

    def _change(self, day: date, move: Move, open_minor: int, charges_minor: int) -> None:
        if self._place is None:
            raise RuntimeError("the first version of an invoice says where it stands")
        before = self._open_minor
        self._open_minor += open_minor
        self._charges_minor += charges_minor
        if open_minor or charges_minor:
            self.changes.append(
                BalanceChange(
                    day=day,
                    currency=self._place.currency,
                    due_on=self._place.due_on,
                    move=move,
                    open_minor=open_minor,
                    charges_minor=charges_minor,
                    invoices=int(self._open_minor > 0) - int(before > 0),
                )
            )

    def _settle(self, step: _Step, before: int) -> None:
        if before > 0 >= self._open_minor and _settles(step.fact) and self._place is not None:
            self.settlements.append(
                Settlement(
                    settled_on=step.day,
                    undone_on=NEVER,
                    currency=self._place.currency,
                    amount_minor=step.fact.amount_minor,
                    days_late=max(0, (step.day - self._place.due_on).days),
                )
            )
        elif self._open_minor > 0 >= before and self.settlements:
            self._undo(step.day)

    def _undo(self, day: date) -> None:
        last = self.settlements.pop()
        if last.undone_on != NEVER:
            self.settlements.append(last)
        elif last.settled_on < day:
            self.settlements.append(
                Settlement(
                    settled_on=last.settled_on,
                    undone_on=day,
                    currency=last.currency,
                    amount_minor=last.amount_minor,
                    days_late=last.days_late,
                )
            )


def _settles(fact: InvoiceFact) -> bool:
    """Money or a credit note settles an invoice, and so does an amendment down to what was paid."""
    return fact.move in (Move.PAID, Move.CREDITED) or (fact.move is Move.AMENDED and fact.is_paid)
