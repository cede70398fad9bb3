"""Walk a sandbox tenant's clock to its target, one instant at a time.

At each instant everything due is decided, and the clock stands still until every notice is settled,
so that the outcome does not depend on how fast anything runs. One step is one transaction; a walk
that is killed goes on from the row. Never touches tenants that follow the real clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from dunning_engine.handlers.sweep_accounts import ChangeStore, Law, PolicyShelf, sweep_accounts
from dunning_engine.records import ClockRow, Dossier, Pending

TENANTS, LEDGER, CONTACTS = "tenants.v1", "receivables.v1", "contacts.v1"
NOTIFIER = "notifications.v1"
INSTANTS_MAX = 32
"""Most instants in one transaction, so that a long walk shows its progress and yields its locks."""
LEDGER_SILENT = "the ledger's feed does not answer"


class CatchUp(Protocol):
    """Asks producers for what is missing (`dunning_common.consumer.Consumer.catch_up`)."""

    async def __call__(
        self,
        topics: Sequence[str],
        *,
        tenant: str | None = None,
        keys: Sequence[str] | None = None,
    ) -> bool:
        """True when nothing is missing afterwards."""
        ...


class ClockStore(Protocol):
    """Where the clock lies."""

    async def lock_free(self, tenant: str) -> ClockRow | None:
        """The clock, locked; None when somebody else moves it at this moment."""
        ...

    async def pending(self, tenant: str, now: datetime) -> Pending:
        """What is still to happen at this instant, and the next one."""
        ...

    async def move(self, tenant: str, now: datetime) -> None:
        """Set the clock."""
        ...

    async def settle(self, tenant: str) -> None:
        """The clock has arrived."""
        ...


class SweepStore(ChangeStore, Protocol):
    """Where due accounts are claimed and decisions written."""

    async def claim_sandbox(self, tenant: str, now: datetime, limit: int) -> list[Dossier]:
        """Dossiers of the tenant's accounts that are due by its own clock."""
        ...


class Progress(Enum):
    """What a step came to."""

    WORKED = auto()  # decided something or moved: go on
    WAITING = auto()  # somebody else has to act first
    ARRIVED = auto()  # at the target with nothing to do; settle once the ledger confirms
    SETTLED = auto()  # done
    TAKEN = auto()  # somebody else moves it at this moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step's outcome, how many accounts it decided, and what it waits for."""

    progress: Progress
    decided: int = 0
    pending: Pending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a step works with, all in one transaction."""

    clock: ClockStore
    accounts: SweepStore
    shelf: PolicyShelf
    law: Law


async def step_clock(tools: Tools, tenant: str, *, confirmed: bool, limit: int) -> Step:
    """Do what is due at the clock's instant; while nobody else has to act, move on and do that.

    Args:
        tools: stores bound to one transaction.
        tenant: whose clock.
        confirmed: the ledger said that nothing is missing, and nothing was decided since.
        limit: about how many accounts in this transaction.
    """
    clock = await tools.clock.lock_free(tenant)
    if clock is None:
        return Step(progress=Progress.TAKEN)
    if clock.settled:
        return Step(progress=Progress.SETTLED)
    now, decided = clock.now, 0
    for _ in range(INSTANTS_MAX):
        if count := await _sweep(tools, tenant, now, limit):
            decided += count
            if decided >= limit:
                break
        pending = await tools.clock.pending(tenant, now)
        if pending.due:  # an event came between the two looks
            continue
        if pending.must_wait:
            return Step(progress=Progress.WAITING, decided=decided, pending=pending)
        if now >= clock.target:
            return await _arrive(tools, tenant, decided, confirmed=confirmed and not decided)
        confirmed = False
        now = min(pending.next_at or clock.target, clock.target)
        await tools.clock.move(tenant, now)
    return Step(progress=Progress.WORKED, decided=decided)


async def _arrive(tools: Tools, tenant: str, decided: int, *, confirmed: bool) -> Step:
    """Settle, but only once the ledger has confirmed that nothing is missing."""
    if not confirmed:
        return Step(progress=Progress.ARRIVED, decided=decided)
    await tools.clock.settle(tenant)
    return Step(progress=Progress.SETTLED)


async def _sweep(tools: Tools, tenant: str, now: datetime, limit: int) -> int:
    claimed = await tools.accounts.claim_sandbox(tenant, now, limit)
    return await sweep_accounts(tools.accounts, tools.shelf, tools.law, claimed)
