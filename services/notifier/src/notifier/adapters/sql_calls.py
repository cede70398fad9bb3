"""The list of calls in PostgreSQL. A task is a planned message that was put on the list."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_rows import MESSAGE_COLUMNS, message_of
from notifier.channels.call_list import WAITING
from notifier.domain.calls import CallOutcome
from notifier.ports.calls import CallTask, CallTry

_TASKS = f"""
SELECT {MESSAGE_COLUMNS}, m.seq, m.planned_at, m.sha256, coalesce(t.tries, 0) AS tries,
    t.next_call_at, n.causation, coalesce((c.body->>'sandbox')::boolean, false) AS sandbox
FROM message AS m JOIN notice AS n USING (tenant, notice_id)
LEFT JOIN call_task AS t USING (tenant, message_id)
LEFT JOIN tenant AS c USING (tenant)
"""
_PAGE = f"""{_TASKS}
WHERE m.channel = 'call' AND m.state = 'planned' AND m.reason = '{WAITING}' AND m.seq > $1
    AND (NOT $2 OR t.next_call_at IS NULL OR t.next_call_at <= clock_timestamp())
ORDER BY m.seq LIMIT $3
"""
_ONE = f"{_TASKS} WHERE m.channel = 'call' AND m.message_id = $1"
_LOCK = "SELECT FROM message WHERE channel = 'call' AND message_id = $1 FOR UPDATE"
_TRIES = "SELECT at, outcome, note, person FROM call_try WHERE message_id = $1 ORDER BY n"
_ADD_TRY = """
WITH task AS (
    INSERT INTO call_task (tenant, message_id, tries, next_call_at)
    VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $6::float8))
    ON CONFLICT (tenant, message_id) DO UPDATE
        SET tries = call_task.tries + 1, next_call_at = excluded.next_call_at
)
INSERT INTO call_try (tenant, message_id, outcome, note, person)
VALUES ($1, $2, $3, nullif($4, ''), $5) RETURNING n
"""


class SqlCalls:
    """Calls; see `notifier.ports.calls.Calls`. Never commits."""

    async def page(
        self, connection: AsyncConnection, *, due_only: bool, after: int, limit: int
    ) -> list[CallTask]:
        """Open tasks, oldest first."""
        raw = await driver(connection)
        return [_task(row) for row in await raw.fetch(_PAGE, after, due_only, limit)]

    async def one(
        self, connection: AsyncConnection, message_id: UUID, *, lock: bool = False
    ) -> CallTask | None:
        """The task of a message that is to be told by a call, open or not; locked on request."""
        raw = await driver(connection)
        if lock:
            # A statement of its own: what it waited for, the one that reads does see.
            await raw.execute(_LOCK, message_id)
        row = await raw.fetchrow(_ONE, message_id)
        return _task(row) if row else None

    async def tries(self, connection: AsyncConnection, message_id: UUID) -> list[CallTry]:
        """What the calls came to, oldest first."""
        raw = await driver(connection)
        return [
            CallTry(at=row["at"], outcome=row["outcome"], note=row["note"], person=row["person"])
            for row in await raw.fetch(_TRIES, message_id)
        ]

    async def add_try(
        self,
        connection: AsyncConnection,
        task: CallTask,
        *,
        outcome: CallOutcome,
        note: str,
        person: str,
        again_s: float | None,
    ) -> int:
        """Write a call down, and when to call again, if at all; returns the line's number."""
        raw = await driver(connection)
        message = task.message
        number: int = await raw.fetchval(
            _ADD_TRY, message.tenant, message.message_id, str(outcome), note, person, again_s
        )
        return number


def _task(row: asyncpg.Record) -> CallTask:
    own = ("seq", "planned_at", "sha256", "tries", "next_call_at", "sandbox")
    return CallTask(message=message_of(row), **{name: row[name] for name in own})
