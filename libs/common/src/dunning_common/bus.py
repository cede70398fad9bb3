"""The port to the message broker: what the relay and the consumer need from it, and no more.

Adapters: `dunning_common.kafka` (aiokafka behind guards) and `dunning_common.testing.bus` (in
memory); both pass the same contract suite. Correctness never depends on them: it sits in
PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class BusError(RuntimeError):
    """The broker did not do it in time, or the client is broken: make a new one."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record to publish."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A record as read; `offset` counts within (topic, partition)."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None


class Publisher(Protocol):
    """Writes records; a record may arrive twice, never silently not at all."""

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Return when the broker has acknowledged all records, in order per key.

        Raises:
            BusError: it did not, within the adapter's own deadline; some may have been stored.
        """
        ...

    async def close(self) -> None:
        """Let go within a few seconds, whatever state the broker is in."""
        ...


class Subscription(Protocol):
    """Reads some partitions, each from where its group committed last, or from the beginning."""

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Received]:
        """What has arrived, at the latest after `timeout_s`; an empty list when nothing has.

        Raises:
            BusError: the client is broken and must be replaced.
        """
        ...

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Tell the broker where to go on per (topic, partition): a convenience, not a promise."""
        ...

    async def close(self) -> None:
        """Let go within a few seconds."""
        ...


class Bus(Protocol):
    """Makes publishers and subscriptions."""

    async def publisher(self) -> Publisher:
        """Connect a publisher. Raises BusError."""
        ...

    async def subscribe(
        self, topics: Sequence[str], *, group: str, partitions: Collection[int]
    ) -> Subscription:
        """Read the partitions of these numbers of each topic. Raises BusError.

        `group` only names the committed offsets: who reads what is agreed in PostgreSQL
        (`dunning_common.leases`), so there is no joining and no rebalancing.
        """
        ...

    async def ensure_topics(self, topics: Mapping[str, bool], *, partitions: int) -> int:
        """Create what is missing; the value says whether the topic is compacted. Raises BusError.

        Returns:
            The greatest number of partitions that one of these topics has.
        """
        ...
