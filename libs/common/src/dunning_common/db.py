"""PostgreSQL access: one unit of work is one transaction, and the only commit is here.

Two roles per service. The *api* role is bound by row-level security to the tenant of the request;
the *worker* role (relay, consumers, sweepers) works across tenants. Neither owns the tables,
neither is a superuser. No SQL lives here but the tenant's name.

SQLAlchemy keeps the pools; transactions are asyncpg's own. SQLAlchemy begins one at its first
statement only, and asks every connection first whether it lives: three questions more to the server
for each unit of work.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from dunning_common.clock import monotonic

OUTBOX_WRITTEN = "outbox_written"
"""Mark in `AsyncConnection.info` of a transaction that wrote outbox rows."""

_DRIVER = "driver"
"""Where `AsyncConnection.info` keeps the connection beneath."""

_USED_AT = "used_at"
_ASKED_AFTER_S = 1.0
"""A connection that rested for longer is asked whether it lives."""

_SET_TENANT = "SELECT set_config('app.tenant', $1, true)"


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
            raw = await driver(connection)
            await raw.execute(_SET_TENANT, tenant)
            yield connection

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[AsyncConnection]:
        """A transaction across tenants, for relay, consumers and sweepers.

        It ends with the block: commits, or rolls back when an exception leaves it. SQLAlchemy's own
        `commit` and `rollback` know nothing of it.
        """
        async with self._transaction(self._worker) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        async with engine.connect() as connection:
            info = connection.info
            info[OUTBOX_WRITTEN] = False
            info[_DRIVER] = raw = await _beneath(connection)
            async with _unit_of_work(raw):
                yield connection
            written = info[OUTBOX_WRITTEN]
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
    found: asyncpg.Connection[Any] = connection.info[_DRIVER]
    return found


async def _beneath(connection: AsyncConnection) -> asyncpg.Connection[Any]:
    raw = await connection.get_raw_connection()
    if raw.driver_connection is None:
        raise RuntimeError("the connection is closed")
    return raw.driver_connection  # type: ignore[no-any-return]


@asynccontextmanager
async def _unit_of_work(raw: asyncpg.Connection[Any]) -> AsyncIterator[None]:
    """A transaction. Where nobody can tell whether it began or ended, the connection is hung up.

    In the pool it would give the next unit of work a transaction inside of the lost one, which
    ends with a savepoint instead of a commit: acknowledged, and gone when the connection closes.
    """
    transaction = raw.transaction()
    has_ended = False
    try:
        await transaction.start()
        try:
            yield
        except BaseException:
            await transaction.rollback()
            has_ended = True
            raise
        await transaction.commit()
        has_ended = True
    finally:
        if not has_ended:
            raw.terminate()


def _engine(url: str, *, schema: str, pool_size: int, name: str) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        isolation_level="AUTOCOMMIT",  # the transaction is asyncpg's
        hide_parameters=True,  # they may be personal data, and errors are logged and kept
        connect_args={
            "server_settings": {"search_path": schema, "application_name": name, "jit": "off"},
            "timeout": 10,
            "command_timeout": 60,
        },
    )
    event.listen(engine.sync_engine, "checkin", _note_time)
    event.listen(engine.sync_engine, "checkout", functools.partial(_look_alive, engine))
    return engine


def _note_time(_: Any, record: Any) -> None:
    record.info[_USED_AT] = monotonic()


def _look_alive(engine: AsyncEngine, connection: Any, record: Any, _: Any) -> None:
    """Let the pool replace a connection that is closed: by a restart of PostgreSQL, or by us.

    Looking costs nothing, and a question to the server is asked only after a pause: a connection
    that was just used would hardly be lost, and whoever has that bad luck tries again.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the connection is closed")
    if monotonic() - record.info.get(_USED_AT, 0.0) > _ASKED_AFTER_S:
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:
            raise InvalidatePoolError("PostgreSQL does not answer") from error
