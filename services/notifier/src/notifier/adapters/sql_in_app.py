"""Messages that the ERP fetches, in PostgreSQL. Never commits."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_rows import MESSAGE_COLUMNS, message_of
from notifier.domain.message import Message
from notifier.ports.in_app import Kept

_PAGE = f"""
SELECT {MESSAGE_COLUMNS}, m.seq, m.sent_at, m.content
FROM message AS m
WHERE m.channel = 'in_app' AND m.state = 'sent' AND m.stage < 2 AND m.seq > $1
ORDER BY m.seq LIMIT $2
"""
_UNDELIVERED = f"""
SELECT {MESSAGE_COLUMNS}
FROM unnest($1::uuid[]) AS x (message_id) JOIN message AS m USING (message_id)
WHERE m.channel = 'in_app' AND m.state = 'sent' AND m.stage < 2
ORDER BY m.seq
"""


class SqlInApp:
    """Messages for the ERP; see `notifier.ports.in_app.Shelf`."""

    async def page(self, connection: AsyncConnection, *, after: int, limit: int) -> list[Kept]:
        """Messages not yet acknowledged, as they were planned, `after` a `seq`."""
        raw = await driver(connection)
        return [
            Kept(
                message=message_of(row),
                seq=row["seq"],
                sent_at=row["sent_at"],
                content=row["content"],
            )
            for row in await raw.fetch(_PAGE, after, limit)
        ]

    async def undelivered(
        self, connection: AsyncConnection, message_ids: list[UUID]
    ) -> list[Message]:
        """Those of these messages that are kept and not yet acknowledged."""
        raw = await driver(connection)
        return [message_of(row) for row in await raw.fetch(_UNDELIVERED, message_ids)]
