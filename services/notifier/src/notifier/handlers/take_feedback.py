"""Reads what providers reported: delivered, bounced, or proof of sending.

Reports were stored and acknowledged before; here they are understood, in any order and any number.
"""

from __future__ import annotations

import structlog

from dunning_common import outbox
from dunning_common.db import Database
from notifier.domain.feedback import learn
from notifier.domain.message import Settlement, State
from notifier.handlers.notifications import SOURCE, announce_feedback, in_order
from notifier.handlers.settling import Settler
from notifier.ports.messages import Feedback, Reported, Settled

log = structlog.get_logger()

_BATCH = 500
_PROVABLE = frozenset({State.UNKNOWN, State.FAILED, State.PLANNED})


class FeedbackReader:
    """Applies provider events to messages."""

    def __init__(self, *, db: Database, feedback: Feedback, settler: Settler) -> None:
        self._db = db
        self._feedback = feedback
        self._settler = settler

    async def read(self) -> int:
        """Apply new events; returns how many messages they spoke of."""
        async with self._db.worker() as connection:
            strangers = await self._feedback.dismiss_strangers(connection)
            reported = await self._feedback.unread(connection, limit=_BATCH)
            learned = [
                (r, learn(r.message.state, r.known, attempts=r.message.attempts, reports=r.reports))
                for r in reported
            ]
            if learned:
                await self._feedback.learn(connection, learned)
            proofs = [
                _sent(r, knowledge.proves_sent.provider_ref)
                for r, knowledge in learned
                if knowledge.proves_sent is not None
            ]
            await self._settler.settle(connection, proofs)
            await outbox.append(
                connection,
                in_order(
                    announce_feedback(r.message, r.message.provider or "", knowledge)
                    for r, knowledge in learned
                ),
                source=SOURCE,
            )
        if strangers:
            log.warning("provider_events_without_message", count=strangers)
        return len(reported)


def _sent(reported: Reported, provider_ref: str) -> Settled:
    return Settled(
        message=reported.message,
        settlement=Settlement(
            state=State.SENT, reason="proved_by_provider", provider_ref=provider_ref or None
        ),
        sha256=reported.sha256,
        actor="provider",
        over=_PROVABLE,
    )
