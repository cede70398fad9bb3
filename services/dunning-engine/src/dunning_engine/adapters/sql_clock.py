"""Sandbox clocks in PostgreSQL: all of a walk's state, so that a killed engine just goes on.

The real clock is read nowhere here but for the patience with the ledger's bookings.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from dunning_engine.adapters.pg_signals import CLOCKS, sandbox, settled, signal
from dunning_engine.records import AccountKey, ClockRow, Pending

_CLOCK = """
SELECT c.tenant, c.now, c.target, c.settled, c.trouble, t.zone
FROM tenant_clock c JOIN tenant t USING (tenant) WHERE c.tenant = $1
"""
_TENANT = "SELECT sandbox FROM tenant WHERE tenant = $1 AND sandbox IS NOT NULL"
_WALKING = "SELECT tenant FROM tenant_clock WHERE NOT settled ORDER BY tenant"
_PENDING = """
SELECT
    (SELECT count(*) FROM notice WHERE tenant = $1 AND NOT settled) AS in_flight,
    (SELECT count(*) FROM account WHERE tenant = $1 AND returns > returns_checked) AS unchecked,
    (SELECT count(*) FROM charge WHERE tenant = $1 AND NOT posted
        AND announced_at > clock_timestamp() - make_interval(secs => $3)) AS unposted,
    (SELECT count(*) FROM policy_migration WHERE tenant = $1 AND state IN ('running', 'waiting'))
        AS migrations,
    (SELECT count(*) FROM account WHERE tenant = $1 AND time_source = 'sandbox'
        AND next_action_at <= $2 AND returns = returns_checked) AS due,
    (SELECT min(next_action_at) FROM account WHERE tenant = $1 AND time_source = 'sandbox'
        AND returns = returns_checked) AS next_at
"""
_MOVE = """
UPDATE tenant_clock SET now = $2, steps = steps + 1, moved_at = clock_timestamp(), trouble = NULL
WHERE tenant = $1
"""
_AIM = """
UPDATE tenant_clock SET target = $2, settled = false, trouble = NULL WHERE tenant = $1
"""
# What could not be decided is tried once more whenever the clock is asked to move.
_RETRY_TROUBLE = """
UPDATE account a SET trouble = NULL, next_action_at = least(a.next_action_at, c.now)
FROM tenant_clock c WHERE a.tenant = $1 AND c.tenant = a.tenant AND a.trouble IS NOT NULL
"""
_UNCHECKED = """
SELECT tenant, debtor_id, returns FROM account
WHERE returns > returns_checked AND ($1::text IS NULL OR tenant = $1)
  AND ($1::text IS NOT NULL OR time_source = 'real')
ORDER BY tenant, debtor_id LIMIT 1000
"""
_CHECKED = """
UPDATE account a SET returns_checked = w.returns, next_action_at = least(a.next_action_at,
    CASE a.time_source WHEN 'real' THEN clock_timestamp() WHEN 'sandbox' THEN
        (SELECT c.now FROM tenant_clock c WHERE c.tenant = a.tenant) END)
FROM (
    SELECT tenant, debtor_id, w.returns FROM account
    JOIN unnest($1::text[], $2::text[], $3::int[]) AS w (tenant, debtor_id, returns)
        USING (tenant, debtor_id)
    WHERE account.returns_checked < w.returns
    ORDER BY tenant, debtor_id FOR NO KEY UPDATE OF account
) AS w
WHERE a.tenant = w.tenant AND a.debtor_id = w.debtor_id
"""
_SILENT = """
SELECT n.tenant, n.debtor_id FROM notice n JOIN account a USING (tenant, debtor_id)
WHERE NOT n.settled AND n.heard_at < clock_timestamp() - make_interval(secs => $1::float8 * 60)
  AND a.time_source = 'real'
