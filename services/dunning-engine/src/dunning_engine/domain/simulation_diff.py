"""Two runs over the same facts side by side: what differs, for which invoice, and why. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice, zip_longest
from typing import Any, Generic, Literal, Protocol, TypeVar

from dunning_common.money import to_decimal_string
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.notice import NoticePlan
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.simulation import Happening, Run
from dunning_engine.domain.simulation_report import rung_of
from dunning_engine.domain.simulation_tally import Cell, Measure, Tally
from dunning_engine.domain.story import NO_POLICY
from dunning_engine.domain.verdict import Verdict

DifferenceCode = Literal[
    "earlier", "later", "other_level", "other_outcome", "other_channels", "other_charges",
    "only_under_a", "only_under_b",
]  # fmt: skip
_OTHER: Mapping[str, DifferenceCode] = {
    "channels": "other_channels",
    "charges": "other_charges",
}
ContactCode = Literal["only_under_a", "only_under_b"]
COMPARED: tuple[Measure, ...] = (
    "contacts", "notices", "messages", "failed_messages", "reminded", "asked_minor",
    "interest_minor", "compensation_minor", "fee_minor", "after_payment", "lapsed", "handed_over",
    "handed_over_minor", "obstacles", "holds_over",
)  # fmt: skip


class Listed(Protocol):
    """Something with a fixed place in lists."""

    @property
    def place(self) -> tuple[str, ...]:
        """Where it stands."""
        ...


T = TypeVar("T", bound=Listed)


@dataclass(slots=True)
class Listing(Generic[T]):
    """The first items of a list by their places, and how many there are in all."""

    most: int
    total: int = 0
    items: list[T] = field(default_factory=list)

    def add(self, items: Iterable[T], total: int | None = None) -> None:
        """Take items in; of a part that was cut off, `total` says how many there were."""
        found = sorted(items, key=lambda item: item.place)
        self.total += len(found) if total is None else total
        together = merge(self.items, found, key=lambda item: item.place)
        self.items = list(islice(together, self.most))


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDifference:
    """The first thing that differs about an invoice, and why; `a` and `b` in words."""

    debtor_id: str
    invoice_id: str
    code: DifferenceCode
    a: str | None
    b: str | None
    why: str

    @property
    def place(self) -> tuple[str, ...]:
        """By debtor and invoice."""
        return (self.debtor_id, self.invoice_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChange:
    """An invoice whose next level changes at once, or whose last one does until the end."""

    debtor_id: str
    invoice_id: str
    next_a: str | None
    next_b: str | None
    reached_a: str | None
    reached_b: str | None

    @property
    def place(self) -> tuple[str, ...]:
        """By debtor and invoice."""
        return (self.debtor_id, self.invoice_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChange:
    """A debtor who hears from us under one of the two only; `first_on` is an ISO date."""

    debtor_id: str
    code: ContactCode
    first_on: str
    messages: int

    @property
    def place(self) -> tuple[str, ...]:
        """By debtor."""
        return (self.debtor_id,)


def invoice_differences(
    a: Run, b: Run, policies: Mapping[PolicyKey, Policy]
) -> list[InvoiceDifference]:
    """The invoices of one debtor about which the two runs, under `policies`, differ."""
    steps_a, steps_b = _steps(a), _steps(b)
    found = []
    for invoice_id in sorted(steps_a.keys() | steps_b.keys()):
        pairs = zip_longest(steps_a.get(invoice_id, ()), steps_b.get(invoice_id, ()))
        pair = next(((one, other) for one, other in pairs if one != other), None)
        if pair:
            found.append(_Sides(a, b, policies, invoice_id).difference(*pair))
    return found


def level_changes(a: Run, b: Run) -> list[LevelChange]:
    """The invoices of one debtor whose next level changes now, or whose last one will."""
    done_a, done_b = _reached(a), _reached(b)
    found = []
    for invoice_id in sorted(a.first.keys() | b.first.keys()):
        change = LevelChange(
            debtor_id=a.account.debtor_id,
            invoice_id=invoice_id,
            next_a=_level(a.first.get(invoice_id)),
            next_b=_level(b.first.get(invoice_id)),
            reached_a=done_a.get(invoice_id),
            reached_b=done_b.get(invoice_id),
        )
        if change.next_a != change.next_b or change.reached_a != change.reached_b:
            found.append(change)
    return found


def contact_changes(a: Run, b: Run) -> list[ContactChange]:
    """Whether the debtor hears from us under one of the two only."""
    sides: dict[ContactCode, list[NoticePlan]] = {
        "only_under_a": [notice for notice, is_served in a.notices if is_served],
        "only_under_b": [notice for notice, is_served in b.notices if is_served],
    }
    if all(sides.values()):
        return []
    return [
        ContactChange(
            debtor_id=a.account.debtor_id,
            code=code,
            first_on=min(notice.decided_on for notice in notices).isoformat(),
            messages=sum(len(notice.messages) for notice in notices),
        )
        for code, notices in sides.items()
        if notices
    ]


def _steps(run: Run) -> dict[str, list[Happening]]:
    steps: defaultdict[str, list[Happening]] = defaultdict(list)
    for happening in run.happenings:
        if happening.kind != "obstacle":
            # Numbers of levels are a policy's own; their codes are what people know them by.
            steps[happening.invoice_id].append(happening._replace(level_no=0))
    return steps


def _reached(run: Run) -> dict[str, str]:
    return {case.invoice_id: case.served[-1].code for case in run.cases if case.served}


def _level(verdict: Verdict | None) -> str | None:
    return verdict.level if verdict else None


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both runs, with an eye on one invoice."""

    a: Run
    b: Run
    policies: Mapping[PolicyKey, Policy]
    invoice_id: str

    def difference(self, one: Happening | None, other: Happening | None) -> InvoiceDifference:
        """What the first differing pair of happenings means."""
        code, why = self._told(one, other)
        return InvoiceDifference(
            debtor_id=self.a.account.debtor_id,
            invoice_id=self.invoice_id,
            code=code,
            a=_words(one),
            b=_words(other),
            why=why,
        )

    def _told(self, one: Happening | None, other: Happening | None) -> tuple[DifferenceCode, str]:
        if one is None:
            return "only_under_b", f"under A: {self._why_not(self.a, other.level if other else '')}"
        if other is None:
            return "only_under_a", f"under B: {self._why_not(self.b, one.level)}"
        if one.level != other.level:
            return "other_level", self._other_level(one, other)
        if one.kind != other.kind or one.reason != other.reason:
            return "other_outcome", f"A: {one.reason or one.kind}, B: {other.reason or other.kind}"
        if one.on != other.on:
            return self._other_day(one, other)
        what = "channels" if one.channels != other.channels else "charges"
        return _OTHER[what], f"the {what} of the level differ"

    def _other_day(self, one: Happening, other: Happening) -> tuple[DifferenceCode, str]:
        is_later = one.on < other.on
        run, name = (self.b, "B") if is_later else (self.a, "A")
        told = self._obstacle(run, one.level)
        why = f"under {name} in its way: {told}" if told else "thresholds, spacing or days differ"
        return "later" if is_later else "earlier", why

    def _other_level(self, one: Happening, other: Happening) -> str:
        first, name, run = (one, "B", self.b) if one.on <= other.on else (other, "A", self.a)
        known = {step.level for step in run.happenings if step.invoice_id == self.invoice_id}
        if first.level not in known:
            return f"under {name}: {self._why_not(run, first.level)}"
        return "the levels come in another order"

    def _why_not(self, run: Run, level: str) -> str:
        """Why nothing was done about a level: what stood in its way, or where the ladder stands."""
        if told := self._obstacle(run, level):
            return told
        policy = self._policy(run)
        if policy and all(rung.code != level for rung in policy.levels):
            return "the ladder has no such level"
        verdict = run.last.get(self.invoice_id)
        if verdict is None:
            return "the invoice is never looked at"
        if verdict.state == "closed":
            return f"closed before it was due ({verdict.reason})"
        if verdict.at is not None:
            return f"{verdict.level} comes next, on {verdict.at.date().isoformat()}"
        return f"{verdict.state} ({verdict.reason})" if verdict.reason else verdict.state

    def _policy(self, run: Run) -> Policy | None:
        keys = (case.policy_key for case in run.cases if case.invoice_id == self.invoice_id)
        return self.policies.get(next(keys, NO_POLICY))

    def _obstacle(self, run: Run, level: str) -> str | None:
        reasons = {
            happening.reason.replace(":", ", ").removesuffix(", ")
            for happening in run.happenings
            if happening.kind == "obstacle"
            and happening.invoice_id == self.invoice_id
            and happening.level == level
        }
        return "; ".join(sorted(reasons)) or None


