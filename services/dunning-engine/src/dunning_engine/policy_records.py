"""Rows about policies as handlers and adapters pass them: stages, pins of cases, migrations.

Plain values; no SQL, no rules. The domain never sees them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from dunning_engine.domain.activation import MigrationRule, Stage, StageState, StopRule, Tally
from dunning_engine.domain.case import LevelOutcome, PolicyKey
from dunning_engine.domain.selection import Facts
from dunning_engine.records import AccountKey, CaseKey, TimeSource

MigrationState = Literal["running", "waiting", "done", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRow:
    """An activation as it is stored. Instants are the tenant's clock, but for `tallied_at`."""

    tenant: str
    policy_id: str
    stage: Stage
    migrate: MigrationRule
    state: StageState
    started_at: datetime
    started_by: str
    widened_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_why: str | None = None
    tally: Tally = field(default_factory=Tally)
    tallied_at: datetime | None = None

    @property
    def stop_rule(self) -> StopRule | None:
        """When it is stopped by itself."""
        return self.stage.stop_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class StageKey:
    """A running stage of a tenant's policy."""

    tenant: str
    policy_id: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStop:
    """A stage that a stop rule ends, with what it saw. `at` is the tenant's clock."""

    key: StageKey
    why: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPin:
    """A case that was opened under a policy version, and what choosing it looked at."""

    key: CaseKey
    policy: PolicyKey
    at: datetime
    why: str
    rules_version: int
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRow:
    """A stored pin; those of migrations have no facts."""

    policy_id: str
    policy_version: int
    pinned_at: datetime
    why: str
    rules_version: int | None
    facts: Facts | None
    from_policy_id: str | None
    from_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRow:
    """Open cases that go to another policy version; `stage` says which of them.

    `activation` is the number of the stage that asked for it, if any: it ends with that.
    `after_debtor` is how far it has come. Without `from_version` every other version is left.
    """

    tenant: str
    migration_id: UUID
    from_policy_id: str
    from_version: int | None
    policy_id: str
    version: int
    stage: Stage
    activation: int | None = None
    state: MigrationState = "running"
    after_debtor: str = ""
    migrated: int = 0
    requested_at: datetime
    requested_by: str
    ended_at: datetime | None = None

    @property
    def target(self) -> PolicyKey:
        """The version that the cases go to."""
        return (self.policy_id, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelAt:
    """A level that is done, its row in the history, and its present place on the ladder."""

    level_no: int
    try_no: int
    code: str
    outcome: LevelOutcome
    on: date
    rung: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCase:
    """A case that a migration may concern, of a locked account; `now` is the tenant's clock."""

    key: CaseKey
    account: AccountKey
    time_source: TimeSource
    now: datetime
    segment: str | None
    policy: PolicyKey
    issued_on: date
    due_on: date
    in_flight: bool
    approval_level_no: int | None
    levels: tuple[LevelAt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratedCase:
    """A case with its new places: one rung for each of its `levels`.

    Nothing goes out before the day `not_before`, if there is one.
    """

    case: OpenCase
    rungs: tuple[int, ...]
    not_before: date | None
    approval_level_no: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStep:
    """What one transaction of a migration changes.

    `after_debtor` is how far it has come now, None when the pass through the debtors has ended.
    """

    row: MigrationRow
    moved: tuple[MigratedCase, ...]
    waiting: tuple[OpenCase, ...]
    after_debtor: str | None
