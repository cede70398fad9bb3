"""Reads messages for the API; row-level security keeps it to the tenant of the request."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_rows import MESSAGE_COLUMNS, message_of
from notifier.domain.feedback import Stage
from notifier.ports.reading import Attempt, Filter, MessageView

VIEW = f"""
SELECT {MESSAGE_COLUMNS}, n.causation, m.seq, m.reason, m.planned_at, m.not_before, m.sent_at,
    m.settled_at, m.provider_ref, m.cost_minor, m.stage, m.sha256, m.media_type, m.size_bytes,
    m.template_version
FROM message AS m JOIN notice AS n USING (tenant, notice_id)
"""
_WANTED = """($2::uuid IS NULL OR m.notice_id = $2)
  AND ($3::text[] IS NULL OR m.invoice_ids @> $3) AND ($4::text IS NULL OR m.state = $4)"""
_PAGE = f"{VIEW} WHERE m.seq > $1 AND {_WANTED} ORDER BY m.seq LIMIT $5"
_NEWEST = f"{VIEW} WHERE ($1::bigint = 0 OR m.seq < $1) AND {_WANTED} ORDER BY m.seq DESC LIMIT $5"
_ONE = f"{VIEW} WHERE m.message_id = $1"
_HISTORY = """
SELECT at, phase, reason, provider, sha256, actor FROM attempt WHERE message_id = $1 ORDER BY n
"""


class SqlReading:
    """See `notifier.ports.reading.MessageReading`."""

    async def page(self, connection: AsyncConnection, wanted: Filter) -> list[MessageView]:
        """Messages in the order they were planned, or the other way round."""
        raw = await driver(connection)
        invoices = None if wanted.invoice_id is None else [wanted.invoice_id]
        page = _NEWEST if wanted.newest_first else _PAGE
        rows = await raw.fetch(
            page, wanted.after, wanted.notice_id, invoices, wanted.state, wanted.limit
        )
        return [view_of(row) for row in rows]

    async def one(
        self, connection: AsyncConnection, message_id: UUID, *, lock: bool = False
    ) -> MessageView | None:
        """One message, locked on request."""
        raw = await driver(connection)
        row = await raw.fetchrow(_ONE + (" FOR UPDATE OF m" if lock else ""), message_id)
        return None if row is None else view_of(row)

    async def history(self, connection: AsyncConnection, message_id: UUID) -> list[Attempt]:
        """What happened to a message, oldest first."""
        raw = await driver(connection)
        return [Attempt(**dict(row)) for row in await raw.fetch(_HISTORY, message_id)]

    async def content(self, connection: AsyncConnection, message_id: UUID) -> bytes | None:
        """The sealed bytes of a message, if any."""
        raw = await driver(connection)
        sealed: bytes | None = await raw.fetchval(
            "SELECT content FROM message WHERE message_id = $1", message_id
        )
        return sealed


def view_of(row: asyncpg.Record) -> MessageView:
    """The message in a row of `VIEW`."""
    return MessageView(
        message=message_of(row),
        seq=row["seq"],
        reason=row["reason"],
        planned_at=row["planned_at"],
        not_before=row["not_before"],
        sent_at=row["sent_at"],
        settled_at=row["settled_at"],
        provider_ref=row["provider_ref"],
        cost_minor=row["cost_minor"],
        stage=Stage(row["stage"]),
        sha256=row["sha256"],
        media_type=row["media_type"],
        size_bytes=row["size_bytes"],
        template_version=row["template_version"],
    )
