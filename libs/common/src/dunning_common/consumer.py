"""The consumer: keeps one service up to date with the topics it reads.

Three loops share one inbox: the stream reads the broker, the healer fills gaps in sequence numbers,
and the comparer asks the producers what should have arrived. Any one of them is enough for
correctness; it knows no business meaning and does not trust the broker.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Mapping, Sequence
from typing import NoReturn, TypeVar

import prometheus_client
import structlog

from dunning_common.anti_entropy import AntiEntropy, by_topic
from dunning_common.bus import Bus, BusError, Received, Subscription
from dunning_common.clock import monotonic
from dunning_common.db import Database
from dunning_common.events.registry import PARTITIONS, TOPICS
from dunning_common.failures import is_transient
from dunning_common.feed import FeedClient, FeedError
from dunning_common.inbox import ApplyEvents, Consumed, Inbox, Incoming, Retried
from dunning_common.leases import Leases
from dunning_common.sequencing import Stream
from dunning_common.watchdog import ExitProcess, Watchdog

__all__ = ["ApplyEvents", "Consumed", "Consumer", "Retried"]

log = structlog.get_logger()
T = TypeVar("T")

_FETCH_S = 1.0
_FIRST_FETCH_S = 0.2
_LEASE_S = 2.0
_COMMIT_S = 1.0
_BACKOFF_MAX_S = 5.0
_HEAL_RETRY_S = 2.0
_CALM_CHECK_S = 0.05
_CONNECT_PATIENCE_S = 2.0
# Without the broker the comparer is the only way for events: then it looks this often.
_OUTAGE_COMPARE_S = 2.0


class Consumer:
    """Feeds one service with the events of some topics. `run` is a loop for `Service.loops`."""

    def __init__(
        self,
        *,
        name: str,
        db: Database,
        bus: Bus,
        topics: Sequence[str],
        apply: ApplyEvents,
        feeds: Mapping[str, FeedClient],
        anti_entropy_s: float = 60.0,
        watchdog_s: float = 60.0,
        registry: prometheus_client.CollectorRegistry,
        batch_size: int = 1_000,
        settled_s: float = 5.0,
        exit_process: ExitProcess = os._exit,
    ) -> None:
        """Make a consumer; one per service, because positions are per service.

        Args:
            name: of the service; names the committed offsets and the partition leases.
            db: the service's database.
            bus: the broker.
            topics: what to read.
            apply: the service's handler.
            feeds: the producer's feed per topic; a topic without one is not compared.
            anti_entropy_s: seconds between comparisons with the feeds.
            watchdog_s: longest silence of the loops, and so the longest a batch may take.
            registry: takes the metrics.
            batch_size: most events in one transaction.
            settled_s: what moved less than so many seconds ago may still be on its way through the
                broker; comparisons leave it out.
            exit_process: how the watchdog ends the process.
        """
        self._name = name
        self._bus = bus
        self._topics = {topic: topic in TOPICS and TOPICS[topic].compacted for topic in topics}
        self._feeds = feeds
        self._anti_entropy_s = anti_entropy_s
        self._batch_size = batch_size
        self._settled_s = settled_s
        self._watchdog = Watchdog(f"{name}-consumer", limit_s=watchdog_s, exit_process=exit_process)
        self._leases = Leases(db, group=name)
        self._inbox = Inbox(db=db, apply=apply, registry=registry)
        self._anti_entropy = AntiEntropy(db=db, inbox=self._inbox, feeds=feeds, registry=registry)
        self._gaps: dict[Stream, int] = {}
        self._gap_seen = asyncio.Event()
        self._connected = False
        self._received_since_compare = 0
        self._pouring = True  # unless the first fetch says otherwise
        self._suspicious = False
        self._unreadable = prometheus_client.Counter(
            "dunning_records_unreadable", "Records that hold no event.", registry=registry
        )
        self._connected_gauge = prometheus_client.Gauge(
            "dunning_consumer_connected", "Whether the broker answers.", registry=registry
        )

    async def run(self) -> None:
        """Consume until cancelled; survives restarts of PostgreSQL, broker and producers."""
        with self._watchdog:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._stream(), name=f"{self._name}:stream")
                    group.create_task(self._heal(), name=f"{self._name}:heal")
                    group.create_task(self._compare(), name=f"{self._name}:compare")
            finally:
                await self._leases.close()

    async def catch_up(
        self,
        topics: Sequence[str],
        *,
        tenant: str | None = None,
        keys: Sequence[str] | None = None,
    ) -> bool:
        """Compare with the producers' heads and pull what is missing, right now.

        Needs no broker, and not `run`. Events in flight are pulled as well; when the broker brings
        them later they are dropped. Never call it inside a transaction.

        Args:
            topics: which topics.
            tenant: only this tenant's streams.
            keys: only these streams, as in `Outgoing.key`.

        Returns:
            True when nothing is missing afterwards (parked events count as received); False when a
            feed or the database does not answer.
        """
        try:
            for topic in topics:
                await self._anti_entropy.catch_up(topic, tenant=tenant, keys=keys)
        except Exception as error:
            if not _passes(error):
                raise
            log.warning("catch_up_failed", consumer=self._name, error=repr(error))
            return False
        return True

    async def retry_parked(self, *, topic: str | None = None, key: str | None = None) -> Retried:
        """Try parked events again, all or of one topic or stream, in order."""
        return await self._inbox.retry(topic=topic, key=key)

    async def discard_parked(self, *, topic: str, key: str, sequence: int) -> bool:
        """Drop one parked event for good and try those behind it; False when it is not parked."""
        return await self._inbox.discard(Stream(topic, key), sequence)

    async def _stream(self) -> NoReturn:
        """Read the broker: partitions by lease, a new client after any failure."""
        backoff_s = 0.1
        while True:
            started = monotonic()
            try:
                await self._read_until_leases_change()
            except Exception as error:
                if not _passes(error):
                    raise
                log.warning("stream_broken", consumer=self._name, error=repr(error))
                self._set_connected(False)
                await self._leases.close()
            backoff_s = 0.1 if monotonic() - started > _BACKOFF_MAX_S else backoff_s * 2
            await self._pause(min(backoff_s, _BACKOFF_MAX_S))

    async def _read_until_leases_change(self) -> None:
        count = await self._bus.ensure_topics(self._topics, partitions=PARTITIONS)
        mine = await self._leases.refresh(count)
        if not mine:  # other replicas read all of it
            self._set_connected(True)
            await self._pause(_LEASE_S)
            return
        subscription = await self._bus.subscribe(
            list(self._topics), group=self._name, partitions=mine
        )
        self._set_connected(True)
        try:
            log.info("stream_reading", consumer=self._name, partitions=len(mine), of=count)
            await self._read(subscription, count, mine)
        finally:
            await subscription.close()

    async def _read(self, subscription: Subscription, count: int, mine: frozenset[int]) -> None:
        offsets: dict[tuple[str, int], int] = {}
        next_lease = monotonic() + _LEASE_S
        next_commit = monotonic() + _COMMIT_S
        while True:
            self._watchdog.beat()
            received = await subscription.fetch(
                max_records=self._batch_size,
                timeout_s=_FIRST_FETCH_S if self._pouring else _FETCH_S,
            )
            self._pouring = 2 * len(received) >= self._batch_size
            await self._take(received)
            offsets |= {(r.topic, r.partition): r.offset + 1 for r in received}
            if offsets and (not received or monotonic() > next_commit):
                await subscription.commit(offsets)
                offsets, next_commit = {}, monotonic() + _COMMIT_S
            if monotonic() > next_lease:
                if self._suspicious:
                    self._suspicious = False
                    raise BusError("the feeds have what the broker did not bring")
                if await self._leases.refresh(count) != mine:
                    return
                next_lease = monotonic() + _LEASE_S

    async def _take(self, received: Sequence[Received]) -> None:
        """Absorb a batch, however long PostgreSQL is away."""
        events = [event for record in received if (event := self._read_record(record))]
        if not events:
            return
        self._received_since_compare += len(events)
        backoff_s = 0.05
        while True:
            try:
                gaps = await self._inbox.absorb(events)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("batch_postponed", consumer=self._name, error=repr(error))
                await self._pause(backoff_s)
                backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
            else:
                break
        if gaps:
            self._gaps |= gaps
            self._gap_seen.set()

    def _read_record(self, record: Received) -> Incoming | None:
        if record.value is None:  # a tombstone of a compacted topic
            return None
        try:
            return Incoming.read(record.topic, record.value)
        except ValueError as error:
            # Not written by a relay, or damaged. If it stood for an event, its stream has a gap
            # now.
            self._unreadable.inc()
            log.warning(
                "record_unreadable", topic=record.topic, partition=record.partition,
                offset=record.offset, error=type(error).__name__,
            )  # fmt: skip
            return None

    async def _heal(self) -> NoReturn:
        """Ask the producers for what is missing inside streams."""
        while True:
            await self._gap_seen.wait()
            self._gap_seen.clear()
            gaps, self._gaps = self._gaps, {}
            log.warning("gaps_seen", consumer=self._name, streams=len(gaps))
            try:
                for topic, after in by_topic(gaps).items():
                    await self._anti_entropy.pull(topic, after)
            except Exception as error:
                if not _passes(error):
                    raise
                log.warning("gaps_remain", consumer=self._name, error=repr(error))
                self._gaps = gaps | self._gaps
                self._gap_seen.set()
                await asyncio.sleep(_HEAL_RETRY_S)

    async def _compare(self) -> NoReturn:
        """Anti-entropy: at the start, then every so often; often while the broker is away."""
        settled_s = 0.0
        retried = False
        while True:
            await self._until_calm()
            received, self._received_since_compare = self._received_since_compare, 0
            if not retried:  # perhaps this is the version that can apply what the last could not
                retried = await self._attempt(self._inbox.retry()) is not None
            behind, complete = await self._compare_all(settled_s)
            if behind and settled_s and not received and self._connected:
                self._suspicious = True
            if complete:
                settled_s = await self._wait_to_compare()
            else:
                await asyncio.sleep(min(_OUTAGE_COMPARE_S, self._anti_entropy_s))

    async def _compare_all(self, settled_s: float) -> tuple[int, bool]:
        """How many streams were behind, and whether every feed answered."""
        outcomes = [
            await self._attempt(self._anti_entropy.compare(topic, settled_s=settled_s))
            for topic in self._topics
            if topic in self._feeds
        ]
        await self._attempt(self._inbox.measure_parked())
        answers = [outcome for outcome in outcomes if outcome is not None]
        return sum(answers), len(answers) == len(outcomes)

    async def _attempt(self, work: Awaitable[T]) -> T | None:
        """Do it, or say in the log why it has to wait."""
        try:
            return await work
        except Exception as error:
            if not _passes(error):
                raise
            log.warning("compare_failed", consumer=self._name, error=repr(error))
            return None

    async def _until_calm(self) -> None:
        """While records pour in, what seems to be missing is on its way: let them come."""
        started = monotonic()
        while self._pouring and monotonic() - started < self._anti_entropy_s:
            if not self._connected and monotonic() - started > _CONNECT_PATIENCE_S:
                return
            await asyncio.sleep(_CALM_CHECK_S)

    async def _wait_to_compare(self) -> float:
        """Sleep until the next comparison is due; how long events have to reach us otherwise."""
        deadline = monotonic() + self._anti_entropy_s
        while (left := deadline - monotonic()) > 0:
            await asyncio.sleep(min(left, _OUTAGE_COMPARE_S))
            if not self._connected:
                return 0.0
        return self._settled_s

    async def _pause(self, seconds: float) -> None:
        self._watchdog.beat()
        await asyncio.sleep(seconds)

    def _set_connected(self, connected: bool) -> None:
        """Whether the broker brings events, here or to another replica."""
        self._connected = connected
        self._pouring = self._pouring and connected
        self._connected_gauge.set(connected)


def _passes(error: BaseException) -> bool:
    return isinstance(error, FeedError) or is_transient(error)
