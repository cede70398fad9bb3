"""The Kafka adapter of the bus: aiokafka behind guards, because that client can hang.

Every await has a deadline of ours; producers are neither idempotent nor transactional; partitions are
assigned, groups never joined; offsets are committed explicitly; whoever gets a BusError drops the
client and makes a new one. Holds no state that matters: correctness sits in PostgreSQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    for_code,
)

from dunning_common.bus import BusError, Publisher, Received, Record, Subscription

MAX_RECORD_BYTES = 8 * 1024 * 1024
_CONNECT_DEADLINE_S = 10.0
_PUBLISH_DEADLINE_S = 10.0
_COMMIT_DEADLINE_S = 5.0
_CLOSE_DEADLINE_S = 3.0
_REQUEST_TIMEOUT_MS = 8_000
_BATCH_BYTES = 512 * 1024
# How long the broker may hold a fetch that finds nothing. Kafka answers the moment something arrives;
# the embedded broker looks again only after about half of it. So: short while busy, long when idle.
_BUSY_WAIT_MS = 15
_IDLE_WAIT_MS = 200
_IDLE_AFTER_S = 3.0

log = structlog.get_logger()
T = TypeVar("T")


class KafkaBus:
    """A `Bus` on a Kafka cluster. Connects only when asked for a publisher or a subscription."""

    def __init__(self, bootstrap: str, *, replication: int = -1) -> None:
        """Make a bus.

        Args:
            bootstrap: `host:port`, several separated by commas.
            replication: copies of each partition of topics made here; -1 leaves it to the brokers.
        """
        self._bootstrap = bootstrap
        self._replication = replication

    async def publisher(self) -> Publisher:
        """Connect a publisher."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=False,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES,
        )
        await _start(producer)
        return KafkaPublisher(producer)

    async def subscribe(
        self, topics: Sequence[str], *, group: str, partitions: Collection[int]
    ) -> Subscription:
        """Read the given partitions of each topic."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            metadata_max_age_ms=30_000,
            max_partition_fetch_bytes=2 * 1024 * 1024,
            fetch_max_wait_ms=_BUSY_WAIT_MS,
        )
        consumer.assign(
            [TopicPartition(topic, number) for topic in topics for number in sorted(partitions)]
        )
        await _start(consumer)
        return KafkaSubscription(consumer)

    async def ensure_topics(self, topics: Mapping[str, bool], *, partitions: int) -> int:
        """Create what is missing."""
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._bootstrap, request_timeout_ms=_REQUEST_TIMEOUT_MS
        )
        try:
            await _deadline(admin.start(), _CONNECT_DEADLINE_S, "connect")
            existing = set(await _deadline(admin.list_topics(), _CONNECT_DEADLINE_S, "list topics"))
            missing = {name: how for name, how in topics.items() if name not in existing}
            if missing:
                await self._create(admin, missing, partitions)
            return await _deadline(
                _count_partitions(admin, topics), _CONNECT_DEADLINE_S, "describe topics"
            )
        finally:
            with contextlib.suppress(BusError):
                await _deadline(admin.close(), _CLOSE_DEADLINE_S, "close")

    async def _create(self, admin: Any, topics: Mapping[str, bool], partitions: int) -> None:
        wanted = []
        for name, compacted in topics.items():
            topic = NewTopic(name, partitions, 1, topic_configs=_topic_configs(compacted))
            topic.replication_factor = self._replication  # the class refuses -1, the broker takes it
            wanted.append(topic)
        answer = await _deadline(
            admin.create_topics(wanted), _CONNECT_DEADLINE_S, "create topics"
        )
        for name, code, *_ in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise BusError(f"create topic {name}: {for_code(code).__name__}")


class KafkaPublisher:
    """A `Publisher`."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Write the records, in order per key.

        One that is larger than the broker takes is left out: consumers see the gap and ask the feed.
        """
        await _deadline(self._send(topic, records), _PUBLISH_DEADLINE_S, "publish")

    async def _send(self, topic: str, records: Sequence[Record]) -> None:
        waiting = []
        for record in records:
            try:
                waiting.append(
                    await self._producer.send(topic, record.value, key=record.key.encode())
                )
            except MessageSizeTooLargeError:
                log.warning("record_too_large", topic=topic, bytes=len(record.value))
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(outcome, MessageSizeTooLargeError):
                log.warning("record_too_large", topic=topic)
            elif isinstance(outcome, BaseException):
                raise outcome

    async def close(self) -> None:
        """Let go."""
        with contextlib.suppress(BusError):
            await _deadline(self._producer.stop(), _CLOSE_DEADLINE_S, "close")


class KafkaSubscription:
    """A `Subscription`."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._next: dict[tuple[str, int], int] = {}
        self._busy_until = time.monotonic() + _IDLE_AFTER_S

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Received]:
        """What has arrived."""
        self._set_pace()
        batches = await _deadline(
            self._consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=max_records),
            timeout_s + _CONNECT_DEADLINE_S,
            "fetch",
        )
        if not batches:
            self._check_not_ahead()
            return []
        self._busy_until = time.monotonic() + _IDLE_AFTER_S
        for place, batch in batches.items():
            self._next[place.topic, place.partition] = batch[-1].offset + 1
        return [
            Received(
                record.topic,
                record.partition,
                record.offset,
                (record.key or b"").decode(errors="replace"),
                record.value,
            )
            for batch in batches.values()
            for record in batch
        ]

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Tell the broker where to go on."""
        wanted = {TopicPartition(*place): offset for place, offset in offsets.items()}
        await _deadline(self._consumer.commit(wanted), _COMMIT_DEADLINE_S, "commit")

    async def close(self) -> None:
        """Let go."""
        with contextlib.suppress(BusError):
            await _deadline(self._consumer.stop(), _CLOSE_DEADLINE_S, "close")

    def _set_pace(self) -> None:
        # Not public: aiokafka takes the wait only when it is made. Without it, it stays at busy.
        idle = time.monotonic() > self._busy_until
        self._consumer._fetcher._fetch_max_wait_ms = (  # noqa: SLF001
            _IDLE_WAIT_MS if idle else _BUSY_WAIT_MS
        )

    def _check_not_ahead(self) -> None:
        """A broker that came back empty answers nothing to an offset beyond its end, for ever."""
        for (topic, partition), offset in self._next.items():
            end = self._consumer.highwater(TopicPartition(topic, partition))
            if end is not None and end < offset:
                raise BusError(
                    f"{topic}/{partition} ends at {end}, before {offset}: records were lost"
                )


async def _count_partitions(admin: Any, topics: Mapping[str, bool]) -> int:
    """The most partitions of a topic; waits until new topics are known."""
    while True:
        described = await admin.describe_topics(list(topics))
        counts = [len(topic["partitions"]) for topic in described]
        if len(counts) == len(topics) and all(counts):
            return max(counts)
        await asyncio.sleep(0.05)


def _topic_configs(compacted: bool) -> dict[str, str]:
    configs = {"max.message.bytes": str(MAX_RECORD_BYTES)}
    if compacted:
        configs["cleanup.policy"] = "compact"
    return configs


async def _start(client: Any) -> None:
    try:
        await _deadline(client.start(), _CONNECT_DEADLINE_S, "connect")
    except BaseException:
        with contextlib.suppress(BusError):
            await _deadline(client.stop(), _CLOSE_DEADLINE_S, "close")
        raise


async def _deadline(work: Awaitable[T], seconds: float, what: str) -> T:
    """Await with a deadline of our own; whatever this client raises is a broken client."""
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError as error:
        raise BusError(f"{what}: no answer in {seconds:g} s") from error
    except (KafkaError, IllegalStateError, OSError, RuntimeError, AssertionError) as error:
        raise BusError(f"{what}: {error!r}") from error
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise BusError(f"{what}: the client failed: {error!r}") from error
