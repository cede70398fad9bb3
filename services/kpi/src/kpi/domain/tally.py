"""Sums by key, as the daily aggregates hold them: what is added can be taken away again.

A tally knows names of tables and columns so that one adapter can store any of them; it runs no SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

Key = tuple[str | int | date, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One daily aggregate: `keys` name what its sums are by, `sums` what is summed."""

    table: str
    keys: tuple[str, ...]
    sums: tuple[str, ...]


BALANCE: Final = Measure(
    table="daily_balance",
    keys=("tenant", "currency", "day", "due_on", "move"),
    sums=("open_minor", "charges_minor", "invoices"),
)
SETTLED: Final = Measure(
    table="daily_settled",
    keys=("tenant", "currency", "settled_on", "undone_on"),
    sums=("invoices", "late_invoices", "amount_minor", "days_late", "amount_days_late"),
)
CONTACTS: Final = Measure(
    table="daily_contact",
    keys=("tenant", "currency", "day", "level_no", "level", "channel"),
    sums=("contacts", "after_payment"),
)
LEVELS: Final = Measure(
    table="daily_level",
    keys=("tenant", "currency", "day", "level_no", "level"),
    sums=("invoices",),
)
NOTICES: Final = Measure(
    table="daily_notice",
    keys=("tenant", "currency", "day", "level_no", "level", "channel"),
    sums=(
        "messages",
        "sent",
        "delivered",
        "bounced",
        "failed",
        "unknown",
        "suppressed",
        "returned",
    ),
)
CASH: Final = Measure(
    table="daily_cash",
    keys=("tenant", "currency", "day"),
    sums=("unallocated_minor",),
)
MEASURES: Final = (BALANCE, SETTLED, CONTACTS, LEVELS, NOTICES, CASH)


class Tally:
    """Sums of all measures; starts empty, changes only by `add`."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums: dict[str, dict[Key, list[int]]] = {measure.table: {} for measure in MEASURES}

    def add(self, measure: Measure, key: Key, amounts: tuple[int, ...], *, sign: int = 1) -> None:
        """Add amounts (in the order of the measure's sums), or take them away with sign -1."""
        sums = self._sums[measure.table].get(key)
        if sums is None:
            self._sums[measure.table][key] = [sign * amount for amount in amounts]
            return
        for index, amount in enumerate(amounts):
            sums[index] += sign * amount

    def rows(self, measure: Measure) -> Iterator[tuple[Key, tuple[int, ...]]]:
        """Keys whose sums are not all zero, in the order of the keys."""
        sums = self._sums[measure.table]
        for key in sorted(sums):
            if any(sums[key]):
                yield key, tuple(sums[key])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tally):
            return NotImplemented
        return all(list(self.rows(each)) == list(other.rows(each)) for each in MEASURES)

    __hash__ = None  # type: ignore[assignment]
