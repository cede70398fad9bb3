"""A person says what became of an unknown message: the last way out of not knowing."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from dunning_common.db import Database
from notifier.domain.message import Settlement, State, fail
from notifier.domain.redaction import redact
from notifier.handlers.settling import Settler
from notifier.ports.messages import Settled
from notifier.ports.reading import MessageReading, MessageView

Resolution = Literal["sent", "not_sent"]


class NoSuchMessageError(LookupError):
    """The tenant has no message of that id."""


class NotUnknownError(RuntimeError):
    """Only an unknown message can be resolved; says what state it is in."""

    def __init__(self, state: State) -> None:
        super().__init__(f"the message is {state}, not unknown")
        self.state = state


class Resolver:
    """Settles unknown messages by a person's word."""

    def __init__(self, *, db: Database, reading: MessageReading, settler: Settler) -> None:
        self._db = db
        self._reading = reading
        self._settler = settler

    async def resolve(
        self, tenant: str, message_id: UUID, *, outcome: Resolution, note: str, person: str
    ) -> MessageView:
        """Settle the message; saying the same again changes nothing.

        Raises:
            NoSuchMessageError: not there.
            NotUnknownError: its fate is known already, and is another.
        """
        target = State.SENT if outcome == "sent" else State.FAILED
        async with self._db.tenant(tenant) as connection:
            view = await self._reading.one(connection, message_id, lock=True)
            if view is None:
                raise NoSuchMessageError
            if view.message.state is target:
                return view
            if view.message.state is not State.UNKNOWN:
                raise NotUnknownError(view.message.state)
            reason = redact(f"resolved_by_person: {note}")
            settlement = (
                Settlement(state=State.SENT, reason=reason)
                if target is State.SENT
                else fail(reason)
            )
            await self._settler.settle(
                connection,
                [
                    Settled(
                        message=view.message,
                        settlement=settlement,
                        sha256=view.sha256 or "",
                        actor=f"person:{person}",
                        over=frozenset({State.UNKNOWN}),
                    )
                ],
            )
            resolved = await self._reading.one(connection, message_id)
            if resolved is None:
                raise NoSuchMessageError
            return resolved
