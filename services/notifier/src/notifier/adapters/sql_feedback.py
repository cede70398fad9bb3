"""What providers reported, in PostgreSQL: kept once, read once, in any order. Never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_rows import MESSAGE_COLUMNS, message_of
from notifier.domain.bounces import BounceClass
from notifier.domain.feedback import Knowledge, Report, Stage
from notifier.domain.issues import Issue, IssueKind
from notifier.ports.messages import ProviderEvent, Reported

NEWS = "notifier_feedback"
"""PostgreSQL NOTIFY channel that wakes the reader of provider events."""

_KEEP = """
INSERT INTO provider_event (tenant, provider, event_id, message_id, provider_ref, kind, stage, hard,
                            bounce_class, recipient_hash, occurred_at, trusted, body)
SELECT * FROM jsonb_to_recordset($1::jsonb) AS x (
    tenant text, provider text, event_id text, message_id uuid, provider_ref text, kind text,
    stage smallint, hard boolean, bounce_class text, recipient_hash text, occurred_at timestamptz,
    trusted boolean, body jsonb)
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
SELECT e.tenant, e.message_id, e.event_id, e.provider, e.provider_ref, e.stage, e.hard,
    e.bounce_class, e.recipient_hash, e.occurred_at, e.trusted, e.body->>'reason' AS reason,
    coalesce((e.body->>'opts_in')::boolean, false) AS opts_in
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
RETURNING e.tenant, e.provider, e.event_id, e.kind, e.provider_ref, e.message_id
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
                "bounce_class": e.report.bounce,
                "recipient_hash": e.report.recipient_hash,
                "occurred_at": e.report.occurred_at,
                "trusted": e.report.trusted,
                "body": dict(e.body)
                | {"reason": e.report.reason}
                | ({"opts_in": True} if e.report.opts_in else {}),
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
        found: defaultdict[tuple[str, UUID], list[tuple[str, str, Report]]] = defaultdict(list)
        events = await raw.fetch(
            _EVENTS, [row["tenant"] for row in rows], [row["message_id"] for row in rows]
        )
        for event in events:
            report = Report(
                stage=Stage(event["stage"]),
                provider_ref=event["provider_ref"] or "",
                reason=event["reason"] or "",
                hard=event["hard"],
                bounce=BounceClass(event["bounce_class"]) if event["bounce_class"] else None,
                recipient_hash=event["recipient_hash"],
                occurred_at=event["occurred_at"],
                trusted=event["trusted"],
                opts_in=event["opts_in"],
            )
            told = (event["provider"], event["event_id"], report)
            found[event["tenant"], event["message_id"]].append(told)
        reported = []
        for row in rows:
            news = found[row["tenant"], row["message_id"]]
            reported.append(
                Reported(
                    message=message_of(row),
                    known=Stage(row["stage"]),
                    sha256=row["sha256"] or "",
                    event_ids=tuple(event_id for _, event_id, _ in news),
                    reports=tuple(report for _, _, report in news),
                    providers=tuple(provider for provider, _, _ in news),
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

    async def dismiss_strangers(self, connection: AsyncConnection) -> list[Issue]:
        """Mark events about messages that do not exist here as read; returns them for the list."""
        raw = await driver(connection)
        return [
            Issue(
                tenant=row["tenant"],
                kind=IssueKind.STRANGER_EVENT,
                source=row["provider"],
                ref=row["event_id"],
                detail=f"{row['kind']}; reference {row['provider_ref'] or 'none'}; "
                f"message {row['message_id'] or 'not named'}",
            )
            for row in await raw.fetch(_STRANGERS)
        ]
