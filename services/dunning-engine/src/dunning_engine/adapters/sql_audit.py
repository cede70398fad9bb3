"""The audit in PostgreSQL: who wrote what. Triggers write it, in the transaction of the write.

So no write of the API can forget it. Nothing here, and no role of the service, changes an entry.
"""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson

from dunning_engine.acting import SUBJECT
from dunning_engine.work_records import AuditFilter, AuditRow

_NAME = "SELECT set_config('app.subject', $1, true)"
_CONTEXT = "SELECT set_config('app.context', $1, true)"
_LIST = """
SELECT position, at, subject, action, target, debtor_id, context, before::text, after::text
FROM audit_entry
"""


async def name_subject(sql: asyncpg.Connection[Any]) -> None:
    """Tell the audit of this transaction who is acting."""
    if subject := SUBJECT.get():
        await sql.execute(_NAME, subject)


class SqlAudit:
    """The audit, inside one transaction of the api role."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        self._sql = sql

    async def part_of(self, context: str) -> None:
        """Mark what is written from here on in this transaction as parts of one thing."""
        await self._sql.execute(_CONTEXT, context)

    async def listing(
        self, tenant: str, wanted: AuditFilter, *, before: int | None, limit: int
    ) -> list[AuditRow]:
        """Entries, the newest first, below the position `before`."""
        values: list[Any] = [tenant]
        where = ["tenant = $1"]

        def narrow(condition: str, value: Any) -> None:
            if value is not None:
                values.append(value)
                where.append(condition.format(f"${len(values)}"))

        narrow("position < {}", before)
        narrow("subject = {}", wanted.subject)
        narrow("action = {}", wanted.action)
        narrow("target = {}", wanted.target)
        narrow("debtor_id = {}", wanted.debtor_id)
        narrow("at >= {}", wanted.since)
        narrow("at < {}", wanted.until)
        query = (
            f"{_LIST} WHERE {' AND '.join(where)} ORDER BY position DESC LIMIT ${len(values) + 1}"
        )
        return [
            AuditRow(
                **{**row, "before": _json(row["before"]), "after": _json(row["after"])},
            )
            for row in await self._sql.fetch(query, *values, limit)
        ]


def _json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
