"""Rows of the table `message` as domain values, for the SQL adapters."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg

from notifier.domain.message import Message, State

MESSAGE_COLUMNS = """
m.tenant, m.message_id, m.notice_id, m.debtor_id, m.channel, m.template, m.level, m.level_no,
m.invoice_ids, m.effective_at, m.state, m.fence, m.attempts, m.recipient_hash, m.provider
"""


def message_of(row: asyncpg.Record) -> Message:
    """A row with `MESSAGE_COLUMNS` and, where joined, the notice's `causation`."""
    values: dict[str, Any] = dict(row)
    causation = values.get("causation")
    return Message(
        tenant=values["tenant"],
        message_id=_plain(values["message_id"]),
        notice_id=_plain(values["notice_id"]),
        debtor_id=values["debtor_id"],
        channel=values["channel"],
        template=values["template"],
        level=values["level"],
        level_no=values["level_no"],
        invoice_ids=tuple(values["invoice_ids"]),
        effective_at=values["effective_at"],
        state=State(values["state"]),
        fence=values["fence"],
        attempts=values["attempts"],
        recipient_hash=values["recipient_hash"],
        provider=values["provider"],
        causation=_plain(causation) if causation else None,
    )


def _plain(own: UUID) -> UUID:
    """The driver's own kind of UUID as the standard one, which orjson takes."""
    return UUID(bytes=own.bytes)
