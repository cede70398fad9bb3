"""Original documents in PostgreSQL, sealed by who brings them. Never commits."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from invoice_ingest.domain.original import Listed, Original, SealedOriginal, Sheet
from invoice_ingest.domain.permit import InvoiceRef

_SHEET = """
SELECT coalesce(i.document_id, i.invoice_id) AS invoice_id, i.debtor_id FROM invoice AS i
WHERE i.tenant = $1 AND (i.invoice_id = $2 OR i.document_id = $2)
ORDER BY i.invoice_id LIMIT 1
"""
_PUT = """
INSERT INTO original (tenant, invoice_id, debtor_id, file_name, media_type, sha256, size_bytes,
                      content)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, invoice_id) DO UPDATE SET
    debtor_id = excluded.debtor_id, file_name = excluded.file_name,
    media_type = excluded.media_type, sha256 = excluded.sha256, size_bytes = excluded.size_bytes,
    content = excluded.content, kept_at = clock_timestamp()
"""
_KEPT = """
SELECT sha256, file_name FROM original WHERE tenant = $1 AND invoice_id = $2 FOR UPDATE
"""
_DROP = "DELETE FROM original WHERE tenant = $1 AND invoice_id = $2"
_ASKED = """
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (tenant, invoice_id, place)
LEFT JOIN invoice AS i ON i.tenant = asked.tenant AND i.invoice_id = asked.invoice_id
JOIN original AS o ON o.tenant = asked.tenant
    AND o.invoice_id = coalesce(i.document_id, asked.invoice_id)
ORDER BY asked.place
"""
_LISTED = f"""
SELECT asked.tenant, asked.invoice_id AS asked_id, o.invoice_id, o.debtor_id, o.size_bytes {_ASKED}
"""
_READ = f"""
SELECT asked.tenant, asked.invoice_id AS asked_id, o.invoice_id, o.debtor_id, o.file_name,
    o.media_type, o.content {_ASKED}
"""


class SqlOriginals:
    """See `invoice_ingest.handlers.ports.OriginalStore`."""

    async def sheet(
        self, connection: AsyncConnection, tenant: str, invoice_id: str
    ) -> Sheet | None:
        """The document that an invoice, an instalment or a document's own id stands for."""
        row = await (await driver(connection)).fetchrow(_SHEET, tenant, invoice_id)
        return None if row is None else Sheet(**dict(row))

    async def kept(
        self, connection: AsyncConnection, tenant: str, sheet: Sheet
    ) -> tuple[str, str] | None:
        """Hash and file name of what is kept there, locked."""
        row = await (await driver(connection)).fetchrow(_KEPT, tenant, sheet.invoice_id)
        return None if row is None else (row["sha256"], row["file_name"])

    async def put(
        self,
        connection: AsyncConnection,
        tenant: str,
        sheet: Sheet,
        document: Original,
        sealed: bytes,
    ) -> None:
        """Keep a document, instead of the one before."""
        raw = await driver(connection)
        await raw.execute(
            _PUT,
            tenant,
            sheet.invoice_id,
            sheet.debtor_id,
            document.file_name,
            document.media_type,
            document.sha256,
            len(document.content),
            sealed,
        )

    async def drop(self, connection: AsyncConnection, tenant: str, sheet: Sheet) -> None:
        """Forget a document."""
        await (await driver(connection)).execute(_DROP, tenant, sheet.invoice_id)

    async def listed(
        self, connection: AsyncConnection, invoices: Collection[InvoiceRef]
    ) -> list[Listed]:
        """Which of these invoices have a document, in the order asked for; reads no document."""
        raw = await driver(connection)
        rows = await raw.fetch(_LISTED, [t for t, _ in invoices], [i for _, i in invoices])
        return [
            Listed(
                asked=(row["tenant"], row["asked_id"]),
                sheet=Sheet(row["invoice_id"], row["debtor_id"]),
                size_bytes=row["size_bytes"],
            )
            for row in rows
        ]

    async def read(
        self, connection: AsyncConnection, invoices: Collection[InvoiceRef]
    ) -> list[SealedOriginal]:
        """Documents of invoices, as far as there are any, in the order asked for."""
        raw = await driver(connection)
        rows = await raw.fetch(_READ, [t for t, _ in invoices], [i for _, i in invoices])
        return [
            SealedOriginal(
                asked=(row["tenant"], row["asked_id"]),
                sheet=Sheet(row["invoice_id"], row["debtor_id"]),
                file_name=row["file_name"],
                media_type=row["media_type"],
                sealed=row["content"],
            )
            for row in rows
        ]
