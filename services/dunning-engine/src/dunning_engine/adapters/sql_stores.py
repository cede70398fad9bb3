"""One transaction with all of the engine's stores bound to it: the unit of work of handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import Database, driver
from dunning_engine.adapters.sql_approvals import SqlApprovals
from dunning_engine.adapters.sql_audit import SqlAudit, name_subject
from dunning_engine.adapters.sql_bulk import SqlBulk
from dunning_engine.adapters.sql_cases import SqlCases
from dunning_engine.adapters.sql_clock import SqlClock
from dunning_engine.adapters.sql_disputes import SqlDisputes
from dunning_engine.adapters.sql_facts import SqlFacts
from dunning_engine.adapters.sql_holds import SqlHolds
from dunning_engine.adapters.sql_migrations import SqlMigrations
from dunning_engine.adapters.sql_news import SqlNews
from dunning_engine.adapters.sql_notes import SqlNotes
from dunning_engine.adapters.sql_plan_rules import SqlPlanRules
from dunning_engine.adapters.sql_policies import PolicyCache, SqlPolicies
from dunning_engine.adapters.sql_portfolio import SqlPortfolio
from dunning_engine.adapters.sql_responses import SqlResponses
from dunning_engine.adapters.sql_retries import SqlRetries
from dunning_engine.adapters.sql_sweep import SqlSweep
from dunning_engine.adapters.sql_work import SqlWork


class Stores:
    """The stores of one transaction."""

    def __init__(
        self,
        connection: AsyncConnection,
        sql: asyncpg.Connection[Any],
        *,
        cache: PolicyCache,
        patience_s: float,
        settle_s: float,
    ) -> None:
        self.sql = sql
        self.facts = SqlFacts(sql, settle_s=settle_s)
        self.news = SqlNews(connection, sql)
        self.sweep = SqlSweep(connection, sql)
        self.policies = SqlPolicies(sql, cache)
        self.migrations = SqlMigrations(connection, sql)
        self.clock = SqlClock(sql, patience_s=patience_s)
        self.holds = SqlHolds(connection, sql)
        self.responses = SqlResponses(sql)
        self.disputes = SqlDisputes(sql)
        self.plan_rules = SqlPlanRules(sql)
        self.cases = SqlCases(sql)
        self.portfolio = SqlPortfolio(connection, sql)
        self.approvals = SqlApprovals(connection, sql)
        self.work = SqlWork(sql)
        self.retries = SqlRetries(sql)
        self.notes = SqlNotes(sql)
        self.bulk = SqlBulk(connection, sql)
        self.audit = SqlAudit(sql)


class StoreRoom:
    """Opens transactions.

    `patience_s`: how long a sandbox clock waits for bookings. `settle_s`: how long an account that
    follows the real clock waits for more new invoices.
    """

    def __init__(self, db: Database, *, patience_s: float, settle_s: float = 0.0) -> None:
        self.db = db
        self._patience_s = patience_s
        self._settle_s = settle_s
        self._cache: PolicyCache = {}

    async def bind(self, connection: AsyncConnection) -> Stores:
        """The stores of a transaction that somebody else opened."""
        return Stores(
            connection, await driver(connection), cache=self._cache, patience_s=self._patience_s,
            settle_s=self._settle_s,
        )  # fmt: skip

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Stores]:
        """A transaction across tenants."""
        async with self.db.worker() as connection:
            yield await self.bind(connection)

    @asynccontextmanager
    async def tenant(self, tenant: str) -> AsyncIterator[Stores]:
        """A transaction that sees and writes only rows of `tenant`."""
        async with self.db.tenant(tenant) as connection:
            stores = await self.bind(connection)
            await name_subject(stores.sql)
            yield stores
