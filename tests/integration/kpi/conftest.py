"""A migrated kpi database, and a fold on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pytest

from dunning_common.consumer import Consumed
from dunning_common.db import Database
from kpi.adapters.sql_facts import SqlFactStore
from kpi.adapters.sql_figures import SqlFigures
from kpi.domain.snapshot import Snapshot
from kpi.domain.tally import Tally
from kpi.handlers.fold import Fold
from kpi.schema import SCHEMA
from tests.conftest import Databases


@dataclass
class Books:
    """The service's fold and its figures on one database."""

    db: Database
    fold: Fold

    async def apply(self, events: Sequence[Consumed]) -> None:
        async with self.db.worker() as connection:
            await self.fold.apply(connection, events)

    async def rebuild(self, tenant: str = "acme") -> bool:
        async with self.db.worker() as connection:
            return await self.fold.rebuild(connection, tenant)

    async def sums(self, tenant: str = "acme") -> Tally:
        """What the aggregates hold; the transaction that reads them by clearing is undone."""
        async with self.db.worker() as connection:
            tally = await SqlFactStore(connection).clear(tenant)
            await connection.rollback()
            return tally

    async def at(
        self, on: date, *, tenant: str = "acme", currency: str = "EUR", days: int = 90
    ) -> Snapshot:
        async with self.db.tenant(tenant) as connection:
            return await SqlFigures(connection).snapshot(tenant, currency, on, days)


@pytest.fixture
async def books(databases: Databases) -> Books:
    return Books(await databases.open(SCHEMA), Fold(SqlFactStore))
