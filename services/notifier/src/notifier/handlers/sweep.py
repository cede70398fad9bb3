"""Finds messages whose worker vanished while they were `sending`, and says what is known of them.

They may have been sent: they become unknown, never planned - except where the channel can prove
that they were not, or that they were.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from dunning_common.db import Database
from notifier.channels.base import Channel, Provable, Unknown
from notifier.domain.message import Settlement, State, plan_again
from notifier.domain.outcome import accepted
from notifier.handlers.settling import Settler
from notifier.ports.messages import Expired, ExpiredMessages, Settled

log = structlog.get_logger()

_BATCH = 500


class Sweeper:
    """Settles expired messages."""

    def __init__(
        self,
        *,
        db: Database,
        messages: ExpiredMessages,
        settler: Settler,
        channels: Mapping[str, Channel],
    ) -> None:
        self._db = db
        self._messages = messages
        self._settler = settler
        self._channels = channels

    async def sweep(self) -> int:
        """Settle what expired; returns how many."""
        async with self._db.worker() as connection:
            expired = await self._messages.expired(connection, limit=_BATCH)
            if not expired:
                return 0
            verdicts = [await self._judge(each) for each in expired]
            await self._settler.settle(connection, verdicts)
        log.warning(
            "leases_expired",
            message_ids=[str(v.message.message_id) for v in verdicts],
            states=sorted({v.settlement.state for v in verdicts}),
        )
        return len(expired)

    async def _judge(self, expired: Expired) -> Settled:
        message = expired.message
        channel = self._channels.get(message.channel)
        settlement = Settlement(state=State.UNKNOWN, reason="lease_expired")
        if isinstance(channel, Provable):
            found = await channel.find(
                tenant=message.tenant,
                message_id=message.message_id,
                on=expired.on,
                sha256=expired.sha256,
            )
            match found:
                case None:
                    settlement = plan_again("lease_expired: not sent for certain")
                case Unknown(reason=reason):
                    settlement = Settlement(state=State.UNKNOWN, reason=reason)
                case _:
                    settlement = accepted(found)
        return Settled(
            message=message,
            settlement=settlement,
            sha256=expired.sha256,
            actor="sweeper",
            over=frozenset({State.SENDING}),
        )
