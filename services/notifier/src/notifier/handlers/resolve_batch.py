"""A person says what became of a batch of which nobody else can tell: the last way out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from dunning_common.db import Database
from notifier.domain.message import Settlement, State, fail
from notifier.domain.redaction import redact
from notifier.handlers.resolve import Resolution
from notifier.handlers.settling import Settler
from notifier.ports.messages import Settled
from notifier.ports.post import Batch, Batches, BatchLetter, BatchNews, BatchState


class NoSuchBatchError(LookupError):
    """The tenant has no batch of that id."""


class BatchNotUnknownError(RuntimeError):
    """Only an unknown batch can be resolved; says what state it is in."""

    def __init__(self, state: BatchState) -> None:
        super().__init__(f"the batch is {state}, not unknown")
        self.state = state


class BatchResolver:
    """Settles unknown batches, with all of their unknown letters, by a person's word."""

    def __init__(
        self,
        *,
        db: Database,
        batches: Batches,
        settler: Settler,
        costs_minor: Mapping[str, int] | None = None,
    ) -> None:
        """Args: costs_minor of a letter by channel; what is missing costs nothing."""
        self._db = db
        self._batches = batches
        self._settler = settler
        self._costs_minor = costs_minor or {}

    async def resolve(
        self, tenant: str, batch_id: UUID, *, outcome: Resolution, note: str, person: str
    ) -> Batch:
        """Settle the batch; saying the same again changes nothing.

        A letter that a person settled by itself stays as it is. Letters that were not sent fail, so
        that the engine decides again from present facts.

        Raises:
            NoSuchBatchError: not there.
            BatchNotUnknownError: its fate is known already, and is another.
        """
        was_sent = outcome == "sent"
        target = BatchState.HANDED_OVER if was_sent else BatchState.WITHDRAWN
        async with self._db.tenant(tenant) as connection:
            batch = await self._batches.one(connection, batch_id, lock=True)
            if batch is None:
                raise NoSuchBatchError
            if batch.state is target:
                return batch
            if batch.state is not BatchState.UNKNOWN:
                raise BatchNotUnknownError(batch.state)
            reason = redact(f"resolved_by_person: {note}")
            letters = (await self._batches.letters(connection, [batch.key])).get(batch.key, ())
            news = BatchNews(
                key=batch.key,
                try_no=batch.tries,
                state=target,
                letters=None if was_sent else 0,
            )
            await self._batches.record(connection, news)
            unknown = [each for each in letters if each.message.state is State.UNKNOWN]
            await self._settler.settle(
                connection,
                [
                    Settled(
                        message=letter.message,
                        settlement=self._sent(letter, reason) if was_sent else fail(reason),
                        sha256=letter.sha256,
                        actor=f"person:{person}",
                        over=frozenset({State.UNKNOWN}),
                    )
                    for letter in unknown
                ],
            )
            settled = await self._batches.one(connection, batch_id)
        return settled or replace(batch, state=target)

    def _sent(self, letter: BatchLetter, reason: str) -> Settlement:
        return Settlement(
            state=State.SENT,
            reason=reason,
            provider_ref=letter.file,
            cost_minor=self._costs_minor.get(letter.message.channel, 0),
        )
