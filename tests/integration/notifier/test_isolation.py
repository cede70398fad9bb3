"""Row-level security: a tenant sees and touches nothing of another, by design of the database."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from dunning_common.db import driver
from notifier.schema import SCHEMA
from tests.integration.notifier.conftest import TENANT, Postman

WITHOUT_TENANT = {
    "alembic_version", "relay_cursor", "feed_cursor", "consumer_lease", "portal_visit",
}  # fmt: skip
"""Tables that hold no tenant's data; anything else must be protected."""

TENANT_LATER = {"outbox", "stream_head", "stream_position", "parked_event"}
"""Tables of the flow: their keys hold the tenant, though not first."""


async def tables(postman: Postman) -> dict[str, dict[str, Any]]:
    async with postman.db.worker() as connection:
        rows = await (await driver(connection)).fetch(
            """
            SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
                ARRAY(SELECT p.policyname::text FROM pg_policies p
                    WHERE p.schemaname = $1 AND p.tablename = c.relname ORDER BY 1) AS policies,
                ARRAY(SELECT a.attname::text FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
                ARRAY(SELECT a.attname::text FROM pg_index x JOIN pg_attribute a
                    ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
                    WHERE x.indrelid = c.oid AND x.indisunique) AS keys
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
            """,
            SCHEMA.schema,
        )
    return {row["name"]: dict(row) for row in rows}


async def test_every_table_with_tenants_is_under_row_level_security(postman: Postman) -> None:
    found = await tables(postman)

    bare = [
        name
        for name, table in found.items()
        if name not in WITHOUT_TENANT
        and not (
            "tenant" in table["columns"]
            and table["enabled"]
            and table["forced"]
            and table["policies"] == ["all_rows", "tenant_rows"]
        )
    ]
    assert bare == []
    assert {"message", "portal_link", "response", "response_file", "response_log"} <= set(found)


async def test_every_key_begins_with_the_tenant(postman: Postman) -> None:
    """A key without it would tell one tenant which ids another one uses."""
    found = await tables(postman)

    telling = {
        name: table["keys"]
        for name, table in found.items()
        if name not in WITHOUT_TENANT | TENANT_LATER and set(table["keys"]) != {"tenant"}
    }
    assert telling == {}


@pytest.mark.parametrize("role", ["tenant", "worker"])
async def test_who_read_and_decided_cannot_be_rewritten_by_the_service(
    postman: Postman, role: str
) -> None:
    async def rewrite(statement: str) -> None:
        opened = postman.db.tenant(TENANT) if role == "tenant" else postman.db.worker()
        async with opened as connection:
            await (await driver(connection)).execute(statement)

    for statement in ("DELETE FROM response_log", "UPDATE response_log SET actor = 'nobody'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await rewrite(statement)