ORDER BY n.heard_at LIMIT 1000
"""


class SqlClock:
    """Sandbox clocks and what they wait for, inside one transaction."""

    def __init__(self, sql: asyncpg.Connection[Any], *, patience_s: float) -> None:
        self._sql = sql
        self._patience_s = patience_s

    async def is_sandbox(self, tenant: str) -> bool | None:
        """Whether the tenant has its own clock; None when the tenant is not known here."""
        found = await self._sql.fetchval(_TENANT, tenant)
        return None if found is None else bool(found)

    async def real_now(self) -> datetime:
        """The instant on the database's clock."""
        now: datetime = await self._sql.fetchval("SELECT clock_timestamp()")
        return now

    async def read(self, tenant: str) -> ClockRow | None:
        """The tenant's clock; None for a tenant that follows the real one."""
        return _row(await self._sql.fetchrow(_CLOCK, tenant))

    async def lock(self, tenant: str) -> ClockRow | None:
        """The tenant's clock, locked; waits for whoever moves it."""
        return _row(await self._sql.fetchrow(_CLOCK + " FOR UPDATE OF c", tenant))

    async def lock_free(self, tenant: str) -> ClockRow | None:
        """The tenant's clock, locked; None when somebody else moves it at this moment."""
        return _row(await self._sql.fetchrow(_CLOCK + " FOR UPDATE OF c SKIP LOCKED", tenant))

    async def walking(self) -> list[str]:
        """Tenants whose clock is on its way."""
        return [row["tenant"] for row in await self._sql.fetch(_WALKING)]

    async def pending(self, tenant: str, now: datetime) -> Pending:
        """What is still to happen at this instant of the tenant's clock, and the next one."""
        row = await self._sql.fetchrow(_PENDING, tenant, now, self._patience_s)
        return Pending(**row)  # type: ignore[arg-type]

    async def move(self, tenant: str, now: datetime) -> None:
        """Set the clock."""
        await self._sql.execute(_MOVE, tenant, now)

    async def aim(self, tenant: str, target: datetime) -> None:
        """Ask the clock to walk to `target`."""
        await self._sql.execute(_AIM, tenant, target)
        await self._sql.execute(_RETRY_TROUBLE, tenant)
        await signal(self._sql, [CLOCKS, sandbox(tenant)])

    async def settle(self, tenant: str) -> None:
        """The clock has arrived, and nothing is left to do there."""
        await self._sql.execute(
            "UPDATE tenant_clock SET settled = true, trouble = NULL WHERE tenant = $1", tenant
        )
        await signal(self._sql, [settled(tenant)])

    async def complain(self, tenant: str, trouble: str | None) -> None:
        """Note what keeps the clock from moving, for whoever asks."""
        await self._sql.execute(
            "UPDATE tenant_clock SET trouble = $2 "
            "WHERE tenant = $1 AND trouble IS DISTINCT FROM $2",
            tenant,
            trouble,
        )

    async def unchecked(self, tenant: str | None) -> list[tuple[AccountKey, int]]:
        """Accounts about which the ledger must be asked: a sandbox tenant's, or the real ones."""
        rows = await self._sql.fetch(_UNCHECKED, tenant)
        return [(AccountKey(r["tenant"], r["debtor_id"]), r["returns"]) for r in rows]

    async def checked(self, accounts: Sequence[tuple[AccountKey, int]]) -> None:
        """The ledger was asked: the accounts may be decided again."""
        await self._sql.execute(
            _CHECKED,
            [key.tenant for key, _ in accounts],
            [key.debtor_id for key, _ in accounts],
            [returns for _, returns in accounts],
        )

    async def silent(self, minutes: float) -> list[AccountKey]:
        """Debtors of real tenants with a notice of which nothing was heard for so long."""
        rows = await self._sql.fetch(_SILENT, minutes)
        return sorted({AccountKey(row["tenant"], row["debtor_id"]) for row in rows})


def _row(found: Any) -> ClockRow | None:
    return None if found is None else ClockRow(**found)
