"""Shared fixtures: one PostgreSQL for the session, a database per test cloned from migrated templates.

Tests that need a broker ask for `broker`; `DUNNING_TEST_KAFKA` names a real one to use instead of the
embedded one.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from dunning_common.db import Database
from dunning_common.migrate import ServiceSchema, provision, upgrade
from standalone.embedded.broker import EmbeddedBroker
from standalone.embedded.postgres import EmbeddedPostgres

PASSWORD = "test-only"
SHARED = Path(__file__).resolve().parents[2] / "shared"
DURABLE = os.environ.get("DUNNING_TEST_DURABLE") == "1"
"""Whether PostgreSQL waits for the disk as in production: for benchmarks; tests need no such thing."""

_ROOM_BYTES = 4 * 1024**3
_numbers = itertools.count(1)
# No test may depend on how busy the machine is. Where changes are let in, every run asks the same
# examples: new ones are found while developing, not in the way of a change that did not cause them.
settings.register_profile(
    "timeless",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("timeless")


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder that also an unprivileged PostgreSQL can enter; in memory where there is room.

    A hundred databases are 40,000 files: on a disk, deleting them takes longer than the tests.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES and not DURABLE
    folder = Path(tempfile.mkdtemp(prefix="dunning-test-", dir=memory if roomy else None))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(scratch: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(scratch / "postgres", durable=DURABLE)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(scratch: Path) -> Iterator[str]:
    """Address of the broker: the embedded one, or the real one named by DUNNING_TEST_KAFKA."""
    real = os.environ.get("DUNNING_TEST_KAFKA")
    if real:
        yield real
        return
    broker = EmbeddedBroker(scratch / "broker")
    broker.start()
    yield broker.bootstrap
    broker.stop()


class Databases:
    """Makes databases: one migrated template per service, cloned for each test."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._templates: dict[tuple[str, ...], str] = {}
        self._open: list[Database] = []
        self._names: set[str] = set()

    async def _admin(self, sql: str) -> None:
        connection = await asyncpg.connect(self._server.admin_url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    def admin_url(self, database: str) -> str:
        return self._server.admin_url.rsplit("/", 1)[0] + "/" + database

    async def clone(self, *services: ServiceSchema) -> str:
        """Name of a new database with the services' migrated schemas."""
        wanted = tuple(sorted(service.schema for service in services))
        if wanted not in self._templates:
            template = f"template_{'_'.join(wanted)}_{next(_numbers)}"
            await self._admin(f"CREATE DATABASE {template}")
            for service in services:
                await provision(self.admin_url(template), service, password=PASSWORD)
                await asyncio.to_thread(upgrade, self.admin_url(template), service)
            self._templates[wanted] = template
        name = f"test_{next(_numbers)}"
        await self._admin(f"CREATE DATABASE {name} TEMPLATE {self._templates[wanted]}")
        return name

    def role_url(self, role: str, database: str) -> str:
        plain = self._server.url(role, PASSWORD, database)
        return plain.replace("postgresql://", "postgresql+asyncpg://")

    async def open(self, service: ServiceSchema, database: str | None = None) -> Database:
        """A `Database` of the service, in a new clone unless one is named."""
        name = database or await self.clone(service)
        made = Database(
            api_url=self.role_url(service.api_role, name),
            worker_url=self.role_url(service.worker_role, name),
            schema=service.schema,
        )
        self._open.append(made)
        self._names.add(name)
        return made

    async def close(self) -> None:
        for database in self._open:
            await database.close()
        self._open.clear()
        for name in self._names:
            await self._admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._names.clear()


@pytest.fixture(scope="session")
def _databases(postgres: EmbeddedPostgres) -> Databases:
    return Databases(postgres)


@pytest.fixture
async def databases(_databases: Databases) -> AsyncIterator[Databases]:
    yield _databases
    await _databases.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real files beside the project; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here: real files are not part of the project")
    return SHARED


OpenDatabase = Callable[[ServiceSchema], Awaitable[Database]]
