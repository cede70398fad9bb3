"""Batches of letters in PostgreSQL. A letter is in one batch at most, for ever. Never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.ports.post import Batch, BatchKey, BatchLetter, BatchNews, ClaimedBatch

_COLUMNS = """
b.tenant, b.batch_id, b.seq, b.channel, b.state, b.letters, b.pages, b.size_bytes, b.checksum,
b.folder, b.place, b.tries, b.error, b.cut_at, b.ready_at, b.handed_over_at
"""
_MOST_AT_ONCE = 20_000
_CUT = f"""
WITH waiting AS (
    SELECT tenant, message_id, channel, sent_at FROM message
    WHERE state = 'sent' AND provider = 'spool' AND batch_id IS NULL
    ORDER BY sent_at, message_id LIMIT {_MOST_AT_ONCE} FOR UPDATE SKIP LOCKED
), ranked AS (
    SELECT w.*, row_number() OVER (of_kind ORDER BY sent_at, message_id) AS place,
        count(*) OVER of_kind AS waiting, min(sent_at) OVER of_kind AS oldest
    FROM waiting AS w WINDOW of_kind AS (PARTITION BY tenant, channel)
), due AS (
    SELECT * FROM ranked WHERE place <= $1
        AND (waiting >= $1 OR oldest <= clock_timestamp() - make_interval(secs => $2::float8))
), made AS (
    INSERT INTO letter_batch (tenant, batch_id, channel, letters)
    SELECT tenant, gen_random_uuid(), channel, count(*) FROM due GROUP BY tenant, channel
    ORDER BY tenant, channel
    RETURNING tenant, batch_id, channel
), marked AS (
    UPDATE message AS m SET batch_id = made.batch_id, batch_place = due.place
    FROM due JOIN made USING (tenant, channel)
    WHERE m.tenant = due.tenant AND m.message_id = due.message_id
)
SELECT count(*) FROM made
"""
_CLAIM = f"""
WITH due AS (
    SELECT tenant, batch_id FROM letter_batch AS b
    WHERE next_try_at <= clock_timestamp() AND (state = 'cut' OR ($1 AND state = 'ready'
        AND NOT EXISTS (SELECT FROM tenant AS t
            WHERE t.tenant = b.tenant AND (t.body->>'sandbox')::boolean)))
    ORDER BY next_try_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE letter_batch AS b
SET tries = b.tries + 1, next_try_at = clock_timestamp() + make_interval(secs => $3::float8)
FROM due LEFT JOIN tenant AS t ON t.tenant = due.tenant
WHERE b.tenant = due.tenant AND b.batch_id = due.batch_id
RETURNING {_COLUMNS}, coalesce(t.body->>'name', b.tenant) AS creditor,
    coalesce(t.body->>'language', 'en') AS language, coalesce(t.body->>'zone', 'UTC') AS zone,
    coalesce((t.body->>'sandbox')::boolean, false) AS sandbox
"""
_LETTERS = """
SELECT m.tenant, m.batch_id, m.message_id, m.debtor_id, m.batch_place, m.provider_ref, m.sha256
FROM unnest($1::text[], $2::uuid[]) AS x (tenant, batch_id)
JOIN message AS m USING (tenant, batch_id)
ORDER BY m.tenant, m.batch_id, m.batch_place
"""
_RECORD = """
UPDATE letter_batch AS b
SET state = CASE WHEN x.place IS NOT NULL THEN 'handed_over'
                 WHEN x.folder IS NOT NULL THEN 'ready' ELSE b.state END,
    pages = coalesce(x.pages, b.pages), size_bytes = coalesce(x.size_bytes, b.size_bytes),
    checksum = coalesce(x.checksum, b.checksum), folder = coalesce(x.folder, b.folder),
    place = coalesce(x.place, b.place), error = x.error,
    ready_at = CASE WHEN x.folder IS NOT NULL THEN clock_timestamp() ELSE b.ready_at END,
    handed_over_at = CASE WHEN x.place IS NOT NULL THEN clock_timestamp()
                     ELSE b.handed_over_at END,
    next_try_at = clock_timestamp() + make_interval(secs => coalesce(x.retry_s, 0))
FROM jsonb_to_recordset($1::jsonb) AS x (
    tenant text, batch_id uuid, pages int, size_bytes bigint, checksum text, folder text,
    place text, error text, retry_s float8)
WHERE b.tenant = x.tenant AND b.batch_id = x.batch_id
"""
_PAGE = f"SELECT {_COLUMNS} FROM letter_batch AS b WHERE b.seq > $1 ORDER BY b.seq LIMIT $2"
_ONE = f"SELECT {_COLUMNS} FROM letter_batch AS b WHERE b.batch_id = $1"


class SqlBatches:
    """Batches of letters; see `notifier.ports.post.Batches`."""

    async def cut(self, connection: AsyncConnection, *, largest: int, wait_s: float) -> int:
        """Make batches of letters in the spool that belong to none; returns how many."""
        raw = await driver(connection)
        made: int = await raw.fetchval(_CUT, largest, wait_s)
        return made

    async def claim(
        self, connection: AsyncConnection, *, hand_over: bool, limit: int, lease_s: float
    ) -> list[ClaimedBatch]:
        """Take batches that have to be built or, if wanted, handed over; others skip them."""
        raw = await driver(connection)
        rows = await raw.fetch(_CLAIM, hand_over, limit, lease_s)
        batches = [_batch(row) for row in rows]
        letters = await self.letters(connection, [batch.key for batch in batches])
        return [
            ClaimedBatch(
                batch=batch,
                letters=letters.get(batch.key, ()),
                creditor=row["creditor"],
                language=row["language"],
                zone=row["zone"],
                sandbox=row["sandbox"],
            )
            for row, batch in zip(rows, batches, strict=True)
        ]

    async def record(self, connection: AsyncConnection, news: Sequence[BatchNews]) -> None:
        """Write down what became of batches."""
        rows = [
            {
                "tenant": each.key[0],
                "batch_id": each.key[1],
                "pages": each.folder.pages if each.folder else None,
                "size_bytes": each.folder.size_bytes if each.folder else None,
                "checksum": each.folder.checksum if each.folder else None,
                "folder": str(each.folder.path) if each.folder else None,
                "place": each.place,
                "error": each.error,
                "retry_s": each.retry_s,
            }
            for each in news
        ]
        raw = await driver(connection)
        await raw.execute(_RECORD, orjson.dumps(rows).decode())

    async def page(self, connection: AsyncConnection, *, after: int, limit: int) -> list[Batch]:
        """The tenant's batches, oldest first."""
        raw = await driver(connection)
        return [_batch(row) for row in await raw.fetch(_PAGE, after, limit)]

    async def one(self, connection: AsyncConnection, batch_id: UUID) -> Batch | None:
        """One batch."""
        raw = await driver(connection)
        row = await raw.fetchrow(_ONE, batch_id)
        return _batch(row) if row else None

    async def letters(
        self, connection: AsyncConnection, keys: Sequence[BatchKey]
    ) -> Mapping[BatchKey, tuple[BatchLetter, ...]]:
        """The letters of batches, in their places."""
        if not keys:
            return {}
        raw = await driver(connection)
        rows = await raw.fetch(_LETTERS, [tenant for tenant, _ in keys], [each for _, each in keys])
        found: defaultdict[BatchKey, list[BatchLetter]] = defaultdict(list)
        for row in rows:
            found[row["tenant"], _uuid(row["batch_id"])].append(
                BatchLetter(
                    message_id=_uuid(row["message_id"]),
                    debtor_id=row["debtor_id"],
                    place=row["batch_place"],
                    file=row["provider_ref"],
                    sha256=row["sha256"],
                )
            )
        return {key: tuple(letters) for key, letters in found.items()}


def _batch(row: asyncpg.Record) -> Batch:
    values: dict[str, Any] = dict(row)
    for more in ("creditor", "language", "zone", "sandbox"):
        values.pop(more, None)
    return Batch(**values | {"batch_id": _uuid(values["batch_id"])})


def _uuid(own: UUID) -> UUID:
    """The driver's own kind of UUID as the standard one, which orjson takes."""
    return UUID(bytes=own.bytes)
