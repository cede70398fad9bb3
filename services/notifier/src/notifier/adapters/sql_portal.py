"""Portal links, settings, and what surrounds a link, in PostgreSQL. Never commits.

Links are found by the hash of their token across tenants, by the worker role; everything else is
read within the link's tenant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.columns import RowSet
from dunning_common.db import driver
from dunning_common.events.tenants import TenantRegisteredV1
from notifier.portal.history import SentMessage
from notifier.portal.link import Link
from notifier.portal.settings import PortalSettings, settings_of
from notifier.ports.portal import Backdrop, LinkView, NewLink

_SETTINGS_OF = """
SELECT tenant, document::text AS document FROM portal_settings WHERE tenant = ANY($1)
"""
_NEW = RowSet(
    tenant="text", link_id="uuid", digest="bytea", debtor_id="text", invoice_ids="text",
    notice_id="uuid", message_id="uuid", channel="text", made_by="text", days="int",
)  # fmt: skip
_INVOICES = RowSet(invoice_id="text")
_KEEP = f"""
INSERT INTO portal_link (tenant, link_id, token_hash, debtor_id, invoice_ids, notice_id,
                         message_id, channel, made_by, expires_at)
SELECT tenant, link_id, digest, debtor_id, invoice_ids::text[], notice_id, message_id,
    channel, made_by, clock_timestamp() + make_interval(days => days)
FROM {_NEW.source("made")}
ORDER BY tenant, link_id
ON CONFLICT (tenant, link_id) DO UPDATE
    SET token_hash = excluded.token_hash, made_at = clock_timestamp(),
        expires_at = excluded.expires_at
"""
_COLUMNS = "tenant, link_id, debtor_id, invoice_ids, notice_id, message_id, channel"
_FIND = f"""
SELECT {_COLUMNS} FROM portal_link
WHERE token_hash = $1 AND expires_at > statement_timestamp() AND revoked_at IS NULL
"""
_PAGE = f"""
SELECT {_COLUMNS}, made_by, made_at, expires_at, revoked_at FROM portal_link
WHERE $1::text IS NULL OR debtor_id = $1 ORDER BY made_at DESC, link_id LIMIT $2
"""
_REVOKE = """
UPDATE portal_link SET revoked_at = coalesce(revoked_at, clock_timestamp()),
    revoked_by = coalesce(revoked_by, $2)
