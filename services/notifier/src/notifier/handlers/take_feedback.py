"""Reads what providers reported: delivered, bounced, or proof of sending; and who wants no more.

Reports were stored and acknowledged before; here they are understood, in any order and any number.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.db import Database
from notifier.domain.feedback import condemned, learn
from notifier.domain.message import Settlement, State
from notifier.domain.suppression import Cause
from notifier.handlers.notifications import SOURCE, announce_feedback, in_order
from notifier.handlers.settling import Settler
from notifier.handlers.suppressing import Suppressor
from notifier.ports.issues import Issues
from notifier.ports.messages import Feedback, Reported, Settled
from notifier.ports.suppressions import Place

log = structlog.get_logger()

_BATCH = 500
_PROVABLE = frozenset({State.UNKNOWN, State.FAILED, State.PLANNED})


class FeedbackReader:
    """Applies provider events to messages."""

    def __init__(
        self,
        *,
        db: Database,
        feedback: Feedback,
        settler: Settler,
        suppressor: Suppressor,
        issues: Issues,
    ) -> None:
        self._db = db
        self._feedback = feedback
        self._settler = settler
        self._suppressor = suppressor
        self._issues = issues

    async def read(self) -> int:
        """Apply new events; returns how many messages they spoke of."""
        async with self._db.worker() as connection:
            strangers = await self._feedback.dismiss_strangers(connection)
            await self._issues.note(connection, strangers)
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
            await self._list_addresses(connection, reported)
        if strangers:
            log.warning("provider_events_without_message", count=len(strangers))
        return len(reported)

    async def _list_addresses(
        self, connection: AsyncConnection, reported: Sequence[Reported]
    ) -> None:
        """What the reports say of addresses: condemned, or welcome again after an opt-out."""
        found = [
            suppression
            for r in reported
            for provider, report in zip(r.providers, r.reports, strict=True)
            for suppression in condemned(r.message, provider, [report])
        ]
        await self._suppressor.add(connection, found)
        for provider, places in _welcome(reported).items():
            await self._suppressor.lift(
                connection,
                places,
                causes={Cause.OPT_OUT},
                source=provider,
                note="the recipient subscribed again",
            )


def _welcome(reported: Sequence[Reported]) -> dict[str, list[Place]]:
    """The addresses that opted in again, by who reported it."""
    places: dict[str, list[Place]] = {}
    for r in reported:
        for provider, report in zip(r.providers, r.reports, strict=True):
            address = report.recipient_hash or r.message.recipient_hash
            if report.opts_in and address is not None:
                place = (r.message.tenant, r.message.channel, address)
                places.setdefault(provider, []).append(place)
    return places


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
