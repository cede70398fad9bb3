"""How fast the ledger takes invoices over HTTP, beside how fast PostgreSQL copies the same rows.

The ledger runs as a process of its own and is reached by its port; it writes invoices, outbox and
sequences, and its relay publishes meanwhile. The limit only fills a table of the same shape.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any, TypeVar

import asyncpg
import orjson
import pytest

from invoice_ingest.schema import SCHEMA
from standalone.client import Client
from tests.benchmarks.conftest import Record
from tests.benchmarks.measure import median, scaled
from tests.benchmarks.stack import Stack, debtor_item, fill, invoice_item, tenant_body
from tests.conftest import Databases

pytestmark = pytest.mark.benchmark

INVOICES = 45_000
DEBTORS = 2_000
ROUNDS = 3
PER_REQUEST = 1_000
CLIENTS = 2
"""Requests at a time; also connections that copy."""

PATH = "/v1/bulk/invoices"
NDJSON = {"content-type": "application/x-ndjson"}
T = TypeVar("T")
Rows = list[dict[str, Any]]


async def test_bulk_ingest(stack: Stack, databases: Databases, record: Record) -> None:
    await stack.start("ingest")
    client = await stack.client()
    await client.put("ingest", f"/v1/tenants/{client.tenant}", tenant_body())
    debtors = scaled(DEBTORS)
    await fill(client, "debtors", [debtor_item(number) for number in range(debtors)])
    await stack.sql.execute("CREATE SCHEMA bench")
    await stack.sql.execute("CREATE TABLE bench.invoice (LIKE ingest.invoice INCLUDING ALL)")
    copiers = [await asyncpg.connect(databases.admin_url(stack.database)) for _ in range(CLIENTS)]
    per_round = scaled(INVOICES) // ROUNDS
    values, limits = [], []

    for this_round in range(ROUNDS):
        first = this_round * per_round
        requests = split(
            [
                invoice_item(number, number % debtors, due_on=date(2026, 3, 1 + number % 28))
                for number in range(first, first + per_round)
            ]
        )
        bodies = [b"\n".join(orjson.dumps(item) for item in request) for request in requests]
        values.append(per_round / await seconds(post, [client] * CLIENTS, bodies))
        await stack.until_published(SCHEMA)
        chunks = [await copied_out(stack.sql, request) for request in requests]
        limits.append(per_round / await seconds(copy, copiers, chunks))

    for table in ("ingest.invoice", "bench.invoice"):
        counted = await stack.sql.fetchval(f"SELECT count(*) FROM {table}")
        assert counted == ROUNDS * per_round, table
    for copier in copiers:
        await copier.close()
    record("bulk_ingest", median(values), "invoices/s", median(limits))


def split(items: Rows) -> list[Rows]:
    """As many requests as the items need."""
    return [items[first : first + PER_REQUEST] for first in range(0, len(items), PER_REQUEST)]


async def seconds(
    work: Callable[[Any, T], Awaitable[None]], workers: Sequence[Any], jobs: Sequence[T]
) -> float:
    """How long the workers together take for the jobs; each takes the next one that is left."""
    waiting = iter(jobs)

    async def one(worker: Any) -> None:
        for job in waiting:
            await work(worker, job)

    started = time.perf_counter()
    await asyncio.gather(*(one(worker) for worker in workers))
    return time.perf_counter() - started


async def post(client: Client, body: bytes) -> None:
    """One request; every item of it must be new."""
    answer = await client.ask("POST", "ingest", PATH, content=body, headers=NDJSON)
    summary = orjson.loads(answer.content)["summary"]
    assert summary["created"] == sum(summary.values()) > 0, summary


async def copied_out(sql: asyncpg.Connection[Any], request: Rows) -> bytes:
    """The stored rows of a request, as COPY takes them."""
    rows = io.BytesIO()
    await sql.copy_from_query(
        "SELECT * FROM ingest.invoice WHERE invoice_id = ANY($1)",
        [item["invoice_id"] for item in request],
        output=rows,
        format="binary",
    )
    return rows.getvalue()


async def copy(connection: asyncpg.Connection[Any], rows: bytes) -> None:
    """One transaction, like a request."""
    await connection.copy_to_table(
        "invoice", schema_name="bench", source=io.BytesIO(rows), format="binary"
    )
