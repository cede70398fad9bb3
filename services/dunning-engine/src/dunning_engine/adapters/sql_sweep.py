"""The sweep in PostgreSQL: claim due accounts, load their dossiers as sets, write what was decided.

A constant number of statements for any number of accounts. Claimed rows stay locked until the
transaction ends, and other sweepers skip them: nobody decides about the same debtor twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_engine.adapters.case_rows import (
    assemble,
    case_columns,
    level_columns,
    notice_columns,
)
from dunning_engine.adapters.sql_news import SOURCE
from dunning_engine.records import AccountKey, Changes, Dossier

_ACCOUNT = """a.tenant, a.debtor_id, a.kind, a.country, a.region, a.zone, a.language, a.segment,
    a.risk, a.policy_id, a.tags::text, a.time_source, a.verdict_hash, a.contacted_on,
    a.unallocated::text, a.credit_blocked,
    (SELECT t.payments_fresh_until FROM tenant t WHERE t.tenant = a.tenant) AS payments_fresh_until,
    (SELECT count(*) FROM dunning_case x WHERE a.credit_blocked AND x.tenant = a.tenant
        AND x.debtor_id = a.debtor_id AND x.closed = 'handed_over' AND x.status = 'open')
        AS handed_over_invoices,
    (SELECT d.policy_id FROM default_policy d WHERE d.tenant = a.tenant) AS default_policy_id"""
_CLAIM_REAL = f"""
SELECT {_ACCOUNT}, statement_timestamp() AS now FROM account a
WHERE a.time_source = 'real' AND a.next_action_at <= statement_timestamp()
  AND a.returns = a.returns_checked
ORDER BY a.next_action_at LIMIT $1 FOR NO KEY UPDATE OF a SKIP LOCKED
"""
_CLAIM_SANDBOX = f"""
SELECT {_ACCOUNT}, $2::timestamptz AS now FROM account a
WHERE a.time_source = 'sandbox' AND a.tenant = $3 AND a.next_action_at <= $2
  AND a.returns = a.returns_checked
ORDER BY a.debtor_id LIMIT $1 FOR NO KEY UPDATE OF a
"""
_READ = f"""
SELECT {_ACCOUNT}, coalesce(c.now, statement_timestamp()) AS now
FROM account a LEFT JOIN tenant_clock c ON c.tenant = a.tenant
WHERE a.tenant = $1 AND a.debtor_id = $2 AND a.kind IS NOT NULL AND a.time_source <> 'unknown'
"""
_CASES = """
SELECT c.tenant, c.debtor_id, c.invoice_id, c.number, c.issued_on, c.due_on, c.currency,
    c.amount_minor, c.open_minor, c.charges_open_minor, c.version, c.status, c.balances::text,
    c.wanted_policy_id, c.policy_id, c.policy_version, c.flight_notice, c.flight_level_no,
    c.flight_attempt, c.flight_revoked, c.tries, c.failures, c.last_failure_on, c.failure_reason,
    c.closed, c.interest_through, c.compensation_charged, c.state, c.state_reason,
    c.next_level_no, c.next_level, c.next_at, c.opened_at, c.closed_at, c.not_before,
    c.approval_level_no, c.approved, c.tags::text, c.final_action
FROM unnest($1::text[], $2::text[]) AS w (tenant, debtor_id)
JOIN dunning_case c ON c.tenant = w.tenant AND c.debtor_id = w.debtor_id AND (c.live OR $3)
"""
_LEVELS = """
SELECT l.tenant, l.invoice_id, coalesce(l.rung, l.level_no) AS level_no, l.level, l.decided_on,
    l.outcome, l.reason
FROM unnest($1::text[], $2::text[]) AS w (tenant, invoice_id)
JOIN case_level l ON l.tenant = w.tenant AND l.invoice_id = w.invoice_id
WHERE l.outcome IN ('served', 'lapsed')
ORDER BY l.tenant, l.invoice_id, l.decided_at, l.level_no
"""
_HOLDS = """
SELECT h.tenant, h.debtor_id, h.hold_id, h.invoice_ids, h.kind, h.reason, h.placed_at, h.until,
    h.disputed_minor, h.currency, h.instalments::text, h.baseline_minor, h.grace_days,
    h.tolerance_minor
