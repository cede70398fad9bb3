"""The engine's loops: sweep what is due, walk sandbox clocks, watch over silent notices.

Each loop only waits, calls a handler in a transaction, and goes on after a lost database. All state
is in PostgreSQL; a killed process loses nothing but its place in a wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dunning_common.failures import is_transient
from dunning_common.ids import account_key
from dunning_engine.adapters.pg_signals import CLOCKS, PRODUCTION, Signals, sandbox, wait_for
from dunning_engine.adapters.sql_stores import StoreRoom, Stores
from dunning_engine.handlers.sweep_accounts import BatchFailedError, Law, sweep_accounts
from dunning_engine.handlers.walk_clock import (
    CONTACTS,
    LEDGER,
    LEDGER_SILENT,
    NOTIFIER,
    TENANTS,
    CatchUp,
    Progress,
    Step,
    Tools,
    step_clock,
)
from dunning_engine.records import AccountKey
from dunning_engine.settings import Settings

CLOCK_TAKEN_S = 0.05
SETTLED_S = 0.05
"""What a sweep comes later than the accounts that it is to find."""

log = structlog.get_logger()


class Metrics:
    """What the loops count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.decided = Counter(
            "dunning_engine_accounts_decided_total",
            "Accounts about which was decided.",
            ["clock"],
            registry=registry,
        )
        self.sweep_seconds = Histogram(
            "dunning_engine_sweep_seconds", "Time of one sweep transaction.", registry=registry
        )
        self.silent = Gauge(
            "dunning_engine_silent_notices_debtors",
            "Debtors with a notice of which nothing was heard for too long.",
            registry=registry,
        )


class Sweeper:
    """Decides about accounts of tenants that follow the real clock. Any number may run."""

    def __init__(
        self,
        *,
        rooms: StoreRoom,
        law: Law,
        signals: Signals,
        catch_up: CatchUp,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self._rooms = rooms
        self._law = law
        self._signals = signals
        self._catch_up = catch_up
        self._settings = settings
        self._metrics = metrics

    async def run(self) -> None:
        """Sweep until cancelled: at once when called, once more when all has settled, else idly."""
        idle_s = self._settings.sweep_idle_s
        settle_s = self._settings.settle_s
        settled_s = min(idle_s, settle_s + SETTLED_S) if settle_s else idle_s
        was_called = False
        with self._signals.subscribe(PRODUCTION) as called:
            while True:
                called.clear()
                await surviving("sweep", self._sweep_all)
                was_called = await wait_for(called, settled_s if was_called else idle_s)

    async def sweep_once(self, limit: int | None = None) -> int:
        """One batch in one transaction. Returns the number of accounts."""
        try:
            with self._metrics.sweep_seconds.time():
                async with self._rooms.worker() as stores:
                    claimed = await stores.sweep.claim_real(limit or self._settings.sweep_batch)
                    count = await sweep_accounts(stores.sweep, stores.policies, self._law, claimed)
        except BatchFailedError as error:
            if is_transient(error):
                raise
            # One account spoils the batch: take them one by one, and set that one aside.
            if not await set_aside(self._rooms, error):
                for _ in error.accounts:
                    await self.sweep_once(limit=1)
            return len(error.accounts)
        self._metrics.decided.labels("real").inc(count)
        return count

    async def _sweep_all(self) -> None:
        await check_returns(self._rooms, self._catch_up, tenant=None)
        if await self.sweep_once() < self._settings.sweep_batch:
            return
        # A backlog: one decides while the other one's rows are written.
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.sweepers):
                group.create_task(self._sweep_until_idle())

    async def _sweep_until_idle(self) -> None:
        while await self.sweep_once() == self._settings.sweep_batch:
            pass


