"""Activate a policy version: for all new cases at once, or in stages that widen; and stop a stage.

Cases that are open keep their version, unless the stage asks to migrate them. Who is in a stage is
`domain.activation`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from dunning_common.ids import new_id
from dunning_common.values import replace
from dunning_engine.domain.activation import (
    MigrationRule,
    Offer,
    Stage,
    StageState,
    check_widens,
    in_words,
    reason_to_stop,
)
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.policy import Policy
from dunning_engine.policy_records import ActivationRow, MigrationRow, StageKey, StageStop

ActivationStatus = Literal["started", "widened", "complete", "unchanged"]
STOP_RULE = "stop rule"
"""Who ended a stage that nobody stopped by hand."""


class UnknownVersionError(LookupError):
    """The policy has no such version."""

    def __init__(self, policy_id: str, version: int) -> None:
        super().__init__(f"{policy_id!r} has no version {version}; store it first")


class ActivationConflictError(ValueError):
    """What is active already does not allow it; the message says what to do."""


class NoStageError(LookupError):
    """No stage of the policy is running."""

    def __init__(self, policy_id: str) -> None:
        super().__init__(f"no version of {policy_id!r} is being activated in stages")


class ActivationStore(Protocol):
    """Where activations lie."""

    async def lock(self, tenant: str, policy_id: str) -> None:
        """Keep others from activating versions of this policy until the transaction ends."""
        ...

    async def pinned(
        self, wanted: Sequence[tuple[str, PolicyKey]]
    ) -> Mapping[tuple[str, PolicyKey], Policy]:
        """Exact versions, by (tenant, key); unknown ones are missing."""
        ...

    async def offers(self, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Offer]:
        """The versions that new cases can get."""
        ...

    async def running(self, tenant: str, policy_id: str) -> ActivationRow | None:
        """The stage that is running."""
        ...

    async def now(self, tenant: str) -> datetime:
        """The instant on the tenant's clock."""
        ...

    async def set_active(self, tenant: str, policy_id: str, version: int) -> None:
        """New cases outside of a running stage get this version."""
        ...

    async def add_activation(self, row: ActivationRow) -> ActivationRow:
        """Store an activation under the next number of its policy."""
        ...

    async def save_activation(self, row: ActivationRow) -> None:
        """Store what changed of an activation."""
        ...

    async def wake_unpinned(self, tenant: str) -> None:
        """Have the accounts decided whose invoices found no policy so far."""
        ...

    async def ask_migration(self, row: MigrationRow) -> None:
        """Have open cases migrated."""
        ...


class WatchedStages(Protocol):
    """Where stages with a stop rule lie, across tenants."""

    async def watched(self) -> Sequence[ActivationRow]:
        """Running stages with a stop rule, each with a fresh tally, now kept in its row."""
        ...

    async def now(self, tenant: str) -> datetime:
        """The instant on the tenant's clock."""
        ...

    async def stop_stages(self, stops: Sequence[StageStop]) -> list[StageKey]:
        """End running stages; tells which of them this call ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for: a stage, whole, and what becomes of open cases."""

    stage: Stage
    migrate: MigrationRule = "keep"


async def activate_policy(
    store: ActivationStore, *, tenant: str, policy_id: str, wish: Wish, by: str
) -> tuple[ActivationRow, ActivationStatus]:
    """Start a stage, widen the running one, or make a version active for all new cases.

    A stage for everything without a stop rule is complete: its version is the active one.

    Raises:
        UnknownVersionError: the version was not stored.
        ActivationConflictError: another version is being activated, or nothing is active yet.
        NarrowerError: the stage would shrink.
    """
    stage = wish.stage
    await store.lock(tenant, policy_id)
    wanted = (tenant, (policy_id, stage.version))
    if wanted not in await store.pinned([wanted]):
        raise UnknownVersionError(policy_id, stage.version)
    running = await store.running(tenant, policy_id)
    offer = (await store.offers([(tenant, policy_id)])).get((tenant, policy_id))
    active = offer.active_version if offer else None
    now = await store.now(tenant)
    _check(policy_id, stage, running, active)

    new = ActivationRow(
        tenant=tenant, policy_id=policy_id, stage=stage, migrate=wish.migrate, state="running",
        started_at=now, started_by=by,
    )  # fmt: skip
    row, status = await _write(store, new, running, active)
    if wish.migrate == "by_code" and (status != "unchanged" or running is None):
        await store.ask_migration(_migration(row, now, by))
    await store.wake_unpinned(tenant)
    return row, status


