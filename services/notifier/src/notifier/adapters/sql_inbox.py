"""What the notifier keeps of other services' events: tenants, sealed contacts, plans.

Set-based: one statement per kind of change, whatever the size of the batch. Never commits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from dunning_common.events.tenants import TenantRegisteredV1
from notifier.adapters.sql_rows import MESSAGE_COLUMNS, message_of
from notifier.domain.message import Message
from notifier.ports.inbox import NewMessage, NewNotice, SealedContact

WORK = "notifier_work"
"""PostgreSQL NOTIFY channel that wakes the sender."""

_KEEP_TENANTS = """
INSERT INTO tenant (tenant, body)
SELECT x.tenant, x.body FROM jsonb_to_recordset($1::jsonb) AS x (tenant text, body jsonb)
ORDER BY x.tenant
ON CONFLICT (tenant) DO UPDATE SET body = excluded.body, updated_at = clock_timestamp()
"""
_KEEP_CONTACTS = """
INSERT INTO contact (tenant, debtor_id, key_id, ciphertext)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    AS x (tenant, debtor_id, key_id, ciphertext)
ORDER BY x.tenant, x.debtor_id
ON CONFLICT (tenant, debtor_id) DO UPDATE
    SET key_id = excluded.key_id, ciphertext = excluded.ciphertext,
        updated_at = clock_timestamp()
"""
_WAITING = "m.state = 'planned' AND m.reason LIKE 'waiting%' AND m.not_before > now()"
_HASTEN_TENANTS = f"""
UPDATE message SET not_before = now() WHERE (tenant, message_id) IN (
    SELECT m.tenant, m.message_id FROM message AS m
    WHERE m.tenant = ANY($1::text[]) AND {_WAITING} FOR UPDATE SKIP LOCKED)
"""
_HASTEN_DEBTORS = f"""
UPDATE message SET not_before = now() WHERE (tenant, message_id) IN (
    SELECT m.tenant, m.message_id
    FROM unnest($1::text[], $2::text[]) AS x (tenant, debtor_id)
    JOIN message AS m USING (tenant, debtor_id)
    WHERE {_WAITING} FOR UPDATE OF m SKIP LOCKED)
"""
_KEEP_NOTICES = """
INSERT INTO notice (tenant, notice_id, debtor_id, body, causation)
SELECT x.tenant, x.notice_id, x.debtor_id, x.body, x.causation
FROM jsonb_to_recordset($1::jsonb)
    AS x (tenant text, notice_id uuid, debtor_id text, body jsonb, causation uuid)
ORDER BY x.tenant, x.notice_id
ON CONFLICT (tenant, notice_id) DO NOTHING
"""
_PLAN = """
INSERT INTO message (tenant, message_id, notice_id, debtor_id, channel, template, level, level_no,
                     invoice_ids, effective_at)
SELECT x.tenant, x.message_id, x.notice_id, x.debtor_id, x.channel, x.template, x.level, x.level_no,
       x.invoice_ids, x.effective_at
FROM jsonb_to_recordset($1::jsonb) AS x (
    place int, tenant text, message_id uuid, notice_id uuid, debtor_id text, channel text,
    template text, level text, level_no int, invoice_ids text[], effective_at timestamptz)
