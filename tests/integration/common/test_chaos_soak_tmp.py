"""Everything goes wrong at random, at once; in the end each stream was applied 1..n, once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.consumer import Consumed
from dunning_common.failures import RetryLaterError
from dunning_common.testing.bus import MemoryBus
from tests.conftest import Databases
from tests.integration.common.test_relay import cut_connections
from tests.integration.common.world import POISON, TOPIC, World, cash, keep

KEYS = [f"d{number}" for number in range(12)]
WRITES = 120


class Chaos:
    """Breaks the broker, the line to the feed, the connections and the handler, as a seed says."""

    def __init__(self, world: World, bus: MemoryBus, databases: Databases, seed: int) -> None:
        self.world = world
        self.bus = bus
        self.databases = databases
        self.random = random.Random(seed)
        self.moody = False

    async def strike(self) -> None:
        match self.random.choice(
            ["wipe", "down", "deaf", "lose", "repeat", "feed", "cut", "moody"]
        ):
            case "wipe":
                self.bus.wipe()
            case "down":
                self.bus.down = True
            case "deaf":
                self.bus.deafen()
            case "lose":
                self.bus.lose = {(TOPIC, f"acme:{key}") for key in self.random.sample(KEYS, 4)}
            case "repeat":
                self.bus.repeat = 3
            case "feed":
                self.world.feed_down = True
            case "cut":
                await cut_connections(self.world, self.databases)
            case _:
                self.moody = True

    def mend(self) -> None:
        self.bus.down = self.world.feed_down = self.moody = False
        self.bus.lose = set()
        self.bus.repeat = 1

    async def apply(self, connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        await keep(connection, events)
        if self.moody and self.random.random() < 0.5:
            raise RetryLaterError("moody")


async def write_stubbornly(world: World, key: str, amount: int) -> None:
    """As a client does: again, until it is acknowledged. It may then have been written twice."""
    while True:
        try:
            await world.write(cash(key, amount))
        except Exception:  # noqa: BLE001 -- a connection that is cut fails in many ways
            await asyncio.sleep(0.01)
        else:
            return


@pytest.mark.parametrize("seed", list(range(10, 45)))
async def test_whatever_breaks_every_stream_is_applied_once_and_in_order(
    databases: Databases, memory: MemoryBus, memory_world: World, seed: int
) -> None:
    chaos = Chaos(memory_world, memory, databases, seed)
    options = {"anti_entropy_s": 0.5, "settled_s": 0.05, "batch_size": 7}
    memory_world.start(memory_world.relay(page_size=5, poll_s=0.05).run)
    memory_world.start(memory_world.consumer(chaos.apply, **options).run)
    second = memory_world.start(memory_world.consumer(chaos.apply, **options).run)

    for number in range(WRITES):
        key = chaos.random.choice(KEYS)
        await write_stubbornly(
            memory_world, key, POISON if chaos.random.random() < 0.02 else number + 1000
        )
        if number % 8 == 0:
            await chaos.strike()
        if number % 8 == 6:
            chaos.mend()
        if number == WRITES // 2:
            await memory_world.end(second)
        await asyncio.sleep(0.01)
    chaos.mend()
    rows = await memory_world.query("SELECT count(*) FROM outbox", db=memory_world.writer)
    written = rows[0]["count"]

    heads = {
        row["key"]: row["sequence"]
        for row in await memory_world.query(
            "SELECT key, sequence FROM stream_head", db=memory_world.writer
        )
    }
    deadline = asyncio.get_running_loop().time() + 60
    while await received(memory_world) != heads:
        assert asyncio.get_running_loop().time() < deadline, (await received(memory_world), heads)
        await asyncio.sleep(0.05)

    parked = await memory_world.query("SELECT key, min(sequence) FROM parked_event GROUP BY key")
    first_parked = {row["key"]: row["min"] for row in parked}
    assert written >= WRITES
    for key, head in heads.items():
        last = first_parked.get(key, head + 1) - 1
        assert await memory_world.applied(key) == list(range(1, last + 1))
    errors = await memory_world.query("SELECT error FROM parked_event WHERE error IS NOT NULL")
    assert all("not_forbidden" in row["error"] for row in errors)


async def received(world: World) -> dict[str, int]:
    try:
        rows = await world.query("SELECT key, sequence FROM stream_position")
    except Exception:  # noqa: BLE001 -- connections were cut
        return {}
    return {row["key"]: row["sequence"] for row in rows}
