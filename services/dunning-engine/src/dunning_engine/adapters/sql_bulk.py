"""What bulk actions read and write, in PostgreSQL: sets of cases and holds, never one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.outbox import Outgoing
from dunning_engine.adapters.sql_approvals import CASE_COLUMNS
from dunning_engine.adapters.sql_holds import HOLD_COLUMNS, hold_row
from dunning_engine.adapters.sql_news import SOURCE
from dunning_engine.domain.case import PolicyKey
from dunning_engine.records import HoldRow
from dunning_engine.work_records import CaseFilter, HoldFilter, WaitingCase

_CASES = f"""
SELECT {CASE_COLUMNS} FROM dunning_case c
WHERE c.tenant = $1 AND c.live AND c.status = 'open' AND c.open_minor > 0
"""
_HOLDS = f"SELECT {HOLD_COLUMNS} FROM hold h WHERE h.tenant = $1 AND h.released_at IS NULL"
_COVERED = """
SELECT h.hold_id, c.currency, count(*) AS invoices, sum(c.open_minor + c.charges_open_minor)::bigint
    AS amount_minor
FROM unnest($2::uuid[]) AS w (hold_id) JOIN hold h ON h.tenant = $1 AND h.hold_id = w.hold_id
JOIN dunning_case c ON c.tenant = h.tenant AND c.debtor_id = h.debtor_id AND c.live
    AND c.status = 'open' AND (cardinality(h.invoice_ids) = 0 OR c.invoice_id = ANY(h.invoice_ids))
GROUP BY h.hold_id, c.currency
"""
_ADD = """
INSERT INTO hold (tenant, hold_id, debtor_id, invoice_ids, kind, reason, until, placed_at,
    placed_by, owner)
SELECT $1, w.hold_id, w.debtor_id,
    ARRAY(SELECT jsonb_array_elements_text(w.invoice_ids::jsonb)), w.kind, w.reason, w.until,
    w.placed_at, w.placed_by, w.owner
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
    $8::timestamptz[], $9::text[], $10::text[])
    AS w (hold_id, debtor_id, invoice_ids, kind, reason, until, placed_at, placed_by, owner)
"""
_FLYING = """
FROM hold h
WHERE h.tenant = $1 AND h.hold_id = ANY($2) AND c.tenant = h.tenant AND c.debtor_id = h.debtor_id
  AND c.live AND (cardinality(h.invoice_ids) = 0 OR c.invoice_id = ANY(h.invoice_ids))
  AND c.flight_notice IS NOT NULL AND NOT c.flight_revoked
"""
_REVOKE = f"""
WITH gone AS (
    UPDATE dunning_case c SET flight_revoked = true {_FLYING}
    RETURNING h.hold_id, c.flight_notice, c.invoice_id)
SELECT hold_id, flight_notice, array_agg(invoice_id ORDER BY invoice_id) AS invoices FROM gone
GROUP BY hold_id, flight_notice ORDER BY hold_id, flight_notice
"""
_RELEASE = """
UPDATE hold h SET released_at = w.at, released_by = $2, outcome = 'released',
    note = coalesce($3, h.note)
FROM unnest($4::uuid[], $5::timestamptz[]) AS w (hold_id, at)
WHERE h.tenant = $1 AND h.hold_id = w.hold_id AND h.released_at IS NULL
"""
_PINNED = """
SELECT DISTINCT c.invoice_id, c.debtor_id, c.policy_id, c.policy_version
FROM hold h JOIN dunning_case c ON c.tenant = h.tenant AND c.debtor_id = h.debtor_id AND c.live
    AND (cardinality(h.invoice_ids) = 0 OR c.invoice_id = ANY(h.invoice_ids))
WHERE h.tenant = $1 AND h.hold_id = ANY($2) AND c.policy_id IS NOT NULL AND c.status = 'open'
  AND c.open_minor > 0
