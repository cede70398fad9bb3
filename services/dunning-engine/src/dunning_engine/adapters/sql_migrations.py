"""Open cases on their way to another policy version, in PostgreSQL. Sets, not rows.

Locks in the order of everything else: the migration, its debtors' accounts, then the outbox.
Where a level stands on the new ladder is the domain's business.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.outbox import Outgoing
from dunning_engine.adapters.pg_signals import sandbox, signal, signal_accounts
from dunning_engine.adapters.sql_news import SOURCE
from dunning_engine.domain.activation import Stage
from dunning_engine.policy_records import (
    LevelAt,
    MigratedCase,
    MigrationRow,
    MigrationStep,
    OpenCase,
)
from dunning_engine.records import AccountKey, CaseKey

_ROW = """m.tenant, m.migration_id, m.from_policy_id, m.from_version, m.policy_id, m.version,
    m.percent, m.segments, m.activation, m.state, m.after_debtor, m.migrated, m.requested_at,
    m.requested_by, m.ended_at"""
_STAGE_ENDED = """
SELECT 1 FROM policy_activation s
WHERE s.tenant = m.tenant AND s.policy_id = m.policy_id AND s.number = m.activation
  AND s.state IN ('stopped', 'superseded')
"""
# Not done by whoever stops the stage: that may be a sweep, which holds accounts already.
_CANCEL = f"""
UPDATE policy_migration m SET state = 'cancelled', ended_at = clock_timestamp()
WHERE m.state IN ('running', 'waiting') AND EXISTS ({_STAGE_ENDED})
"""
_NEXT = f"""
SELECT {_ROW} FROM policy_migration m
WHERE m.state IN ('running', 'waiting') AND NOT EXISTS ({_STAGE_ENDED})
  AND (m.state = 'running' OR EXISTS (
    SELECT 1 FROM case_to_migrate w JOIN dunning_case c USING (tenant, invoice_id)
    WHERE w.tenant = m.tenant AND w.migration_id = m.migration_id
      AND (c.flight_notice IS NULL OR NOT c.live)))
ORDER BY m.made_at LIMIT 1 FOR UPDATE OF m SKIP LOCKED
"""
_LEAVES = """c.live AND c.policy_id = $2 AND ($3::int IS NULL OR c.policy_version = $3)
      AND (c.policy_id, c.policy_version) <> ($4, $5)"""
_NEXT_ACCOUNTS = f"""
SELECT a.debtor_id FROM account a
WHERE a.tenant = $1 AND a.debtor_id > $6 AND EXISTS (
    SELECT 1 FROM dunning_case c
    WHERE c.tenant = a.tenant AND c.debtor_id = a.debtor_id AND {_LEAVES})
ORDER BY a.debtor_id LIMIT $7 FOR NO KEY UPDATE OF a
"""
_WAITING_ACCOUNTS = """
SELECT a.debtor_id FROM account a
WHERE a.tenant = $1 AND a.debtor_id IN (
    SELECT c.debtor_id FROM case_to_migrate w JOIN dunning_case c USING (tenant, invoice_id)
    WHERE w.tenant = $1 AND w.migration_id = $2 AND (c.flight_notice IS NULL OR NOT c.live)
    ORDER BY c.debtor_id LIMIT $3)
ORDER BY a.debtor_id FOR NO KEY UPDATE OF a
"""
_CASES = f"""
SELECT c.invoice_id, c.debtor_id, a.time_source, a.segment, c.policy_id, c.policy_version,
    c.issued_on, c.due_on, c.flight_notice IS NOT NULL AS in_flight, c.approval_level_no,
    coalesce(k.now, clock_timestamp()) AS now
FROM dunning_case c JOIN account a USING (tenant, debtor_id)
LEFT JOIN tenant_clock k ON k.tenant = c.tenant
WHERE c.tenant = $1 AND c.debtor_id = ANY($6) AND {_LEAVES}
  AND ($7::uuid IS NULL OR EXISTS (
    SELECT 1 FROM case_to_migrate w
    WHERE w.tenant = c.tenant AND w.migration_id = $7 AND w.invoice_id = c.invoice_id))
ORDER BY c.debtor_id, c.invoice_id
"""
_LEVELS = """
SELECT invoice_id, level_no, try_no, level, outcome, decided_on, coalesce(rung, level_no) AS rung
FROM case_level WHERE tenant = $1 AND invoice_id = ANY($2) AND outcome IN ('served', 'lapsed')
ORDER BY invoice_id, decided_at, level_no, try_no
"""
_SAVE_RUNGS = """
UPDATE case_level l SET rung = w.rung
FROM unnest($2::text[], $3::int[], $4::int[], $5::int[]) AS w (invoice_id, level_no, try_no, rung)
WHERE l.tenant = $1 AND l.invoice_id = w.invoice_id AND l.level_no = w.level_no
  AND l.try_no = w.try_no
