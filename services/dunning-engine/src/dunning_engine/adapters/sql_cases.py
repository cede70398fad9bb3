"""Reads for people and for other systems: cases, levels, decisions. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from dunning_engine.adapters.sql_sweep import unpack

CASE_STATES = (
    "waiting", "scheduled", "held", "in_flight", "awaiting_approval", "blocked", "handed_over",
    "exhausted", "closed",
)  # fmt: skip
STUCK = ("waiting", "held", "blocked", "awaiting_approval")

_CASE = """c.invoice_id, c.debtor_id, c.number, c.issued_on, c.due_on, c.currency, c.amount_minor,
    c.open_minor, c.charges_open_minor, c.status, c.settled_on, c.version, c.policy_id,
    c.policy_version, c.opened_at, c.closed, c.closed_at, c.flight_notice, c.flight_revoked,
    c.failures, c.failure_reason, c.final_action, c.state, c.state_reason, c.next_level_no,
    c.next_level, c.next_at,
    (SELECT max(coalesce(l.rung, l.level_no)) FROM case_level l WHERE l.tenant = c.tenant
        AND l.invoice_id = c.invoice_id AND l.outcome IN ('served', 'lapsed')) AS level_no"""
_ONE = f"""
SELECT {_CASE}, a.trouble, a.time_source, a.kind IS NOT NULL AS terms_known,
    n.requested_at, n.heard_at, clock_timestamp() AS real_now
FROM dunning_case c JOIN account a USING (tenant, debtor_id)
LEFT JOIN notice n ON n.tenant = c.tenant AND n.notice_id = c.flight_notice
WHERE c.tenant = $1 AND c.invoice_id = $2
"""
_MANY = f"""
SELECT {_CASE} FROM dunning_case c
WHERE c.tenant = $1 AND c.invoice_id > $2 AND ($3::text IS NULL OR c.debtor_id = $3)
"""
_HISTORY = """
SELECT level_no, level, try_no, outcome, reason, decided_at, decided_on, served_at, notice_id,
    decision_id, channels::text
FROM case_level WHERE tenant = $1 AND invoice_id = $2 ORDER BY decided_at, level_no, try_no
"""
_LEVELS = """
SELECT invoice_id, debtor_id, level, level_no, try_no, decided_at, decided_on, served_at, outcome,
    reason, notice_id, channels::text
FROM case_level
WHERE tenant = $1 AND outcome <> 'returned'
  AND (decided_at, invoice_id, level_no, try_no) > ($2, $3, $4, $5)
ORDER BY decided_at, invoice_id, level_no, try_no LIMIT $6
"""
_RECORDS = "SELECT decision_id, record FROM decision WHERE tenant = $1 AND decision_id = ANY($2)"
_DECISION = """
SELECT decision_id, debtor_id, decided_at, made_at, record FROM decision
WHERE tenant = $1 AND decision_id = $2
"""
_PAGE_OF_DECISIONS = """
SELECT decision_id, record FROM decision WHERE tenant = $1 AND decision_id > $2
ORDER BY decision_id LIMIT $3
"""

Row = Mapping[str, Any]
LevelPlace = tuple[datetime, str, int, int]
"""Where a page of levels ended: decided_at, invoice, level number, try."""


class SqlCases:
    """Reads, inside one transaction of the api role."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        self._sql = sql

    async def case(self, tenant: str, invoice_id: str) -> Row | None:
        """A case with the state of its account and of the notice in flight."""
        found: Row | None = await self._sql.fetchrow(_ONE, tenant, invoice_id)
        return found

    async def cases(
        self, tenant: str, *, state: str | None, debtor_id: str | None, after: str, limit: int
    ) -> list[Row]:
        """Cases in the order of their invoice ids."""
        if state is not None and state not in CASE_STATES:
            raise ValueError(f"{state!r} is not a state of a case")
        # A literal, not a parameter: only so can the planner use the index of what is stuck.
        column = "work_state" if state in STUCK else "state"
        only = f" AND c.{column} = '{state}'" if state else ""
        query = f"{_MANY}{only} ORDER BY c.invoice_id LIMIT $4"
        return list(await self._sql.fetch(query, tenant, after, debtor_id, limit))

    async def history(self, tenant: str, invoice_id: str) -> list[Row]:
        """Every level of an invoice that was asked for, in the order of decisions."""
        return list(await self._sql.fetch(_HISTORY, tenant, invoice_id))

    async def levels(self, tenant: str, *, after: LevelPlace, limit: int) -> list[Row]:
        """Levels of all invoices in the order of decisions."""
        return list(await self._sql.fetch(_LEVELS, tenant, *after, limit))

    async def records(self, tenant: str, decisions: Sequence[UUID]) -> dict[UUID, bytes]:
        """Decision records by id."""
        rows = await self._sql.fetch(_RECORDS, tenant, list(decisions))
        return {row["decision_id"]: unpack(row["record"]) for row in rows}

    async def page_of_decisions(
        self, tenant: str, *, after: UUID, limit: int
    ) -> list[tuple[UUID, bytes]]:
        """Decision records behind an id, in the order of ids."""
        rows = await self._sql.fetch(_PAGE_OF_DECISIONS, tenant, after, limit)
        return [(row["decision_id"], unpack(row["record"])) for row in rows]

    async def decision(self, tenant: str, decision_id: UUID) -> dict[str, Any] | None:
        """A decision with its record."""
        row = await self._sql.fetchrow(_DECISION, tenant, decision_id)
        return None if row is None else {**row, "record": unpack(row["record"])}
