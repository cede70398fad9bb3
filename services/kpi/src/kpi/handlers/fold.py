"""The fold: a batch of events in, facts recorded, aggregates moved by exactly the difference.

For every invoice, notice and debtor's cash that the batch touches, what it contributed before is
taken away and what it contributes now is added. So late, repeated and reordered facts come out
right, and `rebuild`, which adds up all facts from nothing, gives the same sums.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.consumer import Consumed
from dunning_common.events.tenants import TenantRegisteredV1
from kpi.domain.facts import Tenant
from kpi.domain.histories import FactSet, Histories, histories_of
from kpi.domain.tally import Tally
from kpi.handlers.intake import Intake, Seen, take_in


class FactStore(Protocol):
    """Facts and aggregates inside one transaction."""

    async def lock(self, tenants: Sequence[str]) -> dict[str, Tenant]:
        """Make rows for new tenants and hold all of them, in the given order, until the end.

        So one tenant's facts are folded by one transaction at a time.
        """
        ...

    async def load(self, touched: Histories) -> Histories:
        """What is recorded about everything that `touched` names."""
        ...

    async def record(self, facts: FactSet, tenants: Sequence[Tenant]) -> None:
        """Insert facts (known ones are left alone) and update the tenants' rows."""
        ...

    async def add(self, tally: Tally) -> None:
        """Add to the aggregates."""
        ...

    async def clear(self, tenant: str) -> Tally:
        """Delete a tenant's aggregates and return what they were."""
        ...

    def stream(self, tenant: str) -> AsyncIterator[Histories]:
        """All facts of a tenant, in portions that each hold whole histories."""
        ...


OpenStore = Callable[[AsyncConnection], FactStore]


class Fold:
    """Applies events; `apply` is what the consumer calls."""

    def __init__(self, open_store: OpenStore) -> None:
        """Args: makes a store on a transaction."""
        self._open_store = open_store

    async def apply(self, connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        """Fold a batch inside the caller's transaction; any number of events, a few statements."""
        store = self._open_store(connection)
        intake = take_in(events)

        before = await store.lock(intake.tenants)
        after = {name: _known(tenant, intake) for name, tenant in before.items()}
        rezoned = [name for name in before if before[name].zone != after[name].zone]
        fresh = histories_of(intake.facts)
        known = await store.load(fresh)

        steady = {name: tenant for name, tenant in after.items() if name not in rezoned}
        tally = Tally()
        known.tally(tally, steady, sign=-1)
        known.plus(fresh).tally(tally, steady)

        await store.record(intake.facts, list(after.values()))
        await store.add(tally)
        for name in rezoned:  # all its days moved
            await _rebuild(store, after[name])

    async def rebuild(self, connection: AsyncConnection, tenant: str) -> bool:
        """Recompute a tenant's aggregates from its facts.

        Returns:
            Whether they were what they had to be.
        """
        store = self._open_store(connection)
        tenants = await store.lock([tenant])
        return await _rebuild(store, tenants[tenant])


async def _rebuild(store: FactStore, tenant: Tenant) -> bool:
    before = await store.clear(tenant.tenant)
    tally = Tally()
    async for histories in store.stream(tenant.tenant):
        histories.tally(tally, {tenant.tenant: tenant})
    await store.add(tally)
    return tally == before


def _known(tenant: Tenant, intake: Intake) -> Tenant:
    """The tenant with what the batch says about it."""
    registered = intake.registered.get(tenant.tenant)
    if registered is not None:
        tenant = _registered(tenant, registered)
    seen = intake.seen.get(tenant.tenant, Seen())
    return replace(
        tenant,
        latest_on=max(filter(None, (tenant.latest_on, seen.on)), default=None),
        latest_at=max(filter(None, (tenant.latest_at, seen.at)), default=None),
    )


def _registered(tenant: Tenant, registered: TenantRegisteredV1) -> Tenant:
    ZoneInfo(registered.zone)  # raises here rather than with every later event of the tenant
    return replace(
        tenant,
        name=registered.name,
        zone=registered.zone,
        base_currency=registered.base_currency,
        sandbox=registered.sandbox,
        sandbox_starts_on=registered.sandbox_starts_on,
    )
