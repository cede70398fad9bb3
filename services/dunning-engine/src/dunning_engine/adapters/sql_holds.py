"""Holds in PostgreSQL. What a hold stops is the domain's business."""

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
from dunning_common.values import fields_of
from dunning_engine.adapters.pg_signals import signal_accounts
from dunning_engine.adapters.sql_news import SOURCE
from dunning_engine.domain.account import Instalment
from dunning_engine.records import AccountAt, HeldCase, HoldRow, OwedInvoice

HoldPlace = tuple[datetime, UUID]
"""Where a page of holds ended: when it was placed, and its id."""

_JSON = frozenset({"instalments", "assessment"})
_NAMES = tuple(name for name, _ in fields_of(HoldRow))
_CHANGING = (
    "until", "released_at", "released_by", "outcome", "paid_minor", "owner", "deadline_on",
    "resolution", "resolved_at", "resolved_by", "note",
)  # fmt: skip
HOLD_COLUMNS = ", ".join(f"h.{name}::text" if name in _JSON else f"h.{name}" for name in _NAMES)
"""The columns of a `HoldRow`, of a table called `h`; see `hold_row`."""

_LOCK_ACCOUNT = """
SELECT a.time_source, a.kind, a.country, a.region, a.zone, a.risk, t.country AS tenant_country,
    CASE a.time_source WHEN 'sandbox' THEN
    (SELECT c.now FROM tenant_clock c WHERE c.tenant = a.tenant) ELSE clock_timestamp() END AS now
FROM account a LEFT JOIN tenant t ON t.tenant = a.tenant
WHERE a.tenant = $1 AND a.debtor_id = $2 FOR NO KEY UPDATE OF a
"""
_ADD = f"""
INSERT INTO hold ({", ".join(_NAMES)})
VALUES ({", ".join(f"${n + 1}" + "::jsonb" * (name in _JSON) for n, name in enumerate(_NAMES))})
ON CONFLICT DO NOTHING RETURNING true
"""
_READ = f"SELECT {HOLD_COLUMNS} FROM hold h WHERE h.tenant = $1 AND h.hold_id = $2"
_LIVE = f"""
SELECT {HOLD_COLUMNS} FROM hold h
WHERE h.tenant = $1 AND h.debtor_id = $2 AND h.released_at IS NULL ORDER BY h.hold_id
"""
_REWRITE = f"""
UPDATE hold SET {", ".join(f"{name} = ${n + 3}" for n, name in enumerate(_CHANGING))}
WHERE tenant = $1 AND hold_id = $2
"""
# An invoice is found by its debtor's holds: row-level security keeps arrays from being searched.
_OF_INVOICE = """h.debtor_id = (SELECT c.debtor_id FROM dunning_case c
    WHERE c.tenant = h.tenant AND c.invoice_id = {0})
    AND (cardinality(h.invoice_ids) = 0 OR {0} = ANY(h.invoice_ids))"""
_OWED = """
SELECT invoice_id, number, due_on, currency, status, open_minor,
    closed IS NOT DISTINCT FROM 'handed_over' AS handed_over
FROM dunning_case
WHERE tenant = $1 AND debtor_id = $2
  AND CASE WHEN $3::text[] IS NULL THEN status = 'open' AND open_minor > 0
      ELSE invoice_id = ANY($3) END
ORDER BY due_on, invoice_id
"""
_COVERED = """tenant = $1 AND debtor_id = $2 AND live
  AND (cardinality($3::text[]) = 0 OR invoice_id = ANY($3))"""
_FLIGHTS = f"""
SELECT flight_notice, array_agg(invoice_id ORDER BY invoice_id) AS invoices FROM dunning_case
WHERE {_COVERED} AND flight_notice IS NOT NULL AND NOT flight_revoked
GROUP BY flight_notice ORDER BY flight_notice
"""
_REVOKE = f"""
UPDATE dunning_case SET flight_revoked = true WHERE {_COVERED} AND flight_notice IS NOT NULL
"""
_HELD = f"""
SELECT invoice_id, policy_id, policy_version FROM dunning_case
WHERE {_COVERED} AND policy_id IS NOT NULL AND status = 'open' AND open_minor > 0
"""
_KEEP_QUIET = """
UPDATE dunning_case c SET not_before = greatest(c.not_before, w.day)
FROM unnest($2::text[], $3::date[]) AS w (invoice_id, day)
WHERE c.tenant = $1 AND c.invoice_id = w.invoice_id
"""
_WAKE = """
UPDATE account SET next_action_at = least(next_action_at, $3)
WHERE tenant = $1 AND debtor_id = $2 AND kind IS NOT NULL AND time_source <> 'unknown'
RETURNING tenant, time_source
"""