ORDER BY x.place
ON CONFLICT DO NOTHING
"""
_REVOKE = """
UPDATE notice SET revoked = ARRAY(SELECT DISTINCT unnest(notice.revoked || x.invoice_ids))
FROM jsonb_to_recordset($1::jsonb) AS x (tenant text, notice_id uuid, invoice_ids text[])
WHERE notice.tenant = x.tenant AND notice.notice_id = x.notice_id
"""
_PLANNED_OF = f"""
SELECT {MESSAGE_COLUMNS}, n.causation
FROM unnest($1::text[], $2::uuid[]) AS x (tenant, notice_id)
JOIN message AS m USING (tenant, notice_id)
JOIN notice AS n USING (tenant, notice_id)
WHERE m.state = 'planned'
ORDER BY m.tenant, m.message_id
FOR UPDATE OF m
"""


class SqlInbox:
    """Writes what events say; see `notifier.ports.inbox.Inbox`."""

    async def keep_tenants(
        self, connection: AsyncConnection, tenants: Sequence[TenantRegisteredV1]
    ) -> None:
        """Store tenants; the last one wins."""
        rows = [{"tenant": t.tenant_id, "body": t.model_dump(mode="json")} for t in tenants]
        raw = await driver(connection)
        await raw.execute(_KEEP_TENANTS, _json(rows))

    async def keep_contacts(
        self, connection: AsyncConnection, contacts: Sequence[SealedContact]
    ) -> None:
        """Store sealed contacts; without cipher text the debtor counts as erased."""
        raw = await driver(connection)
        await raw.execute(
            _KEEP_CONTACTS,
            [contact.tenant for contact in contacts],
            [contact.debtor_id for contact in contacts],
            [contact.key_id for contact in contacts],
            [contact.ciphertext for contact in contacts],
        )

    async def hasten(
        self,
        connection: AsyncConnection,
        *,
        tenants: Collection[str],
        debtors: Collection[tuple[str, str]],
    ) -> None:
        """Let messages that wait for these facts be tried at once, and wake the sender."""
        raw = await driver(connection)
        if tenants:
            await raw.execute(_HASTEN_TENANTS, list(tenants))
        if debtors:
            await raw.execute(_HASTEN_DEBTORS, [t for t, _ in debtors], [d for _, d in debtors])
        await self.wake(connection)

    async def plan(
        self,
        connection: AsyncConnection,
        notices: Sequence[NewNotice],
        messages: Sequence[NewMessage],
    ) -> None:
        """Store notices and their messages; what is there already stays as it is."""
        raw = await driver(connection)
        await raw.execute(
            _KEEP_NOTICES,
            _json(
                [
                    {
                        "tenant": n.tenant,
                        "notice_id": n.notice.notice_id,
                        "debtor_id": n.notice.debtor_id,
                        "body": n.notice.model_dump(mode="json"),
                        "causation": n.causation,
                    }
                    for n in notices
                ]
            ),
        )
        rows = [
            {
                "place": place,
                "tenant": m.tenant,
                "message_id": m.message_id,
                "notice_id": m.notice_id,
                "debtor_id": m.debtor_id,
                "channel": m.message.channel,
                "template": m.message.template,
                "level": m.message.level,
                "level_no": m.message.level_no,
                "invoice_ids": m.message.invoice_ids,
                "effective_at": m.effective_at,
            }
            for place, m in enumerate(messages)
        ]
        await raw.execute(_PLAN, _json(rows))
        await self.wake(connection)

    async def revoke(
        self, connection: AsyncConnection, revoked: Sequence[tuple[str, UUID, frozenset[str]]]
    ) -> list[Message]:
        """Remember what was revoked; lock and return the messages of it that are still planned.

        Args:
            connection: an open transaction.
            revoked: tenant, notice, invoices; one entry per notice.
        """
        raw = await driver(connection)
        rows = [
            {"tenant": tenant, "notice_id": notice_id, "invoice_ids": sorted(invoice_ids)}
            for tenant, notice_id, invoice_ids in revoked
        ]
        await raw.execute(_REVOKE, _json(rows))
        found = await raw.fetch(
            _PLANNED_OF,
            [tenant for tenant, _, _ in revoked],
            [notice_id for _, notice_id, _ in revoked],
        )
        return [message_of(row) for row in found]

    async def wake(self, connection: AsyncConnection) -> None:
        """Wake the sender when this transaction commits."""
        await (await driver(connection)).execute(f"SELECT pg_notify('{WORK}', '')")


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return orjson.dumps(rows).decode()
