"""Send permits in PostgreSQL: granted under the invoices' locks, expiring by its clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.clock import monotonic
from dunning_common.columns import RowSet
from dunning_common.db import driver
from invoice_ingest.domain.permit import InvoiceRef, PermitAnswer, Standing
from invoice_ingest.domain.touched import Touched

CHANNEL = "permit"
"""PostgreSQL NOTIFY channel, suffixed with the schema's name; rings when permits are given back."""

_SWEEP_EVERY_S = 60.0

_REFS = RowSet(tenant="text", invoice_id="text")
_STANDINGS = f"""
SELECT locked.tenant, locked.invoice_id, locked.status, locked.version,
    debtor.contact IS NULL AS is_erased
FROM (
    SELECT DISTINCT * FROM {_REFS.source("wanted")} ORDER BY tenant, invoice_id
) AS asked CROSS JOIN LATERAL (
    SELECT tenant, debtor_id, invoice_id, status, version FROM invoice
    WHERE tenant = asked.tenant AND invoice_id = asked.invoice_id
    FOR SHARE
) AS locked
JOIN debtor ON debtor.tenant = locked.tenant AND debtor.debtor_id = locked.debtor_id
"""
_PERMITS = RowSet(tenant="text", invoice_id="text", permit_id="text")
_GRANT = f"""
INSERT INTO permit (tenant, invoice_id, permit_id, expires_at)
SELECT tenant, invoice_id, permit_id, clock_timestamp() + $4::interval
FROM {_PERMITS.source("granted")}
ON CONFLICT (tenant, invoice_id, permit_id) DO UPDATE SET expires_at = excluded.expires_at
"""
_SWEEP = "DELETE FROM permit WHERE expires_at < clock_timestamp() - interval '1 hour'"
_GIVE_BACK = f"""
WITH gone AS (DELETE FROM permit WHERE permit_id = ANY($1::text[]))
SELECT pg_notify('{CHANNEL}_' || current_schema(), '')
"""
_LIVE = """
SELECT permit_id FROM permit
WHERE tenant = $1 AND invoice_id = ANY($2::text[]) AND expires_at > clock_timestamp()
UNION
SELECT permit_id FROM permit JOIN invoice USING (tenant, invoice_id)
WHERE tenant = $1 AND debtor_id = ANY($3::text[]) AND expires_at > clock_timestamp()
"""
_REST = """
SELECT coalesce(extract(epoch FROM max(expires_at) - clock_timestamp()), 0)::float8
FROM permit WHERE permit_id = ANY($1::text[])
"""


class SqlPermits:
    """Keeps send permits; times are the database's."""

    def __init__(self) -> None:
        self._sweep_at = 0.0

    async def standings(
        self, connection: AsyncConnection, refs: Collection[InvoiceRef]
    ) -> dict[InvoiceRef, Standing]:
        """Lock the invoices against changes and say how they stand."""
        if not refs:
            return {}
        raw = await driver(connection)
        rows = await raw.fetch(_STANDINGS, *_REFS.arguments(list(refs)))
        return {
            (row["tenant"], row["invoice_id"]): Standing(
                status=row["status"], version=row["version"], is_erased=row["is_erased"]
            )
            for row in rows
        }

    async def grant(
        self, connection: AsyncConnection, answers: Sequence[PermitAnswer], *, lease_s: float
    ) -> None:
        """Store the granted permits for `lease_s` seconds; now and then sweep long expired ones."""
        rows = sorted(
            {
                (given.request.tenant, invoice_id, given.request.permit_id)
                for given in answers
                for invoice_id, _ in given.request.invoices
            }
        )
        raw = await driver(connection)
        if rows:
            lease = timedelta(seconds=lease_s)
            await raw.execute(_GRANT, *_PERMITS.arguments(rows), lease)
        if (now := monotonic()) >= self._sweep_at:
            self._sweep_at = now + _SWEEP_EVERY_S
            await raw.execute(_SWEEP)

    async def give_back(self, connection: AsyncConnection, permit_ids: Collection[str]) -> None:
        """Remove permits and wake whoever waits for them."""
        await (await driver(connection)).execute(_GIVE_BACK, permit_ids)

    async def live(
        self, connection: AsyncConnection, tenant: str, touched: Touched
    ) -> Collection[str]:
        """Ids of the live permits on these invoices, and on any invoice of these accounts."""
        raw = await driver(connection)
        rows = await raw.fetch(_LIVE, tenant, touched.invoices, touched.accounts)
        return [row["permit_id"] for row in rows]

    async def rest_s(self, connection: AsyncConnection, permit_ids: Collection[str]) -> float:
        """Seconds until the last of these permits expires; 0 when none is live any more."""
        raw = await driver(connection)
        rest_s: float = await raw.fetchval(_REST, permit_ids)
        return max(0.0, rest_s)
