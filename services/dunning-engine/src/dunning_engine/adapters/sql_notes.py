"""What people write about debtors, in PostgreSQL. Free text: it is never copied anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from dunning_engine.work_records import NoteRow

NotePlace = tuple[datetime, UUID]
"""Where a page of notes ended: when it was written, and its id."""

_ADD = """
INSERT INTO debtor_note (tenant, note_id, debtor_id, invoice_id, words, written_at, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_LIST = """
SELECT tenant, note_id, debtor_id, invoice_id, words, written_at, written_by FROM debtor_note
WHERE tenant = $1 AND debtor_id = $2 AND ($3::text IS NULL OR invoice_id = $3)
  AND ($4::timestamptz IS NULL OR (written_at, note_id) < ($4, $5::uuid))
ORDER BY written_at DESC, note_id DESC LIMIT $6
"""
_ACCOUNT = """
SELECT coalesce(c.now, clock_timestamp()) AS now,
    $3::text IS NULL OR EXISTS (SELECT 1 FROM dunning_case i
        WHERE i.tenant = a.tenant AND i.invoice_id = $3 AND i.debtor_id = a.debtor_id) AS has_it
FROM account a LEFT JOIN tenant_clock c USING (tenant) WHERE a.tenant = $1 AND a.debtor_id = $2
"""
_FORGET = """
DELETE FROM debtor_note n USING unnest($1::text[], $2::text[]) AS w (tenant, debtor_id)
WHERE n.tenant = w.tenant AND n.debtor_id = w.debtor_id
"""


class SqlNotes:
    """Notes, inside one transaction."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        self._sql = sql

    async def account(
        self, tenant: str, debtor_id: str, invoice_id: str | None
    ) -> tuple[datetime, bool] | None:
        """The tenant's instant, and whether the debtor has that invoice. None: unknown debtor."""
        row = await self._sql.fetchrow(_ACCOUNT, tenant, debtor_id, invoice_id)
        return None if row is None else (row["now"], row["has_it"])

    async def add(self, note: NoteRow) -> None:
        """Keep a note."""
        await self._sql.execute(
            _ADD, note.tenant, note.note_id, note.debtor_id, note.invoice_id, note.words,
            note.written_at, note.written_by,
        )  # fmt: skip

    async def listing(
        self,
        tenant: str,
        debtor_id: str,
        *,
        invoice_id: str | None = None,
        before: NotePlace | None = None,
        limit: int,
    ) -> list[NoteRow]:
        """Notes about a debtor, the newest first."""
        at, note_id = before or (None, None)
        rows = await self._sql.fetch(_LIST, tenant, debtor_id, invoice_id, at, note_id, limit)
        return [NoteRow(**row) for row in rows]

    async def forget(self, keys: Sequence[tuple[str, str]]) -> None:
        """Delete every note about debtors (tenant, debtor) that were erased."""
        await self._sql.execute(_FORGET, [t for t, _ in keys], [d for _, d in keys])
