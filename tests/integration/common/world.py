"""A writer and a reader of events on a real PostgreSQL, with the feed between them but no sockets."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.auth import Verifier, make_key_pair, mint
from dunning_common.bus import Bus
from dunning_common.consumer import ApplyEvents, Consumed, Consumer
from dunning_common.db import Database, driver
from dunning_common.events.receivables import UnallocatedCashChangedV1
from dunning_common.events.registry import TOPICS
from dunning_common.failures import is_transient
from dunning_common.feed import FeedClient, feed_router
from dunning_common.http import create_app
from dunning_common.outbox import Outgoing
from dunning_common.relay import Relay
from tests.conftest import Databases
from tests.integration.common.flow import READER, WRITER

TOPIC = "receivables.v1"
POISON = 666
"""An amount that the reader's table refuses."""


def cash(key: str, amount: int, *, tenant: str = "acme") -> Outgoing:
    payload = UnallocatedCashChangedV1(
        debtor_id=key, currency="EUR", unallocated_minor=amount, effective_on=date(2026, 1, 1)
    )
    return Outgoing(payload=payload, tenant=tenant, key=f"{tenant}:{key}", subject=key)


async def keep(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
    """The reader's handler: one set-based insert; the table refuses 666."""
    raw = await driver(connection)
    await raw.execute(
        "INSERT INTO applied (tenant, topic, key, sequence, amount) "
        "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])",
        [event.envelope.tenant for event in events],
        [event.payload.topic for event in events],
        [event.envelope.key for event in events],
        [event.envelope.sequence for event in events],
        [getattr(event.payload, "unallocated_minor", 0) for event in events],
    )


class World:
    """What a test of the flow needs; everything it starts it stops."""

    def __init__(self, *, writer: Database, reader: Database, bus: Bus, keys: Path) -> None:
        self.writer = writer
        self.reader = reader
        self.bus = bus
        self.keys = keys
        self.feed_down = False
        self.feed_calls: list[str] = []
        self.feed_request: Any = None
        self._clients: list[httpx.AsyncClient] = []
        self._tasks: list[asyncio.Task[Any]] = []

    async def write(self, *events: Outgoing) -> None:
        """Append events; once more where the connection was cut under us, as any caller would."""
        try:
            await self._append(events)
        except Exception as error:
            if not is_transient(error):
                raise
            await self._append(events)

    async def _append(self, events: Sequence[Outgoing]) -> None:
        async with self.writer.worker() as connection:
            await outbox.append(connection, events, source="writer")

    def token(self) -> str:
        return mint(
            self.keys / "key.pem", subject="test", tenant="*", scopes=frozenset({"internal"}),
            now=datetime.now(UTC), lifetime=timedelta(hours=1),
        )  # fmt: skip

    def app(self, db: Database, consumer: Consumer | None = None) -> FastAPI:
        app = create_app(
            title="writer", version="1", verifier=Verifier.from_file(self.keys / "jwks.json"),
            registry=CollectorRegistry(), ready={},
        )  # fmt: skip
        app.include_router(feed_router(db, consumer))
        return app

    def client(self, app: FastAPI) -> httpx.AsyncClient:
        made = httpx.AsyncClient(
            transport=_Line(self, httpx.ASGITransport(app)), base_url="http://writer",
            headers={"authorization": f"Bearer {self.token()}"},
        )  # fmt: skip
        self._clients.append(made)
        return made

    def feed(self) -> FeedClient:
        return FeedClient("http://writer", self.token(), self.client(self.app(self.writer)))

    def consumer(
        self,
        apply: ApplyEvents = keep,
        *,
        topics: Sequence[str] = (TOPIC,),
        registry: CollectorRegistry | None = None,
        **options: Any,
    ) -> Consumer:
        return Consumer(
            name="reader", db=self.reader, bus=self.bus, topics=topics, apply=apply,
            feeds=dict.fromkeys(topics, self.feed()), registry=registry or CollectorRegistry(),
            **options,
        )  # fmt: skip

    def relay(self, registry: CollectorRegistry | None = None, **options: Any) -> Relay:
        return Relay(
            db=self.writer, bus=self.bus, registry=registry or CollectorRegistry(), **options
        )

    def start(self, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(loop())
        self._tasks.append(task)
        return task

    @staticmethod
    async def end(task: asyncio.Task[Any]) -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def close(self) -> None:
        for task in self._tasks:
            if not task.done() or task.cancelled():
                await self.end(task)
            else:
                await task  # a loop that died shows why
        for client in self._clients:
            await client.aclose()

    async def applied(self, key: str | None = None) -> list[int]:
        """Sequences in the order in which they were applied, of one key or of all."""
        rows = await self.query(
            "SELECT sequence FROM applied WHERE $1::text IS NULL OR key = $1 ORDER BY place", key
        )
        return [row["sequence"] for row in rows]

    async def amounts(self) -> dict[str, list[int]]:
        """Amounts per debtor in the order in which they were applied."""
        rows = await self.query("SELECT key, amount FROM applied ORDER BY place")
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(row["key"].split(":", 1)[1], []).append(row["amount"])
        return found

    async def query(self, sql: str, *values: Any, db: Database | None = None) -> list[Any]:
        async with (db or self.reader).worker() as connection:
            return list(await (await driver(connection)).fetch(sql, *values))

    async def until_applied(self, count: int) -> None:
        await until(self._count, count)

    async def _count(self) -> int:
        rows = await self.query("SELECT count(*) FROM applied")
        return int(rows[0]["count"])


class _Line(httpx.AsyncBaseTransport):
    """The way to the writer, which a test can cut."""

    def __init__(self, world: World, inner: httpx.ASGITransport) -> None:
        self._world = world
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._world.feed_down:
            raise httpx.ConnectError("the line is cut", request=request)
        self._world.feed_request = orjson.loads(request.content or b"null")
        answer = await self._inner.handle_async_request(request)
        self._world.feed_calls.append(request.url.path)  # it saw nothing that comes from now on
        return answer


async def until(probe: Callable[[], Awaitable[Any]], wanted: Any, *, within_s: float = 40) -> None:
    """Wait until the probe answers what is wanted."""
    deadline = asyncio.get_running_loop().time() + within_s
    while (found := await probe()) != wanted:
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"still {found!r}, not {wanted!r}, after {within_s} s")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def open_world(databases: Databases, bus: Bus) -> AsyncIterator[World]:
    name = await databases.clone(WRITER, READER)
    with tempfile.TemporaryDirectory(prefix="dunning-keys-") as folder:
        keys = Path(folder)
        make_key_pair(keys / "key.pem", keys / "jwks.json")
        world = World(
            writer=await databases.open(WRITER, name), reader=await databases.open(READER, name),
            bus=bus, keys=keys,
        )  # fmt: skip
        await bus.ensure_topics(dict.fromkeys(TOPICS, False), partitions=3)
        try:
            yield world
        finally:
            await world.close()
