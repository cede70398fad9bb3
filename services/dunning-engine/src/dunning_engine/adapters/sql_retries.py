"""What failed and shall be tried again at once, in PostgreSQL. Sets, not rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from dunning_engine.work_records import RetryFilter, RetryRow

# Not what is on its way: its try has not failed yet.
_STUCK = """c.tenant = $1 AND c.live AND c.status = 'open' AND c.failures > 0
    AND c.flight_notice IS NULL
    AND ($2::text IS NULL OR c.debtor_id = $2) AND ($3::text IS NULL OR c.currency = $3)
    AND ($4::text IS NULL OR position($4 in c.failure_reason) > 0)"""
_DEBTORS = f"SELECT DISTINCT c.debtor_id FROM dunning_case c WHERE {_STUCK}"
# The same changes as Case.contacts_changed makes.
_FORGET = f"""
WITH again AS (
    UPDATE dunning_case c SET failures = 0, excused = 0, last_failure_on = NULL,
        failure_reason = NULL
    WHERE {_STUCK} AND c.debtor_id = ANY($5)
    RETURNING c.invoice_id, c.debtor_id), forgiven AS (
    UPDATE case_level l SET forgiven = true FROM again g
    WHERE l.tenant = $1 AND l.invoice_id = g.invoice_id AND l.bounced IS NOT NULL)
SELECT invoice_id, debtor_id FROM again
"""
_KEEP = """
INSERT INTO retry (tenant, retry_id, debtor_id, reason, cases, debtors, asked_at, asked_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


class SqlRetries:
    """Cases with failed tries, inside one transaction of the api role."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        self._sql = sql

    async def debtors(self, tenant: str, wanted: RetryFilter) -> list[str]:
        """Whose cases these are, each debtor once."""
        rows = await self._sql.fetch(_DEBTORS, tenant, *_narrowed(wanted))
        return [row["debtor_id"] for row in rows]

    async def forget(
        self, tenant: str, wanted: RetryFilter, debtor_ids: Sequence[str]
    ) -> list[tuple[str, str]]:
        """Forget what failed of these debtors, whose accounts are locked: (invoice, debtor)."""
        rows = await self._sql.fetch(_FORGET, tenant, *_narrowed(wanted), list(debtor_ids))
        return [(row["invoice_id"], row["debtor_id"]) for row in rows]

    async def keep(self, row: RetryRow) -> None:
        """Write down who asked for it."""
        await self._sql.execute(
            _KEEP,
            row.tenant,
            row.retry_id,
            row.wanted.debtor_id,
            row.wanted.reason,
            row.cases,
            row.debtors,
            row.asked_at,
            row.asked_by,
        )


def _narrowed(wanted: RetryFilter) -> tuple[str | None, ...]:
    return (wanted.debtor_id, wanted.currency, wanted.reason)
