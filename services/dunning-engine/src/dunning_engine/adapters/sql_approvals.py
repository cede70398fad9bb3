"""Levels that wait for a person, in PostgreSQL. Sets, not rows: one statement for any number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dunning_engine.adapters.pg_signals import signal_accounts
from dunning_engine.adapters.sql_sweep import _ACCOUNT as ACCOUNT_COLUMNS
from dunning_engine.adapters.sql_sweep import SqlSweep
from dunning_engine.records import AccountAt, Dossier
from dunning_engine.work_records import LevelAsk, WaitingCase

ApprovalPlace = tuple[datetime, str]
"""Where a page of approvals ended: since when it waits, and the invoice."""

CASE_COLUMNS = """c.invoice_id, c.debtor_id, c.number, c.due_on, c.currency, c.open_minor,
    c.charges_open_minor, c.version, c.state, c.next_level_no AS level_no, c.next_level AS level,
    coalesce(c.state_since, c.opened_at) AS since, c.policy_id, c.policy_version,
    c.approval_level_no, c.approved, c.approval_by"""
"""The columns of a `WaitingCase`."""
_WAITS = """c.tenant = $1 AND c.live AND c.status = 'open' AND c.open_minor > 0
    AND c.work_state = 'awaiting_approval'
    AND c.approval_level_no IS DISTINCT FROM c.next_level_no"""
_LIST = f"""
SELECT * FROM (
    SELECT {CASE_COLUMNS} FROM dunning_case c
    WHERE {_WAITS} AND ($2::text IS NULL OR c.debtor_id = $2)
      AND ($3::int IS NULL OR c.next_level_no = $3) AND ($4::text IS NULL OR c.policy_id = $4)
) AS w
WHERE $5::timestamptz IS NULL OR (w.since, w.invoice_id) > ($5, $6::text)
ORDER BY w.since, w.invoice_id LIMIT $7
"""
_CASES = f"SELECT {CASE_COLUMNS} FROM dunning_case c WHERE c.tenant = $1 AND c.invoice_id = ANY($2)"
_DEBTORS = """
SELECT DISTINCT debtor_id FROM dunning_case WHERE tenant = $1 AND invoice_id = ANY($2)
"""
_LOCK = """
SELECT a.debtor_id, a.time_source, a.kind, a.country, a.region, a.zone, a.risk,
    t.country AS tenant_country, coalesce(c.now, clock_timestamp()) AS now
FROM account a JOIN unnest($2::text[]) AS w (debtor_id) USING (debtor_id)
LEFT JOIN tenant t ON t.tenant = a.tenant LEFT JOIN tenant_clock c ON c.tenant = a.tenant
WHERE a.tenant = $1 AND a.time_source <> 'unknown'
ORDER BY a.debtor_id FOR NO KEY UPDATE OF a
"""
_SAVE = """
UPDATE dunning_case c SET approval_level_no = w.level_no, approved = $2, approval_by = $3,
    approval_at = w.at
FROM unnest($4::text[], $5::int[], $6::timestamptz[]) AS w (invoice_id, level_no, at)
WHERE c.tenant = $1 AND c.invoice_id = w.invoice_id
"""
_WAKE = """
UPDATE account a SET next_action_at = least(a.next_action_at, w.now)
FROM unnest($2::text[], $3::timestamptz[]) AS w (debtor_id, now)
WHERE a.tenant = $1 AND a.debtor_id = w.debtor_id AND a.kind IS NOT NULL
RETURNING a.tenant, a.time_source
"""
_READ = f"""
SELECT {ACCOUNT_COLUMNS}, coalesce(c.now, statement_timestamp()) AS now
FROM account a JOIN unnest($2::text[]) AS w (debtor_id) USING (debtor_id)
LEFT JOIN tenant_clock c ON c.tenant = a.tenant
WHERE a.tenant = $1 AND a.kind IS NOT NULL AND a.time_source <> 'unknown'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFilter:
    """Which of the waiting levels; None does not restrict."""

    debtor_id: str | None = None
    level_no: int | None = None
    policy_id: str | None = None


class SqlApprovals(SqlSweep):
    """Approvals, inside one transaction of the api role. Reads dossiers as the sweep does."""

    async def waiting(
        self,
        tenant: str,
        wanted: ApprovalFilter,
        *,
        after: ApprovalPlace | None = None,
        limit: int,
    ) -> list[WaitingCase]:
        """Cases whose next level waits for a person, the longest waiting first."""
        rows = await self._sql.fetch(
            _LIST, tenant, wanted.debtor_id, wanted.level_no, wanted.policy_id,
            *(after or (None, None)), limit,
        )  # fmt: skip
        return [WaitingCase(**row) for row in rows]

    async def debtors_of(self, tenant: str, invoice_ids: Sequence[str]) -> list[str]:
        """Whose these invoices are, each debtor once."""
        rows = await self._sql.fetch(_DEBTORS, tenant, list(invoice_ids))
        return [row["debtor_id"] for row in rows]

    async def lock_accounts(self, tenant: str, debtor_ids: Sequence[str]) -> dict[str, AccountAt]:
        """Lock the accounts of debtors in their order; unknown ones are missing."""
        rows = await self._sql.fetch(_LOCK, tenant, sorted(set(debtor_ids)))
        return {row["debtor_id"]: _account_at(row) for row in rows}

    async def cases(self, tenant: str, invoice_ids: Sequence[str]) -> dict[str, WaitingCase]:
        """The cases of invoices; unknown ones are missing."""
        rows = await self._sql.fetch(_CASES, tenant, list(invoice_ids))
        return {row["invoice_id"]: WaitingCase(**row) for row in rows}

    async def save_approvals(
        self, tenant: str, asks: Sequence[tuple[LevelAsk, datetime]], *, approved: bool, by: str
    ) -> None:
        """Write what somebody said about levels, each at its tenant's instant."""
        if asks:
            await self._sql.execute(
                _SAVE,
                tenant,
                approved,
                by,
                [ask.invoice_id for ask, _ in asks],
                [ask.level_no for ask, _ in asks],
                [at for _, at in asks],
            )

    async def wake_accounts(self, tenant: str, instants: Mapping[str, datetime]) -> None:
        """Have these debtors' accounts decided at the next opportunity."""
        if instants:
            rows = await self._sql.fetch(_WAKE, tenant, list(instants), list(instants.values()))
            await signal_accounts(self._sql, rows)

    async def dossiers(self, tenant: str, debtor_ids: Sequence[str]) -> list[Dossier]:
        """What deciding about these debtors takes, open cases only; locks nothing."""
        rows = await self._sql.fetch(_READ, tenant, sorted(set(debtor_ids)))
        return await self._dossiers(rows)


def _account_at(row: Mapping[str, Any]) -> AccountAt:
    return AccountAt(**{name: value for name, value in row.items() if name != "debtor_id"})
