"""What providers reported, in PostgreSQL: kept once, read once, in any order. Never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_rows import MESSAGE_COLUMNS, message_of
from notifier.domain.feedback import Knowledge, Report, Stage
from notifier.ports.messages import ProviderEvent, Reported

NEWS = "notifier_feedback"
"""PostgreSQL NOTIFY channel that wakes the reader of provider events."""

_KEEP = """
INSERT INTO provider_event (tenant, provider, event_id, message_id, provider_ref, kind, stage, hard,
                            body)
SELECT * FROM jsonb_to_recordset($1::jsonb) AS x (
    tenant text, provider text, event_id text, message_id uuid, provider_ref text, kind text,
    stage smallint, hard boolean, body jsonb)
ORDER BY tenant, provider, event_id
ON CONFLICT (tenant, provider, event_id) DO NOTHING
RETURNING event_id
"""
_UNREAD = f"""
SELECT {MESSAGE_COLUMNS}, m.sha256, m.stage, n.causation
FROM message AS m JOIN notice AS n USING (tenant, notice_id)
WHERE m.state <> 'sending' AND (m.tenant, m.message_id) IN (
    SELECT tenant, message_id FROM provider_event
    WHERE applied_at IS NULL ORDER BY received_at LIMIT $1)
ORDER BY m.tenant, m.message_id
FOR UPDATE OF m SKIP LOCKED
"""
_EVENTS = """
SELECT e.tenant, e.message_id, e.event_id, e.provider_ref, e.stage, e.hard,
    e.body->>'reason' AS reason
FROM unnest($1::text[], $2::uuid[]) AS x (tenant, message_id)
JOIN provider_event AS e USING (tenant, message_id)
WHERE e.applied_at IS NULL
ORDER BY e.received_at, e.event_id
"""
_LEARN = """
UPDATE message AS m SET stage = x.stage
FROM unnest($1::text[], $2::uuid[], $3::smallint[]) AS x (tenant, message_id, stage)
WHERE m.tenant = x.tenant AND m.message_id = x.message_id AND m.stage <> x.stage
"""
_READ = """
UPDATE provider_event AS e SET applied_at = clock_timestamp(), verdict = x.verdict
FROM jsonb_to_recordset($1::jsonb)
    AS x (tenant text, message_id uuid, event_ids text[], verdict text)
WHERE e.tenant = x.tenant AND e.message_id = x.message_id AND e.event_id = ANY(x.event_ids)
"""
_STRANGERS = """
UPDATE provider_event AS e SET applied_at = clock_timestamp(), verdict = 'no_such_message'
WHERE e.applied_at IS NULL AND NOT EXISTS (
    SELECT FROM message AS m WHERE m.tenant = e.tenant AND m.message_id = e.message_id)
"""


class SqlFeedback:
    """Provider events; see `notifier.ports.messages.Feedback`."""

    async def keep(self, connection: AsyncConnection, events: Sequence[ProviderEvent]) -> int:
        """Store events not seen before, and wake the reader; returns how many were new."""
        rows = [
            {
                "tenant": e.tenant,
                "provider": e.provider,
                "event_id": e.event_id,
                "message_id": e.message_id,
                "provider_ref": e.report.provider_ref,
                "kind": e.kind,
                "stage": int(e.report.stage),
                "hard": e.report.hard,
                "body": dict(e.body) | {"reason": e.report.reason},
            }
            for e in events
        ]
        raw = await driver(connection)
        kept = await raw.fetch(_KEEP, orjson.dumps(rows).decode())
        if kept:
            await raw.execute(f"SELECT pg_notify('{NEWS}', '')")
        return len(kept)

    async def unread(self, connection: AsyncConnection, *, limit: int) -> list[Reported]:
        """Lock and return messages with new reports, except those on the wire right now."""
        raw = await driver(connection)
        rows = await raw.fetch(_UNREAD, limit)
        if not rows:
            return []
        found: defaultdict[tuple[str, UUID], list[tuple[str, Report]]] = defaultdict(list)
        events = await raw.fetch(
            _EVENTS, [row["tenant"] for row in rows], [row["message_id"] for row in rows]
        )
        for event in events:
            report = Report(
                stage=Stage(event["stage"]),
                provider_ref=event["provider_ref"] or "",
                reason=event["reason"] or "",
                hard=event["hard"],
            )
            found[event["tenant"], event["message_id"]].append((event["event_id"], report))
        reported = []
        for row in rows:
            news = found[row["tenant"], row["message_id"]]
            reported.append(
                Reported(
                    message=message_of(row),
                    known=Stage(row["stage"]),
                    sha256=row["sha256"] or "",
                    event_ids=tuple(event_id for event_id, _ in news),
                    reports=tuple(report for _, report in news),
                )
            )
        return reported

    async def learn(
        self, connection: AsyncConnection, learned: Sequence[tuple[Reported, Knowledge]]
    ) -> None:
        """Store what is known now and mark the events as read."""
        raw = await driver(connection)
        await raw.execute(
            _LEARN,
            [reported.message.tenant for reported, _ in learned],
            [reported.message.message_id for reported, _ in learned],
            [int(knowledge.stage) for _, knowledge in learned],
        )
        rows = [
            {
                "tenant": reported.message.tenant,
                "message_id": reported.message.message_id,
                "event_ids": reported.event_ids,
                "verdict": "news" if knowledge.is_news else "known",
            }
            for reported, knowledge in learned
        ]
        await raw.execute(_READ, orjson.dumps(rows).decode())

    async def dismiss_strangers(self, connection: AsyncConnection) -> int:
        """Mark events about messages that do not exist here as read; returns how many."""
        raw = await driver(connection)
        status = await raw.execute(_STRANGERS)
        return int(status.rpartition(" ")[2])
