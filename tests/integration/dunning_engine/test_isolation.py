"""Row-level security of every table of the engine."""

import asyncpg

from dunning_engine.schema import SCHEMA
from tests.conftest import Databases


async def test_every_tenant_table_forces_row_level_security(databases: Databases) -> None:
    name = await databases.clone(SCHEMA)
    connection = await asyncpg.connect(databases.admin_url(name))
    try:
        rows = await connection.fetch(
            """
            SELECT c.relname AS table, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
                   array_agg(p.polname::text) AS policies
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
            LEFT JOIN pg_policy p ON p.polrelid = c.oid
            WHERE n.nspname = 'engine' AND c.relkind = 'r' GROUP BY 1, 2, 3
            """
        )
        keys = await connection.fetch(
            """
            SELECT c.relname AS table, i.indexrelid::regclass::text AS index, a.attname AS first
            FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
            WHERE n.nspname = 'engine' AND i.indisunique
            """
        )
    finally:
        await connection.close()

    assert len(rows) >= 15
    for row in rows:
        assert row["enabled"], row["table"]
        assert row["forced"], row["table"]
        assert set(row["policies"]) == {"tenant_rows", "all_rows"}, row["table"]
    tenant_tables = {row["table"] for row in rows}
    flow = {"stream_head", "outbox", "stream_position", "parked_event"}
    for key in keys:
        if key["table"] in tenant_tables - flow:
            assert key["first"] == "tenant", key["index"]
