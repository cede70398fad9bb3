"""PostgreSQL access: one unit of work is one transaction, and the only commit is here.

Two roles per service. The *api* role is bound by row-level security to the tenant of the request;
the
*worker* role (relay, consumers, sweepers) works across tenants. Neither owns the tables, neither is
a superuser. No SQL lives here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

OUTBOX_WRITTEN = "outbox_written"
"""Mark in `AsyncConnection.info` of a transaction that wrote outbox rows."""

_BEGIN = text("SELECT 1")
_SET_TENANT = text("SELECT set_config('app.tenant', :tenant, true)")


class Database:
    """The pools of one service. Make it in bootstrap, close it at the end."""

    def __init__(
        self,
        *,
        api_url: str,
        worker_url: str,
        schema: str,
        pool_size: int = 5,
        name: str = "dunning",
    ) -> None:
        self.schema = schema
        self.worker_url = worker_url
        self._on_outbox_commit: list[Callable[[], object]] = []
        self._api = _engine(api_url, schema=schema, pool_size=pool_size, name=f"{name}-api")
        self._worker = _engine(
            worker_url, schema=schema, pool_size=pool_size, name=f"{name}-worker"
        )

    @asynccontextmanager
    async def tenant(self, tenant: str) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees and writes only rows of `tenant` (row-level security)."""
        async with self._transaction(self._api) as connection:
            await connection.execute(_SET_TENANT, {"tenant": tenant})
            yield connection

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[AsyncConnection]:
        """A transaction across tenants, for relay, consumers and sweepers."""
        async with self._transaction(self._worker) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        async with engine.begin() as connection:
            connection.info[OUTBOX_WRITTEN] = False
            yield connection
            written = connection.info[OUTBOX_WRITTEN]
        if written:
            for wake in self._on_outbox_commit:
                wake()

    def on_outbox_commit(self, wake: Callable[[], object]) -> None:
        """Call `wake` after each commit here that wrote outbox rows.

        Instead of NOTIFY inside the transaction: that takes a lock which lets only one transaction
        of the whole database commit at a time.
        """
        self._on_outbox_commit.append(wake)

    async def ping(self) -> None:
        """Raise when PostgreSQL does not answer."""
        async with self._api.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def listen_connection(self) -> asyncpg.Connection[Any]:
        """A connection of its own, outside the pool, for LISTEN and session advisory locks."""
        url = self.worker_url.replace("postgresql+asyncpg://", "postgresql://")
        return await asyncpg.connect(
            url,
            server_settings={"search_path": self.schema, "application_name": "dunning-listen"},
            timeout=10,
            command_timeout=60,
        )

    async def close(self) -> None:
        """Close both pools."""
        await self._api.dispose()
        await self._worker.dispose()


async def driver(connection: AsyncConnection) -> asyncpg.Connection[Any]:
    """The asyncpg connection beneath, in the same transaction: for COPY and arrays of records."""
    raw = await connection.get_raw_connection()
    connection_ = raw.driver_connection
    if connection_ is None:
        raise RuntimeError("the connection is closed")
    if not connection_.is_in_transaction():
        # SQLAlchemy begins at its own first statement; without this, ours would commit one by one.
        await connection.execute(_BEGIN)
    return connection_  # type: ignore[no-any-return]


def _engine(url: str, *, schema: str, pool_size: int, name: str) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # they may be personal data, and errors are logged and kept
        connect_args={
            "server_settings": {"search_path": schema, "application_name": name, "jit": "off"},
            "timeout": 10,
            "command_timeout": 60,
        },
    )
