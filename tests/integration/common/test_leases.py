"""Replicas share the partitions, each read by one of them; a dead one's are taken over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dunning_common.failures import is_transient
from dunning_common.leases import Leases
from tests.integration.common.world import World, until

PARTITIONS = 6


class Replicas:
    """Some replicas of one service."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.alive: list[Leases] = []

    def start(self, group: str = "reader") -> Leases:
        replica = Leases(self._world.reader, group=group)
        self.alive.append(replica)
        return replica

    async def stop(self, replica: Leases) -> None:
        self.alive.remove(replica)
        await replica.close()

    async def shares(self) -> list[frozenset[int]]:
        """What each holds after one round to give surplus back and one to take it."""
        for replica in self.alive:
            await replica.refresh(PARTITIONS)
        return [await replica.refresh(PARTITIONS) for replica in self.alive]

    async def sizes(self) -> list[int]:
        return sorted(len(share) for share in await self.shares())


@pytest.fixture
async def replicas(memory_world: World) -> AsyncIterator[Replicas]:
    made = Replicas(memory_world)
    yield made
    for replica in list(made.alive):
        await made.stop(replica)


async def test_a_single_replica_reads_everything(replicas: Replicas) -> None:
    assert await replicas.start().refresh(PARTITIONS) == frozenset(range(PARTITIONS))


async def test_replicas_share_fairly_and_nothing_is_read_by_two(replicas: Replicas) -> None:
    for wanted in ([6], [3, 3], [2, 2, 2]):
        replicas.start()

        assert await replicas.sizes() == wanted

        shares = await replicas.shares()
        assert frozenset().union(*shares) == frozenset(range(PARTITIONS))
        assert sum(len(share) for share in shares) == PARTITIONS


async def test_a_replica_too_many_stands_by(replicas: Replicas) -> None:
    for _ in range(PARTITIONS + 1):
        replicas.start()

    assert await replicas.sizes() == [0] + [1] * PARTITIONS


async def test_what_a_dead_replica_read_is_taken_over(replicas: Replicas) -> None:
    first, second = replicas.start(), replicas.start()
    await replicas.shares()

    await replicas.stop(first)

    await until(replicas.sizes, [PARTITIONS])
    assert await second.refresh(PARTITIONS) == frozenset(range(PARTITIONS))


async def test_new_partitions_are_taken_and_lost_ones_let_go(replicas: Replicas) -> None:
    replica = replicas.start()
    await replica.refresh(2)

    assert await replica.refresh(4) == {0, 1, 2, 3}
    assert await replica.refresh(1) == {0}


async def test_services_do_not_take_from_each_other(replicas: Replicas) -> None:
    replicas.start("reader")
    replicas.start("another")

    assert await replicas.sizes() == [PARTITIONS, PARTITIONS]


async def test_a_replica_that_lost_its_connection_says_so_and_begins_anew(
    replicas: Replicas, memory_world: World
) -> None:
    replica = replicas.start()
    await replica.refresh(PARTITIONS)
    await memory_world.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'dunning-listen' AND datname = current_database() "
        "AND usename = current_user"
    )

    with pytest.raises(Exception) as caught:  # noqa: PT011 -- judged below
        await replica.refresh(PARTITIONS)
    assert is_transient(caught.value)
    await replica.close()

    assert await replica.refresh(PARTITIONS) == frozenset(range(PARTITIONS))