class ClockWalker:
    """Walks the clocks of sandbox tenants that were given a target; several at the same time."""

    def __init__(
        self,
        *,
        rooms: StoreRoom,
        law: Law,
        signals: Signals,
        catch_up: CatchUp,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self._rooms = rooms
        self._law = law
        self._signals = signals
        self._catch_up = catch_up
        self._settings = settings
        self._metrics = metrics
        self._room_for = asyncio.Semaphore(settings.walkers)

    async def run(self) -> None:
        """Start a walk for every clock that is on its way, until cancelled."""
        walks: dict[str, asyncio.Task[None]] = {}
        with self._signals.subscribe(CLOCKS) as called:
            async with asyncio.TaskGroup() as group:
                while True:
                    called.clear()
                    walks = {tenant: walk for tenant, walk in walks.items() if not walk.done()}
                    await surviving("clocks", partial(self._start, group, walks))
                    await wait_for(called, self._settings.sweep_idle_s)

    async def walk(self, tenant: str) -> None:
        """Walk one clock until it has arrived and nothing is left to do there."""
        async with self._room_for:
            with self._signals.subscribe(sandbox(tenant)) as news:
                confirmed, limit = await self._confirm(tenant, news), self._settings.sweep_batch
                while True:
                    news.clear()
                    try:
                        step = await self._step(tenant, confirmed=confirmed, limit=limit)
                    except BatchFailedError as error:
                        if is_transient(error):
                            raise
                        found = await set_aside(self._rooms, error)
                        limit = self._settings.sweep_batch if found else 1
                        continue
                    match step.progress:
                        case Progress.SETTLED:
                            return
                        case Progress.WORKED:
                            confirmed = False
                        case Progress.ARRIVED:
                            confirmed = await self._confirm(tenant, news)
                        case Progress.WAITING:
                            confirmed = False
                            await self._wait(tenant, step, news)
                        case Progress.TAKEN:
                            confirmed = False
                            await asyncio.sleep(CLOCK_TAKEN_S)

    async def _start(self, group: asyncio.TaskGroup, walks: dict[str, asyncio.Task[None]]) -> None:
        async with self._rooms.worker() as stores:
            walking = await stores.clock.walking()
        for tenant in walking:
            if tenant not in walks:
                walks[tenant] = group.create_task(self._walk_on(tenant), name=f"clock:{tenant}")

    async def _walk_on(self, tenant: str) -> None:
        """A walk that goes on after a defect or a lost database: the row says where."""
        while True:
            try:
                await self.walk(tenant)
            except Exception:
                log.exception("walk_interrupted", tenant=tenant)
                await asyncio.sleep(1)
            else:
                return

    async def _step(self, tenant: str, *, confirmed: bool, limit: int) -> Step:
        async with self._rooms.worker() as stores:
            step = await step_clock(
                self._tools(stores),
                tenant,
                confirmed=confirmed,
                limit=limit,
            )
        self._metrics.decided.labels("sandbox").inc(step.decided)
        return step

    def _tools(self, stores: Stores) -> Tools:
        return Tools(
            clock=stores.clock, accounts=stores.sweep, shelf=stores.policies, law=self._law
        )

    async def _confirm(self, tenant: str, news: asyncio.Event) -> bool:
        """Have the ledger say that nothing is missing; keeps asking until it answers."""
        while not await self._catch_up([TENANTS, LEDGER, CONTACTS], tenant=tenant):
            await self._complain(tenant, LEDGER_SILENT)
            await wait_for(news, 1.0)
        return True

    async def _wait(self, tenant: str, step: Step, news: asyncio.Event) -> None:
        """Wait for somebody else; whoever is silent for too long is asked."""
        if step.pending and step.pending.unchecked:
            if not await check_returns(self._rooms, self._catch_up, tenant=tenant):
                await self._complain(tenant, LEDGER_SILENT)
                await wait_for(news, 1.0)
            return
        if not await wait_for(news, self._settings.clock_silence_s):
            topic = NOTIFIER if step.pending and step.pending.in_flight else LEDGER
            await self._catch_up([topic], tenant=tenant)

    async def _complain(self, tenant: str, trouble: str) -> None:
        async with self._rooms.worker() as stores:
            await stores.clock.complain(tenant, trouble)


class FlightWatch:
    """Asks the notifier's feed about notices of which nothing was heard for too long."""

    def __init__(
        self, *, rooms: StoreRoom, catch_up: CatchUp, settings: Settings, metrics: Metrics
    ) -> None:
        self._rooms = rooms
        self._catch_up = catch_up
        self._settings = settings
        self._metrics = metrics

    async def run(self) -> None:
        """Look every quarter of the patience, until cancelled."""
        while True:
            await surviving("flights", self.look)
            await asyncio.sleep(self._settings.silence_minutes * 60 / 4)

    async def look(self) -> None:
        """Ask once; what stays silent is counted, and listed by `explain`."""
        silent = await self._silent()
        if silent:
            await self._catch_up([NOTIFIER], keys=[account_key(*account) for account in silent])
            silent = await self._silent()
        self._metrics.silent.set(len(silent))
        if silent:
            log.warning("notices_silent", debtors=len(silent))

    async def _silent(self) -> list[AccountKey]:
        async with self._rooms.worker() as stores:
            return await stores.clock.silent(self._settings.silence_minutes)


async def check_returns(rooms: StoreRoom, catch_up: CatchUp, *, tenant: str | None) -> bool:
    """Ask the ledger about debtors with a returned notice, so that they may be decided again.

    Without it the engine could ask for the same notice again and again until the ledger's event
    arrives by itself.

    Args:
        rooms: opens transactions.
        catch_up: asks the ledger.
        tenant: a sandbox tenant; None for all tenants that follow the real clock.

    Returns:
        False when the ledger did not answer.
    """
    async with rooms.worker() as stores:
        unchecked = await stores.clock.unchecked(tenant)
    if not unchecked:
        return True
    keys = [account_key(*account) for account, _ in unchecked]
    if not await catch_up([LEDGER], keys=keys):
        return False
    async with rooms.worker() as stores:
        await stores.clock.checked(unchecked)
    return True


async def set_aside(rooms: StoreRoom, failed: BatchFailedError) -> bool:
    """Set the one account of a failed batch aside; False when the batch has several."""
    if len(failed.accounts) > 1:
        return False
    (key,) = failed.accounts
    cause = failed.__cause__ or failed
    log.error("account_set_aside", tenant=key.tenant, debtor=key.debtor_id, exc_info=cause)
    async with rooms.worker() as stores:
        await stores.sweep.set_aside(key, f"{type(cause).__name__}: {cause}"[:500])
    return True


async def surviving(what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do it; a lost database is waited for, not died of."""
    try:
        await work()
    except Exception as error:
        if not _passes(error):
            raise
        log.warning("database_lost", loop=what, error=repr(error))
        await asyncio.sleep(1)


def _passes(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        return all(_passes(inner) for inner in error.exceptions)
    return is_transient(error)
