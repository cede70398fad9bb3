"""What came in by mail or text, in PostgreSQL: kept once, understood once. Never commits.

See `notifier.ports.inbound.InboundStore`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.columns import RowSet
from dunning_common.db import driver
from dunning_common.ids import new_id
from notifier.adapters.sql_feedback import NEWS
from notifier.adapters.sql_rows import MESSAGE_COLUMNS, message_of
from notifier.ports.inbound import (
    Arrived,
    InboundView,
    Match,
    NewInbound,
    Understood,
    Wanted,
)

_NEW = RowSet(
    tenant="text", inbound_id="uuid", source="text", external_id="text", channel="text",
    content_type="text", raw="bytea",
)  # fmt: skip
_KEEP = f"""
INSERT INTO inbound (tenant, inbound_id, source, external_id, channel, content_type, raw)
SELECT * FROM {_NEW.source("came")}
ON CONFLICT DO NOTHING RETURNING inbound_id
"""
_UNREAD = """
SELECT tenant, inbound_id, source, external_id, channel, content_type, raw, received_at
FROM inbound WHERE read_at IS NULL ORDER BY tried_at NULLS FIRST, seq LIMIT $1
"""
_WRITTEN_TO = f"""
SELECT {MESSAGE_COLUMNS}, n.causation, false AS by_id, m.planned_at, m.seq
FROM message AS m JOIN notice AS n USING (tenant, notice_id)
WHERE m.tenant = x.tenant AND m.recipient_hash = x.address_hash
  AND m.channel = x.channel AND m.attempts > 0
"""
_LATEST = "ORDER BY m.planned_at DESC, m.seq DESC LIMIT 1"
# Addresses are in an index once a message is settled; of those on the wire there are always few.
_MATCH = f"""
SELECT x.place, found.*
FROM jsonb_to_recordset($1::jsonb) AS x (
    place int, tenant text, channel text, message_ids uuid[], address_hash text)
CROSS JOIN LATERAL (
    SELECT * FROM (
        (SELECT {MESSAGE_COLUMNS}, n.causation, true AS by_id, m.planned_at, m.seq
         FROM message AS m JOIN notice AS n USING (tenant, notice_id)
         WHERE m.tenant = x.tenant AND m.message_id = ANY(x.message_ids)
         ORDER BY array_position(x.message_ids, m.message_id) LIMIT 1)
        UNION ALL
        ({_WRITTEN_TO} AND m.state NOT IN ('planned', 'sending') {_LATEST})
        UNION ALL
        ({_WRITTEN_TO} AND m.state = 'sending' {_LATEST})
    ) AS any_of ORDER BY by_id DESC, planned_at DESC, seq DESC LIMIT 1
) AS found
"""
# One reader at a time: two that hold the same mail in different wrappings must not both act on it.
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('notifier.inbound'))"
_FINISH = """
WITH told AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS x (
        place int, tenant text, inbound_id uuid, key text, kind text, verdict text, message_id uuid,
        notice_id uuid, debtor_id text, sender_hash text, keep_raw boolean)
), first AS (
    SELECT DISTINCT ON (t.tenant, t.key) t.inbound_id FROM told AS t
    WHERE NOT EXISTS (SELECT FROM inbound AS i WHERE i.tenant = t.tenant AND i.mail_key = t.key)
    ORDER BY t.tenant, t.key, t.place
)
UPDATE inbound AS i
SET read_at = clock_timestamp(), kind = t.kind,
    mail_key = CASE WHEN f.inbound_id IS NULL THEN NULL ELSE t.key END,
    verdict = CASE WHEN f.inbound_id IS NULL THEN 'known' ELSE t.verdict END,
    message_id = t.message_id, notice_id = t.notice_id, debtor_id = t.debtor_id,
    sender_hash = t.sender_hash,
    raw = CASE WHEN f.inbound_id IS NOT NULL AND t.keep_raw THEN i.raw END
FROM told AS t LEFT JOIN first AS f USING (inbound_id)
WHERE i.tenant = t.tenant AND i.inbound_id = t.inbound_id AND i.read_at IS NULL
RETURNING CASE WHEN f.inbound_id IS NOT NULL THEN i.inbound_id END AS inbound_id
"""
_FORGET = """
UPDATE inbound SET raw = NULL
WHERE raw IS NOT NULL AND read_at IS NOT NULL
  AND received_at < statement_timestamp() - make_interval(days => $1)
"""
_VIEW = """
SELECT tenant, seq, inbound_id, source, external_id, channel, content_type, kind, verdict,
    message_id, notice_id, debtor_id, sender_hash, received_at, read_at,
    raw IS NOT NULL AND read_at IS NOT NULL AS is_readable
