"""Writes verdicts on messages down and tells the world, in the caller's transaction.

Every change of a message's state to a terminal one passes here, so that state and event never part.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from notifier.handlers.notifications import SOURCE, announce, in_order
from notifier.ports.messages import Settled, Verdicts

log = structlog.get_logger()


class Settler:
    """Writes verdicts and their events together."""

    def __init__(self, verdicts: Verdicts, *, currency: str, registry: CollectorRegistry) -> None:
        self._verdicts = verdicts
        self._currency = currency
        self._count = Counter(
            "dunning_messages_total",
            "Verdicts on messages.",
            ["channel", "state"],
            registry=registry,
        )

    async def settle(self, connection: AsyncConnection, verdicts: Sequence[Settled]) -> int:
        """Write verdicts and append their events, last in the transaction.

        A verdict whose fence no longer holds is stale: somebody else decided since. It is logged
        and has no effect.

        Returns:
            How many were written.
        """
        if not verdicts:
            return 0
        written = await self._verdicts.settle(connection, verdicts)
        valid = [verdict for verdict in verdicts if verdict.message.key in written]
        if len(valid) < len(verdicts):
            stale = [str(v.message.message_id) for v in verdicts if v.message.key not in written]
            log.warning("verdicts_stale", message_ids=stale)
        await outbox.append(
            connection,
            in_order(
                announce(v.message, v.settlement, sha256=v.sha256, currency=self._currency)
                for v in valid
            ),
            source=SOURCE,
        )
        for verdict in valid:
            self._count.labels(verdict.message.channel, verdict.settlement.state.value).inc()
        return len(valid)
