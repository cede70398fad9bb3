"""The outbox: events are written in the same transaction as the change they tell of.

Only writes rows; publishing is the relay's. `sequence` counts per (topic, key) and is taken under
that key's row lock, so that the order of commits is the order of sequences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from opentelemetry import propagate
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.columns import RowSet
from dunning_common.db import OUTBOX_WRITTEN, driver
from dunning_common.events.envelope import Payload, Written, seal
from dunning_common.ids import new_id
from dunning_common.values import Value


class Outgoing(Value, frozen=True, kw_only=True):
    """An event to write. `key` orders it (`ids.account_key`), `subject` names what it is about."""

    payload: Payload | Written
    tenant: str
    key: str
    subject: str
    causation: UUID | None = None


_PLACES = RowSet(topic="text", key="text", tenant="text", count="bigint")
_TAKE_SEQUENCES = f"""
INSERT INTO stream_head AS head (topic, key, tenant, sequence)
SELECT topic, key, tenant, count FROM {_PLACES.source("wanted")}
ORDER BY topic, key
ON CONFLICT (topic, key) DO UPDATE
    SET sequence = head.sequence + excluded.sequence,
        txid = pg_current_xact_id(), moved_at = clock_timestamp()
RETURNING topic, key, sequence
"""
_EVENTS = RowSet(
    id="uuid", topic="text", key="text", tenant="text", sequence="bigint", envelope="bytea"
)
_WRITE = f"""
INSERT INTO outbox (id, topic, key, tenant, sequence, envelope)
SELECT * FROM {_EVENTS.source("written")}
"""


async def append(connection: AsyncConnection, events: Sequence[Outgoing], *, source: str) -> None:
    """Write events in the given order inside the caller's transaction.

    Two statements for any number of events. Call it last: it locks the keys until the commit.

    Args:
        connection: an open transaction of the service.
        events: what to publish; the order within one key is kept.
        source: the service's name, e.g. `invoice-ingest`.
    """
    if not events:
        return
    raw = await driver(connection)
    places = [(event.payload.topic, event.key, event.tenant) for event in events]
    counts = Counter(places)
    heads = await raw.fetch(
        _TAKE_SEQUENCES, *_PLACES.arguments([(*place, counts[place]) for place in sorted(counts)])
    )
    taken = {(topic, key): count for (topic, key, _), count in counts.items()}
    following: dict[tuple[str, str], int] = {}
    for topic, key, last in heads:
        following[topic, key] = last - taken[topic, key] + 1
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    rows = []
    traceparent = carrier.get("traceparent")
    for event, (topic, key, tenant) in zip(events, places, strict=True):
        event_id, sequence = new_id(), following[topic, key]
        following[topic, key] = sequence + 1
        envelope = seal(
            event.payload,
            event_id=event_id,
            source=source,
            subject=event.subject,
            tenant=tenant,
            key=key,
            sequence=sequence,
            causation=event.causation,
            traceparent=traceparent,
        )
        rows.append((event_id, topic, key, tenant, sequence, envelope))
    await raw.execute(_WRITE, *_EVENTS.arguments(rows))
    connection.info[OUTBOX_WRITTEN] = True
