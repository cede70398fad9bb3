"""The inbox: takes received events into the service's state, one batch in one transaction.

Lock the positions, drop what was received before, apply what comes next, park what cannot be
applied, write the positions. It does not care where events come from: broker, feed and parking lot
all end here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice

import prometheus_client
import structlog
from opentelemetry import propagate, trace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import parking, positions
from dunning_common.clock import Clock, SystemClock
from dunning_common.db import Database, driver
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.registry import parse_payload
from dunning_common.failures import is_transient
from dunning_common.parking import ParkedEvent
from dunning_common.sequencing import Plan, Stream, plan

log = structlog.get_logger()

_CHECK_CONSTRAINTS = (
    text("SET CONSTRAINTS ALL IMMEDIATE"),
    text("SET CONSTRAINTS ALL DEFERRED"),
)
_LINKS_MAX = 64
_RETRY_STREAMS = 100
_RETRY_EVENTS_PER_STREAM = 50


@dataclass(frozen=True, slots=True)
class Consumed:
    """An event that is new and next in its stream."""

    envelope: Envelope
    payload: Payload


ApplyEvents = Callable[[AsyncConnection, Sequence[Consumed]], Awaitable[None]]
"""A service's handler: set-based, in the consumer's transaction; raises on poison, no commit."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event as it was received; its payload is not looked at before its turn."""

    stream: Stream
    sequence: int
    envelope: Envelope
    raw: bytes

    @classmethod
    def read(cls, topic: str, raw: bytes) -> Incoming:
        """Parse the envelope.

        Raises:
            ValueError: it is none.
        """
        envelope = Envelope.from_bytes(raw)
        return cls(Stream(topic, envelope.key), envelope.sequence, envelope, raw)


Failed = tuple[Incoming, BaseException | None]
"""An event to park: with its error if it is the poison, without if it waits behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What came of trying parked events again."""

    applied: int
    still_parked: int


