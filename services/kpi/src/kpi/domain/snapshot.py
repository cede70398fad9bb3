"""What the figures of one tenant, currency and day are computed from; gathered by an adapter.

Plain sums of the daily aggregates. A `Snapshot` answers small questions about itself, such as the
open balance; the figures proper are in `indicators`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from kpi.domain.facts import Move

_SALES: Final = (Move.ISSUED, Move.AMENDED, Move.CANCELLED, Move.CREDITED)
_CASH: Final = (Move.PAID, Move.REVERSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """An age of debt: from `first_day` days past due on, up to the next bucket."""

    code: str
    label: str
    first_day: int | None


BUCKETS: Final = (
    Bucket(code="not_due", label="Not yet due", first_day=None),
    Bucket(code="1-30", label="1–30 days", first_day=1),
    Bucket(code="31-60", label="31–60 days", first_day=31),
    Bucket(code="61-90", label="61–90 days", first_day=61),
    Bucket(code=">90", label="Over 90 days", first_day=91),
)


def bucket_of(days_past_due: int) -> int:
    """Place in `BUCKETS` of a debt that many days past due; the due date itself is not yet due."""
    starts = [bucket.first_day for bucket in BUCKETS if bucket.first_day is not None]
    return sum(days_past_due >= start for start in starts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """What is open in one bucket."""

    open_minor: int = 0
    invoices: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Change of the open balance in the period, by one kind of move."""

    open_minor: int = 0
    charges_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The amounts that fell overdue in the period, and what came of them until the day asked.

    `placed_minor` = `recovered_minor` + `written_off_minor` + what is still open of it.
    """

    placed_minor: int = 0
    recovered_minor: int = 0
    written_off_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Invoices that were fully paid in the period. `amount_days_late` sums amount x days late."""

    invoices: int = 0
    late_invoices: int = 0
    amount_minor: int = 0
    days_late: int = 0
    amount_days_late: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeCounts:
    """Messages of one level and channel in the period; `sent` includes delivered and bounced."""

    level_no: int
    level: str
    channel: str
    messages: int = 0
    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    failed: int = 0
    unknown: int = 0
    suppressed: int = 0
    returned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactCounts:
    """Contacts (message x invoice) in the period, and those after the invoice had been paid."""

    contacts: int = 0
    after_payment: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCount:
    """Invoices for which a level was served in the period."""

    level_no: int
    level: str
    invoices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything about one tenant and currency at the end of the day `on`.

    The period is the `period_days` days that end with `on`. `ageing` has one entry per bucket.
    """

    currency: str
    on: date
    period_days: int
    ageing: tuple[Aged, ...] = tuple(Aged() for _ in BUCKETS)
    opening_minor: int = 0
    opening_overdue_minor: int = 0
    charges_open_minor: int = 0
    unallocated_minor: int = 0
    flows: dict[Move, Flow] = field(default_factory=dict)
    placement: Placement = Placement()
    settled: Settled = Settled()
    notices: tuple[NoticeCounts, ...] = ()
    contacts: ContactCounts = ContactCounts()
    levels: tuple[LevelCount, ...] = ()

    @property
    def first_day(self) -> date:
        """First day of the period."""
        return self.on - timedelta(days=self.period_days - 1)

    @property
    def open_minor(self) -> int:
        """Principal still owed."""
        return sum(aged.open_minor for aged in self.ageing)

    @property
    def overdue_minor(self) -> int:
        """Principal owed past its due date."""
        return sum(aged.open_minor for aged in self.ageing[1:])

    @property
    def current_minor(self) -> int:
        """Principal not yet due."""
        return self.ageing[0].open_minor

    @property
    def credit_sales_minor(self) -> int:
        """Invoiced in the period after amendments, cancellations and credit notes, with tax."""
        return self._open(_SALES)

    @property
    def collected_minor(self) -> int:
        """Cash booked against invoices and charges in the period, less reversals."""
        return -self._open(_CASH) + self.collected_charges_minor

    @property
    def collected_charges_minor(self) -> int:
        """The part of it that was booked against charges."""
        return -sum(self.flows[move].charges_minor for move in _CASH if move in self.flows)

    @property
    def written_off_minor(self) -> int:
        """Principal given up in the period."""
        return -self._open((Move.WRITTEN_OFF,))

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is known up to that day in that currency."""
        return not (
            any(aged.open_minor or aged.invoices for aged in self.ageing)
            or self.flows
            or self.notices
            or self.opening_minor
            or self.unallocated_minor
        )

    def _open(self, moves: tuple[Move, ...]) -> int:
        return sum(self.flows[move].open_minor for move in moves if move in self.flows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Balances at the end of a day, and what happened on it."""

    on: date
    open_minor: int
    overdue_minor: int
    invoiced_minor: int
    collected_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """Flows of a calendar month; `first_day` names it."""

    first_day: date
    invoiced_minor: int
    collected_minor: int