FROM unnest($1::text[], $2::text[]) AS w (tenant, debtor_id)
JOIN hold h ON h.tenant = w.tenant AND h.debtor_id = w.debtor_id AND h.released_at IS NULL
ORDER BY h.hold_id
"""
_SAVE_CASES = """
UPDATE dunning_case c SET policy_id = w.policy_id, policy_version = w.policy_version,
    opened_at = w.opened_at, closed = w.closed, closed_at = w.closed_at,
    flight_notice = w.flight_notice, flight_level_no = w.flight_level_no,
    flight_attempt = w.flight_attempt, flight_revoked = w.flight_revoked, tries = w.tries,
    failures = w.failures, last_failure_on = w.last_failure_on, failure_reason = w.failure_reason,
    state = w.state, state_reason = w.state_reason, next_level_no = w.next_level_no,
    next_level = w.next_level, next_at = w.next_at, not_before = w.not_before,
    final_action = w.final_action, state_since = CASE
        WHEN w.state NOT IN ('waiting', 'held', 'blocked', 'awaiting_approval', 'exhausted')
            THEN NULL
        WHEN (c.state, c.state_reason, c.next_level_no)
            IS NOT DISTINCT FROM (w.state, w.state_reason, w.next_level_no) THEN c.state_since
        ELSE coalesce((SELECT k.now FROM tenant_clock k WHERE k.tenant = c.tenant),
            statement_timestamp()) END
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::timestamptz[], $6::text[],
    $7::timestamptz[], $8::uuid[], $9::int[], $10::int[], $11::boolean[], $12::int[], $13::int[],
    $14::date[], $15::text[], $16::text[], $17::text[], $18::int[], $19::text[], $20::timestamptz[],
    $21::date[], $22::text[])
    AS w (tenant, invoice_id, policy_id, policy_version, opened_at, closed, closed_at,
    flight_notice, flight_level_no, flight_attempt, flight_revoked, tries, failures,
    last_failure_on, failure_reason, state, state_reason, next_level_no, next_level, next_at,
    not_before, final_action)
WHERE c.tenant = w.tenant AND c.invoice_id = w.invoice_id
"""
_ADD_LEVELS = """
INSERT INTO case_level (tenant, invoice_id, level_no, try_no, debtor_id, level, notice_id,
    decision_id, decided_at, decided_on, outcome, reason, served_at, channels, charges)
SELECT tenant, invoice_id, level_no, try_no, debtor_id, level, notice_id, decision_id, decided_at,
    decided_on, outcome, reason, served_at, channels::jsonb, charges::jsonb
FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[], $6::text[], $7::uuid[],
    $8::uuid[], $9::timestamptz[], $10::date[], $11::text[], $12::text[], $13::timestamptz[],
    $14::text[], $15::text[])
    AS w (tenant, invoice_id, level_no, try_no, debtor_id, level, notice_id, decision_id,
    decided_at, decided_on, outcome, reason, served_at, channels, charges)
"""
_ADD_NOTICES = """
INSERT INTO notice (tenant, notice_id, debtor_id, decision_id, decided_at, decided_on)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[], $6::date[])
"""
_END_HOLDS = """
UPDATE hold h SET released_at = w.released_at, outcome = w.outcome, paid_minor = w.paid_minor
FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::bigint[])
    AS w (tenant, hold_id, released_at, outcome, paid_minor)
WHERE h.tenant = w.tenant AND h.hold_id = w.hold_id
"""
# Two idle decisions at the same instant of a sandbox clock share their id: the later one says more.
_ADD_DECISIONS = """
INSERT INTO decision (tenant, decision_id, debtor_id, decided_at, record)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::bytea[])
ON CONFLICT (tenant, decision_id) DO UPDATE SET record = excluded.record
"""
_SAVE_ACCOUNTS = """
UPDATE account a SET next_action_at = w.next_action_at, verdict_hash = w.verdict_hash,
    trouble = w.trouble, contacted_on = w.contacted_on::date[], credit_blocked = w.credit_blocked,
    waits_for_feed = w.waits_for_feed
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bytea[], $5::text[], $6::text[],
    $7::boolean[], $8::boolean[])
    AS w (tenant, debtor_id, next_action_at, verdict_hash, trouble, contacted_on, credit_blocked,
    waits_for_feed)