WHERE link_id = $1 RETURNING link_id
"""
_PURGE = """
WITH gone AS (
    DELETE FROM portal_link WHERE (tenant, link_id) IN (
        SELECT tenant, link_id FROM portal_link
        WHERE expires_at < statement_timestamp() - make_interval(days => $1)
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1
)
SELECT count(*) FROM gone
"""
_TENANT = """
SELECT t.body::text AS body, s.document::text AS document, clock_timestamp() AS now,
    (SELECT m.effective_at FROM message AS m WHERE m.tenant = t.tenant
     ORDER BY m.seq DESC LIMIT 1) AS latest,
    coalesce((SELECT c.key_id FROM contact AS c
        WHERE c.tenant = t.tenant AND c.debtor_id = $2), '') AS key_id
FROM tenant AS t LEFT JOIN portal_settings AS s USING (tenant) WHERE t.tenant = $1
"""
_NUMBERS = """
SELECT DISTINCT item->>'invoice_id' AS invoice_id, item->>'number' AS number
FROM notice AS n CROSS JOIN LATERAL jsonb_array_elements(n.body->'items') AS item
WHERE n.tenant = $1 AND n.notice_id = $2
"""
_SENT = """
SELECT m.effective_at AS at, m.channel, m.template, m.level, m.level_no
FROM notice AS n JOIN message AS m USING (tenant, notice_id)
WHERE n.tenant = $1 AND n.debtor_id = $2 AND m.state = 'sent'
  AND ($3::text[] IS NULL OR m.invoice_ids && $3)
ORDER BY m.seq DESC LIMIT 20
"""


class SqlLinks:
    """See `notifier.ports.portal.Links`."""

    async def settings_of(
        self, connection: AsyncConnection, tenants: Collection[str]
    ) -> Mapping[str, PortalSettings]:
        """The settings of these tenants; those that never set any are missing."""
        rows = await (await driver(connection)).fetch(_SETTINGS_OF, sorted(tenants))
        return {row["tenant"]: settings_of(orjson.loads(row["document"])) for row in rows}

    async def keep(self, connection: AsyncConnection, links: Sequence[NewLink]) -> None:
        """Store links, one statement for any number of them."""
        if not links:
            return
        rows = [
            (
                new.link.tenant,
                new.link.link_id,
                new.token_hash,
                new.link.debtor_id,
                _array(new.link.invoice_ids),
                new.link.notice_id,
                new.link.message_id,
                new.link.channel,
                new.made_by,
                new.days,
            )
            for new in links
        ]
        await (await driver(connection)).execute(_KEEP, *_NEW.arguments(rows))

    async def find(self, connection: AsyncConnection, token_hash: bytes) -> Link | None:
        """The link of a token, of any tenant, unless it expired or was revoked."""
        row = await (await driver(connection)).fetchrow(_FIND, token_hash)
        return None if row is None else _link(row)

    async def page(
        self, connection: AsyncConnection, *, debtor_id: str | None, limit: int
    ) -> list[LinkView]:
        """Links, the newest first."""
        rows = await (await driver(connection)).fetch(_PAGE, debtor_id, limit)
        return [
            LinkView(
                link=_link(row),
                made_by=row["made_by"],
                made_at=row["made_at"],
                expires_at=row["expires_at"],
                revoked_at=row["revoked_at"],
            )
            for row in rows
        ]

    async def revoke(self, connection: AsyncConnection, link_id: UUID, *, by: str) -> bool:
        """Let a link stop working; False when there is none. Again changes nothing."""
        found = await (await driver(connection)).fetchval(_REVOKE, link_id, by)
        return found is not None

    async def purge(self, connection: AsyncConnection, *, kept_days: int, limit: int) -> int:
        """Delete at most so many links that expired more than `kept_days` ago; how many."""
        return int(await (await driver(connection)).fetchval(_PURGE, kept_days, limit))


class SqlPortalReading:
    """See `notifier.ports.portal.PortalReading`."""

    async def backdrop(self, connection: AsyncConnection, link: Link) -> Backdrop | None:
        """What is known around a link; None while the tenant is unknown here."""
        raw = await driver(connection)
        row = await raw.fetchrow(_TENANT, link.tenant, link.debtor_id)
        if row is None:
            return None
        tenant = TenantRegisteredV1.model_validate_json(row["body"], extra="ignore")
        numbers = await raw.fetch(_NUMBERS, link.tenant, link.notice_id) if link.notice_id else []
        covered = None if link.invoice_ids is None else list(link.invoice_ids)
        sent = await raw.fetch(_SENT, link.tenant, link.debtor_id, covered)
        return Backdrop(
            tenant=tenant,
            settings=settings_of(orjson.loads(row["document"] or "{}")),
            clock=(row["latest"] or row["now"]) if tenant.sandbox else row["now"],
            key_id=row["key_id"],
            numbers={found["invoice_id"]: found["number"] for found in numbers},
            sent=tuple(SentMessage(**dict(found)) for found in sent),
        )

    async def contacts(self, connection: AsyncConnection, debtor_id: str) -> str | None:
        """The debtor's present contacts, sealed as they travelled; None: erased or unknown."""
        sealed: str | None = await (await driver(connection)).fetchval(
            "SELECT ciphertext FROM contact WHERE debtor_id = $1", debtor_id
        )
        return sealed

    async def settings(self, connection: AsyncConnection) -> dict[str, Any] | None:
        """The tenant's settings as stored, with `stored_by` and `stored_at`; None: defaults."""
        row = await (await driver(connection)).fetchrow(
            "SELECT document::text AS document, stored_by, stored_at FROM portal_settings"
        )
        if row is None:
            return None
        document: dict[str, Any] = orjson.loads(row["document"])
        return {**document, "stored_by": row["stored_by"], "stored_at": row["stored_at"]}

    async def store_settings(
        self, connection: AsyncConnection, tenant: str, settings: PortalSettings, *, by: str
    ) -> None:
        """Replace the tenant's settings."""
        await (await driver(connection)).execute(
            "INSERT INTO portal_settings (tenant, document, stored_by) VALUES ($1, $2::jsonb, $3) "
            "ON CONFLICT (tenant) DO UPDATE SET document = excluded.document, "
            "stored_by = excluded.stored_by, stored_at = clock_timestamp()",
            tenant,
            orjson.dumps(settings.document()).decode(),
            by,
        )


def _link(row: asyncpg.Record) -> Link:
    ids = row["invoice_ids"]
    return Link(
        tenant=row["tenant"],
        link_id=UUID(bytes=row["link_id"].bytes),
        debtor_id=row["debtor_id"],
        invoice_ids=None if ids is None else tuple(ids),
        notice_id=_known(row["notice_id"]),
        message_id=_known(row["message_id"]),
        channel=row["channel"],
    )


def _array(invoice_ids: Collection[str] | None) -> Any:
    """The ids as PostgreSQL writes an array: a column of arrays is a column of such texts."""
    if invoice_ids is None:
        return None
    (column,) = _INVOICES.arguments([(each,) for each in invoice_ids])
    return column


def _known(own: UUID | None) -> UUID | None:
    return None if own is None else UUID(bytes=own.bytes)
