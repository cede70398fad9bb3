"""Reads what became of messages, for proofs; row-level security keeps it to one tenant.

See `notifier.ports.delivery.DeliveryReading`: a statement each, for any number of messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.ports.delivery import Heard
from notifier.ports.reading import Attempt

_ATTEMPTS = """
SELECT message_id, at, phase, reason, provider, sha256, actor
FROM attempt WHERE message_id = ANY($1) ORDER BY n
"""
_HEARD = """
SELECT message_id, provider AS source, kind, received_at, occurred_at, provider_ref, bounce_class,
    body->>'reason' AS reason, verdict
FROM provider_event WHERE message_id = ANY($1)
UNION ALL
SELECT message_id, source, coalesce(kind, 'unread'), received_at, NULL, NULL, NULL, NULL, verdict
FROM inbound WHERE message_id = ANY($1) AND verdict NOT IN ('known', 'reported')
ORDER BY received_at, kind
"""


class SqlDelivery:
    """See `notifier.ports.delivery.DeliveryReading`."""

    async def attempts(
        self, connection: AsyncConnection, message_ids: Sequence[UUID]
    ) -> Mapping[UUID, list[Attempt]]:
        """What happened to each message, oldest first."""
        raw = await driver(connection)
        found: defaultdict[UUID, list[Attempt]] = defaultdict(list)
        for row in await raw.fetch(_ATTEMPTS, list(message_ids)):
            line = dict(row)
            found[_plain(line.pop("message_id"))].append(Attempt(**line))
        return found

    async def heard(
        self, connection: AsyncConnection, message_ids: Sequence[UUID]
    ) -> Mapping[UUID, list[Heard]]:
        """What was heard about each message, oldest first."""
        raw = await driver(connection)
        found: defaultdict[UUID, list[Heard]] = defaultdict(list)
        for row in await raw.fetch(_HEARD, list(message_ids)):
            line = dict(row)
            message_id = _plain(line.pop("message_id"))
            found[message_id].append(Heard(**{**line, "reason": line["reason"] or ""}))
        return found


def _plain(own: UUID) -> UUID:
    """The driver's own kind of UUID as the standard one."""
    return UUID(bytes=own.bytes)
