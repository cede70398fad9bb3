"""Holds in PostgreSQL. What a hold stops is the domain's business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.outbox import Outgoing
from dunning_engine.adapters.pg_signals import signal_accounts
from dunning_engine.adapters.sql_news import SOURCE
from dunning_engine.records import AccountAt, HoldRow

_LOCK_ACCOUNT = """
SELECT a.time_source, CASE a.time_source WHEN 'sandbox' THEN
    (SELECT c.now FROM tenant_clock c WHERE c.tenant = a.tenant) ELSE clock_timestamp() END AS now
FROM account a WHERE a.tenant = $1 AND a.debtor_id = $2 FOR NO KEY UPDATE
"""
_COLUMNS = """tenant, hold_id, debtor_id, invoice_id, kind, reason, until, placed_at, placed_by,
    released_at, released_by"""
_ADD = f"INSERT INTO hold ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_READ = f"SELECT {_COLUMNS} FROM hold WHERE tenant = $1 AND hold_id = $2"
_RELEASE = """
UPDATE hold SET released_at = $3, released_by = $4
WHERE tenant = $1 AND hold_id = $2 AND released_at IS NULL
"""
_LIST = f"""
SELECT {_COLUMNS} FROM hold
WHERE tenant = $1 AND ($2::text IS NULL OR debtor_id = $2)
  AND (released_at IS NULL OR $3) AND hold_id > $4
ORDER BY hold_id LIMIT $5
"""
_FLIGHTS = """
SELECT flight_notice, array_agg(invoice_id ORDER BY invoice_id) AS invoices FROM dunning_case
WHERE tenant = $1 AND debtor_id = $2 AND live AND ($3::text IS NULL OR invoice_id = $3)
  AND flight_notice IS NOT NULL AND NOT flight_revoked
GROUP BY flight_notice ORDER BY flight_notice
"""
_REVOKE = """
UPDATE dunning_case SET flight_revoked = true
WHERE tenant = $1 AND debtor_id = $2 AND live AND ($3::text IS NULL OR invoice_id = $3)
  AND flight_notice IS NOT NULL
"""
_WAKE = """
UPDATE account SET next_action_at = least(next_action_at, $3)
WHERE tenant = $1 AND debtor_id = $2 AND kind IS NOT NULL AND time_source <> 'unknown'
RETURNING tenant, time_source
"""
_FIRST = UUID(int=0)


class SqlHolds:
    """Holds, inside one transaction."""

    def __init__(self, connection: AsyncConnection, sql: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._sql = sql

    async def lock_account(self, tenant: str, debtor_id: str) -> AccountAt | None:
        """Lock a debtor's account; tells the time on its tenant's clock. None: unknown debtor."""
        row = await self._sql.fetchrow(_LOCK_ACCOUNT, tenant, debtor_id)
        return None if row is None else AccountAt(time_source=row["time_source"], now=row["now"])

    async def has_invoice(self, tenant: str, debtor_id: str, invoice_id: str) -> bool:
        """Whether the debtor owes or owed that invoice."""
        return bool(
            await self._sql.fetchval(
                "SELECT true FROM dunning_case "
                "WHERE tenant = $1 AND debtor_id = $2 AND invoice_id = $3",
                tenant, debtor_id, invoice_id,
            )
        )  # fmt: skip

    async def add(self, hold: HoldRow) -> None:
        """Store a hold."""
        await self._sql.execute(
            _ADD, hold.tenant, hold.hold_id, hold.debtor_id, hold.invoice_id, hold.kind,
            hold.reason, hold.until, hold.placed_at, hold.placed_by, hold.released_at,
            hold.released_by,
        )  # fmt: skip

    async def read(self, tenant: str, hold_id: UUID) -> HoldRow | None:
        """A hold, released or not."""
        row = await self._sql.fetchrow(_READ, tenant, hold_id)
        return None if row is None else HoldRow(**row)

    async def release(self, tenant: str, hold_id: UUID, *, at: datetime, by: str) -> None:
        """End a hold."""
        await self._sql.execute(_RELEASE, tenant, hold_id, at, by)

    async def revoke_flights(
        self, tenant: str, debtor_id: str, invoice_id: str | None
    ) -> list[tuple[UUID, Sequence[str]]]:
        """Mark what is in flight for the debtor (or the invoice) as revoked; tells what was."""
        rows = await self._sql.fetch(_FLIGHTS, tenant, debtor_id, invoice_id)
        if rows:
            await self._sql.execute(_REVOKE, tenant, debtor_id, invoice_id)
        return [(row["flight_notice"], row["invoices"]) for row in rows]

    async def wake(self, tenant: str, debtor_id: str, now: datetime) -> None:
        """Have the account decided at the next opportunity."""
        await signal_accounts(self._sql, await self._sql.fetch(_WAKE, tenant, debtor_id, now))

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox; the last thing in the transaction."""
        await outbox.append(self._connection, events, source=SOURCE)

    async def listing(
        self, tenant: str, *, debtor_id: str | None, released: bool, after: UUID | None, limit: int
    ) -> list[Mapping[str, Any]]:
        """Holds in the order of their ids; ids grow with time."""
        return list(
            await self._sql.fetch(_LIST, tenant, debtor_id, released, after or _FIRST, limit)
        )
