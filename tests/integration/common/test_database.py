"""Two roles per service: one sees its tenant's rows only, the other works across; neither owns."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from dunning_common.db import Database, driver
from dunning_common.migrate import provision, upgrade
from tests.conftest import PASSWORD, Databases
from tests.integration.common.flow import READER

ROW = "INSERT INTO balance (tenant, key, amount) VALUES ($1, $2, $3)"


async def put(db: Database, tenant: str, key: str, amount: int) -> None:
    async with db.worker() as connection:
        await (await driver(connection)).execute(ROW, tenant, key, amount)


async def keys(db: Database, tenant: str) -> list[str]:
    async with db.tenant(tenant) as connection:
        rows = await (await driver(connection)).fetch("SELECT key FROM balance ORDER BY key")
    return [row["key"] for row in rows]


@pytest.fixture
async def db(databases: Databases) -> Database:
    return await databases.open(READER)


async def refused(work: Callable[[], Awaitable[None]], reason: str) -> None:
    with pytest.raises(Exception, match=reason):
        await work()


async def test_a_tenant_sees_its_own_rows_only(db: Database) -> None:
    await put(db, "acme", "a", 1)
    await put(db, "other", "b", 2)

    assert await keys(db, "acme") == ["a"]
    assert await keys(db, "other") == ["b"]
    assert await keys(db, "nobody") == []


@pytest.mark.parametrize("tenant", ["", "*", "%", "' OR true --"])
async def test_no_name_of_a_tenant_opens_all_rows(db: Database, tenant: str) -> None:
    await put(db, "acme", "a", 1)

    assert await keys(db, tenant) == []


async def test_a_tenant_writes_and_changes_its_own_rows_only(db: Database) -> None:
    await put(db, "other", "b", 2)

    async def write_for_another() -> None:
        async with db.tenant("acme") as connection:
            await (await driver(connection)).execute(ROW, "other", "c", 3)

    await refused(write_for_another, "row-level security")
    async with db.tenant("acme") as connection:
        raw = await driver(connection)
        assert await raw.execute("UPDATE balance SET amount = 0") == "UPDATE 0"
        assert await raw.execute("DELETE FROM balance") == "DELETE 0"

    assert await keys(db, "other") == ["b"]


async def test_the_tenant_of_one_request_does_not_leak_into_the_next(db: Database) -> None:
    """All on few connections, many at once."""
    for number in range(8):
        await put(db, f"t{number}", f"k{number}", number)

    async def request(number: int) -> None:
        await asyncio.sleep(number % 3 / 1000)
        assert await keys(db, f"t{number % 8}") == [f"k{number % 8}"]

    await asyncio.gather(*(request(number) for number in range(100)))


async def test_without_a_tenant_the_api_role_sees_nothing(
    db: Database, databases: Databases
) -> None:
    await put(db, "acme", "a", 1)
    async with db.worker() as connection:
        name = await (await driver(connection)).fetchval("SELECT current_database()")
    url = databases.role_url(READER.api_role, name).replace("+asyncpg", "")

    connection_ = await asyncpg.connect(url, server_settings={"search_path": READER.schema})
    try:
        assert await connection_.fetch("SELECT * FROM balance") == []
    finally:
        await connection_.close()


async def test_the_roles_of_a_service_may_not_change_its_tables(db: Database) -> None:
    for statement in (
        "ALTER TABLE balance DISABLE ROW LEVEL SECURITY",
        "DROP TABLE balance",
        "CREATE TABLE own (x int)",
        "TRUNCATE balance",
    ):

        async def attempt(statement: str = statement) -> None:
            async with db.worker() as connection:
                await (await driver(connection)).execute(statement)

        await refused(attempt, "must be owner|permission denied")


async def test_statements_of_the_driver_are_part_of_the_transaction(db: Database) -> None:
    async def fail() -> None:
        async with db.worker() as connection:
            await (await driver(connection)).execute(ROW, "acme", "a", 1)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await fail()

    assert await keys(db, "acme") == []


async def test_setting_up_again_harms_nothing(databases: Databases) -> None:
    name = await databases.clone(READER)
    db = await databases.open(READER, name)
    await put(db, "acme", "a", 1)

    await provision(databases.admin_url(name), READER, password=PASSWORD)
    await asyncio.to_thread(upgrade, databases.admin_url(name), READER)

    assert await keys(db, "acme") == ["a"]


@asynccontextmanager
async def silent(db: Database) -> AsyncIterator[None]:
    """The server process behind the connection that the pool gives next does not answer."""
    async with db.worker() as connection:
        pid = await (await driver(connection)).fetchval("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def given_up(work: Awaitable[None]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await work


async def test_a_transaction_that_was_given_up_at_its_begin_swallows_no_later_one(
    db: Database,
) -> None:
    async with silent(db):
        await given_up(put(db, "acme", "never", 1))

    for number in range(5):
        await put(db, "acme", f"after {number}", 10 + number)
    await db.close()  # what was not committed is gone with its connection

    assert await keys(db, "acme") == [f"after {number}" for number in range(5)]


async def test_a_transaction_that_was_given_up_at_its_end_blocks_no_later_one(db: Database) -> None:
    async def change_ones_mind() -> None:
        async with db.worker() as connection:
            raw = await driver(connection)
            await raw.execute(ROW, "acme", "never", 1)
            pid = await raw.fetchval("SELECT pg_backend_pid()")
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
            raise InterruptedError

    stopped: list[int] = []
    try:
        await given_up(change_ones_mind())
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    for number in range(5):
        await put(db, "acme", f"after {number}", 10 + number)
    await db.close()

    assert await keys(db, "acme") == [f"after {number}" for number in range(5)]
