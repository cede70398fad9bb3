"""The file of disputes in PostgreSQL: who objects to what, whose turn it is, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, assert_never
from uuid import UUID

import asyncpg

from dunning_engine.adapters.sql_holds import HOLD_COLUMNS, HoldPlace, hold_row
from dunning_engine.records import HoldRow

DisputeState = Literal["open", "resolved", "withdrawn"]

_TODAY = """
SELECT (coalesce(c.now, clock_timestamp()) AT TIME ZONE coalesce(t.zone, 'UTC'))::date
FROM (SELECT $1::text AS tenant) w
LEFT JOIN tenant t USING (tenant) LEFT JOIN tenant_clock c USING (tenant)
"""
_SELECT = f"""
SELECT {HOLD_COLUMNS}, c.number, c.open_minor
FROM hold h LEFT JOIN dunning_case c ON c.tenant = h.tenant AND c.invoice_id = h.invoice_ids[1]
WHERE h.tenant = $1 AND h.kind = 'dispute'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRow:
    """A dispute with its invoice's number and what that owes now (minor units)."""

    hold: HoldRow
    number: str | None
    open_minor: int | None

    @property
    def state(self) -> DisputeState:
        """Where it stands: somebody has to act, somebody decided, or it was taken back."""
        if self.hold.resolution is not None:
            return "resolved"
        return "withdrawn" if self.hold.released_at is not None else "open"

    def is_overdue(self, today: date) -> bool:
        """Is it open, and was it to be decided before today?"""
        deadline_on = self.hold.deadline_on
        return self.state == "open" and deadline_on is not None and deadline_on < today


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFilter:
    """Which disputes; None does not restrict. `overdue`: open ones past their deadline."""

    state: DisputeState | None = None
    reason_code: str | None = None
    owner: str | None = None
    debtor_id: str | None = None
    invoice_id: str | None = None
    overdue: bool = False


class SqlDisputes:
    """The file of disputes, inside one transaction of the api role."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        self._sql = sql

    async def today(self, tenant: str) -> date:
        """The date on the tenant's clock, where the tenant is."""
        found: date = await self._sql.fetchval(_TODAY, tenant)
        return found

    async def read(self, tenant: str, hold_id: UUID) -> DisputeRow | None:
        """One dispute."""
        row = await self._sql.fetchrow(f"{_SELECT} AND h.hold_id = $2", tenant, hold_id)
        return None if row is None else _dispute(row)

    async def listing(
        self,
        tenant: str,
        wanted: DisputeFilter,
        *,
        today: date,
        after: HoldPlace | None = None,
        limit: int,
    ) -> list[DisputeRow]:
        """Disputes in the order in which they were opened."""
        values: list[Any] = [tenant]

        def place(value: Any) -> str:
            values.append(value)
            return f"${len(values)}"

        where = [_state(wanted.state)] if wanted.state else []
        if wanted.reason_code is not None:
            where.append(f"h.reason_code = {place(wanted.reason_code)}")
        if wanted.owner is not None:
            where.append(f"h.owner = {place(wanted.owner)}")
        if wanted.debtor_id is not None:
            where.append(f"h.debtor_id = {place(wanted.debtor_id)}")
        if wanted.invoice_id is not None:
            where.append(f"h.invoice_ids[1] = {place(wanted.invoice_id)}")
        if wanted.overdue:
            where.append(f"{_state('open')} AND h.deadline_on < {place(today)}")
        if after is not None:
            placed_at, hold_id = after
            where.append(f"(h.placed_at, h.hold_id) > ({place(placed_at)}, {place(hold_id)})")
        only = "".join(f" AND {condition}" for condition in where)
        query = f"{_SELECT}{only} ORDER BY h.placed_at, h.hold_id LIMIT {place(limit)}"
        return [_dispute(row) for row in await self._sql.fetch(query, *values)]


def _state(state: DisputeState) -> str:
    match state:
        case "open":
            return "h.released_at IS NULL AND h.resolution IS NULL"
        case "resolved":
            return "h.resolution IS NOT NULL"
        case "withdrawn":
            return "h.released_at IS NOT NULL AND h.resolution IS NULL"
        case _ as never:
            assert_never(never)


def _dispute(row: Any) -> DisputeRow:
    return DisputeRow(hold=hold_row(row), number=row["number"], open_minor=row["open_minor"])
