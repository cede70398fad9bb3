"""Debtors' answers in PostgreSQL: each once, and what was made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from dunning_engine.records import AccountKey
from dunning_engine.response_records import ResponseRow

ResponsePlace = tuple[datetime, UUID]
"""Where a page of answers ended: when it was taken, and its id."""

_COLUMNS = """r.tenant, r.response_id, r.debtor_id, r.kind, r.source, r.notice_id, r.invoice_ids,
    r.body::text, r.effective_at, r.state, r.reason, r.detail, r.hold_ids, r.taken_at"""
_ADD = f"""
INSERT INTO response AS r (tenant, response_id, debtor_id, kind, source, notice_id, invoice_ids,
    body, effective_at, state, taken_at)
SELECT w.tenant, w.response_id, w.debtor_id, w.kind, w.source, w.notice_id,
    ARRAY(SELECT jsonb_array_elements_text(w.invoice_ids::jsonb)), w.body::jsonb, w.effective_at,
    'waiting', coalesce(k.now, clock_timestamp())
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[],
            $8::text[], $9::timestamptz[])
    AS w (tenant, response_id, debtor_id, kind, source, notice_id, invoice_ids, body, effective_at)
LEFT JOIN tenant_clock k ON k.tenant = w.tenant
ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
"""
_WAITING = f"""
SELECT {_COLUMNS} FROM unnest($1::text[], $2::text[]) AS w (tenant, debtor_id)
JOIN response r ON r.tenant = w.tenant AND r.debtor_id = w.debtor_id AND r.state = 'waiting'
"""
_SETTLE = """
UPDATE response r SET state = w.state, reason = w.reason, detail = w.detail,
    hold_ids = ARRAY(SELECT jsonb_array_elements_text(w.hold_ids::jsonb)::uuid)
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS w (tenant, response_id, state, reason, detail, hold_ids)
WHERE r.tenant = w.tenant AND r.response_id = w.response_id
"""
_CLAIMED = """
SELECT DISTINCT i.invoice_id FROM response r
JOIN hold h ON h.tenant = r.tenant AND h.hold_id = ANY(r.hold_ids)
CROSS JOIN unnest(h.invoice_ids) AS i (invoice_id)
WHERE r.tenant = $1 AND r.debtor_id = $2 AND r.kind = 'claim' AND r.state = 'applied'
"""
_LIST = f"""
SELECT {_COLUMNS} FROM response r
WHERE r.tenant = $1 AND r.debtor_id = $2
  AND ($3::timestamptz IS NULL OR (r.taken_at, r.response_id) > ($3, $4::uuid))
ORDER BY r.taken_at, r.response_id LIMIT $5
"""


class SqlResponses:
    """Answers, inside one transaction."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        self._sql = sql

    async def add(self, answers: Sequence[ResponseRow]) -> list[ResponseRow]:
        """Keep answers; returns those that were not known, with the time of their tenants."""
        rows = await self._sql.fetch(
            _ADD,
            [a.tenant for a in answers],
            [a.response_id for a in answers],
            [a.debtor_id for a in answers],
            [a.kind for a in answers],
            [a.source for a in answers],
            [a.notice_id for a in answers],
            [orjson.dumps(a.invoice_ids).decode() for a in answers],
            [orjson.dumps(dict(a.body)).decode() for a in answers],
            [a.effective_at for a in answers],
        )
        return [_row(row) for row in rows]

    async def waiting(self, accounts: Sequence[AccountKey]) -> list[ResponseRow]:
        """Answers of these debtors that wait for facts."""
        rows = await self._sql.fetch(
            _WAITING, [a.tenant for a in accounts], [a.debtor_id for a in accounts]
        )
        return [_row(row) for row in rows]

    async def settle(self, answers: Sequence[ResponseRow]) -> None:
        """Write what was made of answers."""
        await self._sql.execute(
            _SETTLE,
            [a.tenant for a in answers],
            [a.response_id for a in answers],
            [a.state for a in answers],
            [a.reason for a in answers],
            [a.detail for a in answers],
            [orjson.dumps([str(hold) for hold in a.hold_ids]).decode() for a in answers],
        )

    async def claimed(self, tenant: str, debtor_id: str) -> frozenset[str]:
        """Invoices that the debtor said it paid before, and reminders rested for it."""
        rows = await self._sql.fetch(_CLAIMED, tenant, debtor_id)
        return frozenset(row["invoice_id"] for row in rows)

    async def listing(
        self, tenant: str, debtor_id: str, *, after: ResponsePlace | None, limit: int
    ) -> list[ResponseRow]:
        """A debtor's answers in the order in which they came."""
        rows = await self._sql.fetch(_LIST, tenant, debtor_id, *(after or (None, None)), limit)
        return [_row(row) for row in rows]


def _row(row: Mapping[str, Any]) -> ResponseRow:
    return ResponseRow(
        **{
            **row,
            "invoice_ids": tuple(row["invoice_ids"]),
            "hold_ids": tuple(row["hold_ids"]),
            "body": orjson.loads(row["body"]),
        }
    )
