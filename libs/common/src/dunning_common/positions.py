"""How far each stream was received: the rows that make "once and in order" true.

A position moves in the transaction that applies the events, under the row's lock. SQL only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from dunning_common.sequencing import Stream

_LOCK = """
SELECT mine.topic, mine.key, mine.sequence
FROM unnest($1::text[], $2::text[]) AS wanted (topic, key)
JOIN stream_position AS mine ON mine.topic = wanted.topic AND mine.key = wanted.key
ORDER BY mine.topic, mine.key FOR UPDATE OF mine
"""
_CREATE = """
INSERT INTO stream_position (topic, key, tenant)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING
"""
_ADVANCE = """
UPDATE stream_position AS mine SET sequence = wanted.sequence, moved_at = clock_timestamp()
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS wanted (topic, key, sequence)
WHERE mine.topic = wanted.topic AND mine.key = wanted.key
"""
_BEHIND = """
SELECT head.key, coalesce(mine.sequence, 0) AS sequence
FROM unnest($2::text[], $3::bigint[]) AS head (key, sequence)
LEFT JOIN stream_position AS mine ON mine.topic = $1 AND mine.key = head.key
WHERE coalesce(mine.sequence, 0) < head.sequence
ORDER BY head.key
"""


async def lock(
    connection: asyncpg.Connection[Any], tenants: Mapping[Stream, str]
) -> dict[Stream, int]:
    """Lock the positions of some streams until the transaction ends, in one order for everybody.

    Args:
        connection: inside a transaction.
        tenants: the streams, each with its tenant, for those that are new.

    Returns:
        The last sequence received of each; 0 for a new one.
    """
    streams = sorted(tenants)
    found = await _lock(connection, streams)
    new = [stream for stream in streams if stream not in found]
    if new:
        await connection.execute(_CREATE, *_columns(new), [tenants[stream] for stream in new])
        found |= await _lock(connection, new)
    return found


async def _lock(connection: asyncpg.Connection[Any], streams: list[Stream]) -> dict[Stream, int]:
    rows = await connection.fetch(_LOCK, *_columns(streams))
    return {Stream(row["topic"], row["key"]): row["sequence"] for row in rows}


async def advance(connection: asyncpg.Connection[Any], positions: Mapping[Stream, int]) -> None:
    """Write new positions of streams that are locked."""
    if positions:
        streams = sorted(positions)
        await connection.execute(
            _ADVANCE, *_columns(streams), [positions[stream] for stream in streams]
        )


async def behind(
    connection: asyncpg.Connection[Any], topic: str, heads: Mapping[str, int]
) -> dict[str, int]:
    """Which keys are behind the producer's heads, and the last sequence received of each."""
    rows = await connection.fetch(_BEHIND, topic, list(heads), list(heads.values()))
    return {row["key"]: row["sequence"] for row in rows}


def _columns(streams: list[Stream]) -> tuple[list[str], list[str]]:
    return [stream.topic for stream in streams], [stream.key for stream in streams]
