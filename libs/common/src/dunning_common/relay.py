"""The relay: publishes the outbox, in order per key, never leaving out a slow transaction's rows.

PgQ's technique: publish what is visible in this snapshot and was not in the last one; a cursor of
ids would skip rows that commit late. The cursor is saved only after the broker's acknowledgement,
so a crash publishes again and consumers drop the repeats. One relay per service, by a session
advisory lock on the connection that also listens and saves the cursor: when it breaks, all three
end together. Commits of the same process wake it directly; the standing-by relays of other replicas
send NOTIFY.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from dunning_common.bus import Bus, BusError, Publisher, Record
from dunning_common.clock import monotonic
from dunning_common.db import Database
from dunning_common.events.registry import PARTITIONS, TOPICS
from dunning_common.failures import is_transient
from dunning_common.waiting import wait_for_event
from dunning_common.watchdog import ExitProcess, Watchdog

_CHANNEL = "outbox"
_BACKOFF_MIN_S = 0.1
_BACKOFF_MAX_S = 5.0
_SQL_TIMEOUT_S = 30.0
log = structlog.get_logger()

# A cursor lost means repeats, no more. The rest is because the planner takes a third of the table
# for new until ANALYZE has seen it: always by index, and at once.
_SETTINGS = """
SET synchronous_commit = off; SET enable_seqscan = off; SET max_parallel_workers_per_gather = 0
"""
_TRY_LOCK = """
SELECT pg_try_advisory_lock(hashtext('dunning relay'), hashtext(current_schema()))
"""
_LOAD_CURSOR = """
SELECT snapshot::text, target::text, position,
       pg_snapshot_xmax(snapshot) > pg_snapshot_xmax(pg_current_snapshot()) AS foreign_cluster
FROM relay_cursor WHERE name = 'outbox'
"""
_SAVE_CURSOR = """
INSERT INTO relay_cursor (name, snapshot, target, position)
VALUES ('outbox', $1::text::pg_snapshot, $2::text::pg_snapshot, $3)
ON CONFLICT (name) DO UPDATE SET snapshot = excluded.snapshot, target = excluded.target,
    position = excluded.position, moved_at = clock_timestamp()
"""
# Positions first, rows second: a backlog of millions is sorted without its contents. `+ 0` keeps
# the planner from walking the index of positions from the beginning of time.
# A row that the first statement sees is visible in its own snapshot, which is `target`.
_NEWS = """
WITH news AS MATERIALIZED (
    SELECT position FROM outbox
    WHERE txid >= pg_snapshot_xmin($1::text::pg_snapshot)
      AND NOT pg_visible_in_snapshot(txid, $1::text::pg_snapshot)
    ORDER BY position + 0 LIMIT $2
)
SELECT topic, key, envelope, position, pg_current_snapshot()::text AS target,
    extract(epoch FROM clock_timestamp() - written_at)::float8 AS age_s
FROM news JOIN outbox USING (position) ORDER BY position
"""
# The rest of a large window, held outside any transaction, so that nothing waits for it. Utility
# statements take no parameters: what is filled in are numbers that PostgreSQL gave us.
_OPEN_REST = """
DECLARE rest NO SCROLL CURSOR WITH HOLD FOR
SELECT position FROM outbox
WHERE txid >= pg_snapshot_xmin('{snapshot}'::pg_snapshot)
  AND txid < pg_snapshot_xmax('{target}'::pg_snapshot)
  AND NOT pg_visible_in_snapshot(txid, '{snapshot}'::pg_snapshot)
  AND pg_visible_in_snapshot(txid, '{target}'::pg_snapshot)
  AND position > {position}
ORDER BY position + 0
"""
_ROWS = """
SELECT topic, key, envelope, position,
    extract(epoch FROM clock_timestamp() - written_at)::float8 AS age_s
