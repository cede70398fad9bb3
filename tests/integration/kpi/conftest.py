"""A migrated kpi database, and a fold on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from dunning_common.auth import make_key_pair, mint
from dunning_common.consumer import Consumed
from dunning_common.db import Database
from dunning_common.service import Service
from dunning_common.testing.bus import MemoryBus
from kpi.adapters.sql_facts import SqlFactStore
from kpi.adapters.sql_figures import SqlFigures
from kpi.bootstrap import build
from kpi.domain.snapshot import Snapshot
from kpi.domain.tally import Tally
from kpi.handlers.fold import Fold
from kpi.schema import SCHEMA
from kpi.settings import Settings
from tests.conftest import Databases


class _UndoneError(Exception):
    """Raised to leave a transaction without a trace."""


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
        tally = Tally()
        with suppress(_UndoneError):
            async with self.db.worker() as connection:
                tally = await SqlFactStore(connection).clear(tenant)
                raise _UndoneError
        return tally

    async def at(
        self, on: date, *, tenant: str = "acme", currency: str = "EUR", days: int = 90
    ) -> Snapshot:
        async with self.db.tenant(tenant) as connection:
            return await SqlFigures(connection).snapshot(tenant, currency, on, days)


@pytest.fixture
async def books(databases: Databases) -> Books:
    return Books(await databases.open(SCHEMA), Fold(SqlFactStore))


@dataclass
class Running:
    """A built service (its loops not started), a client to it, its bus and its books."""

    service: Service
    client: httpx.AsyncClient
    bus: MemoryBus
    books: Books
    keys: Path

    def bearer(self, tenant: str = "acme", *scopes: str) -> dict[str, str]:
        token = mint(
            self.keys,
            subject="tester",
            tenant=tenant,
            scopes=frozenset(scopes or ("kpi:read",)),
            now=datetime.now(UTC),
            lifetime=timedelta(hours=1),
        )
        return {"Authorization": f"Bearer {token}"}


class _Today:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 3, 31, 22, 30, tzinfo=UTC)


@pytest.fixture
async def running(databases: Databases, tmp_path: Path) -> AsyncIterator[Running]:
    name = await databases.clone(SCHEMA)
    keys, jwks = tmp_path / "key.pem", tmp_path / "jwks.json"
    make_key_pair(keys, jwks)
    settings = Settings(
        api_database_url=SecretStr(databases.role_url(SCHEMA.api_role, name)),
        worker_database_url=SecretStr(databases.role_url(SCHEMA.worker_role, name)),
        public_url="http://kpi.test",
        token_keys_file=jwks,
        service_token=SecretStr("none"),
        ingest_url="http://ingest.test",
        engine_url="http://engine.test",
        notifier_url="http://notifier.test",
        kpi_url="http://kpi.test",
        public_urls={"notifier": "https://messages.example.com/"},
    )
    bus = MemoryBus()
    # No producer answers: the feeds must not be needed as long as the broker works.
    silent = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    service = await build(settings, bus=bus, clock=_Today(), client=silent)
    books = Books(await databases.open(SCHEMA, name), Fold(SqlFactStore))
    transport = httpx.ASGITransport(service.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://kpi.test") as client:
        yield Running(service, client, bus, books, keys)
    await service.close()
