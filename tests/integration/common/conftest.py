"""The flow's fixtures: the same tests on the memory bus and on a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import pytest

from dunning_common.bus import Bus, Publisher, Subscription
from dunning_common.ids import new_id
from dunning_common.kafka import KafkaBus
from dunning_common.testing.bus import MemoryBus, PrefixedBus
from tests.conftest import Databases
from tests.integration.common.world import World, open_world


class ClosingBus:
    """Closes at the end of a test whatever the test opened."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._opened: list[Publisher | Subscription] = []

    async def publisher(self) -> Publisher:
        self._opened.append(publisher := await self._bus.publisher())
        return publisher

    async def subscribe(
        self, topics: Sequence[str], *, group: str, partitions: Collection[int]
    ) -> Subscription:
        subscription = await self._bus.subscribe(topics, group=group, partitions=partitions)
        self._opened.append(subscription)
        return subscription

    async def ensure_topics(self, topics: Mapping[str, bool], *, partitions: int) -> int:
        return await self._bus.ensure_topics(topics, partitions=partitions)

    async def close(self) -> None:
        for opened in self._opened:
            await opened.close()


@pytest.fixture(params=["memory", "kafka"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    """An empty broker: in memory, or names of its own on the session's."""
    inner: Bus = MemoryBus()
    if request.param == "kafka":
        bootstrap = request.getfixturevalue("kafka_bootstrap")
        inner = PrefixedBus(KafkaBus(bootstrap), f"t{new_id().hex}")
    closing = ClosingBus(inner)
    yield closing
    await closing.close()


@pytest.fixture
async def world(databases: Databases, bus: Bus) -> AsyncIterator[World]:
    """A writer and a reader on that broker."""
    async with open_world(databases, bus) as made:
        yield made


@pytest.fixture
def memory() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
async def memory_world(databases: Databases, memory: MemoryBus) -> AsyncIterator[World]:
    """A writer and a reader on a broker that a test can break."""
    async with open_world(databases, memory) as made:
        yield made
