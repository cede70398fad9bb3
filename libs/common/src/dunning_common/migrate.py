"""Schema, roles and migrations of one service; used by its migrations and by the launchers.

Runs as the database's owner, never as a service. Everything here can be run again without harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSchema:
    """Where a service keeps its tables. `package` holds the alembic folder `migrations`."""

    package: str
    schema: str

    @property
    def api_role(self) -> str:
        """The login role bound by row-level security."""
        return f"{self.schema}_api"

    @property
    def worker_role(self) -> str:
        """The login role of the loops, across tenants."""
        return f"{self.schema}_worker"


async def provision(admin_url: str, service: ServiceSchema, *, password: str) -> None:
    """Create the schema and its two login roles, or set their password again.

    Args:
        admin_url: `postgresql://…` of a role that may create roles.
        service: whose schema.
        password: of both roles.
    """
    connection = await asyncpg.connect(_plain(admin_url))
    try:
        for role in (service.api_role, service.worker_role):
            exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
            verb = "ALTER" if exists else "CREATE"
            secret = password.replace("'", "''")
            await connection.execute(
                f"{verb} ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{secret}'"
            )
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {service.schema}")
        await connection.execute(
            f"GRANT USAGE ON SCHEMA {service.schema} TO {service.api_role}, {service.worker_role}"
        )
    finally:
        await connection.close()


def upgrade(admin_url: str, service: ServiceSchema, revision: str = "head") -> None:
    """Bring the service's schema to `revision`. Blocking; call it outside an event loop."""
    config = Config()
    config.set_main_option("script_location", f"{service.package}:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["admin_url"] = _asyncpg(admin_url)
    config.attributes["schema"] = service.schema
    command.upgrade(config, revision)


def run_env() -> None:
    """The whole body of every service's `migrations/env.py`."""
    attributes = context.config.attributes
    asyncio.run(_run(attributes["admin_url"], attributes["schema"]))


async def _run(admin_url: str, schema: str) -> None:
    engine = create_async_engine(admin_url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate, schema)
    await engine.dispose()


def _migrate(connection: Connection, schema: str) -> None:
    connection.execute(text(f"SET search_path TO {schema}"))
    connection.execute(text("SET lock_timeout TO '10s'"))
    connection.commit()
    context.configure(connection=connection, version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()


def create_flow_tables(service: ServiceSchema) -> None:
    """The tables of outbox, relay and consumer, in the service's own schema (see those modules)."""
    run_script(
        """
        CREATE TABLE stream_head (
            topic text NOT NULL, key text NOT NULL, tenant text NOT NULL,
            sequence bigint NOT NULL, txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
            moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (topic, key)
        );
        CREATE INDEX stream_head_moved ON stream_head (topic, txid, key);
        CREATE INDEX stream_head_moved_of_tenant ON stream_head (tenant, topic, txid, key);
        CREATE TABLE outbox (
            id uuid NOT NULL, topic text NOT NULL, key text NOT NULL, tenant text NOT NULL,
            sequence bigint NOT NULL, envelope bytea NOT NULL,
            position bigint GENERATED ALWAYS AS IDENTITY,
            txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
            written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (topic, key, sequence)
        );
        CREATE INDEX outbox_txid ON outbox (txid) INCLUDE (position);
        CREATE UNIQUE INDEX outbox_position ON outbox (position);
        CREATE TABLE relay_cursor (
            name text PRIMARY KEY, snapshot pg_snapshot NOT NULL,
            target pg_snapshot, position bigint NOT NULL DEFAULT 0,
            moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        CREATE TABLE stream_position (
            topic text NOT NULL, key text NOT NULL, tenant text NOT NULL,
            sequence bigint NOT NULL DEFAULT 0,
            moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (topic, key)
        ) WITH (fillfactor = 80);
        CREATE TABLE feed_cursor (
            topic text PRIMARY KEY, txid xid8 NOT NULL,
            compared_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        CREATE TABLE parked_event (
            topic text NOT NULL, key text NOT NULL, tenant text NOT NULL, sequence bigint NOT NULL,
            envelope bytea NOT NULL, error text,
            parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (topic, key, sequence)
        );
        """
    )
    protect(service, ("stream_head", "outbox", "stream_position", "parked_event"))
    for table in ("relay_cursor", "feed_cursor"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {service.worker_role}")
        op.execute(f"GRANT SELECT ON {table} TO {service.api_role}")


def run_script(sql: str) -> None:
    """Run several statements at once, in the migration's transaction.

    asyncpg takes one statement per prepared query, so `op.execute` refuses scripts.
    """
    op.execute("SELECT 1")  # SQLAlchemy begins its transaction with its own first statement
    adapted: Any = op.get_bind().connection.dbapi_connection
    adapted.run_async(lambda connection: connection.execute(sql))


def protect(service: ServiceSchema, tables: Sequence[str]) -> None:
    """Grant both roles their rights and force row-level security by the column `tenant`.

    The api role sees only rows of `app.tenant`, none when it is unset; the worker role sees all.
    """
    for table in tables:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO {service.api_role} "
            "USING (tenant = NULLIF(current_setting('app.tenant', true), '')) "
            "WITH CHECK (tenant = NULLIF(current_setting('app.tenant', true), ''))"
        )
        op.execute(f"CREATE POLICY all_rows ON {table} TO {service.worker_role} USING (true)")
        op.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} "
            f"TO {service.api_role}, {service.worker_role}"
        )


def _plain(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://")


def _asyncpg(url: str) -> str:
    return _plain(url).replace("postgresql://", "postgresql+asyncpg://")