FROM outbox WHERE position = ANY($1) ORDER BY position
"""
_NEVER = "1:1:"


@dataclass(frozen=True, slots=True)
class _Cursor:
    """All of `snapshot` is published, and of `target` (if any) what lies up to `position`."""

    snapshot: str
    target: str | None = None
    position: int = 0


class Relay:
    """Publishes one service's outbox. `run` is a loop for `Service.loops`."""

    def __init__(
        self,
        *,
        db: Database,
        bus: Bus,
        registry: CollectorRegistry,
        topics: Mapping[str, bool] | None = None,
        page_size: int = 2_000,
        poll_s: float = 0.5,
        watchdog_s: float = 60.0,
        exit_process: ExitProcess = os._exit,
    ) -> None:
        """Make a relay.

        Args:
            db: the service's database.
            bus: where to publish.
            registry: takes the metrics.
            topics: topics to create when missing, and whether each is compacted; all known by
                default.
            page_size: most rows held in memory at a time.
            poll_s: how long to wait for news of a commit before looking anyway.
            watchdog_s: longest silence of the loop.
            exit_process: how the watchdog ends the process.
        """
        self._db = db
        self._bus = bus
        self._topics = topics or {name: topic.compacted for name, topic in TOPICS.items()}
        self._page_size = page_size
        self._poll_s = poll_s
        self._watchdog = Watchdog("relay", limit_s=watchdog_s, exit_process=exit_process)
        self._wake = asyncio.Event()
        db.on_outbox_commit(self._wake.set)
        self._publisher: Publisher | None = None
        self._published = Counter(
            "dunning_events_published", "Events the broker acknowledged.", ["topic"],
            registry=registry,
        )  # fmt: skip
        self._age = Gauge(
            "dunning_outbox_age_seconds", "Age of the oldest event not yet published.",
            registry=registry,
        )  # fmt: skip

    async def run(self) -> None:
        """Publish until cancelled; survives restarts of PostgreSQL and of the broker."""
        backoff_s = _BACKOFF_MIN_S
        with self._watchdog:
            try:
                while True:
                    started = monotonic()
                    try:
                        await self._hold_lock_and_publish()
                    except Exception as error:
                        if not is_transient(error):
                            raise
                        log.warning("relay_lost_database", error=repr(error))
                    if monotonic() - started > _BACKOFF_MAX_S:
                        backoff_s = _BACKOFF_MIN_S
                    self._watchdog.beat()
                    await asyncio.sleep(backoff_s)
                    backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
            finally:
                await self._drop_publisher()

    async def _hold_lock_and_publish(self) -> None:
        connection = await self._db.listen_connection()
        try:
            await connection.execute(_SETTINGS)
            while not await connection.fetchval(_TRY_LOCK, timeout=_SQL_TIMEOUT_S):
                await self._stand_by(connection)
            channel = f"{_CHANNEL}_{self._db.schema}"
            await connection.add_listener(channel, lambda *_: self._wake.set())
            log.info("relay_holds_lock", schema=self._db.schema)
            await self._publish_for_ever(connection, await self._load_cursor(connection))
        finally:
            connection.terminate()

    async def _stand_by(self, connection: asyncpg.Connection[Any]) -> None:
        """Another replica's relay is at work: tell it of what is committed here."""
        self._watchdog.beat()
        if await self._woken():
            await connection.execute(
                "SELECT pg_notify($1, '')", f"{_CHANNEL}_{self._db.schema}", timeout=_SQL_TIMEOUT_S
            )

    async def _load_cursor(self, connection: asyncpg.Connection[Any]) -> _Cursor:
        row = await connection.fetchrow(_LOAD_CURSOR)
        if row is None:
            return _Cursor(_NEVER)
        if row["foreign_cluster"]:
            # Restored elsewhere from a dump: transaction ids began anew. Consumers' anti-entropy
            # brings what was not published; the relay goes on from here.
            log.error("relay_cursor_of_another_cluster", snapshot=row["snapshot"])
            return _Cursor(str(await connection.fetchval("SELECT pg_current_snapshot()::text")))
        return _Cursor(row["snapshot"], row["target"], row["position"])

    async def _publish_for_ever(self, connection: asyncpg.Connection[Any], cursor: _Cursor) -> None:
        while True:
            self._watchdog.beat()
            if cursor.target is not None:
                cursor = await self._publish_rest(connection, cursor, cursor.target)
            rows = await connection.fetch(
                _NEWS, cursor.snapshot, self._page_size, timeout=_SQL_TIMEOUT_S
            )
            if not rows:
                self._age.set(0)
                await self._woken()
                continue
            await self._publish(connection, rows)
            target = rows[0]["target"]
            if len(rows) < self._page_size:
                cursor = _Cursor(target)
            else:
                cursor = _Cursor(cursor.snapshot, target, rows[-1]["position"])
            await self._save_cursor(connection, cursor)

    async def _publish_rest(
        self, connection: asyncpg.Connection[Any], cursor: _Cursor, target: str
    ) -> _Cursor:
        """Finish a window that takes more than one page."""
        await connection.execute(
            _OPEN_REST.format(
                snapshot=cursor.snapshot, target=target, position=int(cursor.position)
            )
        )
        while places := await connection.fetch(
            f"FETCH {self._page_size} FROM rest", timeout=_SQL_TIMEOUT_S
        ):
            rows = await connection.fetch(
                _ROWS, [place["position"] for place in places], timeout=_SQL_TIMEOUT_S
            )
            await self._publish(connection, rows)
            cursor = _Cursor(cursor.snapshot, target, rows[-1]["position"])
            await self._save_cursor(connection, cursor)
        await connection.execute("CLOSE rest")
        cursor = _Cursor(target)
        await self._save_cursor(connection, cursor)
        return cursor

    async def _save_cursor(self, connection: asyncpg.Connection[Any], cursor: _Cursor) -> None:
        await connection.execute(
            _SAVE_CURSOR, cursor.snapshot, cursor.target, cursor.position, timeout=_SQL_TIMEOUT_S
        )

    async def _woken(self) -> bool:
        """Wait for a commit, here or elsewhere; False when it is time to look anyway."""
        woken = await wait_for_event(self._wake, self._poll_s)
        self._wake.clear()
        return woken

    async def _publish(
        self, connection: asyncpg.Connection[Any], rows: Sequence[asyncpg.Record]
    ) -> None:
        """Publish a page, however long the broker is away."""
        by_topic: defaultdict[str, list[Record]] = defaultdict(list)
        for row in rows:
            by_topic[row["topic"]].append(Record(row["key"], row["envelope"]))
        backoff_s, started = 0.05, monotonic()
        while True:
            self._watchdog.beat()
            self._age.set(rows[0]["age_s"] + monotonic() - started)
            try:
                await self._publish_topics(by_topic)
            except BusError as error:
                log.warning("publish_failed", error=str(error), retry_in_s=backoff_s)
                await self._drop_publisher()
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
                if connection.is_closed():  # and with it our lock: another relay may be at work
                    raise ConnectionResetError("the relay lost its lock") from error
            else:
                break
        for topic, records in by_topic.items():
            self._published.labels(topic).inc(len(records))

    async def _publish_topics(self, by_topic: Mapping[str, Sequence[Record]]) -> None:
        publisher = await self._connected()
        outcomes = await asyncio.gather(
            *(publisher.publish(topic, records) for topic, records in by_topic.items()),
            return_exceptions=True,  # let all of them end before anything is tried again
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _connected(self) -> Publisher:
        if self._publisher is None:
            await self._bus.ensure_topics(self._topics, partitions=PARTITIONS)
            self._publisher = await self._bus.publisher()
        return self._publisher

    async def _drop_publisher(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.close()
