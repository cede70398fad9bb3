"""The relay publishes everything that is committed, in order per key, whatever commits late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson
import pytest
from prometheus_client import CollectorRegistry

from dunning_common import outbox
from dunning_common.bus import BusError, Record
from dunning_common.db import driver
from dunning_common.testing.bus import MemoryBus
from tests.conftest import Databases
from tests.integration.common.flow import WRITER
from tests.integration.common.world import TOPIC, World, cash, open_world, until


def sequences(bus: MemoryBus, key: str) -> list[int]:
    """Sequences of a key in the order of publication."""
    envelopes = [orjson.loads(record.value) for _, record in bus.published]
    return [envelope["sequence"] for envelope in envelopes if envelope["key"] == f"acme:{key}"]


async def until_published(bus: MemoryBus, count: int) -> None:
    async def published() -> int:
        return len(bus.published)

    await until(published, count)


async def test_an_event_is_published_when_its_transaction_commits(
    memory_world: World, memory: MemoryBus
) -> None:
    memory_world.start(memory_world.relay().run)

    await memory_world.write(cash("d1", 1))
    await until_published(memory, 1)

    assert sequences(memory, "d1") == [1]


async def test_a_transaction_that_fails_publishes_nothing(
    memory_world: World, memory: MemoryBus
) -> None:
    memory_world.start(memory_world.relay().run)

    async def change_ones_mind() -> None:
        async with memory_world.writer.worker() as connection:
            await outbox.append(connection, [cash("d1", 1)], source="writer")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await change_ones_mind()

    await memory_world.write(cash("d1", 2))
    await until_published(memory, 1)

    assert sequences(memory, "d1") == [1]


async def test_a_transaction_that_commits_late_is_not_skipped(
    memory_world: World, memory: MemoryBus
) -> None:
    memory_world.start(memory_world.relay(poll_s=0.02).run)
    async with memory_world.writer.worker() as slow:
        await outbox.append(slow, [cash("slow", 1)], source="writer")
        for amount in range(1, 6):
            await memory_world.write(cash("quick", amount))
        await until_published(memory, 5)
        assert sequences(memory, "quick") == [1, 2, 3, 4, 5]

    await until_published(memory, 6)

    assert sequences(memory, "slow") == [1]


async def test_many_interleaved_transactions_lose_nothing(
    memory_world: World, memory: MemoryBus
) -> None:
    memory_world.start(memory_world.relay(poll_s=0.01, page_size=7).run)

    async def writer(number: int) -> None:
        for step in range(15):
            async with memory_world.writer.worker() as connection:
                keys = sorted({f"d{number % 3}", f"own{number}"})
                await outbox.append(connection, [cash(key, step) for key in keys], source="writer")
                await asyncio.sleep(0.001 * ((number * 7 + step) % 5))

    await asyncio.gather(*(writer(number) for number in range(6)))
    await until_published(memory, 6 * 15 * 2)

    for key, count in [("d0", 30), ("d1", 30), ("d2", 30), ("own4", 15)]:
        assert sequences(memory, key) == list(range(1, count + 1))


async def test_the_order_of_a_key_is_its_sequence_not_the_age_of_its_transactions(
    memory_world: World, memory: MemoryBus
) -> None:
    async with memory_world.writer.worker() as older:
        await (await driver(older)).execute("SELECT pg_current_xact_id()")
        await memory_world.write(cash("d1", 1))  # a younger transaction, but first at the key
        await outbox.append(older, [cash("d1", 2)], source="writer")

    memory_world.start(memory_world.relay().run)
    await until_published(memory, 2)

    assert sequences(memory, "d1") == [1, 2]


async def test_a_large_window_goes_out_page_by_page_in_order(
    memory_world: World, memory: MemoryBus
) -> None:
    await memory_world.write(*(cash(f"d{number % 4}", number) for number in range(95)))
    await memory_world.write(cash("d0", 1000))

    memory_world.start(memory_world.relay(page_size=10).run)
    await until_published(memory, 96)

    assert sequences(memory, "d0") == list(range(1, 26))
    assert sequences(memory, "d3") == list(range(1, 24))


class FullBus(MemoryBus):
    """Takes so many records and then no more."""

    room = 0

    def store(self, topic: str, records: Sequence[Record]) -> None:
        if len(self.published) + len(records) > self.room:
            raise BusError("full")
        super().store(topic, records)


async def test_a_relay_that_is_killed_goes_on_at_its_page_not_at_the_start(
    databases: Databases,
) -> None:
    bus = FullBus()
    bus.room = 40
    async with open_world(databases, bus) as world:
        await world.write(*(cash(f"d{number % 4}", number) for number in range(100)))
        first = world.start(world.relay(page_size=10).run)
        await until_published(bus, 40)
        await world.end(first)

        bus.room = 1_000
        second = world.start(world.relay(page_size=10).run)
        await until(lambda: _last(bus, "d3"), 25)
        await world.end(second)

        assert len(bus.published) == 100
        for key in range(4):
            assert sequences(bus, f"d{key}") == list(range(1, 26))


async def _last(bus: MemoryBus, key: str) -> int:
    return (sequences(bus, key) or [0])[-1]


async def test_what_is_written_while_a_large_window_goes_out_follows(
    memory_world: World, memory: MemoryBus
) -> None:
    await memory_world.write(*(cash("d1", number) for number in range(50)))
    memory_world.start(memory_world.relay(page_size=5).run)
    for number in range(50, 80):
        await memory_world.write(cash("d1", number))

    await until_published(memory, 80)

    assert sequences(memory, "d1") == list(range(1, 81))


async def test_events_wait_for_a_broker_that_is_down(
    memory_world: World, memory: MemoryBus
) -> None:
    registry = CollectorRegistry()
    memory.down = True
    memory_world.start(memory_world.relay(registry).run)
    await memory_world.write(cash("d1", 1))

    async def waiting() -> bool:
        return (registry.get_sample_value("dunning_outbox_age_seconds") or 0) > 0

    await until(waiting, True)
    memory.down = False
    await until_published(memory, 1)

    async def age() -> float | None:
        return registry.get_sample_value("dunning_outbox_age_seconds")

    await until(age, 0.0)
    assert registry.get_sample_value("dunning_events_published_total", {"topic": TOPIC}) == 1


async def test_a_lost_cursor_publishes_again_and_loses_nothing(
    memory_world: World, memory: MemoryBus
) -> None:
    await memory_world.write(cash("d1", 1), cash("d1", 2))
    first = memory_world.start(memory_world.relay().run)
    await until_published(memory, 2)
    await memory_world.end(first)

    await memory_world.query("DELETE FROM relay_cursor", db=memory_world.writer)
    memory_world.start(memory_world.relay().run)
    await until_published(memory, 4)

    assert sequences(memory, "d1") == [1, 2, 1, 2]


async def test_of_two_relays_one_publishes_and_the_other_takes_over(
    memory_world: World, memory: MemoryBus
) -> None:
    first = memory_world.start(memory_world.relay().run)
    await memory_world.write(cash("d1", 1))
    await until_published(memory, 1)
    memory_world.start(memory_world.relay(poll_s=0.02).run)
    for amount in range(2, 21):
        await memory_world.write(cash("d1", amount))
    await until_published(memory, 20)
    assert sequences(memory, "d1") == list(range(1, 21))

    await memory_world.end(first)
    await memory_world.write(cash("d1", 21))
    await until_published(memory, 21)

    assert sequences(memory, "d1") == list(range(1, 22))


async def test_the_relay_hears_of_commits_of_another_replica(
    memory_world: World, memory: MemoryBus, databases: Databases
) -> None:
    """Both look by themselves only once an hour: news must travel."""
    rows = await memory_world.query("SELECT current_database() AS name", db=memory_world.writer)
    other = World(
        writer=await databases.open(WRITER, rows[0]["name"]), reader=memory_world.reader,
        bus=memory, keys=memory_world.keys,
    )  # fmt: skip
    memory_world.start(memory_world.relay(poll_s=3600).run)
    await memory_world.write(cash("d1", 1))
    await until_published(memory, 1)
    standing_by = memory_world.start(other.relay(poll_s=3600).run)
    await until(lambda: _members(memory_world), 2)

    await other.write(cash("d1", 2))
    await until_published(memory, 2)

    await memory_world.end(standing_by)


async def _members(world: World) -> int:
    rows = await world.query(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'dunning-listen' AND datname = current_database()",
        db=world.writer,
    )
    return int(rows[0]["count"])


async def test_the_relay_survives_losing_all_its_connections(
    memory_world: World, memory: MemoryBus, databases: Databases
) -> None:
    memory_world.start(memory_world.relay().run)
    await memory_world.write(cash("d1", 1))
    await until_published(memory, 1)

    await cut_connections(memory_world, databases)
    await memory_world.write(cash("d1", 2))
    await until_published(memory, 2)

    assert sequences(memory, "d1") == [1, 2]


async def cut_connections(world: World, databases: Databases) -> None:
    """What a restart of PostgreSQL does to its clients."""
    rows = await world.query("SELECT current_database() AS name", db=world.writer)
    admin: asyncpg.Connection[Any] = await asyncpg.connect(databases.admin_url("postgres"))
    try:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
            rows[0]["name"],
        )
    finally:
        await admin.close()


async def test_a_cursor_of_another_cluster_does_not_silence_the_relay(
    memory_world: World, memory: MemoryBus
) -> None:
    """As after restoring a dump: the saved snapshot lies far beyond this cluster's transactions."""
    await memory_world.query(
        "INSERT INTO relay_cursor (name, snapshot) VALUES ('outbox', '900000000:900000000:')",
        db=memory_world.writer,
    )
    memory_world.start(memory_world.relay().run)
    await until(lambda: _members(memory_world), 1)
    await asyncio.sleep(0.2)

    await memory_world.write(cash("d1", 1))
    await until_published(memory, 1)


async def test_events_of_a_tenant_are_written_under_its_row_level_security(
    memory_world: World, memory: MemoryBus
) -> None:
    memory_world.start(memory_world.relay().run)
    async with memory_world.writer.tenant("acme") as connection:
        await outbox.append(connection, [cash("d1", 1)], source="writer")

    await until_published(memory, 1)
