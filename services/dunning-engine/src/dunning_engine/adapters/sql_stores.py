"""One transaction with all of the engine's stores bound to it: the unit of work of handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import Database, driver
from dunning_engine.adapters.sql_cases import SqlCases
from dunning_engine.adapters.sql_clock import SqlClock
from dunning_engine.adapters.sql_disputes import SqlDisputes
from dunning_engine.adapters.sql_facts import SqlFacts
from dunning_engine.adapters.sql_holds import SqlHolds
from dunning_engine.adapters.sql_migrations import SqlMigrations
from dunning_engine.adapters.sql_news import SqlNews
from dunning_engine.adapters.sql_plan_rules import SqlPlanRules
from dunning_engine.adapters.sql_policies import PolicyCache, SqlPolicies
from dunning_engine.adapters.sql_portfolio import SqlPortfolio
from dunning_engine.adapters.sql_sweep import SqlSweep


class Stores:
    """The stores of one transaction."""

    def __init__(
        self,
        connection: AsyncConnection,
        sql: asyncpg.Connection[Any],
        *,
        cache: PolicyCache,
        patience_s: float,
    ) -> None:
        self.sql = sql
        self.facts = SqlFacts(sql)
        self.news = SqlNews(connection, sql)
        self.sweep = SqlSweep(connection, sql)
        self.policies = SqlPolicies(sql, cache)
        self.migrations = SqlMigrations(connection, sql)
        self.clock = SqlClock(sql, patience_s=patience_s)
        self.holds = SqlHolds(connection, sql)
        self.disputes = SqlDisputes(sql)
        self.plan_rules = SqlPlanRules(sql)
        self.cases = SqlCases(sql)
        self.portfolio = SqlPortfolio(connection, sql)


class StoreRoom:
    """Opens transactions. `patience_s`: how long a sandbox clock waits for bookings."""

    def __init__(self, db: Database, *, patience_s: float) -> None:
        self.db = db
        self._patience_s = patience_s
        self._cache: PolicyCache = {}

    async def bind(self, connection: AsyncConnection) -> Stores:
        """The stores of a transaction that somebody else opened."""
        return Stores(
            connection, await driver(connection), cache=self._cache, patience_s=self._patience_s
        )

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Stores]:
        """A transaction across tenants."""
        async with self.db.worker() as connection:
            yield await self.bind(connection)

    @asynccontextmanager
    async def tenant(self, tenant: str) -> AsyncIterator[Stores]:
        """A transaction that sees and writes only rows of `tenant`."""
        async with self.db.tenant(tenant) as connection:
            yield await self.bind(connection)