class Inbox:
    """One service's inbox; safe to use from several tasks and several replicas at once."""

    def __init__(
        self,
        *,
        db: Database,
        apply: ApplyEvents,
        registry: prometheus_client.CollectorRegistry,
        clock: Clock | None = None,
    ) -> None:
        self._db = db
        self._apply = apply
        self._clock = clock or SystemClock()
        self._turn = asyncio.Lock()  # one transaction at a time: handlers need not fear each other
        self._consumed = prometheus_client.Counter(
            "dunning_events_consumed", "Events applied.", ["topic"], registry=registry
        )
        self._duplicates = prometheus_client.Counter(
            "dunning_events_duplicate", "Events received again and dropped.", registry=registry
        )
        self._poisoned = prometheus_client.Counter(
            "dunning_events_poisoned", "Events that could not be applied.", registry=registry
        )
        self._parked = prometheus_client.Gauge(
            "dunning_events_parked", "Events in the lot.", registry=registry
        )
        self._hop = prometheus_client.Histogram(
            "dunning_event_hop_seconds",
            "From being written by the producer to being applied here.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600),
            registry=registry,
        )

    async def absorb(self, events: Sequence[Incoming]) -> dict[Stream, int]:
        """Take a batch into the state.

        Returns:
            The streams of which something is missing, with the last position before the hole.

        Raises:
            Exception: a transient failure (`failures.is_transient`); nothing was taken, try again.
        """
        if not events:
            return {}
        async with self._turn:
            try:
                planned, failed = await self._absorb(events, isolate=False)
            except Exception as error:
                if is_transient(error):
                    raise
                log.warning("batch_failed_isolating", error=parking.describe(error))
                planned, failed = await self._absorb(events, isolate=True)
        self._count(planned, failed)
        return dict(planned.gaps)

    async def retry(self, *, topic: str | None = None, key: str | None = None) -> Retried:
        """Try parked events again, in order, of all streams or of those named.

        A stream whose first event fails again stays parked, the others go on.
        """
        applied, after = 0, Stream("", "")
        while True:
            async with self._db.worker() as connection:
                streams = await parking.list_streams(
                    await driver(connection), topic=topic, key=key, after=after,
                    limit=_RETRY_STREAMS,
                )  # fmt: skip
            if not streams:
                break
            while done := await self._retry(streams):
                applied += done
            after = max(streams)
        return Retried(applied=applied, still_parked=await self.measure_parked())

    async def discard(self, stream: Stream, sequence: int) -> bool:
        """Drop one parked event for good and try those behind it; False when it is not parked."""
        async with self._db.worker() as connection:
            found = await parking.discard(await driver(connection), stream, sequence)
        if found:
            log.warning("parked_event_discarded", topic=stream.topic, sequence=sequence)
            await self.retry(topic=stream.topic, key=stream.key)
        return found

    async def measure_parked(self) -> int:
        """Count the lot and set the gauge."""
        async with self._db.worker() as connection:
            found = await parking.count(await driver(connection))
        self._parked.set(found)
        return found

    async def _absorb(
        self, events: Sequence[Incoming], *, isolate: bool
    ) -> tuple[Plan[Incoming], list[Failed]]:
        async with self._db.worker() as connection:
            raw = await driver(connection)
            tenants = {event.stream: event.envelope.tenant for event in events}
            known = await positions.lock(raw, tenants)
            # A statement of its own: its snapshot must be younger than the locks.
            parked = await parking.streams_parked(raw, list(tenants))
            planned = plan(events, positions=known, parked=parked)
            failed: list[Failed] = []
            if isolate:
                failed = await self._apply_isolated(connection, planned.apply)
            else:
                await self._apply_all(connection, planned.apply)
            await parking.park(
                raw,
                [_to_park(event, error) for event, error in failed]
                + [_to_park(event, None) for event in planned.park],
            )
            await positions.advance(raw, planned.positions)
            if failed or planned.park:
                self._parked.set(await parking.count(raw))
        return planned, failed

    async def _apply_all(self, connection: AsyncConnection, events: Sequence[Incoming]) -> None:
        if events:
            consumed = [Consumed(event.envelope, parse_payload(event.envelope)) for event in events]
            with _span(consumed):
                await self._apply(connection, consumed)

    async def _apply_isolated(
        self, connection: AsyncConnection, events: Sequence[Incoming]
    ) -> list[Failed]:
        """Apply what can be, by halving whatever fails; the rest of a poisoned stream waits.

        Returns:
            The events to park.
        """
        poisoned: set[Stream] = set()
        failed: list[Failed] = []
        chunks = [list(events)]
        while chunks:
            chunk = chunks.pop()
            failed += [(event, None) for event in chunk if event.stream in poisoned]
            chunk = [event for event in chunk if event.stream not in poisoned]
            if not chunk:
                continue
            error = await self._try(connection, chunk)
            if error is None:
                continue
            if len(chunk) > 1:
                middle = len(chunk) // 2
                chunks += [chunk[middle:], chunk[:middle]]
                continue
            (event,) = chunk
            poisoned.add(event.stream)
            failed.append((event, error))
            log.error(
                "event_parked", topic=event.stream.topic, tenant=event.envelope.tenant,
                type=event.envelope.type, id=str(event.envelope.id), sequence=event.sequence,
                error=parking.describe(error),
            )  # fmt: skip
        return failed

    async def _try(
        self, connection: AsyncConnection, events: Sequence[Incoming]
    ) -> BaseException | None:
        raw = await driver(connection)
        try:
            async with raw.transaction():  # a savepoint
                await self._apply_all(connection, events)
                for check in _CHECK_CONSTRAINTS:  # else a deferred one would fail the whole commit
                    await connection.execute(check)
        except Exception as error:
            if is_transient(error):
                raise
            return error
        return None

    async def _retry(self, tenants: dict[Stream, str]) -> int:
        """One transaction over the first parked events of some streams; how many were applied."""
        async with self._turn, self._db.worker() as connection:
            raw = await driver(connection)
            await positions.lock(raw, tenants)
            rows = await parking.first_events(
                raw, sorted(tenants), per_stream=_RETRY_EVENTS_PER_STREAM
            )
            events = [Incoming.read(stream.topic, envelope) for stream, _, envelope in rows]
            failed = await self._apply_isolated(connection, events)
            await parking.park(raw, [_to_park(event, error) for event, error in failed])
            stuck = {(event.stream, event.sequence) for event, _ in failed}
            done = [
                (event.stream, event.sequence)
                for event in events
                if (event.stream, event.sequence) not in stuck
            ]
            await parking.take_out(raw, done)
        return len(done)

    def _count(self, planned: Plan[Incoming], failed: Sequence[Failed]) -> None:
        self._duplicates.inc(planned.duplicates)
        self._poisoned.inc(sum(error is not None for _, error in failed))
        topics = Counter(event.stream.topic for event in planned.apply)
        topics.subtract(event.stream.topic for event, _ in failed)
        for topic, number in topics.items():
            self._consumed.labels(topic).inc(number)
        if planned.apply:
            written = planned.apply[0].envelope.time
            self._hop.observe(max(0.0, (self._clock.now() - written).total_seconds()))


def _span(events: Sequence[Consumed]) -> AbstractContextManager[trace.Span]:
    """A span that goes on from the writers' traces: child of a single one, linked to several."""
    parents = {event.envelope.traceparent for event in events if event.envelope.traceparent}
    callers = [propagate.extract({"traceparent": parent}) for parent in islice(parents, _LINKS_MAX)]
    return trace.get_tracer(__name__).start_as_current_span(
        "apply events",
        context=callers[0] if len(callers) == 1 else None,
        links=[trace.Link(trace.get_current_span(caller).get_span_context()) for caller in callers],
        attributes={"events": len(events)},
    )


def _to_park(event: Incoming, error: BaseException | None) -> ParkedEvent:
    return ParkedEvent(
        stream=event.stream,
        tenant=event.envelope.tenant,
        sequence=event.sequence,
        envelope=event.raw,
        error=None if error is None else parking.describe(error),
    )
