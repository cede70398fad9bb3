"""The Kafka adapter of the bus: aiokafka behind guards, because that client can hang.

Every await has a deadline of ours; producers are neither idempotent nor transactional; partitions
are assigned, groups never joined; offsets are committed explicitly; whoever gets a BusError drops
the client and makes a new one. Holds no state that matters: correctness sits in PostgreSQL.
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
from aiokafka.errors import MessageSizeTooLargeError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2

from dunning_common.bus import BusError, Publisher, Received, Record, Subscription
from dunning_common.waiting import within

MAX_RECORD_BYTES = 8 * 1024 * 1024
_CLOSE_DEADLINE_S = 3.0
_BATCH_BYTES = 512 * 1024
# How long the broker may hold a fetch that finds nothing. Kafka answers the moment something
# arrives; the embedded broker looks again only after about half of it. So: short while busy, long
# when idle.
_BUSY_WAIT_MS = 40
_IDLE_WAIT_MS = 200
_IDLE_AFTER_S = 3.0

log = structlog.get_logger()
T = TypeVar("T")


class KafkaBus:
    """A `Bus` on a Kafka cluster. Connects only when asked for a publisher or a subscription."""

    def __init__(self, bootstrap: str, *, replication: int = -1, deadline_s: float = 10.0) -> None:
        """Make a bus.

        Args:
            bootstrap: `host:port`, several separated by commas.
            replication: copies of each partition of topics made here; -1 leaves it to the brokers.
            deadline_s: how long any one thing may take before its client is given up.
        """
        self._bootstrap = bootstrap
        self._replication = replication
        self._deadline_s = deadline_s
        self._counts: dict[str, int] = {}  # partitions of the topics that were ensured
        self._request_timeout_ms = int(deadline_s * 800)  # the client's own, before ours

    async def publisher(self) -> Publisher:
        """Connect a publisher."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=False,
            request_timeout_ms=self._request_timeout_ms,
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES + _BATCH_BYTES,
        )
        await _start(producer, self._deadline_s)
        return KafkaPublisher(producer, deadline_s=self._deadline_s)

    async def subscribe(
        self, topics: Sequence[str], *, group: str, partitions: Collection[int]
    ) -> Subscription:
        """Read the given partitions of each topic."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            request_timeout_ms=self._request_timeout_ms,
            metadata_max_age_ms=30_000,
            max_partition_fetch_bytes=2 * 1024 * 1024,
            fetch_max_wait_ms=_BUSY_WAIT_MS,
        )
        consumer.assign(
            [
                TopicPartition(topic, number)
                for topic in topics
                for number in sorted(partitions)
                if number < self._counts.get(topic, number + 1)
            ]
        )
        await _start(consumer, self._deadline_s)
        return KafkaSubscription(consumer, deadline_s=self._deadline_s)

    async def ensure_topics(self, topics: Mapping[str, bool], *, partitions: int) -> int:
        """Create what is missing."""
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._bootstrap, request_timeout_ms=self._request_timeout_ms
        )
        try:
            return await _deadline(
                self._ensure(admin, topics, partitions), self._deadline_s, "ensure topics"
            )
        finally:
            await _close(admin.close())

    async def _ensure(self, admin: Any, topics: Mapping[str, bool], partitions: int) -> int:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = {name: how for name, how in topics.items() if name not in existing}
        if missing:
            await self._create(admin, missing, partitions)
        while True:  # until new topics are known
            described = await admin.describe_topics(list(topics))
            counts = [len(topic["partitions"]) for topic in described]
            if len(counts) == len(topics) and all(counts):
                self._counts |= {topic["topic"]: len(topic["partitions"]) for topic in described}
                return max(counts)
            await asyncio.sleep(0.05)

    async def _create(self, admin: Any, topics: Mapping[str, bool], partitions: int) -> None:
        wanted = []
        for name, compacted in topics.items():
            topic = NewTopic(name, partitions, 1, topic_configs=_topic_configs(compacted))
            topic.replication_factor = self._replication  # its constructor refuses -1
            wanted.append(topic)
        answer = await admin.create_topics(wanted)
        for name, code, *_ in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise BusError(f"create topic {name}: {for_code(code).__name__}")


class KafkaPublisher:
    """A `Publisher`."""

    def __init__(self, producer: Any, *, deadline_s: float) -> None:
        self._producer = producer
        self._last: dict[TopicPartition, int] = {}  # offset of the last record per partition
        self._deadline_s = deadline_s

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Write the records, in order per key.

        One that is larger than the broker takes is left out: consumers see the gap and ask the
        feed.
        """
        await _deadline(self._send(topic, records), self._deadline_s, "publish")

    async def _send(self, topic: str, records: Sequence[Record]) -> None:
        numbers = sorted(await self._producer.partitions_for(topic))
        shares: dict[int, list[tuple[bytes, bytes]]] = {}
        for record in records:
            key = record.key.encode()
            number = numbers[(murmur2(key) & 0x7FFFFFFF) % len(numbers)]  # as every Kafka client
            shares.setdefault(number, []).append((key, record.value))
        outcomes = await asyncio.gather(
            *(self._send_share(topic, number, share) for number, share in shares.items()),
            return_exceptions=True,  # none may still be at work when the caller tries again
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _send_share(
        self, topic: str, number: int, share: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Write records into one partition, batch after batch."""
        batch = self._producer.create_batch()
        for key, value in share:
            if len(value) > MAX_RECORD_BYTES:
                log.warning("record_too_large", topic=topic, bytes=len(value))
            elif batch.append(timestamp=None, key=key, value=value) is None:
                await self._send_batch(topic, number, batch)
                batch = self._producer.create_batch()
                batch.append(timestamp=None, key=key, value=value)
        if batch.record_count():
            await self._send_batch(topic, number, batch)

    async def _send_batch(self, topic: str, number: int, batch: Any) -> None:
        try:
            written = await (await self._producer.send_batch(batch, topic, partition=number))
        except MessageSizeTooLargeError:
            if batch.record_count() > 1:
                raise
            log.warning("record_too_large", topic=topic, bytes=batch.size())
        else:
            self._check_offset(written)

    def _check_offset(self, written: Any) -> None:
        """A broker that came back empty begins anew at 0, perhaps even without the topic."""
        place = written.topic_partition
        if written.offset <= self._last.get(place, -1):
            raise BusError(
                f"{written.topic}/{written.partition} went back to {written.offset}: "
                "the broker forgot its records"
            )
        self._last[place] = written.offset

    async def close(self) -> None:
        """Let go."""
        await _close(self._producer.stop())


class KafkaSubscription:
    """A `Subscription`."""

    def __init__(self, consumer: Any, *, deadline_s: float) -> None:
        self._consumer = consumer
        self._deadline_s = deadline_s
        self._next: dict[tuple[str, int], int] = {}
        self._busy_until = time.monotonic() + _IDLE_AFTER_S

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Received]:
        """What has arrived."""
        self._set_pace()
        batches = await _deadline(
            self._consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=max_records),
            timeout_s + self._deadline_s,
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
        await _deadline(self._consumer.commit(wanted), self._deadline_s, "commit")

    async def close(self) -> None:
        """Let go."""
        await _close(self._consumer.stop())

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


def _topic_configs(compacted: bool) -> dict[str, str]:
    configs = {"max.message.bytes": str(MAX_RECORD_BYTES)}
    if compacted:
        configs["cleanup.policy"] = "compact"
    return configs


async def _start(client: Any, deadline_s: float) -> None:
    try:
        await _deadline(client.start(), deadline_s, "connect")
    except BaseException:
        await _close(client.stop())
        raise


async def _close(closing: Awaitable[None]) -> None:
    with contextlib.suppress(BusError):  # it may hang or fail; nothing depends on it
        await _deadline(closing, _CLOSE_DEADLINE_S, "close")


async def _deadline(work: Awaitable[T], seconds: float, what: str) -> T:
    """Await with a deadline of our own; whatever this client raises is a broken client."""
    try:
        return await within(seconds, work)
    except TimeoutError as error:
        raise BusError(f"{what}: no answer in {seconds:g} s") from error
    except Exception as error:  # its failures have no common base, and all mean the same to us
        raise BusError(f"{what}: {error!r}") from error
