"""The facts that everything is computed from: one per thing that an event said, never changed.

A fact is recorded once however often its event arrives, and the order of arrival does not matter.
Amounts are minor units; days are business days of the tenant's calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo


class Move(StrEnum):
    """Why an open balance changed."""

    ISSUED = "issued"
    AMENDED = "amended"
    CANCELLED = "cancelled"
    WRITTEN_OFF = "written_off"
    PAID = "paid"
    REVERSED = "reversed"
    CREDITED = "credited"
    CHARGED = "charged"
    WAIVED = "waived"


class Outcome(StrEnum):
    """What became of a message, as the notifier told it."""

    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFact:
    """An invoice as it was after one change.

    `version` is the ledger's and orders the changes; `sequence` (the event's place in its stream)
    only breaks ties. `effective_on` is the business day of the change, which may lie before that of
    an earlier version: a payment is booked after its value date.
    """

    tenant: str
    invoice_id: str
    version: int
    sequence: int
    move: Move
    effective_on: date
    debtor_id: str
    currency: str
    due_on: date
    amount_minor: int
    open_minor: int
    charges_open_minor: int
    is_paid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFact:
    """A message that went out and spoke of the invoice."""

    tenant: str
    invoice_id: str
    message_id: UUID
    level: str
    level_no: int
    channel: str
    contacted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelFact:
    """A level of the ladder that counts as done for the invoice."""

    tenant: str
    invoice_id: str
    level: str
    level_no: int
    served_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFact:
    """A notice that the engine asked for; `currency` is that of its first invoice."""

    tenant: str
    notice_id: UUID
    currency: str
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFact:
    """One thing that the notifier said of one message of a notice."""

    tenant: str
    notice_id: UUID
    message_id: UUID
    outcome: Outcome
    level: str
    level_no: int
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFact:
    """How much of a debtor's money covered no invoice after one change; `sequence` orders them."""

    tenant: str
    debtor_id: str
    currency: str
    sequence: int
    effective_on: date
    unallocated_minor: int


Fact = InvoiceFact | ContactFact | LevelFact | NoticeFact | MessageFact | CashFact


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """What reading and dating a tenant's facts needs to know about it.

    `latest_on` and `latest_at` are the latest business day and instant that any fact named.
    """

    tenant: str
    name: str = ""
    zone: str = "UTC"
    base_currency: str = ""
    sandbox: bool = False
    sandbox_starts_on: date | None = None
    latest_on: date | None = None
    latest_at: datetime | None = None

    def day_of(self, instant: datetime) -> date:
        """The tenant's business day at an instant."""
        return instant.astimezone(ZoneInfo(self.zone)).date()

    def today(self, now: datetime) -> date:
        """The tenant's present business day.

        A sandbox tenant has its own clock, of which this service sees only what happened: its today
        is the latest day that any fact named. `now` counts for everybody else.
        """
        seen = [day for day in (self.latest_on, self.sandbox_starts_on) if day]
        if self.latest_at:
            seen.append(self.day_of(self.latest_at))
        return max(seen) if self.sandbox and seen else self.day_of(now)
