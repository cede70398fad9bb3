"""Messages on their way out, in PostgreSQL: claim, freeze, settle, expire.

Leases run on the database's clock. Every write checks the fence, so that a worker that was paused
beyond its lease changes nothing. Rows are locked in the order of their keys, or skipped when they
are locked, so that no two writers wait for each other. Never commits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.columns import RowSet
from dunning_common.db import driver
from dunning_common.events.dunning import NoticeRequestedV3
from dunning_common.events.tenants import TenantRegisteredV1
from notifier.adapters.sql_rows import MESSAGE_COLUMNS, message_of
from notifier.adapters.sql_templates import SqlTemplates
from notifier.domain.message import Message
from notifier.ports.inbox import SealedContact
from notifier.ports.messages import (
    Claimed,
    Expired,
    Facts,
    FrozenMessage,
    MessageKey,
    NoticeFacts,
    Settled,
)

_CLAIM = f"""
WITH due AS (
    SELECT tenant, message_id FROM message
    WHERE state = 'planned' AND not_before <= statement_timestamp()
      AND (lease_until IS NULL OR lease_until <= statement_timestamp())
    ORDER BY not_before, seq LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE message AS m
SET fence = m.fence + 1, claimed_by = $1, claimed_at = clock_timestamp(),
    lease_until = clock_timestamp() + make_interval(secs => $3)
FROM due, notice AS n
WHERE m.tenant = due.tenant AND m.message_id = due.message_id
  AND n.tenant = m.tenant AND n.notice_id = m.notice_id
RETURNING {MESSAGE_COLUMNS}, n.causation, m.not_before, m.seq,
    extract(epoch FROM clock_timestamp() - m.planned_at)::float8 AS age_s
"""
_DROP_CLAIMS = """
UPDATE message SET lease_until = NULL
WHERE (tenant, message_id) IN (
    SELECT tenant, message_id FROM message
    WHERE state = 'planned' AND lease_until IS NOT NULL AND starts_with(claimed_by, $1)
    FOR UPDATE SKIP LOCKED)
"""
_NOTICES = """
SELECT n.tenant, n.notice_id, n.body::text AS body, n.revoked
FROM unnest($1::text[], $2::uuid[]) AS x (tenant, notice_id)
JOIN notice AS n USING (tenant, notice_id)
"""
_TENANTS = "SELECT tenant, body::text AS body FROM tenant WHERE tenant = ANY($1)"
_CONTACTS = """
SELECT c.tenant, c.debtor_id, c.key_id, c.ciphertext
FROM unnest($1::text[], $2::text[]) AS x (tenant, debtor_id)
JOIN contact AS c USING (tenant, debtor_id)
"""
_BEGIN_SENDING = """
WITH wanted AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::bytea[],
                         $6::text[], $7::integer[], $8::text[], $9::text[], $11::integer[])
        AS x (tenant, message_id, fence, media_type, content, sha256, size_bytes, provider,
              recipient_hash, template_version)
), locked AS (
    SELECT w.* FROM message AS m JOIN wanted AS w USING (tenant, message_id)
    WHERE m.fence = w.fence AND m.state = 'planned'
      -- Who opted out a moment ago is asked about again: the next claim finds it listed.
      AND NOT EXISTS (SELECT FROM suppression AS s WHERE s.tenant = m.tenant
          AND s.channel = m.channel AND s.recipient_hash = w.recipient_hash)
    ORDER BY m.tenant, m.message_id FOR UPDATE OF m
), begun AS (
    UPDATE message AS m
    SET state = 'sending', reason = NULL, attempts = m.attempts + 1, media_type = x.media_type,
        content = x.content, sha256 = x.sha256, size_bytes = x.size_bytes, provider = x.provider,
        recipient_hash = x.recipient_hash, template_version = x.template_version,
        lease_until = clock_timestamp() + make_interval(secs => $10)
    FROM locked AS x WHERE m.tenant = x.tenant AND m.message_id = x.message_id
    RETURNING m.tenant, m.message_id, m.fence, m.provider, m.sha256, m.claimed_by
), logged AS (
    INSERT INTO attempt (tenant, message_id, fence, phase, provider, sha256, actor)
    SELECT tenant, message_id, fence, 'sending', provider, sha256, claimed_by FROM begun
)
SELECT tenant, message_id FROM begun
"""
_VERDICTS = RowSet(
    tenant="text", message_id="uuid", fence="bigint", states="text", state="text", reason="text",
    delay_s="text", provider="text", provider_ref="text", cost_minor="int", sha256="text",
    actor="text",
)  # fmt: skip
_SETTLE = f"""
WITH verdict AS (
    SELECT * FROM {_VERDICTS.source("told")}
), locked AS (
    SELECT v.* FROM message AS m JOIN verdict AS v USING (tenant, message_id)
    WHERE m.fence = v.fence AND m.state = ANY(string_to_array(v.states, ' '))
    ORDER BY m.tenant, m.message_id FOR UPDATE OF m
), written AS (
    UPDATE message AS m
    SET state = v.state, reason = v.reason, lease_until = NULL,
        not_before = CASE WHEN v.state = 'planned'
            THEN clock_timestamp() + make_interval(secs => v.delay_s::float8) ELSE m.not_before END,
        provider_ref = coalesce(v.provider_ref, m.provider_ref),
        cost_minor = CASE WHEN v.state = 'sent' THEN v.cost_minor ELSE m.cost_minor END,
        sent_at = CASE WHEN v.state = 'sent' THEN clock_timestamp() ELSE m.sent_at END,
        settled_at = CASE WHEN v.state = 'planned' THEN NULL ELSE clock_timestamp() END
    FROM locked AS v WHERE m.tenant = v.tenant AND m.message_id = v.message_id
    RETURNING m.tenant, m.message_id
), logged AS (
    INSERT INTO attempt (tenant, message_id, fence, phase, reason, provider, sha256, actor)
    SELECT v.tenant, v.message_id, v.fence,
        CASE WHEN w.message_id IS NULL THEN 'stale_' || v.state ELSE v.state END,
        coalesce(v.reason, v.provider_ref), v.provider, nullif(v.sha256, ''), v.actor
    FROM verdict AS v LEFT JOIN written AS w USING (tenant, message_id)
    ORDER BY v.tenant, v.message_id
)
SELECT tenant, message_id FROM written
"""
_EXPIRED = f"""
SELECT {MESSAGE_COLUMNS}, m.sha256, n.causation, n.body->>'zone' AS zone
FROM message AS m JOIN notice AS n USING (tenant, notice_id)
WHERE m.state = 'sending' AND m.lease_until <= statement_timestamp()
ORDER BY m.tenant, m.message_id LIMIT $1
FOR UPDATE OF m SKIP LOCKED
"""


class SqlMessages:
    """The queue of messages: `SendQueue`, `Verdicts` and `ExpiredMessages` of the ports."""

    async def claim(
        self, connection: AsyncConnection, *, worker: str, limit: int, claim_s: float
    ) -> list[Claimed]:
        """Take planned messages that are due, earliest first; others skip them for `claim_s`."""
        raw = await driver(connection)
        rows = await raw.fetch(_CLAIM, worker, limit, claim_s)
        rows.sort(key=lambda row: (row["not_before"], row["seq"]))
        return [Claimed(message=message_of(row), age_s=row["age_s"]) for row in rows]

    async def drop_claims(self, connection: AsyncConnection, *, worker: str) -> None:
        """Give up what a former process of this name had claimed and not begun to send."""
        raw = await driver(connection)
        await raw.execute(_DROP_CLAIMS, f"{worker}/")

    async def facts(self, connection: AsyncConnection, messages: Sequence[Message]) -> Facts:
        """What is known about these messages; one statement per kind of fact."""
        raw = await driver(connection)
        notices = sorted({(m.tenant, m.notice_id) for m in messages})
        debtors = sorted({(m.tenant, m.debtor_id) for m in messages})
        noticed = await raw.fetch(_NOTICES, *_columns(notices))
        tenants = await raw.fetch(_TENANTS, sorted({m.tenant for m in messages}))
        contacts = await raw.fetch(_CONTACTS, *_columns(debtors))
        own_texts = await SqlTemplates().in_use(
            connection, {(m.tenant, m.template) for m in messages}
        )
        return Facts(
            own_texts=own_texts,
            notices={
                (row["tenant"], row["notice_id"]): NoticeFacts(
                    notice=NoticeRequestedV3.model_validate_json(row["body"], extra="ignore"),
                    revoked=frozenset(row["revoked"]),
                )
                for row in noticed
            },
            tenants={
                row["tenant"]: TenantRegisteredV1.model_validate_json(row["body"], extra="ignore")
                for row in tenants
            },
            contacts={
                (row["tenant"], row["debtor_id"]): SealedContact(
                    tenant=row["tenant"],
                    debtor_id=row["debtor_id"],
                    key_id=row["key_id"],
                    ciphertext=row["ciphertext"],
                )
                for row in contacts
            },
        )

    async def begin_sending(
        self, connection: AsyncConnection, frozen: Sequence[FrozenMessage], *, lease_s: float
    ) -> Collection[MessageKey]:
        """Store the bytes and mark `sending`, where the claim still holds; returns those keys."""
        raw = await driver(connection)
        rows = await raw.fetch(
            _BEGIN_SENDING,
            [f.message.tenant for f in frozen],
            [f.message.message_id for f in frozen],
            [f.message.fence for f in frozen],
            [f.media_type for f in frozen],
            [f.content for f in frozen],
            [f.sha256 for f in frozen],
            [f.size_bytes for f in frozen],
            [f.provider for f in frozen],
            [f.recipient_hash for f in frozen],
            lease_s,
            [f.template_version for f in frozen],
        )
        return {(row["tenant"], row["message_id"]) for row in rows}

    async def settle(
        self, connection: AsyncConnection, verdicts: Sequence[Settled]
    ) -> Collection[MessageKey]:
        """Write the verdicts whose fence and state still hold; log all; returns those written."""
        rows = [
            (
                v.message.tenant,
                v.message.message_id,
                v.message.fence,
                " ".join(sorted(v.over)),
                v.settlement.state,
                v.settlement.reason,
                str(v.settlement.delay_s),
                v.message.provider,
                v.settlement.provider_ref,
                v.settlement.cost_minor,
                v.sha256,
                v.actor,
            )
            for v in verdicts
        ]
        raw = await driver(connection)
        written = await raw.fetch(_SETTLE, *_VERDICTS.arguments(rows))
        return {(row["tenant"], row["message_id"]) for row in written}

    async def expired(self, connection: AsyncConnection, *, limit: int) -> list[Expired]:
        """Lock and return `sending` messages whose lease ran out."""
        raw = await driver(connection)
        rows = await raw.fetch(_EXPIRED, limit)
        return [
            Expired(
                message=message_of(row),
                sha256=row["sha256"],
                on=row["effective_at"].astimezone(ZoneInfo(row["zone"])).date(),
            )
            for row in rows
        ]


def _columns(pairs: Sequence[tuple[str, Any]]) -> tuple[list[str], list[Any]]:
    return [tenant for tenant, _ in pairs], [other for _, other in pairs]
