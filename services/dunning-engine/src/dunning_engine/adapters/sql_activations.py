"""Activations of policy versions in PostgreSQL, and the migrations that are asked for with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import asyncpg

from dunning_engine.adapters.pg_signals import signal
from dunning_engine.adapters.sql_openings import (
    COUNT_NOTICES,
    SqlOpenings,
    stage_of,
    tally_of,
)
from dunning_engine.domain.schedule import local_date
from dunning_engine.policy_records import ActivationRow, MigrationRow

COUNT_EVERY_S = 5.0
"""A real tenant's stage is not counted more often: it may have a hundred thousand notices."""
POLICIES = "policies"
"""The call for whoever watches stages and migrates cases."""

_ROW = """tenant, policy_id, number, version, percent, segments, after_notices, failed_percent,
    disputed_percent, migrate, state, started_at, started_by, widened_at, ended_at, ended_by,
    ended_why, notices, failed, invoices, disputed, tallied_at"""
_ADD = f"""
INSERT INTO policy_activation AS s ({_ROW})
VALUES ($1, $2, (SELECT coalesce(max(number), 0) + 1 FROM policy_activation
                 WHERE tenant = $1 AND policy_id = $2),
    $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, 0, 0, 0, NULL)
RETURNING {_ROW}
"""
_SAVE = """
UPDATE policy_activation SET percent = $4, segments = $5, after_notices = $6, failed_percent = $7,
    disputed_percent = $8, migrate = $9, state = $10, widened_at = $11, ended_at = $12,
    ended_by = $13, ended_why = $14
WHERE tenant = $1 AND policy_id = $2 AND number = $3
"""
_WATCHED = f"""
SELECT s.tenant, s.policy_id, s.number, t.*
FROM policy_activation s LEFT JOIN tenant_clock k ON k.tenant = s.tenant
CROSS JOIN LATERAL ({COUNT_NOTICES}) AS t
WHERE s.state = 'running' AND s.after_notices IS NOT NULL AND (k.settled OR k.tenant IS NULL
    AND (s.tallied_at IS NULL OR s.tallied_at < clock_timestamp() - make_interval(secs => $1)))
ORDER BY s.tenant, s.policy_id
"""
_TALLIED = f"""
UPDATE policy_activation s SET notices = w.notices, failed = w.failed, invoices = w.invoices,
    disputed = w.disputed, tallied_at = clock_timestamp()
FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[],
    $7::bigint[]) AS w (tenant, policy_id, number, notices, failed, invoices, disputed)
WHERE s.tenant = w.tenant AND s.policy_id = w.policy_id AND s.number = w.number
  AND s.state = 'running'
RETURNING {", ".join(f"s.{name.strip()}" for name in _ROW.split(","))}
"""
_ASK = """
INSERT INTO policy_migration (tenant, migration_id, from_policy_id, from_version, policy_id,
    version, percent, segments, activation, requested_at, requested_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_SET_ACTIVE = """
INSERT INTO policy_active (tenant, policy_id, version) VALUES ($1, $2, $3)
ON CONFLICT (tenant, policy_id) DO UPDATE SET version = excluded.version
"""
_NOW = """
SELECT coalesce((SELECT now FROM tenant_clock WHERE tenant = $1), clock_timestamp())
"""
_ZONE = "SELECT zone FROM tenant WHERE tenant = $1 AND zone IS NOT NULL"


class SqlActivations(SqlOpenings):
    """Activations, inside one transaction of either role."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        super().__init__(sql)
        self._sql = sql

    async def now(self, tenant: str) -> datetime:
        """The instant on the tenant's clock."""
        found: datetime = await self._sql.fetchval(_NOW, tenant)
        return found

    async def today(self, tenant: str) -> date:
        """The day on the tenant's clock, where it is at home; in UTC while that is not known."""
        zone = await self._sql.fetchval(_ZONE, tenant)
        return local_date(await self.now(tenant), zone or "UTC")

    async def set_active(self, tenant: str, policy_id: str, version: int) -> None:
        """New cases outside of a running stage get this version."""
        await self._sql.execute(_SET_ACTIVE, tenant, policy_id, version)

    async def running(self, tenant: str, policy_id: str) -> ActivationRow | None:
        """The stage of a policy that is running."""
        row = await self._sql.fetchrow(
            f"SELECT {_ROW} FROM policy_activation "
            "WHERE tenant = $1 AND policy_id = $2 AND state = 'running'",
            tenant,
            policy_id,
        )
        return None if row is None else _activation(row)

    async def activations(self, tenant: str, policy_id: str) -> list[ActivationRow]:
        """Every activation of a policy, the latest first."""
        rows = await self._sql.fetch(
            f"SELECT {_ROW} FROM policy_activation "
            "WHERE tenant = $1 AND policy_id = $2 ORDER BY number DESC LIMIT 1000",
            tenant,
            policy_id,
        )
        return [_activation(row) for row in rows]

    async def add_activation(self, row: ActivationRow) -> ActivationRow:
        """Store an activation under the next number of its policy."""
        stored = await self._sql.fetchrow(
            _ADD,
            row.tenant,
            row.policy_id,
            row.stage.version,
            row.stage.percent,
            list(row.stage.segments),
            *_stop_rule(row),
            row.migrate,
            row.state,
            row.started_at,
            row.started_by,
            row.widened_at,
            row.ended_at,
            row.ended_by,
            row.ended_why,
        )
        return _activation(stored)

    async def save_activation(self, row: ActivationRow) -> None:
        """Store what changed of an activation."""
        await self._sql.execute(
            _SAVE,
            row.tenant,
            row.policy_id,
            row.stage.number,
            row.stage.percent,
            list(row.stage.segments),
            *_stop_rule(row),
            row.migrate,
            row.state,
            row.widened_at,
            row.ended_at,
            row.ended_by,
            row.ended_why,
        )

    async def watched(self) -> list[ActivationRow]:
        """Running stages with a stop rule, each with a fresh tally, now kept in its row.

        Those of a sandbox clock that is on its way are left to whoever opens cases there.
        """
        counted = await self._sql.fetch(_WATCHED, COUNT_EVERY_S)
        if not counted:
            return []
        names = ("tenant", "policy_id", "number", "notices", "failed", "invoices", "disputed")
        rows = await self._sql.fetch(_TALLIED, *([row[name] for row in counted] for name in names))
        return [_activation(row) for row in rows]

    async def ask_migration(self, row: MigrationRow) -> None:
        """Have open cases migrated; calls whoever does it."""
        await self._sql.execute(
            _ASK,
            row.tenant,
            row.migration_id,
            row.from_policy_id,
            row.from_version,
            row.policy_id,
            row.version,
            row.stage.percent,
            list(row.stage.segments),
            row.activation,
            row.requested_at,
            row.requested_by,
        )
        await signal(self._sql, [POLICIES])


def _stop_rule(row: ActivationRow) -> tuple[int | None, int | None, int | None]:
    rule = row.stop_rule
    if rule is None:
        return None, None, None
    return rule.after_notices, rule.failed_percent, rule.disputed_percent


def _activation(row: Mapping[str, Any] | None) -> ActivationRow:
    if row is None:
        raise LookupError("the activation is not there")
    return ActivationRow(
        tenant=row["tenant"],
        policy_id=row["policy_id"],
        stage=stage_of(row),
        migrate=row["migrate"],
        state=row["state"],
        started_at=row["started_at"],
        started_by=row["started_by"],
        widened_at=row["widened_at"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
        ended_why=row["ended_why"],
        tally=tally_of(row),
        tallied_at=row["tallied_at"],
    )
