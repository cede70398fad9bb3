"""Servers that die, freeze or forget: the flow goes on by itself, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from dunning_common.bus import BusError, Record
from dunning_common.kafka import KafkaBus
from dunning_common.testing.bus import MemoryBus
from standalone.embedded.broker import EmbeddedBroker
from standalone.embedded.postgres import EmbeddedPostgres
from tests.conftest import Databases
from tests.integration.common.world import TOPIC, World, cash, open_world, until


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of one's own, to break."""
    server = EmbeddedBroker(tmp_path)
    server.start()
    yield server
    if server.is_running() and server.pid is not None:
        os.kill(server.pid, signal.SIGCONT)
    server.kill()


@pytest.fixture
async def breakable(databases: Databases, broker: EmbeddedBroker) -> AsyncIterator[World]:
    async with open_world(databases, KafkaBus(broker.bootstrap, deadline_s=2.0)) as made:
        yield made


async def test_a_broker_that_comes_back_empty_is_healed(
    breakable: World, broker: EmbeddedBroker
) -> None:
    breakable.start(breakable.relay().run)
    await breakable.write(*(cash(f"d{number % 5}", number) for number in range(50)))
    consumer = breakable.start(breakable.consumer(anti_entropy_s=1.0).run)
    await breakable.until_applied(50)
    await breakable.end(consumer)
    await breakable.write(*(cash(f"d{number % 5}", number) for number in range(50, 100)))

    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    breakable.start(breakable.consumer(anti_entropy_s=1.0).run)
    await breakable.write(*(cash(f"d{number % 5}", number) for number in range(100, 150)))
    await breakable.until_applied(150)

    for key in range(5):
        assert await breakable.applied(f"acme:d{key}") == list(range(1, 31))


async def test_the_flow_runs_through_broker_restarts(
    breakable: World, broker: EmbeddedBroker
) -> None:
    """Both ends stay up; the broker forgets everything twice."""
    breakable.start(breakable.relay().run)
    breakable.start(breakable.consumer(anti_entropy_s=1.0, settled_s=0.5).run)
    written = 0
    for _ in range(2):
        for _ in range(10):
            await breakable.write(cash("d1", written + 1000), cash("d2", written + 1000))
            written += 1
        await breakable.until_applied(2 * written)
        await asyncio.to_thread(broker.kill)
        await breakable.write(cash("d1", written + 1000), cash("d2", written + 1000))
        written += 1
        await asyncio.to_thread(broker.start)
    await breakable.write(cash("d1", written + 1000))

    await breakable.until_applied(2 * written + 1)

    assert await breakable.applied("acme:d1") == list(range(1, written + 2))


async def test_the_broker_is_used_again_after_it_came_back(
    breakable: World, broker: EmbeddedBroker
) -> None:
    """The feed is cut, so that only the broker can bring events."""
    breakable.start(breakable.relay().run)
    breakable.start(breakable.consumer().run)
    await breakable.write(cash("d1", 1))
    await breakable.until_applied(1)
    breakable.feed_down = True

    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    await breakable.write(cash("d1", 2))
    await breakable.until_applied(2)

    assert await breakable.applied() == [1, 2]


async def test_a_frozen_broker_is_given_up_in_time(
    broker: EmbeddedBroker,
) -> None:
    bus = KafkaBus(broker.bootstrap, deadline_s=0.5)
    await bus.ensure_topics({TOPIC: False}, partitions=1)
    publisher = await bus.publisher()
    subscription = await bus.subscribe([TOPIC], group="g", partitions=[0])
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)

    with pytest.raises(BusError):
        await publisher.publish(TOPIC, [Record("k", b"v")])
    with pytest.raises(BusError):
        await subscription.commit({(TOPIC, 0): 1})
    await publisher.close()
    await subscription.close()


async def test_a_broker_that_freezes_and_thaws_doubles_nothing(
    breakable: World, broker: EmbeddedBroker
) -> None:
    """What timed out was stored all the same, and is published again: the consumer drops it."""
    breakable.start(breakable.relay().run)
    breakable.start(breakable.consumer(anti_entropy_s=3600).run)
    await breakable.write(cash("d1", 1))
    await breakable.until_applied(1)
    assert broker.pid is not None

    os.kill(broker.pid, signal.SIGSTOP)
    for amount in range(2, 8):
        await breakable.write(cash("d1", amount))
    await asyncio.sleep(3)
    os.kill(broker.pid, signal.SIGCONT)
    await breakable.until_applied(7)

    assert await breakable.applied() == list(range(1, 8))


async def test_the_flow_runs_through_crashes_of_postgresql(scratch: Path) -> None:
    """The server is killed in mid-flow, twice; it keeps what it acknowledged."""
    server = EmbeddedPostgres(scratch / "crashing")
    await asyncio.to_thread(server.start)
    databases = Databases(server)
    try:
        async with open_world(databases, MemoryBus()) as world:
            world.start(world.relay().run)
            world.start(world.consumer(anti_entropy_s=1.0).run)
            acknowledged = 0
            for _ in range(2):
                for _ in range(5):
                    await world.write(cash("d1", acknowledged + 1000))
                    acknowledged += 1
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
                await until(lambda: _ready(world), True)
            await world.until_applied(acknowledged)

            assert await world.applied("acme:d1") == list(range(1, acknowledged + 1))
            assert await world.query("SELECT * FROM parked_event") == []
    finally:
        await databases.close()
        await asyncio.to_thread(server.stop)


async def _ready(world: World) -> bool:
    try:
        await world.writer.ping()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError):
        return False
    return True