"""
# One more try, so that the rows of two versions never meet under the same number. A level that
# waits for a person waits no more until it is decided anew: its number may mean another one now.
_SAVE_CASES = """
UPDATE dunning_case c SET policy_id = $2, policy_version = $3, tries = c.tries + 1,
    state = CASE c.state WHEN 'awaiting_approval' THEN 'waiting' ELSE c.state END,
    not_before = greatest(c.not_before, w.not_before),
    approval_level_no = w.approval_level_no,
    approved = CASE WHEN w.approval_level_no IS NULL THEN NULL ELSE c.approved END,
    approval_by = CASE WHEN w.approval_level_no IS NULL THEN NULL ELSE c.approval_by END,
    approval_at = CASE WHEN w.approval_level_no IS NULL THEN NULL ELSE c.approval_at END
FROM unnest($4::text[], $5::int[], $6::date[]) AS w (invoice_id, approval_level_no, not_before)
WHERE c.tenant = $1 AND c.invoice_id = w.invoice_id
"""
_ADD_PINS = """
INSERT INTO case_pin (tenant, invoice_id, pin_no, policy_id, policy_version, pinned_at, why,
    after_try, from_policy_id, from_version, migration_id)
SELECT $1, w.invoice_id, coalesce((SELECT max(p.pin_no) FROM case_pin p
        WHERE p.tenant = $1 AND p.invoice_id = w.invoice_id), 0) + 1,
    $2, $3, w.pinned_at, $4, c.tries, w.from_policy_id, w.from_version, $5
FROM unnest($6::text[], $7::timestamptz[], $8::text[], $9::int[])
    AS w (invoice_id, pinned_at, from_policy_id, from_version)
JOIN dunning_case c ON c.tenant = $1 AND c.invoice_id = w.invoice_id
"""
_ADD_WAITING = """
INSERT INTO case_to_migrate (tenant, migration_id, invoice_id, debtor_id)
SELECT $1, $2, w.invoice_id, w.debtor_id FROM unnest($3::text[], $4::text[])
    AS w (invoice_id, debtor_id)
ON CONFLICT DO NOTHING
"""
_END_WAITING = """
DELETE FROM case_to_migrate w USING dunning_case c
WHERE w.tenant = $1 AND w.migration_id = $2 AND c.tenant = w.tenant
  AND c.invoice_id = w.invoice_id
  AND (NOT c.live OR (c.policy_id, c.policy_version) = ($3, $4)
       OR c.policy_id IS DISTINCT FROM $5 OR ($6::int IS NOT NULL AND c.policy_version <> $6))
"""
_PROGRESS = """
UPDATE policy_migration m SET after_debtor = coalesce($3, after_debtor),
    migrated = migrated + $4, state = n.state,
    ended_at = CASE n.state WHEN 'done' THEN clock_timestamp() END
FROM (SELECT CASE
    WHEN $3::text IS NOT NULL THEN 'running'
    WHEN EXISTS (SELECT 1 FROM case_to_migrate w WHERE w.tenant = $1 AND w.migration_id = $2)
        THEN 'waiting' ELSE 'done' END AS state) AS n
WHERE m.tenant = $1 AND m.migration_id = $2
RETURNING m.state
"""
_WAKE = """
UPDATE account a SET trouble = NULL, next_action_at = least(a.next_action_at,
    CASE a.time_source WHEN 'real' THEN clock_timestamp() WHEN 'sandbox' THEN
        (SELECT c.now FROM tenant_clock c WHERE c.tenant = a.tenant) END)
