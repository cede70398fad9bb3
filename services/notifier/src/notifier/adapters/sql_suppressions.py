"""The list of addresses that must not be written to, in PostgreSQL. Never commits.

See `notifier.ports.suppressions.Suppressions`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.columns import RowSet
from dunning_common.db import Database, driver
from notifier.domain.suppression import Cause, Suppression
from notifier.ports.suppressions import Change, Listed, Place

_NEW = RowSet(
    tenant="text", channel="text", recipient_hash="text", cause="text", source="text",
    since="timestamptz", debtor_id="text", note="text",
)  # fmt: skip
_ADD = f"""
WITH told AS (
    SELECT DISTINCT ON (tenant, channel, recipient_hash, cause)
        tenant, channel, recipient_hash, cause, source,
        coalesce(since, clock_timestamp()) AS since, debtor_id, note
    FROM {_NEW.source("wanted")}
    ORDER BY tenant, channel, recipient_hash, cause, since
), added AS (
    INSERT INTO suppression (tenant, channel, recipient_hash, cause, source, since, debtor_id, note)
    SELECT tenant, channel, recipient_hash, cause, source, since, debtor_id, note FROM told AS t
    WHERE NOT EXISTS (
        SELECT FROM suppression_log AS l
        WHERE l.tenant = t.tenant AND l.channel = t.channel
          AND l.recipient_hash = t.recipient_hash AND l.cause = t.cause
          AND l.action = 'lifted' AND l.at >= t.since)
    ON CONFLICT (tenant, channel, recipient_hash, cause) DO NOTHING
    RETURNING *
), logged AS (
    INSERT INTO suppression_log (tenant, channel, recipient_hash, cause, action, source, note)
    SELECT tenant, channel, recipient_hash, cause, 'added', source, note FROM added
)
SELECT * FROM added
"""
_LIFT = """
WITH lifted AS (
    DELETE FROM suppression AS s
    USING unnest($1::text[], $2::text[], $3::text[]) AS x (tenant, channel, recipient_hash)
    WHERE s.tenant = x.tenant AND s.channel = x.channel
      AND s.recipient_hash = x.recipient_hash AND s.cause = ANY($4::text[])
    RETURNING s.*
), logged AS (
    INSERT INTO suppression_log (tenant, channel, recipient_hash, cause, action, source, note)
    SELECT tenant, channel, recipient_hash, cause, 'lifted', $5, $6 FROM lifted
)
SELECT * FROM lifted
"""
_AMONG = """
SELECT s.tenant, s.channel, s.recipient_hash, s.cause
FROM unnest($1::text[], $2::text[], $3::text[]) AS x (tenant, channel, recipient_hash)
JOIN suppression AS s USING (tenant, channel, recipient_hash)
"""
_MOMENTS = """
SELECT m.tenant, m.debtor_id, max(m.effective_at) AS moment
FROM unnest($1::text[], $2::text[]) AS x (tenant, debtor_id)
JOIN tenant AS t ON t.tenant = x.tenant AND (t.body->>'sandbox')::boolean
JOIN notice AS n ON n.tenant = x.tenant AND n.debtor_id = x.debtor_id
JOIN message AS m ON m.tenant = n.tenant AND m.notice_id = n.notice_id
GROUP BY m.tenant, m.debtor_id
"""
_PAGE = """
SELECT * FROM suppression
WHERE seq > $1 AND ($2::text IS NULL OR channel = $2) AND ($3::text IS NULL OR recipient_hash = $3)
ORDER BY seq LIMIT $4
"""
_HISTORY = """
SELECT at, action, cause, source, note FROM suppression_log
WHERE channel = $1 AND recipient_hash = $2 ORDER BY n
"""


class SqlSuppressions:
    """See `notifier.ports.suppressions.Suppressions`."""

    async def add(
        self, connection: AsyncConnection, found: Sequence[Suppression]
    ) -> list[Suppression]:
        """Store what is not there yet; returns what was new."""
        if not found:
            return []
        raw = await driver(connection)
        rows = await raw.fetch(
            _ADD,
            *_NEW.arguments(
                [
                    (s.tenant, s.channel, s.recipient_hash, s.cause.value, s.source, s.since,
                     s.debtor_id, s.note)
                    for s in found
                ]
            ),
        )  # fmt: skip
        return [_suppression(row) for row in rows]

    async def lift(
        self,
        connection: AsyncConnection,
        places: Sequence[Place],
        *,
        causes: Collection[Cause],
        source: str,
        note: str = "",
    ) -> list[Suppression]:
        """Remove these causes at these places; returns what was removed."""
        if not places:
            return []
        raw = await driver(connection)
        wanted = [cause.value for cause in causes]
        rows = await raw.fetch(_LIFT, *_columns(places), wanted, source, note)
        return [_suppression(row) for row in rows]

    async def among(
        self, connection: AsyncConnection, places: Collection[Place]
    ) -> Mapping[Place, frozenset[Cause]]:
        """Which of these places are suppressed, and why."""
        if not places:
            return {}
        raw = await driver(connection)
        found: defaultdict[Place, set[Cause]] = defaultdict(set)
        for row in await raw.fetch(_AMONG, *_columns(sorted(places))):
            place = (row["tenant"], row["channel"], row["recipient_hash"])
            found[place].add(Cause(row["cause"]))
        return {place: frozenset(causes) for place, causes in found.items()}

    async def moments(
        self, connection: AsyncConnection, debtors: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], datetime]:
        """The clock of those debtors whose tenants have one of their own (sandboxes)."""
        if not debtors:
            return {}
        raw = await driver(connection)
        rows = await raw.fetch(_MOMENTS, [t for t, _ in debtors], [d for _, d in debtors])
        return {(row["tenant"], row["debtor_id"]): row["moment"] for row in rows}

    async def page(
        self,
        connection: AsyncConnection,
        *,
        channel: str | None,
        recipient_hash: str | None,
        after: int,
        limit: int,
    ) -> list[Listed]:
        """Suppressions of the connection's tenant, oldest first."""
        raw = await driver(connection)
        rows = await raw.fetch(_PAGE, after, channel, recipient_hash, limit)
        return [Listed(seq=row["seq"], suppression=_suppression(row)) for row in rows]

    async def history(
        self, connection: AsyncConnection, *, channel: str, recipient_hash: str
    ) -> list[Change]:
        """What happened to one address, oldest first."""
        raw = await driver(connection)
        rows = await raw.fetch(_HISTORY, channel, recipient_hash)
        return [Change(**{**dict(row), "cause": Cause(row["cause"])}) for row in rows]


class Consult:
    """Asks the list in a transaction of its own, for writers that hold none."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._list = SqlSuppressions()

    async def __call__(self, places: Collection[Place]) -> Mapping[Place, frozenset[Cause]]:
        """Which of these places are suppressed, and why; one statement."""
        if not places:
            return {}
        async with self._db.worker() as connection:
            return await self._list.among(connection, places)


def _suppression(row: asyncpg.Record) -> Suppression:
    return Suppression(
        tenant=row["tenant"],
        channel=row["channel"],
        recipient_hash=row["recipient_hash"],
        cause=Cause(row["cause"]),
        source=row["source"],
        since=row["since"],
        debtor_id=row["debtor_id"],
        note=row["note"],
    )


def _columns(places: Collection[Place]) -> tuple[list[str], list[str], list[str]]:
    return [t for t, _, _ in places], [c for _, c, _ in places], [h for _, _, h in places]
