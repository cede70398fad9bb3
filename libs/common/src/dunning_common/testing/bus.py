"""A broker in memory: topics, partitions and committed offsets, and ways to break it.

Passes the same contract suite as the Kafka adapter. For tests only: one event loop, nothing
durable.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from dunning_common.bus import Bus, BusError, Publisher, Received, Record, Subscription
from dunning_common.waiting import wait_for_event

Partition = tuple[str, int]


class MemoryBus:
    """A `Bus`.

    `down`: every call fails. `wipe()`: forgets all, as a lost broker does. `deafen()`:
    subscriptions that exist now never get anything again, and do not know it. `lose`: (topic, key)
    pairs whose records are acknowledged and dropped. `repeat`: how often each record is stored.
    """

    def __init__(self) -> None:
        self.down = False
        self.repeat = 1
        self.lose: set[tuple[str, str]] = set()
        self.published: list[tuple[str, Record]] = []
        self.partitions: dict[str, int] = {}
        self.logs: defaultdict[Partition, list[Received]] = defaultdict(list)
        self.committed: dict[tuple[str, str, int], int] = {}
        self.age = 0
        self.hearing = 0
        self._news = asyncio.Event()

    async def publisher(self) -> Publisher:
        """Connect a publisher."""
        self.check()
        return _MemoryPublisher(self)

    async def subscribe(
        self, topics: Sequence[str], *, group: str, partitions: Collection[int]
    ) -> Subscription:
        """Read the given partitions of each topic."""
        self.check()
        return _MemorySubscription(
            self, group, [(topic, number) for topic in topics for number in sorted(partitions)]
        )

    async def ensure_topics(self, topics: Mapping[str, bool], *, partitions: int) -> int:
        """Create what is missing."""
        self.check()
        return max(self.partitions.setdefault(topic, partitions) for topic in topics)

    def wipe(self) -> None:
        """Forget all records, topics and offsets."""
        self.age += 1
        self.logs.clear()
        self.partitions.clear()
        self.committed.clear()

    def deafen(self) -> None:
        """Break the present subscriptions silently, as a client does that never rejoins."""
        self.hearing += 1

    def check(self) -> None:
        """Raise when the broker is down."""
        if self.down:
            raise BusError("the broker is down")

    def store(self, topic: str, records: Sequence[Record]) -> None:
        """Append records, as often as `repeat` says, and wake the readers."""
        for record in records:
            self.published.append((topic, record))
            if (topic, record.key) in self.lose:
                continue
            count = self.partitions.setdefault(topic, 1)
            place = (topic, zlib.crc32(record.key.encode()) % count)
            for _ in range(self.repeat):
                log = self.logs[place]
                log.append(Received(topic, place[1], len(log), record.key, record.value))
        self._news.set()

    async def news(self, timeout_s: float) -> None:
        """Wait for a record, at most so long."""
        self._news.clear()
        await wait_for_event(self._news, timeout_s)


class _MemoryPublisher:
    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        await asyncio.sleep(0)
        self._bus.check()
        self._bus.store(topic, records)

    async def close(self) -> None:
        return


class _MemorySubscription:
    def __init__(self, bus: MemoryBus, group: str, assigned: Sequence[Partition]) -> None:
        self._bus = bus
        self._group = group
        self._age = bus.age
        self._hearing = bus.hearing
        self._closed = False
        self._positions = {place: bus.committed.get((group, *place), 0) for place in assigned}

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Received]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            self._check()
            found = self._take(max_records)
            remaining = deadline - loop.time()
            if found or remaining <= 0:
                return found
            await self._bus.news(min(remaining, 0.05))

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        self._check()
        for place, offset in offsets.items():
            self._bus.committed[(self._group, *place)] = offset

    async def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        self._bus.check()
        if self._closed or self._age != self._bus.age:
            raise BusError("the subscription is closed, or the broker lost its records")

    def _take(self, max_records: int) -> list[Received]:
        found: list[Received] = []
        if self._hearing != self._bus.hearing:
            return found
        for place, start in self._positions.items():
            part = self._bus.logs[place][start : start + max_records - len(found)]
            self._positions[place] = start + len(part)
            found.extend(part)
        return found


class PrefixedBus:
    """Another bus under names of one's own, so that tests can share a broker and not meet."""

    def __init__(self, bus: Bus, prefix: str) -> None:
        self._bus = bus
        self._prefix = f"{prefix}."

    async def publisher(self) -> Publisher:
        """Connect a publisher."""
        return _PrefixedPublisher(await self._bus.publisher(), self._prefix)

    async def subscribe(
        self, topics: Sequence[str], *, group: str, partitions: Collection[int]
    ) -> Subscription:
        """Read the given partitions of each topic."""
        subscription = await self._bus.subscribe(
            [self._prefix + topic for topic in topics],
            group=self._prefix + group,
            partitions=partitions,
        )
        return _PrefixedSubscription(subscription, self._prefix)

    async def ensure_topics(self, topics: Mapping[str, bool], *, partitions: int) -> int:
        """Create what is missing."""
        return await self._bus.ensure_topics(
            {self._prefix + topic: compacted for topic, compacted in topics.items()},
            partitions=partitions,
        )


class _PrefixedPublisher:
    def __init__(self, publisher: Publisher, prefix: str) -> None:
        self._publisher = publisher
        self._prefix = prefix

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        await self._publisher.publish(self._prefix + topic, records)

    async def close(self) -> None:
        await self._publisher.close()


class _PrefixedSubscription:
    def __init__(self, subscription: Subscription, prefix: str) -> None:
        self._subscription = subscription
        self._prefix = prefix

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Received]:
        received = await self._subscription.fetch(max_records=max_records, timeout_s=timeout_s)
        return [
            replace(record, topic=record.topic.removeprefix(self._prefix)) for record in received
        ]

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        await self._subscription.commit(
            {(self._prefix + topic, number): at for (topic, number), at in offsets.items()}
        )

    async def close(self) -> None:
        await self._subscription.close()