FROM unnest($1::text[], $2::text[]) AS w (tenant, debtor_id)
WHERE a.tenant = w.tenant AND a.debtor_id = w.debtor_id AND a.kind IS NOT NULL
RETURNING a.tenant, a.time_source
"""


class SqlMigrations:
    """Migrations and their cases, inside one transaction of the worker role."""

    def __init__(self, connection: AsyncConnection, sql: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._sql = sql

    async def listing(self, tenant: str, policy_id: str) -> list[MigrationRow]:
        """Migrations to versions of a policy, the latest first."""
        rows = await self._sql.fetch(
            f"SELECT {_ROW} FROM policy_migration m WHERE m.tenant = $1 AND m.policy_id = $2 "
            "ORDER BY m.made_at DESC LIMIT 1000",
            tenant,
            policy_id,
        )
        return [_migration(row) for row in rows]

    async def cancel_ended(self) -> None:
        """End the migrations of stages that were stopped or superseded."""
        await self._sql.execute(_CANCEL)

    async def next_migration(self) -> MigrationRow | None:
        """One on which something can be done now, locked; None when there is none."""
        row = await self._sql.fetchrow(_NEXT)
        return None if row is None else _migration(row)

    async def claim_open_cases(
        self, row: MigrationRow, limit: int
    ) -> tuple[list[OpenCase], str | None]:
        """Lock the next debtors and read their open cases that are not at the target."""
        found = await self._sql.fetch(_NEXT_ACCOUNTS, *_leaving(row), row.after_debtor, limit)
        debtors = [account["debtor_id"] for account in found]
        last = debtors[-1] if len(debtors) == limit else None
        return await self._cases(row, debtors), last

    async def claim_waiting_cases(self, row: MigrationRow, limit: int) -> list[OpenCase]:
        """Lock debtors whose cases waited for a flight that has ended, and read those cases."""
        found = await self._sql.fetch(_WAITING_ACCOUNTS, row.tenant, row.migration_id, limit)
        return await self._cases(
            row, [account["debtor_id"] for account in found], only_waiting=True
        )

    async def save_step(self, step: MigrationStep) -> None:
        """Write the cases' new places and versions, and how far the migration has come."""
        row = step.row
        if step.moved:
            await self._save_moved(row, step.moved)
        if step.waiting:
            await self._sql.execute(
                _ADD_WAITING,
                row.tenant,
                row.migration_id,
                [case.key.invoice_id for case in step.waiting],
                [case.account.debtor_id for case in step.waiting],
            )
        if row.state == "waiting":
            await self._sql.execute(
                _END_WAITING,
                row.tenant,
                row.migration_id,
                row.policy_id,
                row.version,
                row.from_policy_id,
                row.from_version,
            )
        await self._sql.execute(
            _PROGRESS, row.tenant, row.migration_id, step.after_debtor, len(step.moved)
        )
        await signal(self._sql, [sandbox(row.tenant)])  # a clock may wait for the end of this

    async def wake(self, cases: Sequence[MigratedCase]) -> None:
        """Have their accounts decided at the next opportunity."""
        keys = sorted({item.case.account for item in cases})
        rows = await self._sql.fetch(
            _WAKE, [key.tenant for key in keys], [key.debtor_id for key in keys]
        )
        await signal_accounts(self._sql, rows)

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox; the last thing in the transaction."""
        await outbox.append(self._connection, events, source=SOURCE)

    async def _save_moved(self, row: MigrationRow, moved: Sequence[MigratedCase]) -> None:
        rungs = [
            (item.case.key.invoice_id, level.level_no, level.try_no, rung)
            for item in moved
            for level, rung in zip(item.case.levels, item.rungs, strict=True)
        ]
        if rungs:
            await self._sql.execute(_SAVE_RUNGS, row.tenant, *map(list, zip(*rungs, strict=True)))
        invoices = [item.case.key.invoice_id for item in moved]
        await self._sql.execute(
            _SAVE_CASES,
            row.tenant,
            *row.target,
            invoices,
            [item.approval_level_no for item in moved],
            [item.not_before for item in moved],
        )
        await self._sql.execute(
            _ADD_PINS,
            row.tenant,
            *row.target,
            f"migrated by the codes of its levels, asked for by {row.requested_by}",
            row.migration_id,
            invoices,
            [item.case.now for item in moved],
            [item.case.policy[0] for item in moved],
            [item.case.policy[1] for item in moved],
        )

    async def _cases(
        self, row: MigrationRow, debtors: Sequence[str], *, only_waiting: bool = False
    ) -> list[OpenCase]:
        waiting = row.migration_id if only_waiting else None
        cases = await self._sql.fetch(_CASES, *_leaving(row), list(debtors), waiting)
        levels: defaultdict[str, list[LevelAt]] = defaultdict(list)
        for level in await self._sql.fetch(
            _LEVELS, row.tenant, [case["invoice_id"] for case in cases]
        ):
            levels[level["invoice_id"]].append(
                LevelAt(
                    level_no=level["level_no"],
                    try_no=level["try_no"],
                    code=level["level"],
                    outcome=level["outcome"],
                    on=level["decided_on"],
                    rung=level["rung"],
                )
            )
        return [_open_case(row.tenant, case, levels[case["invoice_id"]]) for case in cases]


def _leaving(row: MigrationRow) -> tuple[Any, ...]:
    """The first five arguments of what finds cases that are to go."""
    return (row.tenant, row.from_policy_id, row.from_version, row.policy_id, row.version)


def _open_case(tenant: str, row: Mapping[str, Any], levels: Sequence[LevelAt]) -> OpenCase:
    return OpenCase(
        key=CaseKey(tenant, row["invoice_id"]),
        account=AccountKey(tenant, row["debtor_id"]),
        time_source=row["time_source"],
        now=row["now"],
        segment=row["segment"],
        policy=(row["policy_id"], row["policy_version"]),
        issued_on=row["issued_on"],
        due_on=row["due_on"],
        in_flight=row["in_flight"],
        approval_level_no=row["approval_level_no"],
        levels=tuple(levels),
    )


def _migration(row: Mapping[str, Any]) -> MigrationRow:
    fields = dict(row)
    stage = Stage(
        version=row["version"],
        percent=fields.pop("percent"),
        segments=tuple(fields.pop("segments")),
    )
    return MigrationRow(stage=stage, **fields)
