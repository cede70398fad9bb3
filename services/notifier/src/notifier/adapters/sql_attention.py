"""Counts what waits for a person, each kind by the index of what is open. Never commits."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_batches import WAITS_FOR_A_PERSON
from notifier.channels.call_list import WAITING
from notifier.ports.attention import COUNTED_MAX, FAILED_DAYS, Attention

_OPEN = {
    "unknown": "SELECT FROM message WHERE state = 'unknown'",
    # The newest are at the end of the index: it is read from there, and no further than needed.
    "failed": f"""
        SELECT FROM (SELECT settled_at FROM message WHERE state = 'failed'
                     ORDER BY seq DESC LIMIT {COUNTED_MAX}) AS latest
        WHERE settled_at > clock_timestamp() - interval '{FAILED_DAYS} days'""",
    "proposals": "SELECT FROM response WHERE state = 'proposed'",
    "calls": f"""
        SELECT FROM message AS m LEFT JOIN call_task AS t USING (tenant, message_id)
        WHERE m.channel = 'call' AND m.state = 'planned' AND m.reason = '{WAITING}'
          AND (t.next_call_at IS NULL OR t.next_call_at <= clock_timestamp())""",
    "batches": f"SELECT FROM letter_batch WHERE {WAITS_FOR_A_PERSON}",
    "issues": "SELECT FROM feedback_issue WHERE closed_at IS NULL",
}
_COUNTS = "SELECT " + ", ".join(
    f"(SELECT count(*) FROM ({found} LIMIT {COUNTED_MAX}) AS x)::integer AS {name}"
    for name, found in _OPEN.items()
)


class SqlAttention:
    """See `notifier.ports.attention.AttentionReading`."""

    async def counts(self, connection: AsyncConnection) -> Attention:
        """The counts of the connection's tenant."""
        row = await (await driver(connection)).fetchrow(_COUNTS)
        return Attention(**dict(row or {}))
