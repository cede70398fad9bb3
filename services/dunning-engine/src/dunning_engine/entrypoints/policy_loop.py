"""The loop that watches over policies: stop rules of stages, and cases that go to another version.

It only waits and calls handlers, each in a transaction; a killed process loses nothing.
"""

from __future__ import annotations

import structlog

from dunning_engine.adapters.pg_signals import Signals, wait_for
from dunning_engine.adapters.sql_activations import POLICIES
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.entrypoints.loops import surviving
from dunning_engine.handlers.activate_policy import stop_by_rule
from dunning_engine.handlers.migrate_cases import migrate_some
from dunning_engine.settings import Settings

log = structlog.get_logger()


class PolicyWatch:
    """Stops stages by their rule and migrates open cases. Any number may run."""

    def __init__(self, *, rooms: StoreRoom, signals: Signals, settings: Settings) -> None:
        self._rooms = rooms
        self._signals = signals
        self._settings = settings

    async def run(self) -> None:
        """Look until cancelled: at once when called, else every few seconds."""
        with self._signals.subscribe(POLICIES) as called:
            while True:
                called.clear()
                await surviving("policies", self.look)
                await wait_for(called, self._settings.policy_watch_s)

    async def look(self) -> int:
        """Look once; returns how many cases went to another version."""
        async with self._rooms.worker() as stores:
            stopped = await stop_by_rule(stores.policies)
        for key in stopped:
            log.warning(
                "stage_stopped", tenant=key.tenant, policy_id=key.policy_id, number=key.number
            )
        async with self._rooms.worker() as stores:
            await stores.migrations.cancel_ended()
        moved = 0
        while (count := await self.migrate_some()) is not None:
            moved += count
        return moved

    async def migrate_some(self) -> int | None:
        """One step of one migration; None when nothing can be done now."""
        async with self._rooms.worker() as stores:
            return await migrate_some(
                stores.migrations, stores.policies, limit=self._settings.migration_batch
            )
