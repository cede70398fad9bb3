"""Events are written with the change they tell of, numbered without a hole per topic and key."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import orjson
import pytest
from opentelemetry import trace
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dunning_common import outbox
from dunning_common.db import driver
from dunning_common.events.contacts import DebtorErasedV1
from dunning_common.events.envelope import Envelope
from dunning_common.events.registry import parse_payload
from dunning_common.outbox import Outgoing
from dunning_common.telemetry import configure_tracing
from tests.integration.common.world import World, cash


async def written(world: World) -> list[Envelope]:
    rows = await world.query("SELECT envelope FROM outbox ORDER BY position", db=world.writer)
    return [Envelope.from_bytes(row["envelope"]) for row in rows]


async def test_sequences_count_per_key_in_the_order_given(memory_world: World) -> None:
    await memory_world.write(cash("a", 1), cash("b", 2), cash("a", 3))
    await memory_world.write(cash("a", 4))

    found = [(event.subject, event.sequence) for event in await written(memory_world)]

    assert found == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]


async def test_sequences_count_per_topic(memory_world: World) -> None:
    other = Outgoing(
        payload=DebtorErasedV1(debtor_id="a"), tenant="acme", key="acme:a", subject="a"
    )
    await memory_world.write(cash("a", 1), other)

    assert [event.sequence for event in await written(memory_world)] == [1, 1]


async def test_an_envelope_says_all_that_a_consumer_needs(memory_world: World) -> None:
    cause = uuid4()
    outgoing = cash("a", 7)
    async with memory_world.writer.worker() as connection:
        await outbox.append(
            connection,
            [
                Outgoing(
                    payload=outgoing.payload, tenant="acme", key="acme:a", subject="a",
                    causation=cause,
                )
            ],
            source="writer",
        )  # fmt: skip

    (envelope,) = await written(memory_world)
    assert envelope.type == "UnallocatedCashChangedV1"
    assert (envelope.source, envelope.tenant, envelope.key) == ("writer", "acme", "acme:a")
    assert envelope.causation == cause
    assert parse_payload(envelope) == outgoing.payload


async def test_the_trace_of_the_writer_travels_with_the_event(memory_world: World) -> None:
    configure_tracing()
    with trace.get_tracer("test").start_as_current_span("request") as span:
        await memory_world.write(cash("a", 1))

    (event,) = await written(memory_world)
    assert event.traceparent is not None
    assert f"{span.get_span_context().trace_id:032x}" in event.traceparent


async def test_no_events_cost_nothing(memory_world: World) -> None:
    async with memory_world.writer.worker() as connection:
        await outbox.append(connection, [], source="writer")

    assert await written(memory_world) == []


async def test_many_writers_of_one_key_leave_no_hole(memory_world: World) -> None:
    async def writer(number: int) -> None:
        for _ in range(10):
            await memory_world.write(cash("a", number), cash("b", number))

    await asyncio.gather(*(writer(number) for number in range(5)))

    for key in ("a", "b"):
        found = [e.sequence for e in await written(memory_world) if e.subject == key]
        assert found == list(range(1, 51))


async def test_writers_of_the_same_keys_in_another_order_do_not_deadlock(
    memory_world: World,
) -> None:
    keys = [f"k{number}" for number in range(20)]

    async def writer(order: list[str]) -> None:
        for _ in range(10):
            await memory_world.write(*(cash(key, 1) for key in order))

    await asyncio.gather(writer(keys), writer(keys[::-1]), writer(keys[10:] + keys[:10]))

    assert len(await written(memory_world)) == 3 * 10 * 20


async def test_a_tenant_writes_no_events_in_anothers_name(memory_world: World) -> None:
    async def intrude() -> None:
        async with memory_world.writer.tenant("acme") as connection:
            await outbox.append(connection, [cash("a", 1, tenant="other")], source="writer")

    with pytest.raises(Exception, match="row-level security"):
        await intrude()

    assert await written(memory_world) == []


async def test_what_is_kept_is_plain_json(memory_world: World) -> None:
    await memory_world.write(cash("Müller & Söhne", 1))

    rows = await memory_world.query("SELECT envelope FROM outbox", db=memory_world.writer)

    body = orjson.loads(rows[0]["envelope"])
    assert body["data"]["debtor_id"] == "Müller & Söhne"
    assert body["specversion"] == "1.0"


async def test_a_commit_with_events_wakes_whoever_asked(memory_world: World) -> None:
    woken: list[int] = []
    memory_world.writer.on_outbox_commit(lambda: woken.append(1))

    await memory_world.write(cash("a", 1), cash("a", 2))
    async with memory_world.writer.worker() as connection:
        await (await driver(connection)).execute("SELECT 1")

    assert woken == [1]


async def test_a_rollback_wakes_nobody(memory_world: World) -> None:
    woken: list[int] = []
    memory_world.writer.on_outbox_commit(lambda: woken.append(1))

    async def fail() -> None:
        async with memory_world.writer.worker() as connection:
            await outbox.append(connection, [cash("a", 1)], source="writer")
            await (await driver(connection)).execute("SELECT 1 / 0")

    with pytest.raises(Exception, match="division by zero"):
        await fail()
    async with memory_world.writer.worker():
        pass

    assert not woken


async def test_errors_of_the_database_show_no_values(memory_world: World) -> None:
    async def fail() -> None:
        async with memory_world.writer.worker() as connection:
            await connection.execute(text("SELECT CAST(:value AS int)"), {"value": "hunter2"})

    with pytest.raises(DBAPIError) as caught:
        await fail()

    assert "[SQL parameters hidden" in str(caught.value)