"""
_KEEP_QUIET = """
UPDATE dunning_case c SET not_before = greatest(c.not_before, w.day)
FROM unnest($2::text[], $3::date[]) AS w (invoice_id, day)
WHERE c.tenant = $1 AND c.invoice_id = w.invoice_id
"""
_WORK_STATES = frozenset({"waiting", "held", "blocked", "awaiting_approval", "exhausted"})
_STATES = _WORK_STATES | {"scheduled", "in_flight"}


class SqlBulk:
    """Sets of cases and holds, inside one transaction of the api role."""

    def __init__(self, connection: AsyncConnection, sql: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._sql = sql

    async def open_cases(
        self, tenant: str, wanted: CaseFilter, *, today: date, limit: int
    ) -> list[WaitingCase]:
        """Open cases in the order of debtors and invoices."""
        if wanted.state is not None and wanted.state not in _STATES:
            raise ValueError(f"{wanted.state!r} is not a state of an open case")
        query = _Query(_CASES, tenant)
        query.narrow("c.invoice_id = ANY({})", wanted.invoice_ids)
        query.narrow("c.debtor_id = ANY({})", wanted.debtor_ids)
        if wanted.state is not None:  # a literal, so that the planner can use a partial index
            column = "work_state" if wanted.state in _WORK_STATES else "state"
            query.text += f" AND c.{column} = '{wanted.state}'"
        query.narrow("c.state_reason = {}", wanted.reason)
        query.narrow("c.currency = {}", wanted.currency)
        query.narrow("c.next_level_no = {}", wanted.level_no)
        query.narrow("c.policy_id = {}", wanted.policy_id)
        if wanted.overdue_days is not None:
            query.narrow("c.due_on <= {}::date - " + str(int(wanted.overdue_days)), today)
        if wanted.segment is not None:
            query.narrow(
                "EXISTS (SELECT 1 FROM account a WHERE a.tenant = c.tenant "
                "AND a.debtor_id = c.debtor_id AND a.segment = {})",
                wanted.segment,
            )
        query.text += " ORDER BY c.debtor_id, c.invoice_id"
        return [WaitingCase(**row) for row in await query.fetch(self._sql, limit)]

    async def live_holds(
        self, tenant: str, wanted: HoldFilter, kinds: Sequence[str], *, limit: int
    ) -> list[HoldRow]:
        """Live holds of these kinds in the order of debtors."""
        query = _Query(_HOLDS, tenant)
        query.narrow("h.kind = ANY({})", kinds)
        query.narrow("h.hold_id = ANY({})", wanted.hold_ids)
        query.narrow("h.debtor_id = ANY({})", wanted.debtor_ids)
        query.narrow("h.kind = {}", wanted.kind)
        query.narrow("h.placed_by = {}", wanted.placed_by)
        if wanted.invoice_ids is not None:
            query.narrow(
                "EXISTS (SELECT 1 FROM dunning_case c WHERE c.tenant = h.tenant "
                "AND c.debtor_id = h.debtor_id AND c.invoice_id = ANY({0}) "
                "AND c.invoice_id = ANY(h.invoice_ids))",
                wanted.invoice_ids,
            )
        query.text += " ORDER BY h.debtor_id, h.hold_id"
        return [hold_row(row) for row in await query.fetch(self._sql, limit)]

    async def covered(
        self, tenant: str, hold_ids: Sequence[UUID]
    ) -> dict[UUID, dict[str, tuple[int, int]]]:
        """What holds cover: by currency how many open invoices, and what they owe (minor units)."""
        found: dict[UUID, dict[str, tuple[int, int]]] = {}
        for row in await self._sql.fetch(_COVERED, tenant, list(hold_ids)):
            found.setdefault(row["hold_id"], {})[row["currency"]] = (
                row["invoices"],
                row["amount_minor"],
            )
        return found

    async def add_holds(self, tenant: str, holds: Sequence[HoldRow]) -> None:
        """Store simple holds: without amounts and instalments."""
        await self._sql.execute(
            _ADD,
            tenant,
            [hold.hold_id for hold in holds],
            [hold.debtor_id for hold in holds],
            [orjson.dumps(hold.invoice_ids).decode() for hold in holds],
            [hold.kind for hold in holds],
            [hold.reason for hold in holds],
            [hold.until for hold in holds],
            [hold.placed_at for hold in holds],
            [hold.placed_by for hold in holds],
            [hold.owner for hold in holds],
        )

    async def revoke_flights(
        self, tenant: str, hold_ids: Sequence[UUID]
    ) -> list[tuple[UUID, UUID, Sequence[str]]]:
        """Mark what is in flight under these holds as revoked: (hold, notice, invoices)."""
        rows = await self._sql.fetch(_REVOKE, tenant, list(hold_ids))
        return [(row["hold_id"], row["flight_notice"], row["invoices"]) for row in rows]

    async def release_holds(
        self, tenant: str, holds: Mapping[UUID, datetime], *, by: str, note: str | None
    ) -> None:
        """End holds, each at its tenant's instant."""
        await self._sql.execute(_RELEASE, tenant, by, note, list(holds), list(holds.values()))

    async def pinned_cases(
        self, tenant: str, hold_ids: Sequence[UUID]
    ) -> list[tuple[str, str, PolicyKey]]:
        """(invoice, debtor, policy version) of every open case that these holds cover."""
        rows = await self._sql.fetch(_PINNED, tenant, list(hold_ids))
        return [
            (row["invoice_id"], row["debtor_id"], (row["policy_id"], row["policy_version"]))
            for row in rows
        ]

    async def keep_quiet(self, tenant: str, until: Mapping[str, date]) -> None:
        """Let nothing go out about these invoices before the day given for each."""
        if until:
            await self._sql.execute(_KEEP_QUIET, tenant, list(until), list(until.values()))

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox; the last thing in the transaction."""
        await outbox.append(self._connection, events, source=SOURCE)


class _Query:
    """A SELECT whose conditions are added one by one."""

    def __init__(self, text: str, tenant: str) -> None:
        self.text = text
        self._values: list[Any] = [tenant]

    def narrow(self, condition: str, value: Any) -> None:
        """Add a condition about a value; None does not restrict."""
        if value is None:
            return
        self._values.append(list(value) if isinstance(value, tuple) else value)
        self.text += " AND " + condition.format(f"${len(self._values)}")

    async def fetch(self, sql: asyncpg.Connection[Any], limit: int) -> list[Any]:
        """At most so many rows."""
        return list(
            await sql.fetch(f"{self.text} LIMIT ${len(self._values) + 1}", *self._values, limit)
        )
