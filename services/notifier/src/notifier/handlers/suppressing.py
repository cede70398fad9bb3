"""Puts addresses on the list of those that must not be written to, and tells the world of consent.

A hard bounce is told as the bounce it is; an opt-out and an opt-in are events of their own, because
the engine chooses channels by them. Every change is logged with who made it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.clock import Clock
from dunning_common.events.dunning import AnyChannel
from dunning_common.events.envelope import Payload
from dunning_common.events.responses import ChannelOptedInV1, ChannelOptedOutV1
from dunning_common.ids import account_key, new_id
from dunning_common.outbox import Outgoing
from notifier.domain.bounces import of_refusal
from notifier.domain.message import State
from notifier.domain.suppression import CAUSE_OF, Cause, Suppression
from notifier.handlers.notifications import SOURCE
from notifier.ports.messages import MessageKey, Settled, Verdicts
from notifier.ports.suppressions import Place, Suppressions

CONSENT = frozenset({Cause.OPT_OUT, Cause.COMPLAINT, Cause.PERSON})
"""The causes by which a recipient, or a person for them, said no."""

_SOURCES: Mapping[str, Literal["portal", "email", "sms", "person"]] = {
    "portal": "portal",
    "sms": "sms",
    "twilio": "sms",
    "call": "person",
    "person": "person",
}


class Suppressor:
    """Adds to the list and takes from it, in the caller's transaction."""

    def __init__(self, suppressions: Suppressions, clock: Clock) -> None:
        self._suppressions = suppressions
        self._clock = clock

    async def add(
        self, connection: AsyncConnection, found: Sequence[Suppression]
    ) -> list[Suppression]:
        """List addresses, and tell of those whose recipients opted out; returns what is new.

        Call it late in a transaction: writing events locks their keys.
        """
        added = await self._suppressions.add(connection, found)
        told = [s for s in added if s.cause in CONSENT]
        await self._tell(connection, told, ChannelOptedOutV1)
        return added

    async def lift(
        self,
        connection: AsyncConnection,
        places: Sequence[Place],
        *,
        causes: Collection[Cause],
        source: str,
        note: str,
    ) -> list[Suppression]:
        """Take causes from the list; tells an opt-in where nothing stands against writing now."""
        lifted = await self._suppressions.lift(
            connection, places, causes=causes, source=source, note=note
        )
        left = await self._suppressions.among(connection, places)
        told = {
            _place(s): s
            for s in lifted
            if s.cause in CONSENT and not (left.get(_place(s), frozenset()) & CONSENT)
        }
        await self._tell(connection, list(told.values()), ChannelOptedInV1)
        return lifted

    async def _tell(
        self,
        connection: AsyncConnection,
        changed: Sequence[Suppression],
        kind: type[ChannelOptedOutV1 | ChannelOptedInV1],
    ) -> None:
        """Of an address whose debtor nobody knows there is nobody to tell."""
        known = {(s.tenant, s.debtor_id): s.debtor_id for s in changed if s.debtor_id is not None}
        moments = await self._suppressions.moments(
            connection, [(tenant, debtor) for (tenant, _), debtor in known.items()]
        )
        now = self._clock.now()
        await outbox.append(
            connection,
            [
                Outgoing(
                    payload=_event(kind, s, moments.get((s.tenant, s.debtor_id), now)),
                    tenant=s.tenant,
                    key=account_key(s.tenant, s.debtor_id),
                    subject=s.recipient_hash,
                )
                for s in changed
                if s.debtor_id is not None
            ],
            source=SOURCE,
        )


class SuppressingVerdicts:
    """Writes verdicts, and lists addresses that a server refused for good while we were sending."""

    def __init__(self, verdicts: Verdicts, suppressions: Suppressions) -> None:
        self._verdicts = verdicts
        self._suppressions = suppressions

    async def settle(
        self, connection: AsyncConnection, verdicts: Sequence[Settled]
    ) -> Collection[MessageKey]:
        """Write the verdicts whose fence still holds, and log all; returns the keys written."""
        written = await self._verdicts.settle(connection, verdicts)
        refused = [
            refusal
            for verdict in verdicts
            if verdict.message.key in written and (refusal := _refused(verdict))
        ]
        await self._suppressions.add(connection, refused)
        return written


def _refused(verdict: Settled) -> Suppression | None:
    message, reason = verdict.message, verdict.settlement.reason or ""
    if verdict.settlement.state is not State.FAILED or message.recipient_hash is None:
        return None
    if verdict.actor.startswith("person:"):
        return None
    cause = CAUSE_OF.get(of_refusal(message.channel, reason))
    if cause is None:
        return None
    return Suppression(
        tenant=message.tenant,
        channel=message.channel,
        recipient_hash=message.recipient_hash,
        cause=cause,
        source=message.provider or "notifier",
        debtor_id=message.debtor_id,
        note=reason,
    )


def _event(
    kind: type[ChannelOptedOutV1 | ChannelOptedInV1], changed: Suppression, at: datetime
) -> Payload:
    return kind(
        response_id=new_id(),
        debtor_id=changed.debtor_id or "",
        invoice_ids=(),
        source=_SOURCES.get(changed.source.partition(":")[0], "email"),
        effective_at=at,
        channel=cast("AnyChannel", changed.channel),
        recipient_hash=changed.recipient_hash,
    )


def _place(suppression: Suppression) -> Place:
    return suppression.tenant, suppression.channel, suppression.recipient_hash
