"""Batches of letters in PostgreSQL. A letter is in one batch at most, for ever. Never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_rows import MESSAGE_COLUMNS, message_of
from notifier.domain.message import Message
from notifier.domain.outcome import IN_SPOOL
from notifier.ports.messages import MessageKey
from notifier.ports.post import (
    Batch,
    BatchKey,
    BatchLetter,
    BatchNews,
    BatchState,
    ClaimedBatch,
)

_COLUMNS = """
b.tenant, b.batch_id, b.seq, b.channel, b.state, b.letters, b.withdrawn, b.pages, b.size_bytes,
b.checksum, b.folder, b.place, b.tries, b.error, b.cut_at, b.ready_at, b.left_at, b.handed_over_at,
b.cleared_at
"""
_MOST_AT_ONCE = 20_000
_CUT = f"""
WITH waiting AS (
    SELECT tenant, message_id, channel, coalesce(sent_at, claimed_at) AS since FROM message
    WHERE provider = 'spool' AND batch_id IS NULL
      AND (state = 'sent' OR state = 'planned' AND reason = '{IN_SPOOL}')
    ORDER BY since, message_id LIMIT {_MOST_AT_ONCE} FOR UPDATE SKIP LOCKED
), ranked AS (
    SELECT w.*, row_number() OVER (of_kind ORDER BY since, message_id) AS place,
        count(*) OVER of_kind AS waiting, min(since) OVER of_kind AS oldest
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
    WHERE next_try_at <= clock_timestamp()
      AND (state IN ('cut', 'leaving') OR ($1 AND state = 'ready' AND NOT EXISTS (
          SELECT FROM tenant AS t
          WHERE t.tenant = b.tenant AND (t.body->>'sandbox')::boolean))
          OR state = 'ready' AND EXISTS (SELECT FROM message AS m
              WHERE m.tenant = b.tenant AND m.batch_id = b.batch_id AND m.state = 'planned'))
      AND batch_id <> ALL($4::uuid[])
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
_LETTERS = f"""
SELECT {MESSAGE_COLUMNS}, n.causation, n.revoked, m.batch_id, m.batch_place, m.provider_ref,
    m.sha256, m.reason, coalesce(m.sent_at <= b.cut_at, false) AS told_before,
    EXISTS (SELECT FROM contact AS c WHERE c.tenant = m.tenant AND c.debtor_id = m.debtor_id
        AND c.ciphertext IS NULL) AS erased,
    (SELECT jsonb_agg(jsonb_build_array(i->'invoice_id', i->'version'))
     FROM jsonb_array_elements(n.body->'items') AS i
     WHERE i->>'invoice_id' = ANY(m.invoice_ids))::text AS invoices
FROM unnest($1::text[], $2::uuid[]) AS x (tenant, batch_id)
JOIN letter_batch AS b USING (tenant, batch_id)
JOIN message AS m USING (tenant, batch_id)
JOIN notice AS n USING (tenant, notice_id)
WHERE m.batch_place IS NOT NULL
ORDER BY m.tenant, m.batch_id, m.batch_place
"""
_BEGIN_LEAVING = f"""
WITH locked AS (
    SELECT m.tenant, m.message_id
    FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[])
        AS x (tenant, message_id, fence, sha256)
    JOIN message AS m USING (tenant, message_id)
    WHERE m.state = 'planned' AND m.fence = x.fence AND m.sha256 = x.sha256
      -- Who opted out a moment ago: the door looks again, and finds it listed.
      AND NOT EXISTS (SELECT FROM suppression AS s WHERE s.tenant = m.tenant
          AND s.channel = m.channel AND s.recipient_hash = m.recipient_hash)
    ORDER BY m.tenant, m.message_id FOR UPDATE OF m
), begun AS (
    UPDATE message AS m
    SET state = 'sending', reason = NULL, fence = m.fence + 1, attempts = m.attempts + 1,
        lease_until = 'infinity'
    FROM locked WHERE m.tenant = locked.tenant AND m.message_id = locked.message_id
    RETURNING m.*
), logged AS (
    INSERT INTO attempt (tenant, message_id, fence, phase, reason, provider, sha256, actor)
    SELECT tenant, message_id, fence, 'sending', 'leaves with its batch', provider, sha256, 'post'
    FROM begun
)
SELECT {MESSAGE_COLUMNS}, n.causation
FROM begun AS m JOIN notice AS n USING (tenant, notice_id) ORDER BY m.batch_place
"""
_TAKE_OUT = """
UPDATE message AS m SET batch_place = NULL
FROM unnest($1::text[], $2::uuid[]) AS x (tenant, message_id)
WHERE m.tenant = x.tenant AND m.message_id = x.message_id
"""
_RECORD = """
UPDATE letter_batch AS b
SET state = CASE WHEN b.state = 'leaving' AND NOT $13 THEN b.state ELSE coalesce($4, b.state) END,
    error = $5, place = coalesce($6, b.place),
    folder = coalesce($7, b.folder), pages = coalesce($8, b.pages),
    size_bytes = coalesce($9, b.size_bytes), checksum = coalesce($10, b.checksum),
    letters = coalesce($11, b.letters),
    withdrawn = b.withdrawn + b.letters - coalesce($11, b.letters),
    ready_at = CASE WHEN $4 = 'ready' THEN clock_timestamp() ELSE b.ready_at END,
    left_at = CASE WHEN $4 = 'leaving' THEN clock_timestamp() ELSE b.left_at END,
    handed_over_at = CASE WHEN $4 = 'handed_over' THEN clock_timestamp() ELSE b.handed_over_at END,
    next_try_at = coalesce(clock_timestamp() + make_interval(secs => $12::float8), b.next_try_at)
WHERE b.tenant = $1 AND b.batch_id = $2 AND b.tries = coalesce($3, b.tries)
    AND b.state NOT IN ('handed_over', 'withdrawn')
RETURNING true
"""
_PAGE = f"SELECT {_COLUMNS} FROM letter_batch AS b WHERE b.seq > $1 ORDER BY b.seq LIMIT $2"
_NEWEST = f"""
SELECT {_COLUMNS} FROM letter_batch AS b
WHERE $1::bigint = 0 OR b.seq < $1 ORDER BY b.seq DESC LIMIT $2
"""
WAITS_FOR_A_PERSON = """
state = 'unknown' OR error IS NOT NULL AND state IN ('cut', 'ready', 'leaving')
"""
_WAITING = f"""
SELECT {_COLUMNS} FROM letter_batch AS b WHERE {WAITS_FOR_A_PERSON} ORDER BY b.seq LIMIT $1
"""
_ONE = f"SELECT {_COLUMNS} FROM letter_batch AS b WHERE b.batch_id = $1"


class SqlBatches:
    """Batches of letters; see `notifier.ports.post.Batches`."""

    async def cut(self, connection: AsyncConnection, *, largest: int, wait_s: float) -> int:
        """Make batches of letters in the spool that belong to none; returns how many."""
        raw = await driver(connection)
        made: int = await raw.fetchval(_CUT, largest, wait_s)
        return made

    async def claim(
        self,
        connection: AsyncConnection,
        *,
        hand_over: bool,
        limit: int,
        lease_s: float,
        other_than: Collection[UUID] = (),
    ) -> list[ClaimedBatch]:
        """Take batches that have to be built or, if wanted, handed over; others skip them."""
        raw = await driver(connection)
        rows = await raw.fetch(_CLAIM, hand_over, limit, lease_s, list(other_than))
        batches = [_batch(row) for row in rows]
        return [
            ClaimedBatch(
                batch=batch,
                creditor=row["creditor"],
                language=row["language"],
                zone=row["zone"],
                sandbox=row["sandbox"],
                uploads=hand_over and not row["sandbox"],
            )
            for row, batch in zip(rows, batches, strict=True)
        ]

    async def record(self, connection: AsyncConnection, news: BatchNews) -> bool:
        """Write down what became of a batch; False: it is over, or another try is at it."""
        folder = news.folder
        raw = await driver(connection)
        written = await raw.fetchval(
            _RECORD,
            *news.key,
            news.try_no,
            news.state,
            news.error,
            news.place,
            str(folder.path) if folder else None,
            folder.pages if folder else None,
            folder.size_bytes if folder else None,
            folder.checksum if folder else None,
            news.letters,
            news.retry_s,
            news.proved,
        )
        return bool(written)

    async def begin_leaving(
        self, connection: AsyncConnection, letters: Sequence[BatchLetter]
    ) -> list[Message]:
        """Mark waiting letters as `sending`, where nothing happened to them; returns those."""
        raw = await driver(connection)
        rows = await raw.fetch(
            _BEGIN_LEAVING,
            [letter.message.tenant for letter in letters],
            [letter.message.message_id for letter in letters],
            [letter.message.fence for letter in letters],
            [letter.sha256 for letter in letters],
        )
        return [message_of(row) for row in rows]

    async def take_out(self, connection: AsyncConnection, letters: Collection[MessageKey]) -> None:
        """Letters that are not there: they do not belong to their batch any more."""
        raw = await driver(connection)
        await raw.execute(
            _TAKE_OUT, [tenant for tenant, _ in letters], [each for _, each in letters]
        )

    async def page(
        self, connection: AsyncConnection, *, after: int, limit: int, newest_first: bool = False
    ) -> list[Batch]:
        """The tenant's batches, oldest first or the other way round."""
        raw = await driver(connection)
        page = _NEWEST if newest_first else _PAGE
        return [_batch(row) for row in await raw.fetch(page, after, limit)]

    async def waiting(self, connection: AsyncConnection, *, limit: int) -> list[Batch]:
        """Batches that wait for a person, oldest first."""
        raw = await driver(connection)
        return [_batch(row) for row in await raw.fetch(_WAITING, limit)]

    async def one(
        self, connection: AsyncConnection, batch_id: UUID, *, lock: bool = False
    ) -> Batch | None:
        """One batch."""
        raw = await driver(connection)
        row = await raw.fetchrow(f"{_ONE} FOR UPDATE" if lock else _ONE, batch_id)
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
            found[row["tenant"], _uuid(row["batch_id"])].append(letter_of(row))
        return {key: tuple(letters) for key, letters in found.items()}


def letter_of(row: asyncpg.Record) -> BatchLetter:
    """A row with the columns of `_LETTERS`."""
    return BatchLetter(
        message=message_of(row),
        place=row["batch_place"],
        file=row["provider_ref"],
        sha256=row["sha256"],
        reason=row["reason"],
        invoices=tuple(
            (str(i), int(version)) for i, version in orjson.loads(row["invoices"] or "[]")
        ),
        revoked=frozenset(row["revoked"]),
        told_before=row["told_before"],
        erased=row["erased"],
    )


def _batch(row: asyncpg.Record) -> Batch:
    values: dict[str, Any] = dict(row)
    for more in ("creditor", "language", "zone", "sandbox"):
        values.pop(more, None)
    own = {"batch_id": _uuid(values["batch_id"]), "state": BatchState(values["state"])}
    return Batch(**values | own)


def _uuid(own: UUID) -> UUID:
    """The driver's own kind of UUID as the standard one, which orjson takes."""
    return UUID(bytes=own.bytes)
