"""Makes batches of the letters in the spool, binds each in a folder, and brings it to the door.

Binding and bringing may be done any number of times: nothing counts before the batch was let go,
which `handlers/leave.py` does in one step. A batch of which that is not known is looked for first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog

from dunning_common.clock import Clock
from dunning_common.db import Database
from notifier.domain.message import State
from notifier.domain.post import IN_DOUBT, NOT_THERE
from notifier.handlers.leave import Door, NotNowError, OvertakenError
from notifier.ports.messages import MessageKey
from notifier.ports.post import (
    BatchBinder,
    Batches,
    BatchFolder,
    BatchLetter,
    BatchNews,
    BatchState,
    ClaimedBatch,
    Exit,
    HandOver,
    HandOverError,
    InDoubtError,
    Whereabouts,
)

log = structlog.get_logger()

_AT_ONCE = 5
_ROUNDS = 3
_RETRY_CAP_S = 3600.0
_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRule:
    """When a batch is cut: at `largest` letters, or when one has waited for `wait_s` seconds.

    `lease_s` is how long one round of a batch may take before somebody else tries it;
    `retry_base_s` is the first pause after a failure, which doubles up to an hour. A batch that
    cannot be looked for within `doubt_s` makes its letters unknown.
    """

    largest: int = 500
    wait_s: float = 3600.0
    lease_s: float = 900.0
    retry_base_s: float = 30.0
    doubt_s: float = 4 * 3600.0


class Batcher:
    """Takes letters from the spool to whoever prints or posts them.

    `over` leads to a server; `beside` to whoever watches the folders: the way of all batches where
    there is no server, and of sandbox tenants' batches, which nobody may be given.
    """

    def __init__(
        self,
        *,
        db: Database,
        batches: Batches,
        binder: BatchBinder,
        door: Door,
        over: HandOver | None,
        beside: HandOver,
        rule: BatchRule,
        clock: Clock,
    ) -> None:
        self._db = db
        self._batches = batches
        self._binder = binder
        self._door = door
        self._over = over
        self._beside = beside
        self._rule = rule
        self._clock = clock

    async def work(self) -> int:
        """Cut what is due, then take some batches further; returns how many moved."""
        rule = self._rule
        async with self._db.worker() as connection:
            await self._batches.cut(connection, largest=rule.largest, wait_s=rule.wait_s)
        done: list[UUID] = []
        for _ in range(_AT_ONCE):  # one at a time: each has the whole lease for itself
            async with self._db.worker() as connection:
                claimed = await self._batches.claim(
                    connection,
                    hand_over=self._over is not None,
                    limit=1,
                    lease_s=rule.lease_s,
                    other_than=done,
                )
            if not claimed:
                break
            await self._further(claimed[0])
            done.append(claimed[0].batch.batch_id)
        return len(done)

    async def _further(self, claimed: ClaimedBatch) -> None:
        """One batch: find it, bind it, bring it, let it go; trouble is news, too."""
        batch = claimed.batch
        is_found = batch.state is not BatchState.LEAVING
        way_out = self._over if self._over is not None and claimed.uploads else self._beside
        try:
            home = self._binder.home(batch)
            async with way_out.open(home, try_no=batch.tries) as way:
                rest = await self._find(claimed, way)
                is_found = True
                if rest is not None:
                    await self._take(rest, way)
        except OvertakenError as error:
            log.warning("batch_overtaken", batch=str(batch.batch_id), tries=batch.tries)
            if not error.begun:
                await asyncio.to_thread(self._binder.drop, claimed)
        except InDoubtError as error:
            await self._trouble(claimed, error, state=None)
        except (NotNowError, HandOverError, OSError) as error:
            if not is_found:
                await self._doubt(claimed)
            await self._trouble(claimed, error, state=claimed.held if is_found else None)

    async def _find(self, claimed: ClaimedBatch, way: Exit) -> ClaimedBatch | None:
        """Look where the batch is; None: nothing is left to do about it."""
        batch = claimed.batch
        where = await way.look()
        if batch.state is BatchState.LEAVING and batch.ready_at and not claimed.uploads:
            where = Whereabouts.NOWHERE  # it went to a server, and there is none any more
        if where is Whereabouts.OVER:
            await self._door.told(claimed, await self._letters(claimed, _IN_IT), way.place)
            if claimed.uploads:
                await asyncio.to_thread(self._binder.keep, batch)
            else:
                await asyncio.to_thread(self._binder.drop, claimed)
            log.info("batch_found", batch=str(batch.batch_id), place=way.place)
            return None
        if batch.state is not BatchState.LEAVING:
            return claimed
        leaving = await self._letters(claimed, _ON_ITS_WAY)
        if where is Whereabouts.HELD:
            await self._door.put_back(claimed, leaving)
            return replace(claimed, batch=replace(batch, state=claimed.held, error=None))
        await self._door.doubt(leaving, reason="the batch is neither here nor over there")
        await self._record(claimed, state=BatchState.UNKNOWN, error=IN_DOUBT, proved=True)
        return None

    async def _take(self, claimed: ClaimedBatch, way: Exit) -> None:
        """Bind the letters that may leave, bring them, let them go: until none has to stay."""
        lost: dict[MessageKey, BatchLetter] = {}
        for _ in range(_ROUNDS):
            letters = _without(lost, await self._door.letters(claimed))
            folder = None
            if letters:
                folder = await asyncio.to_thread(self._binder.bind, claimed, letters)
                lost |= {letter.message.key: letter for letter in folder.missing}
                await self._door.lose(folder.missing, reason=NOT_THERE)
                letters = _without(lost, letters)
                claimed = _noting(claimed, lost.values())
            if folder is None or not letters:
                await self._withdraw(claimed, way)
                return
            if claimed.uploads:
                await self._record(
                    claimed, state=BatchState.READY, folder=folder, letters=len(letters)
                )
            await way.bring(folder.path)
            if await self._door.leave(
                claimed, letters, replace(folder, path=self._binder.home(claimed.batch)), way
            ):
                if claimed.uploads:
                    await asyncio.to_thread(self._binder.keep, claimed.batch)
                log.info("batch_left", batch=str(claimed.batch.batch_id), place=way.place)
                return
        await self._record(claimed, state=claimed.held, retry_s=_AGAIN_S)

    async def _withdraw(self, claimed: ClaimedBatch, way: Exit) -> None:
        """Nothing of the batch may leave: nothing of it stays, either."""
        if await way.look() is Whereabouts.OVER:
            raise OvertakenError
        await self._record(claimed, state=BatchState.WITHDRAWN, letters=0)
        await way.drop()
        await asyncio.to_thread(self._binder.drop, claimed)

    async def _letters(self, claimed: ClaimedBatch, states: frozenset[State]) -> list[BatchLetter]:
        key = claimed.batch.key
        async with self._db.worker() as connection:
            found = (await self._batches.letters(connection, [key])).get(key, ())
        return [letter for letter in found if letter.message.state in states]

    async def _doubt(self, claimed: ClaimedBatch) -> None:
        """Nobody answers who could say where a batch is: after a while its letters are unknown."""
        left_at = claimed.batch.left_at
        since = self._clock.now() - timedelta(seconds=self._rule.doubt_s)
        if left_at is None or left_at <= since:
            leaving = await self._letters(claimed, frozenset({State.SENDING}))
            await self._door.doubt(leaving, reason=IN_DOUBT)

    async def _trouble(
        self, claimed: ClaimedBatch, error: Exception, *, state: BatchState | None
    ) -> None:
        batch = claimed.batch
        log.warning("batch_waits", batch=str(batch.batch_id), tries=batch.tries, error=str(error))
        retry_s = min(_RETRY_CAP_S, self._rule.retry_base_s * 2.0 ** min(batch.tries - 1, 20))
        said = str(error) if isinstance(error, NotNowError) else f"{type(error).__name__}: {error}"
        with suppress(OvertakenError):
            await self._record(claimed, state=state, error=said, retry_s=retry_s)

    async def _record(
        self,
        claimed: ClaimedBatch,
        *,
        state: BatchState | None,
        error: str | None = None,
        folder: BatchFolder | None = None,
        letters: int | None = None,
        retry_s: float | None = None,
        proved: bool = False,
    ) -> None:
        """Write it down.

        Raises:
            OvertakenError: another try is at it, or it is over.
        """
        news = BatchNews(
            key=claimed.batch.key,
            try_no=claimed.batch.tries,
            state=state,
            folder=folder,
            letters=letters,
            error=error or claimed.batch.error,
            retry_s=retry_s,
            proved=proved,
        )
        async with self._db.worker() as connection:
            if not await self._batches.record(connection, news):
                raise OvertakenError


_IN_IT = frozenset({State.PLANNED, State.SENDING, State.UNKNOWN})
_ON_ITS_WAY = frozenset({State.SENDING, State.UNKNOWN})


def _without(lost: Collection[MessageKey], letters: Sequence[BatchLetter]) -> list[BatchLetter]:
    return [letter for letter in letters if letter.message.key not in lost]


def _noting(claimed: ClaimedBatch, lost: Collection[BatchLetter]) -> ClaimedBatch:
    """The batch, with the letters that were not there for its error."""
    batch = claimed.batch
    names = ", ".join(letter.reference(batch) for letter in lost)
    return replace(claimed, batch=replace(batch, error=f"{NOT_THERE}: {names}" if names else None))
