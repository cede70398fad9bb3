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
from dunning_common.values import Value
from dunning_engine.domain.account import Account, DebtorKind, HoldKind, Instalment
from dunning_engine.domain.case import Balance, Case, PolicyKey

TimeSource = Literal["unknown", "real", "sandbox"]
LevelOutcome = Literal["in_flight", "served", "lapsed", "failed", "returned"]
HoldOutcome = Literal["released", "ended", "kept", "partly_kept", "broken"]


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


class InvoiceFacts(Value, frozen=True, kw_only=True):
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


class ChannelNews(Value, frozen=True, kw_only=True):
    """What became of one message, as far as it concerns one item. `state` is shown by the API."""

    state: str
    reason: str | None = None


class LevelRow(Value, frozen=True, kw_only=True):
    """One try of one level of one invoice, with the flight of its case.

    `charges` are the charges that the notice names, announced to the ledger once it was served.
    `in_flight` says that the case still waits for exactly this notice, `is_last` that the ladder
    did not go on behind it. `bounced` are the channels that turned out to be dead, once the try
    has failed for it. `needs` are the channels without which the level is not served (none: any is
    enough); `sent` those by which a try went out that lacks one of them; `excused` says that the
    try failed for a cause of ours.
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
    is_last: bool = True
    bounced: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ()
    sent: tuple[str, ...] | None = None
    excused: bool = False

    @property
    def account_key(self) -> AccountKey:
        """Whose it is."""
        return AccountKey(self.tenant, self.debtor_id)

    @property
    def notice_key(self) -> NoticeKey:
        """Which notice it is part of."""
        return NoticeKey(self.tenant, self.notice_id)


class StoredCase(Value, frozen=True, kw_only=True):
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
    final_action: str | None = None


class Dossier(Value, frozen=True, kw_only=True):
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


class NewLevel(Value, frozen=True, kw_only=True):
    """A row for the history of a case. No `channels`: it needed no notice.

    `needs` are those of the `channels` that must get through for the level to be served.
    """

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
    needs: tuple[str, ...] = ()
    charges: Sequence[Mapping[str, Any]] = ()


class NewRecord(Value, frozen=True, kw_only=True):
    """A decision record to keep."""

    tenant: str
    debtor_id: str
    decision_id: UUID
    decided_at: datetime
    record: bytes


class AccountAfter(Value, frozen=True, kw_only=True):
    """An account after deciding. `trouble` says why it could not be decided at all."""

    key: AccountKey
    next_action_at: datetime | None
    verdict_hash: bytes | None
    contacted_on: tuple[date, ...]
    credit_blocked: bool
    waits_for_feed: bool
    trouble: str | None = None


@dataclass(slots=True)
class Changes:
    """Everything that one sweep writes, for many accounts.

    `withdrawn` are charges as (tenant, charge, invoice, kind, when).
    """

    cases: list[tuple[CaseKey, StoredCase]] = field(default_factory=list)
    levels: list[NewLevel] = field(default_factory=list)
    notices: list[tuple[AccountKey, UUID, UUID, datetime, date]] = field(default_factory=list)
    holds_ended: list[tuple[str, UUID, datetime, str, int | None]] = field(default_factory=list)
    records: list[NewRecord] = field(default_factory=list)
    accounts: list[AccountAfter] = field(default_factory=list)
    events: list[Outgoing] = field(default_factory=list)
    withdrawn: list[tuple[str, str, str, str, datetime]] = field(default_factory=list)

    def mark(self) -> tuple[int, ...]:
        """How much there is of each, for `back_to`."""
        return tuple([len(rows) for rows in self._all])

    def back_to(self, mark: tuple[int, ...]) -> None:
        """Forget what was added since: deciding about an account failed half-way."""
        for rows, length in zip(self._all, mark, strict=True):
            del rows[length:]

    @property
    def _all(self) -> tuple[list[Any], ...]:
        return (
            self.cases,
            self.levels,
            self.notices,
            self.holds_ended,
            self.records,
            self.accounts,
            self.events,
            self.withdrawn,
        )


class ClockRow(Value, frozen=True, kw_only=True):
    """A sandbox tenant's clock: where it is and where it was asked to go."""

    tenant: str
    now: datetime
    target: datetime
    settled: bool
    trouble: str | None
    zone: str


class Pending(Value, frozen=True, kw_only=True):
    """What is still to happen before a sandbox clock may move.

    `due` accounts are to be decided; of `in_flight` notices news is awaited; about `unchecked`
    debtors the ledger must be asked; `unposted` charges the ledger has yet to book; `migrations`
    take open cases to another policy version. `next_at` is the next instant at which an account
    wants to be looked at.
    """

    in_flight: int
    unchecked: int
    unposted: int
    migrations: int = 0
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
            "migrations of open cases": self.migrations,
        }
        return [f"{what}: {count}" for what, count in counts.items() if count]

    @property
    def must_wait(self) -> bool:
        """Somebody else has to act before the clock may move."""
        return bool(self.in_flight or self.unchecked or self.unposted or self.migrations)


class AccountAt(Value, frozen=True, kw_only=True):
    """A locked account's kind of time and what time that is, and whose it is.

    The debtor's terms are None until they are known.
    """

    time_source: TimeSource
    now: datetime
    kind: DebtorKind | None = None
    country: str | None = None
    region: str | None = None
    zone: str | None = None
    risk: str | None = None
    tenant_country: str | None = None


class OwedInvoice(Value, frozen=True, kw_only=True):
    """What an invoice owes, in minor units of its currency."""

    invoice_id: str
    number: str
    due_on: date
    currency: str
    status: str
    open_minor: int
    handed_over: bool = False


class HeldCase(Value, frozen=True, kw_only=True):
    """An open case and the policy version that it is pinned to."""

    invoice_id: str
    policy_id: str
    policy_version: int

    @property
    def policy_key(self) -> PolicyKey:
        """Id and version of its policy."""
        return (self.policy_id, self.policy_version)


class Resend(Value, frozen=True):
    """Makes asking twice asking once: the same key names the same hold.

    `fingerprint` stands for the content of the request.
    """

    hold_id: UUID
    fingerprint: str


class HoldRow(Value, frozen=True, kw_only=True):
    """A hold as it is stored; for amounts, instalments and tolerance see `account.Hold`.

    No `invoice_ids`: all of the debtor's. `began_on` is the day on which an insolvency was
    published or a breathing space began; `deadline_on` the day by which `owner` has to act.
    A dispute is `resolved_at` before it ends when it may rest a little longer. `assessment` is how
    a plan was scored, `approved_by` who agreed to it against the rules. `outcome` and `paid_minor`
    say how the hold ended, once `released_at` is set; `released_by` is None if it ended by itself.
    """

    tenant: str
    hold_id: UUID
    debtor_id: str
    invoice_ids: tuple[str, ...] = ()
    kind: HoldKind = "manual"
    reason: str
    until: datetime | None = None
    placed_at: datetime
    placed_by: str
    currency: str | None = None
    disputed_minor: int | None = None
    instalments: tuple[Instalment, ...] = ()
    baseline_minor: int = 0
    grace_days: int = 0
    tolerance_minor: int = 0
    reason_code: str | None = None
    owner: str | None = None
    deadline_on: date | None = None
    source: str | None = None
    jurisdiction: str | None = None
    began_on: date | None = None
    assessment: Mapping[str, Any] | None = None
    approved_by: str | None = None
    fingerprint: str | None = None
    resolution: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    note: str | None = None
    released_at: datetime | None = None
    released_by: str | None = None
    outcome: HoldOutcome | None = None
    paid_minor: int | None = None
