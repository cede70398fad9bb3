"""The door: letters of a batch are asked about once more, right before the batch leaves.

The same protocol as for a message of its own (`handlers/send.py`), with a batch for a message:
commit `sending`, ask the ledger for permits, look at the clock, give the sign in one step, record,
give the permits back. One letter that may not leave keeps the batch here until it was taken out.
Whatever may have left is looked for, and never let go again blindly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from dunning_common.clock import monotonic
from dunning_common.db import Database
from notifier.channels.base import Deadline, DeadlinePassedError
from notifier.domain.message import Settlement, State
from notifier.domain.outcome import Sent, Spooled, accepted
from notifier.domain.post import NO_PERMITS, TOO_LATE, withheld
from notifier.handlers.permission import combined, denial, requests_about
from notifier.handlers.send import Crash, no_crash
from notifier.handlers.settling import Settler
from notifier.ports.ledger import Denied, Granted, Ledger, LedgerUnavailableError, PermitRequest
from notifier.ports.messages import MessageKey, Settled
from notifier.ports.post import (
    Batches,
    BatchFolder,
    BatchLetter,
    BatchNews,
    BatchState,
    ClaimedBatch,
    Exit,
    HandOverError,
    InDoubtError,
)
from notifier.ports.suppressions import Suppressions

log = structlog.get_logger()

_ACTOR = "post"
_REQUESTS_AT_ONCE = 250


class NotNowError(Exception):
    """The batch cannot leave now, and nothing of it did; its letters wait in the spool again."""


class OvertakenError(Exception):
    """Somebody else took the batch meanwhile: whatever is done here counts no more.

    `begun`: after it began to leave, so that the other one looks for what is here.
    """

    def __init__(self, *, begun: bool = False) -> None:
        super().__init__()
        self.begun = begun


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorRule:
    """The protocol's times in seconds, and what a letter costs by channel, in minor units.

    Permits are asked for `permit_s`: that long a payment waits at worst, after a crash. The sign
    may take `release_s`, and must end `margin_s` before them.
    """

    permit_s: float = 20.0
    release_s: float = 8.0
    margin_s: float = 1.0
    costs_minor: Mapping[str, int]


class Door:
    """Lets batches out, each letter permitted at that moment."""

    def __init__(
        self,
        *,
        db: Database,
        batches: Batches,
        settler: Settler,
        suppressions: Suppressions,
        ledger: Ledger,
        rule: DoorRule,
        crash: Crash = no_crash,
    ) -> None:
        self._db = db
        self._batches = batches
        self._settler = settler
        self._suppressions = suppressions
        self._ledger = ledger
        self._rule = rule
        self._crash = crash

    async def letters(self, claimed: ClaimedBatch) -> list[BatchLetter]:
        """The letters that may leave by all that is known here; the others are settled."""
        key = claimed.batch.key
        async with self._db.worker() as connection:
            found = (await self._batches.letters(connection, [key])).get(key, ())
            here = [letter for letter in found if letter.goes]
            places = {_place(letter) for letter in here if letter.waits}
            barred = await self._suppressions.among(connection, places) if places else {}
            verdicts = {}
            for letter in here:
                causes = barred.get(_place(letter), frozenset())
                settlement = withheld(
                    letter.message, revoked=letter.revoked, causes=causes, erased=letter.erased
                )
                if letter.waits and settlement:
                    verdicts[letter.message.key] = _settled(letter, settlement)
            await self._settler.settle(connection, list(verdicts.values()))
        return [letter for letter in here if letter.message.key not in verdicts]

    async def lose(self, lost: Sequence[BatchLetter], *, reason: str) -> None:
        """Letters that are not in the spool: somebody may have posted them, so they are unknown."""
        waiting = [letter for letter in lost if letter.waits]
        if not waiting:
            return
        verdict = Settlement(state=State.UNKNOWN, reason=reason)
        async with self._db.worker() as connection:
            await self._batches.take_out(connection, [each.message.key for each in waiting])
            await self._settler.settle(connection, [_settled(each, verdict) for each in waiting])

    async def leave(
        self,
        claimed: ClaimedBatch,
        letters: Sequence[BatchLetter],
        folder: BatchFolder,
        way: Exit,
    ) -> bool:
        """Let the batch out; False: letters were taken out instead.

        Args:
            claimed: the batch, bound and brought.
            letters: those in it.
            folder: its files, where they are to lie.
            way: its way out.

        Raises:
            NotNowError: the ledger does not answer, or it took too long.
            InDoubtError: nobody knows whether it left.
            HandOverError: it was refused.
            OvertakenError: another try is at it.
        """
        going = await self._begin(claimed, letters, folder)
        if going is None:
            return False
        self._crash("after_begin")
        requests = {
            letter.message.key: requests_about(letter.message.tenant, letter.invoices)
            for letter in going
        }
        try:
            has_left = await self._permitted(claimed, going, requests, way)
        except InDoubtError:
            raise  # and its permits end with their lease: the sign may still be given
        except (NotNowError, HandOverError):
            await self.put_back(claimed, going)
            await self._return(requests.values())
            raise
        if has_left:
            await self.told(claimed, going, way.place)
        await self._return(requests.values())
        return has_left

    async def told(self, claimed: ClaimedBatch, letters: Sequence[BatchLetter], place: str) -> None:
        """Record that the batch is over there: its letters are sent.

        A batch of a sandbox tenant never leaves: it stays as it lies.
        """
        kept = claimed.sandbox
        news = BatchNews(
            key=claimed.batch.key,
            try_no=None,
            state=BatchState.READY if kept else BatchState.HANDED_OVER,
            place=None if kept else place,
            error=claimed.batch.error,
            proved=True,
        )
        async with self._db.worker() as connection:
            await self._batches.record(connection, news)
            await self._settler.settle(connection, [self._sent(letter) for letter in letters])

    async def put_back(self, claimed: ClaimedBatch, letters: Sequence[BatchLetter]) -> None:
        """Nothing left, for certain: the letters wait in the spool again."""
        await self._stay(claimed, [_waits(letter) for letter in letters])

    async def doubt(self, letters: Sequence[BatchLetter], *, reason: str) -> None:
        """Nobody can tell whether they left: they are unknown."""
        verdict = Settlement(state=State.UNKNOWN, reason=reason)
        async with self._db.worker() as connection:
            await self._settler.settle(
                connection, [_settled(letter, verdict) for letter in letters]
            )

    async def _stay(self, claimed: ClaimedBatch, verdicts: Sequence[Settled]) -> None:
        """The batch did not leave: its state and its letters' say so in one transaction."""
        batch = claimed.batch
        news = BatchNews(
            key=batch.key,
            try_no=batch.tries,
            state=claimed.held,
            error=batch.error,
            proved=True,
        )
        async with self._db.worker() as connection:
            if not await self._batches.record(connection, news):
                raise OvertakenError(begun=True)
            await self._settler.settle(connection, verdicts)

    async def _begin(
        self, claimed: ClaimedBatch, letters: Sequence[BatchLetter], folder: BatchFolder
    ) -> list[BatchLetter] | None:
        """Commit that the batch leaves, all of it or nothing; None: a letter was taken back.

        Returns:
            Those that were not told as sent already.
        """
        waiting = [letter for letter in letters if letter.waits]
        news = BatchNews(
            key=claimed.batch.key,
            try_no=claimed.batch.tries,
            state=BatchState.LEAVING,
            folder=folder,
            letters=len(letters),
            error=claimed.batch.error,
        )
        async with self._db.worker() as connection:
            begun = {m.key: m for m in await self._batches.begin_leaving(connection, waiting)}
            if not await self._batches.record(connection, news):
                raise OvertakenError
        going = [
            replace(letter, message=begun[letter.message.key])
            for letter in waiting
            if letter.message.key in begun
        ]
        if len(going) == len(waiting):
            return going
        await self.put_back(claimed, going)
        return None

    async def _ask(self, requests: Sequence[PermitRequest]) -> Mapping[UUID, Granted | Denied]:
        """Permits, in as many calls as the ledger wants; none at all where one call fails."""
        answers: dict[UUID, Granted | Denied] = {}
        try:
            for first in range(0, len(requests), _REQUESTS_AT_ONCE):
                some = requests[first : first + _REQUESTS_AT_ONCE]
                answers |= await self._ledger.permits(some, lease_s=self._rule.permit_s)
        except LedgerUnavailableError as error:
            log.warning("ledger_unavailable", error=str(error))
            raise NotNowError(NO_PERMITS) from error
        return answers

    async def _permitted(
        self,
        claimed: ClaimedBatch,
        going: Sequence[BatchLetter],
        requests: Mapping[MessageKey, Sequence[PermitRequest]],
        way: Exit,
    ) -> bool:
        """Ask, and give the sign when all may go; False: some were turned back instead."""
        asked_at = monotonic()
        answers = await self._ask([each for several in requests.values() for each in several])
        self._crash("after_permit")
        given = {
            key: combined([answers.get(each.permit_id) for each in several])
            for key, several in requests.items()
        }
        if any(isinstance(answer, Denied) for answer in given.values()):
            await self._stay(claimed, [_turned_back(each, given) for each in going])
            return False
        granted = [answer for answer in given.values() if isinstance(answer, Granted)]
        if len(granted) < len(going):
            raise NotNowError(NO_PERMITS)
        rest_s = min((answer.expires_in_s for answer in granted), default=self._rule.permit_s)
        await self._release(way, until=asked_at + rest_s)
        self._crash("after_release")
        return True

    async def _release(self, way: Exit, *, until: float) -> None:
        rule = self._rule
        deadline = Deadline(at=until - rule.release_s - rule.margin_s, max_send_s=rule.release_s)
        self._crash("before_release")
        try:
            await way.release(deadline)
        except DeadlinePassedError as error:
            raise NotNowError(TOO_LATE) from error

    async def _return(self, requests: Collection[Sequence[PermitRequest]]) -> None:
        ids = [request.permit_id for several in requests for request in several]
        if ids:
            await self._ledger.return_permits(ids)

    def _sent(self, letter: BatchLetter) -> Settled:
        cost_minor = self._rule.costs_minor.get(letter.message.channel, 0)
        return _settled(letter, accepted(Sent(provider_ref=letter.file, cost_minor=cost_minor)))


_OPEN = frozenset({State.PLANNED, State.SENDING, State.UNKNOWN})


def _place(letter: BatchLetter) -> tuple[str, str, str]:
    message = letter.message
    return message.tenant, message.channel, message.recipient_hash or ""


def _turned_back(
    letter: BatchLetter, given: Mapping[MessageKey, Granted | Denied | None]
) -> Settled:
    """Back to the engine, when it was denied; back on the shelf, when others were."""
    answer = given[letter.message.key]
    return _settled(letter, denial(answer)) if isinstance(answer, Denied) else _waits(letter)


def _waits(letter: BatchLetter) -> Settled:
    return _settled(letter, accepted(Spooled(provider_ref=letter.file)))


def _settled(letter: BatchLetter, settlement: Settlement) -> Settled:
    return Settled(
        message=letter.message,
        settlement=settlement,
        sha256=letter.sha256,
        actor=_ACTOR,
        over=_OPEN,
    )