async def activate_at_once(
    store: ActivationStore, *, tenant: str, policy_id: str, version: int, by: str
) -> bool:
    """Make a version active for all new cases, whatever stage is running. Did that change anything?

    The caller holds the policy's lock; open cases keep their version.
    """
    running = await store.running(tenant, policy_id)
    offer = (await store.offers([(tenant, policy_id)])).get((tenant, policy_id))
    if running is None and offer and offer.active_version == version:
        return False
    now = await store.now(tenant)
    if running:
        state: StageState = "complete" if running.stage.version == version else "superseded"
        why = f"version {version} was activated for all at once"
        await store.save_activation(_ended(running, state, why, now, by))
    await store.set_active(tenant, policy_id, version)
    if not running or running.stage.version != version:
        everything = ActivationRow(
            tenant=tenant, policy_id=policy_id, stage=Stage(version=version), migrate="keep",
            state="running", started_at=now, started_by=by,
        )  # fmt: skip
        await store.add_activation(_ended(everything, "complete", "at once", now, by))
    return True


async def stop_stage(
    store: ActivationStore, *, tenant: str, policy_id: str, why: str, by: str
) -> ActivationRow:
    """Stop the running stage: new cases get the version that was active before.

    Open cases that were to follow it stay where they are.

    Raises:
        NoStageError: none is running.
    """
    await store.lock(tenant, policy_id)
    running = await store.running(tenant, policy_id)
    if running is None:
        raise NoStageError(policy_id)
    row = _ended(running, "stopped", why, await store.now(tenant), by)
    await store.save_activation(row)
    return row


async def stop_by_rule(store: WatchedStages) -> list[StageKey]:
    """Stop every stage whose own rule says so; tells which."""
    stops = [
        StageStop(key=_key(row), why=why, at=await store.now(row.tenant))
        for row in await store.watched()
        if (why := reason_to_stop(row.stop_rule, row.tally))
    ]
    return await store.stop_stages(stops) if stops else []


def _check(policy_id: str, stage: Stage, running: ActivationRow | None, active: int | None) -> None:
    if running and running.stage.version != stage.version:
        raise ActivationConflictError(
            f"version {running.stage.version} of {policy_id!r} is being activated for "
            f"{in_words(running.stage)}; complete or stop that first"
        )
    if running:
        check_widens(running.stage, stage)
        return
    if _is_final(stage):
        return
    if active is None:
        raise ActivationConflictError(
            f"no version of {policy_id!r} is active yet, so the other invoices would get none; "
            "activate a version for all first"
        )
    if active == stage.version:
        raise ActivationConflictError(
            f"version {active} of {policy_id!r} is active for all new cases already"
        )


async def _write(
    store: ActivationStore, new: ActivationRow, running: ActivationRow | None, active: int | None
) -> tuple[ActivationRow, ActivationStatus]:
    now, by = new.started_at, new.started_by
    if _is_final(new.stage):
        done = _ended(new, "complete", "for all new cases", now, by)
        if running:
            done = replace(
                done,
                stage=replace(new.stage, number=running.stage.number),
                started_at=running.started_at,
                started_by=running.started_by,
                widened_at=now,
            )
            await store.save_activation(done)
        elif active == new.stage.version:
            return done, "unchanged"
        else:
            done = await store.add_activation(done)
        await store.set_active(new.tenant, new.policy_id, new.stage.version)
        return done, "complete"
    if running is None:
        return await store.add_activation(new), "started"
    widened = replace(
        running,
        stage=replace(new.stage, number=running.stage.number),
        migrate=new.migrate,
        widened_at=now,
    )
    if replace(widened, widened_at=running.widened_at) == running:
        return running, "unchanged"
    await store.save_activation(widened)
    return widened, "widened"


def _is_final(stage: Stage) -> bool:
    """Nothing is left to widen or to watch."""
    return stage.is_everything and stage.stop_rule is None


def _ended(row: ActivationRow, state: StageState, why: str, at: datetime, by: str) -> ActivationRow:
    return replace(row, state=state, ended_at=at, ended_by=by, ended_why=why)


def _migration(row: ActivationRow, now: datetime, by: str) -> MigrationRow:
    return MigrationRow(
        tenant=row.tenant,
        migration_id=new_id(),
        from_policy_id=row.policy_id,
        from_version=None,
        policy_id=row.policy_id,
        version=row.stage.version,
        stage=row.stage,
        activation=row.stage.number or None,
        requested_at=now,
        requested_by=by,
    )


def _key(row: ActivationRow) -> StageKey:
    return StageKey(tenant=row.tenant, policy_id=row.policy_id, number=row.stage.number)
