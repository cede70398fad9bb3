"""Sums of the daily aggregates, as snapshots, series and lists ask for them; reads only.

Runs on the api role, so row-level security applies besides the tenant in every condition. No
figure is computed here: that is `kpi.domain.indicators`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from kpi.domain.facts import Move, Tenant
from kpi.domain.snapshot import (
    BUCKETS,
    Aged,
    ContactCounts,
    Flow,
    LevelCount,
    Month,
    NoticeCounts,
    Placement,
    Point,
    Settled,
    Snapshot,
)

_TENANT: Final = """
SELECT tenant, name, zone, base_currency, sandbox, sandbox_starts_on, latest_on, latest_at
FROM tenant WHERE tenant = $1
"""
_CURRENCIES: Final = """
SELECT currency, sum(open_minor) FILTER (WHERE day <= $2) AS open_minor, min(day) AS first_on,
    sum(invoices) FILTER (WHERE move = 'issued') AS invoices
FROM daily_balance WHERE tenant = $1 GROUP BY currency ORDER BY currency
"""
# $4 are the first days past due of the buckets after "not yet due": width_bucket numbers them.
_AGEING: Final = """
SELECT width_bucket($3::date - due_on, $4::int[]) AS bucket,
    sum(open_minor) AS open_minor, sum(invoices) AS invoices, sum(charges_minor) AS charges_minor
FROM daily_balance WHERE tenant = $1 AND currency = $2 AND day <= $3 GROUP BY bucket
"""
_OPENING: Final = """
SELECT coalesce(sum(open_minor), 0) AS open_minor,
    coalesce(sum(open_minor) FILTER (WHERE due_on < $3), 0) AS overdue_minor
FROM daily_balance WHERE tenant = $1 AND currency = $2 AND day <= $3
"""
_FLOWS: Final = """
SELECT move, sum(open_minor) AS open_minor, sum(charges_minor) AS charges_minor
FROM daily_balance WHERE tenant = $1 AND currency = $2 AND day > $3 AND day <= $4 GROUP BY move
"""
# The cohort: due dates that passed in the period, so that the first overdue day lies in it.
_PLACEMENT: Final = """
SELECT
    coalesce(sum(open_minor) FILTER (WHERE day <= due_on
        OR move IN ('issued', 'amended', 'cancelled', 'credited')), 0) AS placed_minor,
    coalesce(-sum(open_minor) FILTER (WHERE day > due_on AND move IN ('paid', 'reversed')), 0)
        AS recovered_minor,
    coalesce(-sum(open_minor) FILTER (WHERE day > due_on AND move = 'written_off'), 0)
        AS written_off_minor
FROM daily_balance
WHERE tenant = $1 AND currency = $2 AND day <= $4 AND due_on >= $3 AND due_on < $4
"""
_SETTLED: Final = """
SELECT coalesce(sum(invoices), 0) AS invoices, coalesce(sum(late_invoices), 0) AS late_invoices,
    coalesce(sum(amount_minor), 0) AS amount_minor, coalesce(sum(days_late), 0) AS days_late,
    coalesce(sum(amount_days_late), 0) AS amount_days_late
FROM daily_settled
WHERE tenant = $1 AND currency = $2 AND settled_on > $3 AND settled_on <= $4 AND undone_on > $4
"""
_NOTICES: Final = """
SELECT level_no, level, channel, sum(messages) AS messages, sum(sent) AS sent,
    sum(delivered) AS delivered, sum(bounced) AS bounced, sum(failed) AS failed,
    sum(unknown) AS unknown, sum(suppressed) AS suppressed, sum(returned) AS returned
FROM daily_notice WHERE tenant = $1 AND currency = $2 AND day > $3 AND day <= $4
GROUP BY level_no, level, channel HAVING sum(messages) > 0 ORDER BY level_no, level, channel
"""
_CONTACTS: Final = """
SELECT coalesce(sum(contacts), 0) AS contacts, coalesce(sum(after_payment), 0) AS after_payment
FROM daily_contact WHERE tenant = $1 AND currency = $2 AND day > $3 AND day <= $4
"""
_LEVELS: Final = """
SELECT level_no, level, sum(invoices) AS invoices
FROM daily_level WHERE tenant = $1 AND currency = $2 AND day > $3 AND day <= $4
GROUP BY level_no, level HAVING sum(invoices) > 0 ORDER BY level_no, level
"""
_CASH: Final = """
SELECT coalesce(sum(unallocated_minor), 0) AS unallocated_minor
FROM daily_cash WHERE tenant = $1 AND currency = $2 AND day <= $3
"""
# A change counts as overdue from the later of its day and the day after its due date, so both
# balances are running sums: one pass over the aggregate, however long the series is.
_SERIES: Final = """
WITH change AS (
    SELECT greatest(day, $3) AS on_day, sum(open_minor) AS open_minor, 0 AS overdue_minor,
        coalesce(sum(open_minor) FILTER (WHERE day >= $3
            AND move IN ('issued', 'amended', 'cancelled', 'credited')), 0) AS invoiced_minor,
        coalesce(-sum(open_minor + charges_minor) FILTER (WHERE day >= $3
            AND move IN ('paid', 'reversed')), 0) AS collected_minor
    FROM daily_balance WHERE tenant = $1 AND currency = $2 AND day <= $4 GROUP BY 1
    UNION ALL
    SELECT greatest(day, due_on + 1, $3), 0, sum(open_minor), 0, 0
    FROM daily_balance
    WHERE tenant = $1 AND currency = $2 AND day <= $4 AND due_on < $4 GROUP BY 1
), change_of_day AS (
    SELECT on_day, sum(open_minor) AS open_minor, sum(overdue_minor) AS overdue_minor,
        sum(invoiced_minor) AS invoiced_minor, sum(collected_minor) AS collected_minor
    FROM change GROUP BY on_day
)
SELECT calendar.day::date AS on_day,
    sum(coalesce(open_minor, 0)) OVER running AS open_minor,
    sum(coalesce(overdue_minor, 0)) OVER running AS overdue_minor,
    coalesce(invoiced_minor, 0) AS invoiced_minor,
    coalesce(collected_minor, 0) AS collected_minor