WHERE a.tenant = w.tenant AND a.debtor_id = w.debtor_id
"""


_SET_ASIDE = """
UPDATE account SET trouble = $3, next_action_at =
    CASE time_source WHEN 'real' THEN clock_timestamp() + interval '1 hour' END
WHERE tenant = $1 AND debtor_id = $2
"""


class SqlSweep:
    """The sweep, inside one transaction of the worker role (or, to read one dossier, of any)."""

    def __init__(self, connection: AsyncConnection, sql: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._sql = sql

    async def claim_real(self, limit: int) -> list[Dossier]:
        """Dossiers of accounts due by the database's clock; none that another sweeper holds."""
        return await self._dossiers(await self._sql.fetch(_CLAIM_REAL, limit))

    async def claim_sandbox(self, tenant: str, now: datetime, limit: int) -> list[Dossier]:
        """Dossiers of a sandbox tenant's accounts that are due by its own clock."""
        return await self._dossiers(await self._sql.fetch(_CLAIM_SANDBOX, limit, now, tenant))

    async def read(self, tenant: str, debtor_id: str) -> Dossier | None:
        """One dossier with all its cases, closed ones too; None when facts are missing."""
        rows = await self._sql.fetch(_READ, tenant, debtor_id)
        found = await self._dossiers(rows, all_cases=True)
        return found[0] if found else None

    async def save(self, changes: Changes) -> None:
        """Write everything that was decided; the events last."""
        await self._write(_SAVE_CASES, [case_columns(*case) for case in changes.cases])
        await self._write(_ADD_NOTICES, [notice_columns(*n) for n in changes.notices])
        await self._write(_ADD_LEVELS, [level_columns(level) for level in changes.levels])
        await self._write(_END_HOLDS, changes.holds_ended)
        await self._write(
            _ADD_DECISIONS,
            [
                (r.tenant, r.decision_id, r.debtor_id, r.decided_at, pack(r.record))
                for r in changes.records
            ],
        )
        await self._write(
            _SAVE_ACCOUNTS,
            [
                (
                    *a.key,
                    a.next_action_at,
                    a.verdict_hash,
                    a.trouble,
                    f"{{{','.join(map(str, a.contacted_on))}}}",
                    a.credit_blocked,
                    a.waits_for_feed,
                )
                for a in sorted(changes.accounts, key=lambda account: account.key)
            ],
        )
        await outbox.append(self._connection, changes.events, source=SOURCE)

    async def set_aside(self, key: AccountKey, trouble: str) -> None:
        """Leave an account alone, because deciding about it fails; a real one for an hour."""
        await self._sql.execute(_SET_ASIDE, *key, trouble)

    async def _dossiers(
        self, accounts: Sequence[Mapping[str, Any]], *, all_cases: bool = False
    ) -> list[Dossier]:
        if not accounts:
            return []
        columns = [a["tenant"] for a in accounts], [a["debtor_id"] for a in accounts]
        cases = await self._sql.fetch(_CASES, *columns, all_cases)
        levels = await self._sql.fetch(
            _LEVELS, [c["tenant"] for c in cases], [c["invoice_id"] for c in cases]
        )
        holds = await self._sql.fetch(_HOLDS, *columns)
        return assemble(accounts, cases=cases, levels=levels, holds=holds)

    async def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            await self._sql.execute(statement, *map(list, zip(*rows, strict=True)))


def pack(record: bytes) -> bytes:
    """A decision record as it lies in the table."""
    return zlib.compress(record, 1)


def unpack(stored: bytes) -> bytes:
    """The bytes of a decision record."""
    return zlib.decompress(stored)
