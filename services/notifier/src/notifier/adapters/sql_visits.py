"""Visits of the portal counted in PostgreSQL: one statement for all names. Never commits.

A bucket is kept as the instant at which it is full again (the generic cell rate algorithm), so a
visit moves one timestamp, and a row whose instant has passed says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.portal.throttle import Asked

# Whoever may not ask fails the condition: its row is neither written nor returned. Sorted, so that
# two visits never wait for each other crosswise.
_ADMIT = """
INSERT INTO portal_visit AS v (name, full_at, span)
SELECT name, statement_timestamp() + step, span
FROM unnest($1::bytea[], $2::interval[], $3::interval[]) AS asked (name, step, span)
ORDER BY name
ON CONFLICT (name) DO UPDATE
    SET full_at = greatest(v.full_at, statement_timestamp())
            + (excluded.full_at - statement_timestamp()),
        span = excluded.span
    WHERE greatest(v.full_at, statement_timestamp()) + (excluded.full_at - statement_timestamp())
        <= statement_timestamp() + excluded.span
RETURNING 1
"""
_FORGET = """
WITH gone AS (
    DELETE FROM portal_visit WHERE name IN (
        SELECT name FROM portal_visit WHERE full_at < statement_timestamp()
        LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING 1
)
SELECT count(*) FROM gone
"""


class SqlVisits:
    """See `notifier.ports.portal.Visits`."""

    async def admit(self, connection: AsyncConnection, asked: Sequence[Asked]) -> bool:
        """Whether all of these may ask now; those that may are counted. One statement."""
        admitted = await (await driver(connection)).fetch(
            _ADMIT,
            [each.name for each in asked],
            [timedelta(seconds=each.rate.step_s) for each in asked],
            [timedelta(seconds=each.rate.span_s) for each in asked],
        )
        return len(admitted) == len(asked)

    async def forget(self, connection: AsyncConnection, *, limit: int) -> int:
        """Drop at most so many counts that stand for nothing any more; returns how many."""
        return int(await (await driver(connection)).fetchval(_FORGET, limit))
