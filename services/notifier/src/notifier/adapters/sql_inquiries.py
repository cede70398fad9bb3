"""Open ends in PostgreSQL: messages whose provider can be asked what became of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.ports.inquiries import Answered, OpenEnd

_DUE = """
WITH open AS (
    SELECT tenant, message_id, channel, provider, true AS unknown, settled_at FROM message
    WHERE state = 'unknown' AND provider = ANY($1::text[])
    UNION ALL
    SELECT tenant, message_id, channel, provider, false, settled_at FROM message
    WHERE state = 'sent' AND stage < 2 AND channel IN ('letter', 'registered_letter')
        AND settled_at > clock_timestamp() - interval '60 days' AND provider = ANY($1::text[])
), due AS (
    SELECT o.*, coalesce(i.times, 0) AS times FROM open AS o
    LEFT JOIN inquiry AS i USING (tenant, message_id)
    WHERE coalesce(i.next_at <= clock_timestamp(), true)
    ORDER BY o.unknown DESC, i.next_at NULLS FIRST, o.settled_at LIMIT $2
), leased AS (
    INSERT INTO inquiry (tenant, message_id, next_at)
    SELECT tenant, message_id, clock_timestamp() + make_interval(secs => $3::float8) FROM due
    ORDER BY tenant, message_id
    ON CONFLICT (tenant, message_id) DO UPDATE SET next_at = excluded.next_at
)
SELECT tenant, message_id, channel, provider, unknown, times FROM due
"""
_PUT_OFF = """
UPDATE inquiry AS i
SET times = i.times + 1, answer = coalesce(x.answer, i.answer),
    next_at = clock_timestamp() + make_interval(secs => x.again_s)
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::float8[])
    AS x (tenant, message_id, answer, again_s)
WHERE i.tenant = x.tenant AND i.message_id = x.message_id
"""


class SqlInquiries:
    """Open ends; see `notifier.ports.inquiries.Inquiries`. Never commits."""

    async def due(
        self, connection: AsyncConnection, *, providers: Collection[str], limit: int, lease_s: float
    ) -> list[OpenEnd]:
        """Open ends that are due to be asked about; others skip them for `lease_s`."""
        raw = await driver(connection)
        rows = await raw.fetch(_DUE, sorted(providers), limit, lease_s)
        return [
            OpenEnd(
                tenant=row["tenant"],
                message_id=UUID(bytes=row["message_id"].bytes),
                channel=row["channel"],
                provider=row["provider"],
                unknown=row["unknown"],
                times=row["times"],
            )
            for row in rows
        ]

    async def put_off(self, connection: AsyncConnection, answers: Sequence[Answered]) -> None:
        """Write down what was answered and when to ask again."""
        raw = await driver(connection)
        await raw.execute(
            _PUT_OFF,
            [each.end.tenant for each in answers],
            [each.end.message_id for each in answers],
            [each.answer for each in answers],
            [each.again_s for each in answers],
        )
