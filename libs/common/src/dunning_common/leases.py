"""Which replica of a service reads which partitions: agreed by PostgreSQL's session advisory locks.

Instead of Kafka's consumer groups, whose joining takes seconds and whose client can get stuck
(docs/decisions). A lock dies with its connection, so partitions of a dead replica are free at once.
Sharing is for speed only: two readers of one partition do no harm, positions drop the repeats.
"""

from __future__ import annotations

import zlib
from typing import Any

import asyncpg

from dunning_common.db import Database

_SQL_TIMEOUT_S = 10.0
_MEMBER = 1_000_000
"""Number of the lock that every replica holds shared, far above any partition's."""

_JOIN = "SELECT pg_advisory_lock_shared($1, $2)"
_MEMBERS = """
SELECT count(*) FROM pg_locks JOIN pg_database AS here ON here.oid = pg_locks.database
WHERE locktype = 'advisory' AND classid = $1::int::oid AND objid = $2::int::oid AND granted
  AND here.datname = current_database()
"""
_TRY = """
SELECT number FROM generate_series(0, $2 - 1) AS number
WHERE number <> ALL($3::int[]) AND pg_try_advisory_lock($1, number) LIMIT $4
"""
_RELEASE = "SELECT pg_advisory_unlock($1, number) FROM unnest($2::int[]) AS number"


class Leases:
    """One replica's share of the partitions. Open it, refresh it now and then, close it."""

    def __init__(self, db: Database, *, group: str) -> None:
        self._db = db
        self._lock = zlib.crc32(f"consumer {db.schema} {group}".encode()) & 0x7FFFFFFF
        self._connection: asyncpg.Connection[Any] | None = None
        self._held: set[int] = set()

    async def refresh(self, partitions: int) -> frozenset[int]:
        """Take or give back partitions until every replica has its share.

        Args:
            partitions: how many there are, numbered from 0.

        Returns:
            The numbers held now.

        Raises:
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: PostgreSQL is away; close, and
                begin anew.
        """
        connection = await self._connected()
        members = await connection.fetchval(_MEMBERS, self._lock, _MEMBER, timeout=_SQL_TIMEOUT_S)
        share = -(-partitions // max(members, 1))
        surplus = sorted(self._held)[share:] + [n for n in self._held if n >= partitions]
        if surplus:
            await connection.execute(_RELEASE, self._lock, surplus, timeout=_SQL_TIMEOUT_S)
            self._held -= set(surplus)
        if len(self._held) < share:
            rows = await connection.fetch(
                _TRY, self._lock, partitions, list(self._held), share - len(self._held),
                timeout=_SQL_TIMEOUT_S,
            )  # fmt: skip
            self._held |= {row["number"] for row in rows}
        return frozenset(self._held)

    async def close(self) -> None:
        """Give everything back."""
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            connection.terminate()

    async def _connected(self) -> asyncpg.Connection[Any]:
        if self._connection is None:
            self._connection = await self._db.listen_connection()
            await self._connection.execute(_JOIN, self._lock, _MEMBER, timeout=_SQL_TIMEOUT_S)
        return self._connection
