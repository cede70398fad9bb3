"""How much memory each service holds, beside a Python that has only imported the big libraries.

The services run one after the other, each alone as a process of its own, as in a container: every
one is started, does a little of what it is for (its peers are away; what they said lies in the
broker), is measured and stopped.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from dunning_engine.schema import SCHEMA as ENGINE
from invoice_ingest.schema import SCHEMA as INGEST
from standalone.catalog import SERVICES
from standalone.client import Client
from standalone.embedded import child
from tests.benchmarks.conftest import Record
from tests.benchmarks.measure import median, scaled
from tests.benchmarks.stack import (
    ALWAYS_OPEN,
    TENANT,
    Stack,
    debtor_item,
    fill,
    invoice_item,
    tenant_body,
)

pytestmark = pytest.mark.benchmark

DEBTORS = 300
INVOICES_PER_DEBTOR = 3
MIB = 2**20
BARE = """
import resource
import aiokafka, fastapi, pydantic, sqlalchemy
print(int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
"""
Work = Callable[[Stack, Client, int], Awaitable[None]]


async def test_resident_memory(stack: Stack, record: Record) -> None:
    debtors = scaled(DEBTORS, least=3)
    client = await stack.client()
    limit = await asyncio.to_thread(bare_mib)

    for service in SERVICES:
        pid = await stack.start(service.key)
        await WORK[service.key](stack, client, debtors)
        held = child.memory_bytes(pid) / MIB
        stack.stop(service.key)
        assert held > 0
        # Of memory less is better, so the ratio is limit / value (see `Line.ratio`).
        record(f"resident_memory_mib.{service.name}", held, "MiB", limit)


def bare_mib() -> float:
    """Resident memory of Python with the libraries that every service stands on."""
    held = [
        int(subprocess.run([sys.executable, "-c", BARE], capture_output=True, check=True).stdout)
        for _ in range(scaled(3))
    ]
    return median(held) / MIB


async def use_ledger(stack: Stack, client: Client, debtors: int) -> None:
    """Takes a tenant, its debtors and overdue invoices, publishes them and answers about them."""
    due_on = datetime.now(UTC).date() - timedelta(days=10)
    invoices = [
        invoice_item(number, number % debtors, due_on=due_on, policy_id="always")
        for number in range(debtors * INVOICES_PER_DEBTOR)
    ]
    await client.put("ingest", f"/v1/tenants/{TENANT}", tenant_body())
    await fill(client, "debtors", [debtor_item(number) for number in range(debtors)])
    await fill(client, "invoices", invoices)
    for invoice in invoices[:50]:
        await client.get("ingest", f"/v1/invoices/{invoice['invoice_id']}")
    await stack.until_published(INGEST)


async def use_engine(stack: Stack, client: Client, debtors: int) -> None:
    """Reads what the ledger published, decides about every debtor and explains itself."""
    await client.put("engine", "/v1/policies/always", ALWAYS_OPEN)
    await stack.until_sql(
        "SELECT count(flight_notice) = $1 FROM engine.dunning_case", debtors * INVOICES_PER_DEBTOR
    )
    await stack.until_published(ENGINE)
    await client.get("engine", "/v1/levels", limit=100)
    for number in range(min(50, debtors)):
        await client.get("engine", f"/v1/explain/F{number:07}")


async def use_notifier(stack: Stack, client: Client, debtors: int) -> None:
    """Plans every notice that the engine published, and has previews made, in their own process."""
    await stack.until_sql(
        "SELECT (SELECT count(*) FROM notifier.message) = (SELECT count(*) FROM engine.notice)"
    )
    for language in ("fr", "en", "de"):
        for channel in ("email", "letter"):
            body = {"template": "first_reminder", "channel": channel, "language": language}
            await client.post("notifier", "/v1/templates/preview", body)
    await client.get("notifier", "/v1/messages", limit=100)


async def use_kpi(stack: Stack, client: Client, debtors: int) -> None:
    """Folds what ledger and engine published, and shows figures and the dashboard."""
    await stack.until_sql(
        "SELECT (SELECT sum(sequence) FROM kpi.stream_position WHERE topic = 'dunning.v1') = "
        "(SELECT sum(sequence) FROM engine.stream_head WHERE topic = 'dunning.v1')"
    )
    today = datetime.now(UTC).date().isoformat()
    await client.get("kpi", "/v1/kpi", on=today, currency="EUR")
    await client.ask("GET", "kpi", "/")


WORK: Mapping[str, Work] = {
    "ingest": use_ledger,
    "engine": use_engine,
    "notifier": use_notifier,
    "kpi": use_kpi,
}
