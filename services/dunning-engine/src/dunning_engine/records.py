"""Rows as handlers and adapters pass them: what PostgreSQL keeps beyond the domain's values.

Plain values; no SQL, no rules. The domain never sees them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from dunning_common.outbox import Outgoing
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Balance, Case

TimeSource = Literal["unknown", "real", "sandbox"]
LevelOutcome = Literal["in_flight", "served", "lapsed", "failed", "returned"]


class AccountKey(NamedTuple):
    """A debtor of a tenant; also the order in which accounts are locked."""

    tenant: str
    debtor_id: str


class CaseKey(NamedTuple):
    """An invoice of a tenant."""

    tenant: str
    invoice_id: str


class NoticeKey(NamedTuple):
    """A notice of a tenant."""

    tenant: str
    notice_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFacts:
    """What the ledger says about an invoice, with the history of its principal."""

    tenant: str
    invoice_id: str
    debtor_id: str
    number: str
    issued_on: date
    due_on: date
    currency: str
    amount_minor: int
    open_minor: int
    charges_open_minor: int
    status: str
    settled_on: date | None
    version: int
    wanted_policy_id: str | None
    tags: tuple[str, ...]
    balances: tuple[Balance, ...]

    @property
    def key(self) -> CaseKey:
        """Its key."""
        return CaseKey(self.tenant, self.invoice_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNews:
    """What became of one message, as far as it concerns one item. `state` is shown by the API."""

    state: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRow:
    """One try of one level of one invoice, with the flight of its case.

    `charges` are the charges that the notice names, announced to the ledger once it was served.
    `in_flight` says that the case still waits for exactly this notice.
    """

    tenant: str
    invoice_id: str
    level_no: int
    try_no: int
    debtor_id: str
    level: str
    notice_id: UUID
    decided_at: datetime
    decided_on: date
    outcome: LevelOutcome
    reason: str | None
    served_at: datetime | None
    channels: Mapping[str, ChannelNews]
    charges: Sequence[Mapping[str, Any]]
    in_flight: bool
    revoked: bool
    returns: int
    time_source: TimeSource

    @property
    def account_key(self) -> AccountKey:
        """Whose it is."""
        return AccountKey(self.tenant, self.debtor_id)

    @property
    def notice_key(self) -> NoticeKey:
        """Which notice it is part of."""
        return NoticeKey(self.tenant, self.notice_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCase:
    """A case with what the table keeps beside it.

    `pinned` is False until the case was opened under a policy; `case` then carries the policy that
    opening will pin. `state` to `next_at` repeat the last verdict, for lists.
    """

    case: Case
    pinned: bool
    wanted_policy_id: str | None
    state: str
    state_reason: str | None
    next_level_no: int | None
    next_level: str | None
    next_at: datetime | None
    opened_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything that deciding about one debtor takes, gathered at `now`."""

    account: Account
    policy_id: str | None
    default_policy_id: str | None
    cases: tuple[StoredCase, ...]
    now: datetime
    time_source: TimeSource
    verdict_hash: bytes | None

    @property
    def key(self) -> AccountKey:
        """Whose it is."""
        return AccountKey(self.account.tenant, self.account.debtor_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLevel:
    """A row for the history of a case. No `channels`: it needed no notice."""

    key: CaseKey
    debtor_id: str
    level_no: int
    level: str
    try_no: int
    notice_id: UUID | None
    decision_id: UUID
    decided_at: datetime
    decided_on: date
    outcome: LevelOutcome
    reason: str | None = None
    served_at: datetime | None = None
    channels: tuple[str, ...] = ()
    charges: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """A decision record to keep."""

    tenant: str
    debtor_id: str
    decision_id: UUID
    decided_at: datetime
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAfter:
    """When an account is looked at next. `trouble` says why it could not be decided at all."""

    key: AccountKey
    next_action_at: datetime | None
    verdict_hash: bytes | None
    trouble: str | None = None


@dataclass(slots=True)
class Changes:
    """Everything that one sweep writes, for many accounts."""

    cases: list[tuple[CaseKey, StoredCase]] = field(default_factory=list)
    levels: list[NewLevel] = field(default_factory=list)
    notices: list[tuple[AccountKey, UUID, UUID, datetime, date]] = field(default_factory=list)
    holds_ended: list[tuple[str, UUID, datetime]] = field(default_factory=list)
    records: list[NewRecord] = field(default_factory=list)
    accounts: list[AccountAfter] = field(default_factory=list)
    events: list[Outgoing] = field(default_factory=list)

    def extend(self, other: Changes) -> None:
        """Add what another account's decision writes."""
        self.cases += other.cases
        self.levels += other.levels
        self.notices += other.notices
        self.holds_ended += other.holds_ended
        self.records += other.records
        self.accounts += other.accounts
        self.events += other.events


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRow:
    """A sandbox tenant's clock: where it is and where it was asked to go."""

    tenant: str
    now: datetime
    target: datetime
    settled: bool
    trouble: str | None
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What is still to happen before a sandbox clock may move.

    `due` accounts are to be decided; of `in_flight` notices news is awaited; about `unchecked`
    debtors the ledger must be asked; `unposted` charges the ledger has yet to book. `next_at` is
    the next instant at which an account wants to be looked at.
    """

    in_flight: int
    unchecked: int
    unposted: int
    due: int
    next_at: datetime | None

    @property
    def words(self) -> list[str]:
        """What is waited for, for people."""
        counts = {
            "accounts to decide": self.due,
            "notices in flight": self.in_flight,
            "debtors to ask the ledger about": self.unchecked,
            "charges to be booked": self.unposted,
        }
        return [f"{what}: {count}" for what, count in counts.items() if count]

    @property
    def must_wait(self) -> bool:
        """Somebody else has to act before the clock may move."""
        return bool(self.in_flight or self.unchecked or self.unposted)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAt:
    """A locked account's kind of time, and what time that is."""

    time_source: TimeSource
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """A hold as it is stored. Instants but for `until` and `placed_at` may be missing."""

    tenant: str
    hold_id: UUID
    debtor_id: str
    invoice_id: str | None
    kind: Literal["manual"]
    reason: str
    until: datetime | None
    placed_at: datetime
    placed_by: str
    released_at: datetime | None = None
    released_by: str | None = None