class SqlHolds:
    """Holds, inside one transaction."""

    def __init__(self, connection: AsyncConnection, sql: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._sql = sql

    async def lock_account(self, tenant: str, debtor_id: str) -> AccountAt | None:
        """Lock a debtor's account; tells the time on its tenant's clock. None: unknown debtor."""
        row = await self._sql.fetchrow(_LOCK_ACCOUNT, tenant, debtor_id)
        return None if row is None else AccountAt(**row)

    async def owed(
        self, tenant: str, debtor_id: str, invoice_ids: Sequence[str] | None
    ) -> list[OwedInvoice]:
        """What those invoices of the debtor owe, or all its open ones; unknown ones are missing."""
        asked = None if invoice_ids is None else list(invoice_ids)
        rows = await self._sql.fetch(_OWED, tenant, debtor_id, asked)
        return [OwedInvoice(**row) for row in rows]

    async def live(self, tenant: str, debtor_id: str) -> list[HoldRow]:
        """The debtor's holds that did not end."""
        return [hold_row(row) for row in await self._sql.fetch(_LIVE, tenant, debtor_id)]

    async def add(self, hold: HoldRow) -> bool:
        """Store a hold; False when there is one with its id."""
        return bool(await self._sql.fetchval(_ADD, *(_value(hold, name) for name in _NAMES)))

    async def read(self, tenant: str, hold_id: UUID) -> HoldRow | None:
        """A hold, released or not."""
        row = await self._sql.fetchrow(_READ, tenant, hold_id)
        return None if row is None else hold_row(row)

    async def rewrite(self, hold: HoldRow) -> None:
        """Write what may change about a hold: end, owner, deadline, resolution."""
        changed = [getattr(hold, name) for name in _CHANGING]
        await self._sql.execute(_REWRITE, hold.tenant, hold.hold_id, *changed)

    async def revoke_flights(
        self, tenant: str, debtor_id: str, invoice_ids: Sequence[str]
    ) -> list[tuple[UUID, Sequence[str]]]:
        """Mark what is in flight as revoked (of all invoices if none is named); tells what was."""
        rows = await self._sql.fetch(_FLIGHTS, tenant, debtor_id, list(invoice_ids))
        if rows:
            await self._sql.execute(_REVOKE, tenant, debtor_id, list(invoice_ids))
        return [(row["flight_notice"], row["invoices"]) for row in rows]

    async def held_cases(
        self, tenant: str, debtor_id: str, invoice_ids: Sequence[str]
    ) -> list[HeldCase]:
        """The open cases under a policy among those invoices, or of the debtor if none is named."""
        rows = await self._sql.fetch(_HELD, tenant, debtor_id, list(invoice_ids))
        return [HeldCase(**row) for row in rows]

    async def keep_quiet(self, tenant: str, until: Mapping[str, date]) -> None:
        """Let nothing go out about these invoices before the day given for each."""
        if until:
            await self._sql.execute(_KEEP_QUIET, tenant, list(until), list(until.values()))

    async def wake(self, tenant: str, debtor_id: str, now: datetime) -> None:
        """Have the account decided at the next opportunity."""
        await signal_accounts(self._sql, await self._sql.fetch(_WAKE, tenant, debtor_id, now))

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox; the last thing in the transaction."""
        await outbox.append(self._connection, events, source=SOURCE)

    async def listing(
        self,
        tenant: str,
        *,
        debtor_id: str | None = None,
        invoice_id: str | None = None,
        kind: str | None = None,
        released: bool = False,
        after: HoldPlace | None = None,
        limit: int,
    ) -> list[HoldRow]:
        """Holds in the order in which they were placed; those that ended only if asked for."""
        where, values = ["h.tenant = $1"], [tenant]

        def narrow(condition: str, *more: Any) -> None:
            start = len(values) + 1
            where.append(condition.format(*(f"${start + n}" for n in range(len(more)))))
            values.extend(more)

        if not released:
            narrow("h.released_at IS NULL")
        if debtor_id is not None:
            narrow("h.debtor_id = {0}", debtor_id)
        if invoice_id is not None:
            narrow(_OF_INVOICE, invoice_id)
        if kind is not None:
            narrow("h.kind = {0}", kind)
        if after is not None:
            narrow("(h.placed_at, h.hold_id) > ({0}, {1})", *after)
        query = (
            f"SELECT {HOLD_COLUMNS} FROM hold h WHERE {' AND '.join(where)} "
            f"ORDER BY h.placed_at, h.hold_id LIMIT ${len(values) + 1}"
        )
        return [hold_row(row) for row in await self._sql.fetch(query, *values, limit)]


def hold_row(row: Mapping[str, Any]) -> HoldRow:
    """A row of `HOLD_COLUMNS`."""
    values = {name: row[name] for name in _NAMES}
    values["invoice_ids"] = tuple(row["invoice_ids"])
    values["instalments"] = instalments_from_json(row["instalments"])
    values["assessment"] = orjson.loads(row["assessment"]) if row["assessment"] else None
    return HoldRow(**values)


def instalments_from_json(text: str) -> tuple[Instalment, ...]:
    """The instalments of a promise or a plan, as they lie in their column."""
    if text == "[]":
        return ()
    return tuple(
        Instalment(on=date.fromisoformat(on), amount_minor=amount)
        for on, amount in orjson.loads(text)
    )


def _value(hold: HoldRow, name: str) -> Any:
    value = getattr(hold, name)
    if name == "instalments":
        return orjson.dumps([[part.on, part.amount_minor] for part in value]).decode()
    if name == "assessment":
        return None if value is None else orjson.dumps(value).decode()
    return list(value) if name == "invoice_ids" else value
