"""The flow's fixtures: the same tests on the memory bus and on a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dunning_common.bus import Bus
from dunning_common.ids import new_id
from dunning_common.kafka import KafkaBus
from dunning_common.testing.bus import MemoryBus, PrefixedBus
from tests.conftest import Databases
from tests.integration.common.world import World, open_world


@pytest.fixture(params=["memory", "kafka"])
def bus(request: pytest.FixtureRequest) -> Bus:
    """An empty broker: in memory, or names of its own on the session's."""
    if request.param == "memory":
        return MemoryBus()
    bootstrap = request.getfixturevalue("kafka_bootstrap")
    return PrefixedBus(KafkaBus(bootstrap), f"t{new_id().hex}")


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
