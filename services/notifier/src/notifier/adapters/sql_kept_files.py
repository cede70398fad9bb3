"""Which files of letters lie in the spool and in batches, and which may go. Never commits.

A file may go when what it says is settled and its bytes are kept, sealed, with its message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.domain.outcome import IN_SPOOL
from notifier.domain.post import IN_DOUBT
from notifier.ports.messages import MessageKey
from notifier.ports.post import BatchKey, SpoolFile

_SANDBOX = """EXISTS (SELECT FROM tenant AS t
    WHERE t.tenant = b.tenant AND (t.body->>'sandbox')::boolean)"""
_IS_OVER = f"""(b.state IN ('handed_over', 'withdrawn')
    OR b.state = 'ready' AND (NOT $2 OR {_SANDBOX}))"""
_LONG_AGO = "clock_timestamp() - make_interval(days => $1)"
_SPOOL_FILES = f"""
SELECT m.tenant, m.message_id, m.provider_ref
FROM message AS m LEFT JOIN letter_batch AS b USING (tenant, batch_id)
WHERE m.provider = 'spool' AND m.provider_ref IS NOT NULL AND m.cleared_at IS NULL
  AND m.state IN ('sent', 'failed', 'suppressed', 'returned') AND m.settled_at < {_LONG_AGO}
  AND (m.batch_id IS NULL AND m.state <> 'sent' OR {_IS_OVER})
ORDER BY m.settled_at LIMIT $3 FOR UPDATE OF m SKIP LOCKED
"""
_FOLDERS = f"""
SELECT b.tenant, b.batch_id, b.folder FROM letter_batch AS b
WHERE b.folder IS NOT NULL AND b.cleared_at IS NULL AND b.cut_at < {_LONG_AGO}
  AND coalesce(b.handed_over_at, b.ready_at, b.cut_at) < {_LONG_AGO} AND {_IS_OVER}
ORDER BY b.cut_at LIMIT $3 FOR UPDATE OF b SKIP LOCKED
"""
_CLEARED_LETTERS = """
UPDATE message AS m SET cleared_at = clock_timestamp()
FROM unnest($1::text[], $2::uuid[]) AS x (tenant, message_id)
WHERE m.tenant = x.tenant AND m.message_id = x.message_id
"""
_CLEARED_BATCHES = """
UPDATE letter_batch AS b SET cleared_at = clock_timestamp()
FROM unnest($1::text[], $2::uuid[]) AS x (tenant, batch_id)
WHERE b.tenant = x.tenant AND b.batch_id = x.batch_id
"""
_STRANDED = f"""
SELECT m.tenant, m.message_id, m.provider_ref FROM message AS m
WHERE m.state = 'planned' AND m.provider = 'spool' AND m.reason = '{IN_SPOOL}'
ORDER BY m.tenant, m.message_id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_UNBATCH = """
UPDATE message AS m
SET not_before = clock_timestamp(), reason = NULL, batch_id = NULL, batch_place = NULL
FROM unnest($1::text[], $2::uuid[]) AS x (tenant, message_id)
WHERE m.tenant = x.tenant AND m.message_id = x.message_id
"""
_ABANDON = """
UPDATE letter_batch SET state = 'unknown', error = $1 WHERE state = 'leaving'
RETURNING tenant, batch_id
"""

_UNJUDGED = """
SELECT EXISTS (SELECT FROM message WHERE state = 'sending' AND claimed_at < $1
    AND channel IN ('letter', 'registered_letter'))
"""


class SqlKeptFiles:
    """See `notifier.ports.post.KeptFiles`."""

    async def spool_files(
        self, connection: AsyncConnection, *, days: int, uploads: bool, limit: int
    ) -> list[SpoolFile]:
        """Lock files of letters whose fate is settled since `days` days."""
        raw = await driver(connection)
        return [_file(row) for row in await raw.fetch(_SPOOL_FILES, days, uploads, limit)]

    async def folders(
        self, connection: AsyncConnection, *, days: int, uploads: bool, limit: int
    ) -> Mapping[BatchKey, str]:
        """Lock folders of batches that are over since `days` days."""
        raw = await driver(connection)
        rows = await raw.fetch(_FOLDERS, days, uploads, limit)
        return {(row["tenant"], UUID(bytes=row["batch_id"].bytes)): row["folder"] for row in rows}

    async def cleared(
        self,
        connection: AsyncConnection,
        *,
        letters: Collection[MessageKey] = (),
        batches: Collection[BatchKey] = (),
    ) -> None:
        """Write down that the files and folders are gone."""
        raw = await driver(connection)
        if letters:
            await raw.execute(_CLEARED_LETTERS, *_columns(letters))
        if batches:
            await raw.execute(_CLEARED_BATCHES, *_columns(batches))

    async def stranded(self, connection: AsyncConnection, *, limit: int) -> list[SpoolFile]:
        """Lock letters that wait in the spool for a batch to leave."""
        raw = await driver(connection)
        return [_file(row) for row in await raw.fetch(_STRANDED, limit)]

    async def unbatch(self, connection: AsyncConnection, letters: Collection[MessageKey]) -> None:
        """Let the sender have these letters again, at once."""
        raw = await driver(connection)
        await raw.execute(_UNBATCH, *_columns(letters))

    async def abandon(self, connection: AsyncConnection) -> list[BatchKey]:
        """Nobody will look any more where leaving batches are: mark them as unknown."""
        raw = await driver(connection)
        rows = await raw.fetch(_ABANDON, IN_DOUBT)
        return [(row["tenant"], UUID(bytes=row["batch_id"].bytes)) for row in rows]

    async def unjudged(self, connection: AsyncConnection, *, before: datetime) -> bool:
        """Whether a letter was claimed before an instant and is `sending` ever since."""
        return bool(await (await driver(connection)).fetchval(_UNJUDGED, before))


def _file(row: asyncpg.Record) -> SpoolFile:
    return SpoolFile(
        key=(row["tenant"], UUID(bytes=row["message_id"].bytes)), file=row["provider_ref"]
    )


def _columns(keys: Collection[tuple[str, UUID]]) -> tuple[list[str], list[UUID]]:
    return [tenant for tenant, _ in keys], [each for _, each in keys]
