"""Asks providers what became of messages: the unknown ones, and letters on their way.

Answers are kept like reports that a provider sends by itself, and understood where those are
(`take_feedback`). Sends nothing, and takes silence for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dunning_common.db import Database
from notifier.channels.base import Channel, Traceable, Traced
from notifier.ports.inquiries import Answered, Inquiries, OpenEnd
from notifier.ports.messages import Feedback, ProviderEvent

_AT_ONCE = 20
_LEASE_S = 120.0
_UNKNOWN_BASE_S, _SENT_BASE_S = 30.0, 3600.0
_CAP_S = 86_400.0


class Inquirer:
    """Asks about what is due, a few at a time."""

    def __init__(
        self,
        *,
        db: Database,
        inquiries: Inquiries,
        feedback: Feedback,
        channels: Mapping[str, Channel],
    ) -> None:
        self._db = db
        self._inquiries = inquiries
        self._feedback = feedback
        self._traceable = {
            (name, channel.provider): channel
            for name, channel in channels.items()
            if isinstance(channel, Traceable)
        }

    async def ask(self) -> int:
        """Ask about open ends; returns how many answers came."""
        if not self._traceable:
            return 0
        async with self._db.worker() as connection:
            ends = await self._inquiries.due(
                connection,
                providers={provider for _, provider in self._traceable},
                limit=_AT_ONCE,
                lease_s=_LEASE_S,
            )
        if not ends:
            return 0
        answers = await asyncio.gather(*(self._trace(end) for end in ends))
        told = [(end, answer) for end, answer in zip(ends, answers, strict=True) if answer]
        async with self._db.worker() as connection:
            await self._feedback.keep(connection, [_event(end, answer) for end, answer in told])
            await self._inquiries.put_off(
                connection,
                [
                    Answered(
                        end=end, answer=answer.status if answer else None, again_s=_pause_s(end)
                    )
                    for end, answer in zip(ends, answers, strict=True)
                ],
            )
        return len(told)

    async def _trace(self, end: OpenEnd) -> Traced | None:
        channel = self._traceable.get((end.channel, end.provider))
        if not isinstance(channel, Traceable):
            return None
        return await channel.trace(tenant=end.tenant, message_id=end.message_id)


def _pause_s(end: OpenEnd) -> float:
    base_s = _UNKNOWN_BASE_S if end.unknown else _SENT_BASE_S
    return min(_CAP_S, base_s * 2.0 ** min(end.times, 20))


def _event(end: OpenEnd, answer: Traced) -> ProviderEvent:
    return ProviderEvent(
        tenant=end.tenant,
        provider=end.provider,
        event_id=f"asked:{end.message_id}:{answer.status}",
        message_id=end.message_id,
        kind=answer.status,
        report=answer.report,
        body={"status": answer.status, **answer.facts},
    )
