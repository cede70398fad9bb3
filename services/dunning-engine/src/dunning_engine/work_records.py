"""Rows about operations as handlers and adapters pass them: work items, marks, notes, audit.

Plain values; no SQL, no rules. The domain never sees them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from dunning_engine.domain.work_item import WORK_KINDS, ItemKey, WorkKind
from dunning_engine.domain.work_words import Cause

INVOICES_SHOWN = 20
"""Most invoices that an item names; it counts all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """Something that somebody may have to act on.

    `debtor_id` is None where it concerns the tenant as a whole. `invoice_ids` names the oldest of
    `invoices`. `amount_minor` is what they owe with their charges. `since` is on the tenant's
    clock. `shelf`, `shelf_currency` and `value` are its place in the list as of `ranked_on`.
    """

    key: ItemKey
    debtor_id: str | None
    invoice_ids: tuple[str, ...]
    invoices: int
    currency: str
    amount_minor: int
    since: datetime | None
    aged_from: date
    cause: Cause
    hold_id: UUID | None
    assignee: str | None
    snoozed_until: date | None
    shelf: int
    shelf_currency: str
    value: Decimal
    ranked_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkGroup:
    """All items of one kind about one debtor in one currency, with the one that is worth most.

    `items` are so many; `invoices`, `amount_minor` and `value` are their sums, `since` and
    `aged_from` those of the oldest. `debtor_id` is None for items about the tenant as a whole.
    """

    kind: WorkKind
    debtor_id: str | None
    currency: str
    items: int
    invoices: int
    amount_minor: int
    since: datetime | None
    aged_from: date
    first: WorkItem
    shelf: int
    shelf_currency: str
    value: Decimal
    ranked_on: date


class WorkPlace(NamedTuple):
    """Where a page of the list ended. `on` is the day by which the whole list is ranked."""

    on: date
    shelf: int
    currency: str
    value: Decimal
    kind: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFilter:
    """Which items; None does not restrict. An empty `assignee` is nobody.

    `snoozed`: also those that were put off.
    """

    kinds: tuple[WorkKind, ...] = WORK_KINDS
    assignee: str | None = None
    debtor_id: str | None = None
    currency: str | None = None
    snoozed: bool = False
    keys: tuple[ItemKey, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRules:
    """What a tenant says about its list: the weight of currencies, and when silence is too long.

    `weights` are per whole unit of a currency.
    """

    weights: Mapping[str, Decimal] = field(default_factory=dict)
    silent_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkClock:
    """The tenant's instant, day and zone, and its base currency."""

    now: datetime
    today: date
    zone: str
    base_currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What somebody said about an item. A field that is not in `sets` stays as it is."""

    key: ItemKey
    sets: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFilter:
    """Which cases with failed tries are tried again; what is None does not restrict.

    `reason` is a part of the postman's reason, such as `not_connected`.
    """

    debtor_id: str | None = None
    currency: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRow:
    """Who had what failed tried again, and how many cases of how many debtors that were."""

    tenant: str
    retry_id: UUID
    wanted: RetryFilter
    cases: int
    debtors: int
    asked_at: datetime
    asked_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRow:
    """What somebody wrote about a debtor, perhaps about one invoice."""

    tenant: str
    note_id: UUID
    debtor_id: str
    invoice_id: str | None
    words: str
    written_at: datetime
    written_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One write. `at` is real time; `before` and `after` hold only what changed."""

    position: int
    at: datetime
    subject: str
    action: str
    target: str
    debtor_id: str | None
    context: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries; None does not restrict. `since` and `until` are real time, half-open."""

    subject: str | None = None
    action: str | None = None
    target: str | None = None
    debtor_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelAsk:
    """A case and the level that somebody looked at."""

    invoice_id: str
    level_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCase:
    """A case as approving sees it, under its account's lock. Amounts are minor units."""

    invoice_id: str
    debtor_id: str
    number: str
    due_on: date
    currency: str
    open_minor: int
    charges_open_minor: int
    version: int
    state: str
    level_no: int | None
    level: str | None
    since: datetime | None
    policy_id: str | None
    policy_version: int | None
    approval_level_no: int | None
    approved: bool | None
    approval_by: str | None

    @property
    def waits_for(self) -> int | None:
        """The level that waits for a person; None when none does."""
        return self.level_no if self.state == "awaiting_approval" else None

    def is_decided(self, level_no: int) -> bool:
        """Did somebody say something about that level already?"""
        return self.approval_level_no == level_no


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which open cases a bulk action takes; None does not restrict.

    `overdue_days`: at least so many days past due.
    """

    invoice_ids: Sequence[str] | None = None
    debtor_ids: Sequence[str] | None = None
    state: str | None = None
    reason: str | None = None
    currency: str | None = None
    level_no: int | None = None
    policy_id: str | None = None
    segment: str | None = None
    overdue_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFilter:
    """Which live holds a bulk release takes; None does not restrict."""

    hold_ids: Sequence[UUID] | None = None
    debtor_ids: Sequence[str] | None = None
    invoice_ids: Sequence[str] | None = None
    kind: str | None = None
    placed_by: str | None = None
