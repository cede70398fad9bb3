"""How soon after a payment its reminder is off the table, beside the bare way of the events.

From sending the HTTP request of the payment to the notifier writing `suppressed` into the row of
the message that was planned: ledger → relay → broker → engine → relay → broker → notifier. The
limit is an event that makes the same two hops between three empty databases, where nobody decides.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.consumer import Consumed, Consumer
from dunning_common.db import Database
from dunning_common.events.dunning import NoticeRevokedV1
from dunning_common.events.receivables import UnallocatedCashChangedV1
from dunning_common.ids import account_key, name_id
from dunning_common.kafka import KafkaBus
from dunning_common.outbox import Outgoing
from dunning_common.relay import Relay
from dunning_common.testing.bus import PrefixedBus
from kpi.schema import SCHEMA as ANY_SCHEMA
from standalone.client import Client
from tests.benchmarks.conftest import Record
from tests.benchmarks.measure import percentile, scaled
from tests.benchmarks.stack import (
    ALL,
    ALWAYS_OPEN,
    TENANT,
    Stack,
    debtor_item,
    fill,
    invoice_item,
    tenant_body,
    until,
)
from tests.conftest import Databases

pytestmark = pytest.mark.benchmark

PAYMENTS = 200
WARM_UP = 3
PAUSED = {"NOTIFIER_RETRY_BASE_S": "3600", "NOTIFIER_RETRY_CAP_S": "3600"}
"""Nobody listens at the mail server's address: after one try a message stays planned for an hour."""


async def test_payment_to_revocation(stack: Stack, databases: Databases, record: Record) -> None:
    count = scaled(PAYMENTS, least=3) + WARM_UP
    client = await stack.client()
    await stack.start(ALL, **PAUSED)
    await plan_reminders(stack, client, count)
    values, limits = [], []

    async with two_hops(stack, databases) as bare_ms:
        for number in range(count):
            values.append(await payment_ms(stack, client, number))
            limits.append(await bare_ms(number))

    for percent in (50, 99):
        record(
            f"payment_to_revocation_ms.p{percent}",
            percentile(values[WARM_UP:], percent),
            "ms",
            percentile(limits[WARM_UP:], percent),
        )


async def plan_reminders(stack: Stack, client: Client, count: int) -> None:
    """Debtors with one overdue invoice each, whose reminder is planned and cannot go out."""
    due_on = datetime.now(UTC).date() - timedelta(days=10)
    await client.put("engine", "/v1/policies/always", ALWAYS_OPEN)
    await client.put("ingest", f"/v1/tenants/{TENANT}", tenant_body())
    await fill(client, "debtors", [debtor_item(number) for number in range(count)])
    await fill(
        client,
        "invoices",
        [invoice_item(n, n, due_on=due_on, policy_id="always") for n in range(count)],
    )
    await stack.until_sql(
        "SELECT count(*) = $1 FROM notifier.message "
        "WHERE state = 'planned' AND attempts = 1 AND lease_until IS NULL",
        count,
    )


async def payment_ms(stack: Stack, client: Client, number: int) -> float:
    """Pay one invoice; milliseconds until its message is suppressed.

    Both ends are read from the machine's clock, here and by PostgreSQL; so it does not matter how
    often one looks.
    """
    invoice = invoice_item(number, number, due_on=date(2026, 1, 1))
    body = {
        "debtor_id": invoice["debtor_id"],
        "currency": "EUR",
        "amount": invoice["amount"],
        "value_date": datetime.now(UTC).date().isoformat(),
    }
    began = time.time()
    await client.put("ingest", f"/v1/payments/P{number}", body)
    await stack.until_sql(
        "SELECT state = 'suppressed' FROM notifier.message WHERE debtor_id = $1", body["debtor_id"]
    )
    ended = await stack.sql.fetchval(
        "SELECT extract(epoch FROM settled_at)::float8 FROM notifier.message WHERE debtor_id = $1",
        body["debtor_id"],
    )
    return float(ended - began) * 1000


@asynccontextmanager
async def two_hops(
    stack: Stack, databases: Databases
) -> AsyncIterator[Callable[[int], Awaitable[float]]]:
    """Outbox, relay, broker and consumer twice in a row, on topics of their own."""
    bus = PrefixedBus(KafkaBus(stack.place.kafka), "bare")
    first, second, third = [await databases.open(ANY_SCHEMA) for _ in range(3)]
    arrived: dict[str, float] = {}

    async def pass_on(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await outbox.append(connection, [revoked(e.envelope.subject) for e in events], source="b")

    async def note(_: AsyncConnection, events: Sequence[Consumed]) -> None:
        arrived.update({event.envelope.subject: time.time() for event in events})

    def consumer(db: Database, topic: str, apply: Any) -> Consumer:
        return Consumer(
            name=topic, db=db, bus=bus, topics=[topic], apply=apply, feeds={},
            registry=CollectorRegistry(),
        )  # fmt: skip

    loops = [
        Relay(db=first, bus=bus, registry=CollectorRegistry()).run,
        consumer(second, UnallocatedCashChangedV1.topic, pass_on).run,
        Relay(db=second, bus=bus, registry=CollectorRegistry()).run,
        consumer(third, NoticeRevokedV1.topic, note).run,
    ]
    tasks = [asyncio.ensure_future(loop()) for loop in loops]

    async def bare_ms(number: int) -> float:
        began, subject = time.time(), str(number)
        async with first.worker() as connection:
            await outbox.append(connection, [paid(subject)], source="a")

        async def is_there() -> bool:
            return subject in arrived

        await until(is_there)
        return (arrived[subject] - began) * 1000

    yield bare_ms
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def paid(subject: str) -> Outgoing:
    """Any event of the first topic."""
    payload = UnallocatedCashChangedV1(
        debtor_id=subject, currency="EUR", unallocated_minor=1, effective_on=date(2026, 1, 1)
    )
    return Outgoing(
        payload=payload, tenant=TENANT, key=account_key(TENANT, subject), subject=subject
    )


def revoked(subject: str) -> Outgoing:
    """Any event of the second topic."""
    payload = NoticeRevokedV1(
        notice_id=name_id("notice", subject), debtor_id=subject, invoice_ids=(subject,),
        reason="paid",
    )  # fmt: skip
    return Outgoing(
        payload=payload, tenant=TENANT, key=account_key(TENANT, subject), subject=subject
    )