FROM generate_series($3::date, $4::date, interval '1 day') AS calendar (day)
LEFT JOIN change_of_day ON change_of_day.on_day = calendar.day::date
WINDOW running AS (ORDER BY calendar.day)
ORDER BY calendar.day
"""
_MONTHS: Final = """
SELECT calendar.month::date AS first_day,
    coalesce(sum(open_minor) FILTER (
        WHERE move IN ('issued', 'amended', 'cancelled', 'credited')), 0) AS invoiced_minor,
    coalesce(-sum(open_minor + charges_minor) FILTER (
        WHERE move IN ('paid', 'reversed')), 0) AS collected_minor
FROM generate_series(date_trunc('month', $3::date::timestamp), $4::date::timestamp,
    interval '1 month') AS calendar (month)
LEFT JOIN daily_balance ON tenant = $1 AND currency = $2 AND day <= $4 AND day >= $3
    AND date_trunc('month', day::timestamp) = calendar.month
GROUP BY calendar.month ORDER BY calendar.month
"""
_TENANTS: Final = "SELECT tenant FROM tenant ORDER BY tenant LIMIT 1000"
_BUCKET_STARTS: Final = [bucket.first_day for bucket in BUCKETS if bucket.first_day is not None]


class SqlFigures:
    """What one connection may read of the aggregates."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def tenant(self, tenant: str) -> Tenant:
        """What is known about a tenant; an unknown one has no facts."""
        rows = await self._fetch(_TENANT, tenant)
        return Tenant(**rows[0]) if rows else Tenant(tenant=tenant)

    async def tenants(self) -> list[str]:
        """Ids of the tenants that the connection may see, at most 1000."""
        return [row["tenant"] for row in await self._fetch(_TENANTS)]

    async def currencies(self, tenant: str, on: date) -> list[tuple[str, int, int, date]]:
        """Currency, open minor units at the end of `on`, invoices ever, first day; by currency."""
        return [
            (
                row["currency"],
                int(row["open_minor"] or 0),
                int(row["invoices"] or 0),
                row["first_on"],
            )
            for row in await self._fetch(_CURRENCIES, tenant, on)
        ]

    async def snapshot(self, tenant: str, currency: str, on: date, period_days: int) -> Snapshot:
        """Everything that the figures of one tenant, currency and day are computed from."""
        place, before = (tenant, currency), on - timedelta(days=period_days)
        aged = {
            row["bucket"]: row for row in await self._fetch(_AGEING, *place, on, _BUCKET_STARTS)
        }
        opening = await self._one(_OPENING, *place, before)
        flows = await self._fetch(_FLOWS, *place, before, on)
        contacts = await self._one(_CONTACTS, *place, before, on)
        cash = await self._one(_CASH, *place, on)
        return Snapshot(
            currency=currency,
            on=on,
            period_days=period_days,
            ageing=tuple(
                Aged(
                    open_minor=int(aged[index]["open_minor"]),
                    invoices=int(aged[index]["invoices"]),
                )
                if index in aged
                else Aged()
                for index in range(len(BUCKETS))
            ),
            opening_minor=opening["open_minor"],
            opening_overdue_minor=opening["overdue_minor"],
            charges_open_minor=sum(int(row["charges_minor"]) for row in aged.values()),
            unallocated_minor=cash["unallocated_minor"],
            flows={
                Move(row["move"]): Flow(
                    open_minor=int(row["open_minor"]), charges_minor=int(row["charges_minor"])
                )
                for row in flows
            },
            placement=Placement(**await self._one(_PLACEMENT, *place, before, on)),
            settled=Settled(**await self._one(_SETTLED, *place, before, on)),
            notices=tuple(
                NoticeCounts(**_whole(row))
                for row in await self._fetch(_NOTICES, *place, before, on)
            ),
            contacts=ContactCounts(**contacts),
            levels=tuple(
                LevelCount(**_whole(row)) for row in await self._fetch(_LEVELS, *place, before, on)
            ),
        )

    async def series(self, tenant: str, currency: str, first: date, last: date) -> list[Point]:
        """Balances at the end of each day from `first` to `last`, and the flows of the day."""
        return [
            Point(
                on=row["on_day"],
                open_minor=int(row["open_minor"]),
                overdue_minor=int(row["overdue_minor"]),
                invoiced_minor=int(row["invoiced_minor"]),
                collected_minor=int(row["collected_minor"]),
            )
            for row in await self._fetch(_SERIES, tenant, currency, first, last)
        ]

    async def months(self, tenant: str, currency: str, first: date, last: date) -> list[Month]:
        """Flows of each calendar month that touches `first` to `last`, within these days."""
        return [
            Month(
                first_day=row["first_day"],
                invoiced_minor=int(row["invoiced_minor"]),
                collected_minor=int(row["collected_minor"]),
            )
            for row in await self._fetch(_MONTHS, tenant, currency, first, last)
        ]

    async def _fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        raw = await driver(self._connection)
        return await raw.fetch(sql, *arguments)

    async def _one(self, sql: str, *arguments: Any) -> dict[str, int]:
        rows = await self._fetch(sql, *arguments)
        return {name: int(value) for name, value in rows[0].items()}


def _whole(row: Any) -> dict[str, Any]:
    """Sums come as numeric; counts are whole numbers."""
    return {name: value if isinstance(value, str) else int(value) for name, value in row.items()}