def _words(happening: Happening | None) -> str | None:
    """`first_reminder on 2026-04-02 by email, charging 12.34 EUR`."""
    if happening is None:
        return None
    words = f"{happening.level} on {happening.on.isoformat()}"
    if happening.kind != "sent":
        words += f", {happening.kind.replace('_', ' ')}"
        words += f" ({happening.reason})" if happening.reason else ""
    if happening.channels:
        words += " by " + " and ".join(happening.channels)
    charged = happening.interest_minor + happening.compensation_minor + happening.fee_minor
    if charged:
        amount = to_decimal_string(charged, happening.currency)
        words += f", charging {amount} {happening.currency}"
    return words


# -- the sums


def tally_differences(a: Tally, b: Tally) -> Tally:
    """What B has more than A (less where negative), cell by cell; equal cells are left out."""
    differences: Tally = Counter(b)
    differences.subtract(a)
    return Counter(
        {cell: count for cell, count in differences.items() if count and cell.measure in COMPARED}
    )


def difference_rows(differences: Tally, ladder: Sequence[str]) -> list[dict[str, Any]]:
    """The differing cells as JSON rows; amounts are decimal strings of their currency."""

    def place(cell: Cell) -> tuple[Any, ...]:
        measure = COMPARED.index(cell.measure)
        return (measure, cell.month, cell.currency, rung_of(ladder, cell.level), cell.detail)

    rows = []
    for cell in sorted(differences, key=place):
        count = differences[cell]
        is_money = cell.measure.endswith("_minor")
        rows.append(
            {
                "measure": cell.measure.removesuffix("_minor") if is_money else cell.measure,
                "month": cell.month,
                "currency": cell.currency or None,
                "level": cell.level or None,
                "detail": cell.detail or None,
                "more_under_b": to_decimal_string(count, cell.currency) if is_money else count,
            }
        )
    return rows
