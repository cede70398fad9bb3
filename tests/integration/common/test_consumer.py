"""The consumer applies each stream 1, 2, 3… whatever broker, feed and database do meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from opentelemetry import trace
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.bus import Record
from dunning_common.consumer import Consumed
from dunning_common.events.envelope import Envelope
from dunning_common.failures import RetryLaterError
from dunning_common.telemetry import configure_tracing
from dunning_common.testing.bus import MemoryBus
from tests.conftest import Databases
from tests.integration.common.test_relay import cut_connections
from tests.integration.common.world import TOPIC, World, cash, keep, until


def metric(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"dunning_{name}", labels) or 0.0


async def _feed_calls(world: World) -> int:
    return len(world.feed_calls)


async def test_events_arrive_once_and_in_order(world: World) -> None:
    world.start(world.relay().run)
    world.start(world.consumer().run)

    for amount in range(1, 6):
        await world.write(cash("d1", amount), cash("d2", amount * 10))
    await world.until_applied(10)

    assert await world.amounts() == {"d1": [1, 2, 3, 4, 5], "d2": [10, 20, 30, 40, 50]}


async def test_a_consumer_that_restarts_goes_on_where_it_was(world: World) -> None:
    world.start(world.relay().run)
    await world.write(*(cash("d1", amount) for amount in range(1, 4)))
    first = world.start(world.consumer().run)
    await world.until_applied(3)
    await world.end(first)

    await world.write(*(cash("d1", amount) for amount in range(4, 7)))
    world.start(world.consumer().run)
    await world.until_applied(6)

    assert await world.applied() == [1, 2, 3, 4, 5, 6]


async def test_records_that_come_three_times_are_applied_once(
    memory_world: World, memory: MemoryBus
) -> None:
    memory.repeat = 3
    memory_world.feed_down = True
    registry = CollectorRegistry()
    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(registry=registry, batch_size=2).run)

    await memory_world.write(*(cash("d1", amount) for amount in range(1, 11)))
    await memory_world.until_applied(10)

    async def dropped() -> float:
        return metric(registry, "events_duplicate_total")

    await until(dropped, 20.0)
    assert await memory_world.applied() == list(range(1, 11))
    assert metric(registry, "events_consumed_total", topic=TOPIC) == 10


async def test_a_record_that_the_broker_lost_is_pulled_from_the_feed(
    memory_world: World, memory: MemoryBus
) -> None:
    registry = CollectorRegistry()
    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(registry=registry, anti_entropy_s=3600).run)
    await until(lambda: _feed_calls(memory_world), 1)  # the comparison at the start is over
    await memory_world.write(cash("d1", 1), cash("d2", 1))
    await memory_world.until_applied(2)

    memory.lose = {(TOPIC, "acme:d1")}
    await memory_world.write(cash("d1", 2))
    await memory_world.write(cash("d1", 3), cash("d2", 2))
    await memory_world.until_applied(3)  # nobody can know yet that d1 moved
    memory.lose = set()
    await memory_world.write(cash("d1", 4))
    await memory_world.until_applied(6)

    assert await memory_world.applied("acme:d1") == [1, 2, 3, 4]
    assert metric(registry, "gaps_healed_total") >= 1


async def test_a_gap_waits_for_a_feed_that_is_down_and_holds_nobody_else(
    memory_world: World, memory: MemoryBus
) -> None:
    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(anti_entropy_s=3600).run)
    await until(lambda: _feed_calls(memory_world), 1)  # the comparison at the start is over
    memory.lose = {(TOPIC, "acme:d1")}
    await memory_world.write(cash("d2", 1), cash("d1", 1))
    await memory_world.until_applied(1)
    memory.lose = set()
    memory_world.feed_down = True
    await memory_world.write(cash("d1", 2), cash("d2", 2))
    await memory_world.until_applied(2)
    assert await memory_world.applied("acme:d1") == []

    memory_world.feed_down = False
    await memory_world.until_applied(4)

    assert await memory_world.applied("acme:d1") == [1, 2]


async def test_a_stream_that_fell_silent_is_found_by_comparing(
    memory_world: World, memory: MemoryBus
) -> None:
    """The last event of a stream is lost: no later one shows the gap."""
    memory_world.start(memory_world.relay().run)
    consumer = memory_world.consumer(anti_entropy_s=0.1, settled_s=0.0)
    memory_world.start(consumer.run)
    memory.lose = {(TOPIC, "acme:d1")}

    await memory_world.write(cash("d1", 1), cash("d2", 1))
    await memory_world.until_applied(2)

    assert await memory_world.applied("acme:d1") == [1]


async def test_what_a_wiped_broker_lost_is_pulled_at_the_start(
    memory_world: World, memory: MemoryBus
) -> None:
    relay = memory_world.start(memory_world.relay().run)
    await memory_world.write(*(cash(f"d{number % 7}", number) for number in range(100)))

    async def published() -> int:
        return len(memory.published)

    await until(published, 100)
    await memory_world.end(relay)
    memory.wipe()

    memory_world.start(memory_world.consumer().run)
    await memory_world.until_applied(100)

    assert await memory_world.applied("acme:d3") == list(range(1, 15))


async def test_without_a_broker_events_still_arrive(memory_world: World, memory: MemoryBus) -> None:
    memory.down = True
    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(anti_entropy_s=0.1).run)

    for amount in range(1, 6):
        await memory_world.write(cash("d1", amount))
        await memory_world.until_applied(amount)
    memory.down = False
    await memory_world.write(cash("d1", 6))
    await memory_world.until_applied(6)

    assert await memory_world.applied() == [1, 2, 3, 4, 5, 6]


async def test_a_subscription_that_went_deaf_is_replaced(
    memory_world: World, memory: MemoryBus
) -> None:
    """The client says nothing and brings nothing; only the comparison can tell."""
    registry = CollectorRegistry()
    memory_world.start(memory_world.relay().run)
    consumer = memory_world.consumer(registry=registry, anti_entropy_s=0.2, settled_s=0.001)
    memory_world.start(consumer.run)
    await memory_world.write(cash("d1", 1))
    await memory_world.until_applied(1)

    memory.deafen()
    await memory_world.write(cash("d1", 2))
    await memory_world.until_applied(2)

    async def hears_again() -> bool:
        before = metric(registry, "events_duplicate_total")
        await memory_world.write(cash("d1", 3))
        await asyncio.sleep(0.3)
        return metric(registry, "events_duplicate_total") > before or bool(
            memory.committed.get(("reader", TOPIC, 0), 0)
            + memory.committed.get(("reader", TOPIC, 1), 0)
            + memory.committed.get(("reader", TOPIC, 2), 0)
            > 2
        )

    await until(hears_again, True)


async def test_records_that_are_no_events_are_dropped_and_counted(
    memory_world: World, memory: MemoryBus
) -> None:
    registry = CollectorRegistry()
    memory_world.start(memory_world.consumer(registry=registry).run)
    memory.store(TOPIC, [Record("x", b"\xff not json"), Record("x", b"{}"), Record("x", b"")])
    memory_world.start(memory_world.relay().run)

    await memory_world.write(cash("d1", 1))
    await memory_world.until_applied(1)

    assert metric(registry, "records_unreadable_total") == 3


async def test_a_failure_that_passes_is_tried_again_and_parks_nothing(
    memory_world: World,
) -> None:
    failures: list[Exception] = [
        ConnectionResetError("reset"), RetryLaterError("not now"), TimeoutError(),
    ]  # fmt: skip

    async def moody(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await keep(connection, events)
        if failures:
            raise failures.pop()

    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(moody).run)
    await memory_world.write(cash("d1", 1), cash("d2", 2))
    await memory_world.until_applied(2)

    assert not failures
    assert await memory_world.query("SELECT * FROM parked_event") == []


async def test_a_deadlock_is_tried_again_and_parks_nothing(memory_world: World) -> None:
    failures = 3

    async def colliding(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        nonlocal failures
        await keep(connection, events)
        if failures:
            failures -= 1
            await connection.execute(
                text("DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$")
            )

    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(colliding).run)
    await memory_world.write(cash("d1", 1))
    await memory_world.until_applied(1)

    assert await memory_world.query("SELECT * FROM parked_event") == []


async def test_a_batch_is_all_or_nothing(memory_world: World) -> None:
    seen: list[int] = []

    async def fails_after_writing(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await keep(connection, events)
        rows = await memory_world.query("SELECT count(*) FROM applied")
        seen.append(rows[0]["count"])
        if len(seen) < 3:
            raise RetryLaterError("after writing")

    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(fails_after_writing).run)
    await memory_world.write(cash("d1", 1), cash("d1", 2))
    await memory_world.until_applied(2)

    assert seen[:3] == [0, 0, 0]


async def test_the_consumer_survives_losing_all_its_connections(
    memory_world: World, databases: Databases
) -> None:
    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer().run)
    await memory_world.write(cash("d1", 1))
    await memory_world.until_applied(1)

    for amount in range(2, 5):
        await cut_connections(memory_world, databases)
        await memory_world.write(cash("d1", amount))
    await memory_world.until_applied(4)

    assert await memory_world.applied() == [1, 2, 3, 4]


async def test_broker_and_catch_up_at_once_apply_nothing_twice(world: World) -> None:
    consumer = world.consumer(batch_size=7)
    world.start(world.relay().run)
    world.start(consumer.run)
    for number in range(40):
        await world.write(*(cash(f"d{key}", number) for key in range(5)))
        if number % 4 == 0:
            assert await consumer.catch_up([TOPIC], tenant="acme")

    await world.until_applied(200)
    assert await consumer.catch_up([TOPIC])

    assert await world.query("SELECT * FROM parked_event") == []
    for key in range(5):
        assert await world.applied(f"acme:d{key}") == list(range(1, 41))


async def test_two_replicas_share_the_work_and_apply_nothing_twice(world: World) -> None:
    world.start(world.relay().run)
    world.start(world.consumer(batch_size=5).run)
    second = world.start(world.consumer(batch_size=5).run)
    for number in range(20):
        await world.write(*(cash(f"d{key}", number) for key in range(6)))
    await world.until_applied(120)
    await world.end(second)
    await world.write(*(cash(f"d{key}", 99) for key in range(6)))
    await world.until_applied(126)

    assert await world.query("SELECT * FROM parked_event") == []
    for key in range(6):
        assert await world.applied(f"acme:d{key}") == list(range(1, 22))


async def test_a_replica_that_joins_takes_over_a_share_of_the_reading(
    memory_world: World,
) -> None:
    """The feed is cut, so that only reading the broker can bring events."""
    first, second = CollectorRegistry(), CollectorRegistry()
    memory_world.feed_down = True
    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(registry=first).run)
    await memory_world.write(*(cash(f"d{key}", 1) for key in range(30)))
    await memory_world.until_applied(30)

    memory_world.start(memory_world.consumer(registry=second).run)
    written = 30
    while not metric(second, "events_consumed_total", topic=TOPIC):
        await memory_world.write(*(cash(f"d{key}", written) for key in range(30)))
        written += 30
        await memory_world.until_applied(written)

    before = metric(first, "events_consumed_total", topic=TOPIC)
    await memory_world.write(*(cash(f"d{key}", written) for key in range(30)))
    await memory_world.until_applied(written + 30)
    assert metric(first, "events_consumed_total", topic=TOPIC) > before
    for key in range(30):
        assert await memory_world.applied(f"acme:d{key}") == list(range(1, written // 30 + 2))


async def test_two_replicas_that_get_the_same_events_apply_them_once(
    memory_world: World,
) -> None:
    """Nothing is shared but the database: its row locks must do it."""

    async def slow(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await asyncio.sleep(0.02)
        await keep(connection, events)

    replicas = [memory_world.consumer(slow) for _ in range(3)]
    for number in range(1, 11):
        await memory_world.write(*(cash(f"d{key}", number) for key in range(4)))
        caught_up = await asyncio.gather(*(replica.catch_up([TOPIC]) for replica in replicas))
        assert all(caught_up)

    assert await memory_world.query("SELECT * FROM parked_event") == []
    for key in range(4):
        assert await memory_world.applied(f"acme:d{key}") == list(range(1, 11))


async def test_what_a_handler_writes_belongs_to_the_trace_of_what_it_read(
    memory_world: World,
) -> None:
    configure_tracing()

    async def answer(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await outbox.append(connection, [cash("answer", 1)], source="reader")

    with trace.get_tracer("test").start_as_current_span("request") as span:
        await memory_world.write(cash("d1", 1))
    assert await memory_world.consumer(answer).catch_up([TOPIC])

    (row,) = await memory_world.query("SELECT envelope FROM outbox")
    traceparent = Envelope.from_bytes(row["envelope"]).traceparent or ""
    assert traceparent.split("-")[1] == f"{span.get_span_context().trace_id:032x}"


async def test_a_handler_that_hangs_ends_the_process(memory_world: World) -> None:
    ended = threading.Event()
    statuses: list[int] = []

    def leave(status: int) -> None:
        statuses.append(status)
        ended.set()

    async def hang(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await asyncio.Event().wait()

    memory_world.start(memory_world.relay().run)
    memory_world.start(memory_world.consumer(hang, watchdog_s=0.5, exit_process=leave).run)
    await memory_world.write(cash("d1", 1))

    assert await asyncio.to_thread(ended.wait, 30)
    assert statuses == [70]


async def test_a_consumer_with_nothing_to_do_is_not_ended(memory_world: World) -> None:
    statuses: list[int] = []
    consumer = memory_world.consumer(watchdog_s=3.0, exit_process=statuses.append)
    memory_world.start(consumer.run)

    await asyncio.sleep(4.5)

    assert not statuses