FROM inbound
"""


class SqlInbound:
    """See `notifier.ports.inbound.InboundStore`."""

    async def keep(self, connection: AsyncConnection, items: Sequence[NewInbound]) -> int:
        """Store what is new, and wake the reader; returns how many were new."""
        raw = await driver(connection)
        rows = [
            (i.tenant, new_id(), i.source, i.external_id, i.channel, i.content_type, i.raw)
            for i in items
        ]
        kept = await raw.fetch(_KEEP, *_NEW.arguments(rows))
        if kept:
            await raw.execute(f"SELECT pg_notify('{NEWS}', '')")
        return len(kept)

    async def unread(self, connection: AsyncConnection, *, limit: int) -> list[Arrived]:
        """What nobody has understood yet: what was never postponed first, oldest first."""
        raw = await driver(connection)
        return [_arrived(row) for row in await raw.fetch(_UNREAD, limit)]

    async def postpone(self, connection: AsyncConnection, inbound_ids: Sequence[UUID]) -> None:
        """Let others go first: what waits for a silent ledger must not hold up a STOP."""
        if inbound_ids:
            await (await driver(connection)).execute(
                "UPDATE inbound SET tried_at = clock_timestamp() WHERE inbound_id = ANY($1)",
                list(inbound_ids),
            )

    async def match(
        self, connection: AsyncConnection, wanted: Sequence[Wanted]
    ) -> list[Match | None]:
        """The messages they are about, in order; one statement."""
        raw = await driver(connection)
        rows = [
            {
                "place": place,
                "tenant": w.tenant,
                "channel": w.channel,
                "message_ids": w.message_ids,
                "address_hash": w.address_hash,
            }
            for place, w in enumerate(wanted)
        ]
        found: list[Match | None] = [None] * len(wanted)
        for row in await raw.fetch(_MATCH, orjson.dumps(rows).decode()):
            found[row["place"]] = Match(message=message_of(row), by_id=row["by_id"])
        return found

    async def finish(
        self, connection: AsyncConnection, understood: Sequence[Understood]
    ) -> frozenset[UUID]:
        """Write down what was understood; returns what nobody had understood before."""
        raw = await driver(connection)
        await raw.execute(_ALONE)
        rows = [_understood_row(place, each) for place, each in enumerate(understood)]
        done = await raw.fetch(_FINISH, orjson.dumps(rows).decode())
        return frozenset(_plain(row["inbound_id"]) for row in done if row["inbound_id"])

    async def forget(self, connection: AsyncConnection, *, after_days: int) -> int:
        """Drop the words of what nobody claimed for so many days; returns of how many."""
        raw = await driver(connection)
        return int((await raw.execute(_FORGET, after_days)).rpartition(" ")[2])

    async def page(
        self, connection: AsyncConnection, *, kind: str | None, after: int, limit: int
    ) -> list[InboundView]:
        """What came in for the connection's tenant, oldest first."""
        raw = await driver(connection)
        rows = await raw.fetch(
            f"{_VIEW} WHERE seq > $1 AND ($2::text IS NULL OR kind = $2) ORDER BY seq LIMIT $3",
            after,
            kind,
            limit,
        )
        return [_view(row) for row in rows]

    async def one(
        self, connection: AsyncConnection, inbound_id: UUID
    ) -> tuple[InboundView, Arrived | None] | None:
        """One of them, locked, and how it came while that is still kept."""
        raw = await driver(connection)
        row = await raw.fetchrow(f"{_VIEW} WHERE inbound_id = $1 FOR UPDATE", inbound_id)
        if row is None:
            return None
        came = await raw.fetchval("SELECT raw FROM inbound WHERE inbound_id = $1", inbound_id)
        view = _view(row)
        return view, _arrived({**dict(row), "raw": came}) if view.is_readable else None

    async def assign(
        self, connection: AsyncConnection, inbound_id: UUID, *, debtor_id: str
    ) -> None:
        """Write down whose it is, and drop its clear words."""
        raw = await driver(connection)
        await raw.execute(
            "UPDATE inbound SET debtor_id = $2, verdict = 'assigned', raw = NULL "
            "WHERE inbound_id = $1",
            inbound_id,
            debtor_id,
        )


def _understood_row(place: int, each: Understood) -> dict[str, Any]:
    message = each.message
    return {
        "place": place,
        "tenant": each.tenant,
        "inbound_id": each.inbound_id,
        "key": each.key,
        "kind": each.kind,
        "verdict": each.verdict,
        "message_id": message.message_id if message else None,
        "notice_id": message.notice_id if message else None,
        "debtor_id": message.debtor_id if message else None,
        "sender_hash": each.sender_hash,
        "keep_raw": each.keep_raw,
    }


def _arrived(row: Any) -> Arrived:
    return Arrived(
        inbound_id=_plain(row["inbound_id"]),
        received_at=row["received_at"],
        item=NewInbound(
            tenant=row["tenant"],
            source=row["source"],
            external_id=row["external_id"],
            channel=row["channel"],
            content_type=row["content_type"],
            raw=row["raw"],
        ),
    )


def _view(row: asyncpg.Record) -> InboundView:
    return InboundView(
        seq=row["seq"],
        inbound_id=_plain(row["inbound_id"]),
        source=row["source"],
        channel=row["channel"],
        kind=row["kind"],
        verdict=row["verdict"],
        message_id=row["message_id"],
        notice_id=row["notice_id"],
        debtor_id=row["debtor_id"],
        sender_hash=row["sender_hash"],
        received_at=row["received_at"],
        read_at=row["read_at"],
        is_readable=row["is_readable"],
    )


def _plain(own: UUID) -> UUID:
    """The driver's own kind of UUID as the standard one, which orjson takes."""
    return UUID(bytes=own.bytes)
