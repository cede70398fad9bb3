"""Anti-entropy: compare with what the producers have written, and pull what never arrived.

The broker may lose anything, even everything: this heals it, over HTTP, event by event in order.
Pulled events go through the same inbox as those of the broker. Must not be called inside a
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Counter

from dunning_common import positions
from dunning_common.db import Database, driver
from dunning_common.feed import HEADS_PER_PAGE, FeedClient, FeedError, Heads
from dunning_common.inbox import Inbox, Incoming
from dunning_common.sequencing import Stream

log = structlog.get_logger()

_KEYS_PER_REPLAY = 500
_REMEMBERED_TENANTS = 10_000

_LOAD_CURSOR = "SELECT txid::text FROM feed_cursor WHERE topic = $1"
_SAVE_CURSOR = """
INSERT INTO feed_cursor (topic, txid) VALUES ($1, $2::text::xid8)
ON CONFLICT (topic) DO UPDATE SET txid = excluded.txid, compared_at = clock_timestamp()
"""


class AntiEntropy:
    """Compares one consumer with the feeds of its producers."""

    def __init__(
        self,
        *,
        db: Database,
        inbox: Inbox,
        feeds: Mapping[str, FeedClient],
        registry: CollectorRegistry,
    ) -> None:
        """Args: the service's database and inbox, the producer's feed per topic, the metrics."""
        self._db = db
        self._inbox = inbox
        self._feeds = feeds
        self._compared: dict[tuple[str, str], int] = {}
        self._healed = Counter(
            "dunning_gaps_healed", "Streams that were behind and were pulled from a feed.",
            registry=registry,
        )  # fmt: skip

    async def compare(self, topic: str, *, settled_s: float) -> int:
        """Compare all that moved since the last time, and pull what is missing.

        Args:
            topic: which topic.
            settled_s: leave out what moved in the last so many seconds: it may be on its way.

        Returns:
            How many streams were behind.

        Raises:
            FeedError: the feed does not answer, or does not give what it says it has.
            Exception: a transient failure of the database (`failures.is_transient`).
        """
        since = await self._load_cursor(topic)
        behind, txid = await self._compare(topic, since=since, settled_s=settled_s)
        if txid != since:
            await self._save_cursor(topic, txid)
        return behind

    async def catch_up(self, topic: str, *, tenant: str | None, keys: Sequence[str] | None) -> None:
        """Like `compare`, of some streams, up to this very moment.

        Raises:
            FeedError: the feed does not answer, or does not give what it says it has.
            Exception: a transient failure of the database.
        """
        if keys is not None:
            for start in range(0, len(keys), HEADS_PER_PAGE):
                part = keys[start : start + HEADS_PER_PAGE]
                await self._compare(topic, tenant=tenant, keys=part)
            return
        # What was compared in this process once needs no second look, unless it moved.
        known = (topic, tenant or "")
        _, txid = await self._compare(topic, tenant=tenant, since=self._compared.get(known, 0))
        if len(self._compared) > _REMEMBERED_TENANTS:
            self._compared.clear()
        self._compared[known] = txid

    async def pull(self, topic: str, after: Mapping[str, int]) -> None:
        """Get what lies behind the given sequences from the producer, and absorb it.

        Raises:
            FeedError: the feed does not answer, or holds nothing where something is missing.
            Exception: a transient failure of the database.
        """
        keys = sorted(after)
        for start in range(0, len(keys), _KEYS_PER_REPLAY):
            await self._pull(
                topic, {key: after[key] for key in keys[start : start + _KEYS_PER_REPLAY]}
            )
        self._healed.inc(len(after))

    async def _pull(self, topic: str, after: dict[str, int]) -> None:
        while True:
            replayed = await self._feed(topic).replay(topic, after)
            try:
                events = [Incoming.read(topic, raw) for raw in replayed.envelopes]
            except ValueError as error:
                raise FeedError(f"{topic}: an envelope cannot be read: {error}") from error
            gaps = await self._inbox.absorb(events)
            if gaps:
                raise FeedError(f"{topic}: the feed itself has holes, e.g. {next(iter(gaps))}")
            if not replayed.more:
                return
            after |= {event.stream.key: event.sequence for event in events}

    async def _compare(
        self,
        topic: str,
        *,
        tenant: str | None = None,
        keys: Sequence[str] | None = None,
        since: int = 0,
        settled_s: float = 0.0,
    ) -> tuple[int, int]:
        """Streams that were behind, and the txid to go on from next time."""
        total, txid, after_key = 0, None, ""
        while True:
            heads = await self._feed(topic).heads(
                topic, tenant=tenant, keys=keys, since=since, settled_s=settled_s,
                after_key=after_key,
            )  # fmt: skip
            txid = heads.txid if txid is None else min(txid, heads.txid)
            total += await self._heal(topic, heads)
            if heads.next_key is None:
                return total, txid
            after_key = heads.next_key

    async def _heal(self, topic: str, heads: Heads) -> int:
        missing = await self._behind(topic, heads.sequences)
        if missing:
            await self.pull(topic, missing)
            if left := await self._behind(topic, heads.sequences):
                raise FeedError(f"{topic}: {len(left)} streams are still behind, e.g. {min(left)}")
            log.info("streams_healed", topic=topic, streams=len(missing))
        return len(missing)

    async def _behind(self, topic: str, heads: Mapping[str, int]) -> dict[str, int]:
        if not heads:
            return {}
        async with self._db.worker() as connection:
            return await positions.behind(await driver(connection), topic, heads)

    def _feed(self, topic: str) -> FeedClient:
        try:
            return self._feeds[topic]
        except KeyError:
            raise FeedError(f"no feed is configured for {topic}") from None

    async def _load_cursor(self, topic: str) -> int:
        async with self._db.worker() as connection:
            raw: asyncpg.Connection[Any] = await driver(connection)
            return int(await raw.fetchval(_LOAD_CURSOR, topic) or 0)

    async def _save_cursor(self, topic: str, txid: int) -> None:
        async with self._db.worker() as connection:
            raw: asyncpg.Connection[Any] = await driver(connection)
            await raw.execute(_SAVE_CURSOR, topic, str(txid))


def by_topic(gaps: Mapping[Stream, int]) -> dict[str, dict[str, int]]:
    """Gaps per topic, as `pull` wants them."""
    topics: dict[str, dict[str, int]] = {}
    for stream, position in gaps.items():
        topics.setdefault(stream.topic, {})[stream.key] = position
    return topics
