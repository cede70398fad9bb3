"""Handing letters over to whoever prints or posts them, as ports: batches, folders, ways out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifier.domain.message import Message, State
from notifier.ports.messages import MessageKey

BatchKey = tuple[str, UUID]
"""Tenant and batch."""


class BatchState(StrEnum):
    """Where a batch stands.

    `cut`: its letters are chosen. `ready`: its folder is whole. `leaving`: it goes out right now,
    or was doing so when something broke, and is looked for. `handed_over`: whoever prints has it.
    `unknown`: nobody can tell whether they have it, a person must. `withdrawn`: nothing of it left.
    """

    CUT = "cut"
    READY = "ready"
    LEAVING = "leaving"
    HANDED_OVER = "handed_over"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Letters of one kind of one tenant that are handed over together.

    `letters` are those in it, `withdrawn` those that were taken out before it left. `folder` is
    where its files lie, until they are cleared away; `place` where they were handed over to.
    `error` says what went wrong at the last of `tries`, or what is amiss with a batch that left.
    """

    tenant: str
    batch_id: UUID
    seq: int
    channel: str
    state: BatchState
    letters: int
    withdrawn: int
    pages: int | None
    size_bytes: int | None
    checksum: str | None
    folder: str | None
    place: str | None
    tries: int
    error: str | None
    cut_at: datetime
    ready_at: datetime | None
    left_at: datetime | None
    handed_over_at: datetime | None
    cleared_at: datetime | None

    @property
    def key(self) -> BatchKey:
        """Its primary key."""
        return self.tenant, self.batch_id

    @property
    def reference(self) -> str:
        """Its name among people: `L12`, for registered letters `R12`."""
        return f"{'R' if self.channel == 'registered_letter' else 'L'}{self.seq}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLetter:
    """A letter of a batch: its place in it, its file in the spool and that file's checksum.

    `reason` is that of the message's state; `invoices` are those it is about, in the versions that
    it was written from; `revoked` those that must not be reminded any more. `told_before` says that
    it was told as sent before its batch was cut, `erased` that its debtor was since it was written.
    """

    message: Message
    place: int
    file: str
    sha256: str
    reason: str | None = None
    invoices: tuple[tuple[str, int], ...] = ()
    revoked: frozenset[str] = frozenset()
    told_before: bool = False
    erased: bool = False

    @property
    def message_id(self) -> UUID:
        """The message's id, which its files bear."""
        return self.message.message_id

    @property
    def debtor_id(self) -> str:
        """Whom it is to."""
        return self.message.debtor_id

    @property
    def waits(self) -> bool:
        """Whether it may leave with its batch and was not told as sent yet."""
        return self.message.state is State.PLANNED

    @property
    def goes(self) -> bool:
        """Whether it may be in its batch's folder."""
        return self.waits or (self.told_before and self.message.state is State.SENT)

    def reference(self, batch: Batch) -> str:
        """The letter's name among people: `R12-0007`."""
        return f"{batch.reference}-{self.place:04}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedBatch:
    """A batch to work on; `creditor` is the tenant's name, `sandbox` whether nothing may leave.

    `uploads` says that it goes to a server, and not to whoever watches the folders.
    """

    batch: Batch
    creditor: str
    language: str
    zone: str
    sandbox: bool
    uploads: bool

    @property
    def held(self) -> BatchState:
        """Its state while it waits to leave; bound, it can be looked at where it is uploaded."""
        return BatchState.READY if self.uploads else BatchState.CUT


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFolder:
    """A batch's files, whole: letters, cover sheet, list, checksums.

    `missing` are the letters that were not in the spool as they were written.
    """

    path: Path
    letters: int
    pages: int
    size_bytes: int
    checksum: str
    missing: tuple[BatchLetter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNews:
    """What became of a batch; what is None stays as it was, but for `error`.

    `try_no` is the try in which it happened: news of a try that another one overtook are dropped.
    None: they are true whoever is at it. A batch that is over stays as it is.
    `letters` are those that are in it now; the others count as withdrawn.
    The next try comes in `retry_s`; None: when the present one ends, at the latest.
    `proved` says that it is known whether a leaving batch left: no other news moves it on.
    """

    key: BatchKey
    try_no: int | None
    state: BatchState | None = None
    folder: BatchFolder | None = None
    letters: int | None = None
    place: str | None = None
    error: str | None = None
    retry_s: float | None = None
    proved: bool = False


class Batches(Protocol):
    """Where batches are kept."""

    async def cut(self, connection: AsyncConnection, *, largest: int, wait_s: float) -> int:
        """Make batches of letters in the spool that belong to none; returns how many.

        A batch is cut when there are `largest` letters of a kind or one waits for `wait_s`.
        """
        ...

    async def claim(
        self,
        connection: AsyncConnection,
        *,
        hand_over: bool,
        limit: int,
        lease_s: float,
        other_than: Collection[UUID] = (),
    ) -> list[ClaimedBatch]:
        """Take batches that have to be built or, if wanted, handed over; others skip them."""
        ...

    async def record(self, connection: AsyncConnection, news: BatchNews) -> bool:
        """Write down what became of a batch; False: it is over, or another try is at it."""
        ...

    async def begin_leaving(
        self, connection: AsyncConnection, letters: Sequence[BatchLetter]
    ) -> list[Message]:
        """Mark waiting letters as `sending`, where nothing happened to them; returns those.

        Their lease has no end: what becomes of them is for their batch to say.
        """
        ...

    async def take_out(self, connection: AsyncConnection, letters: Collection[MessageKey]) -> None:
        """Letters that are not there: they do not belong to their batch any more."""
        ...

    async def page(
        self, connection: AsyncConnection, *, after: int, limit: int, newest_first: bool = False
    ) -> list[Batch]:
        """The tenant's batches, oldest first unless asked the other way round.

        `after` is the `seq` of the last one seen, 0 for the first page.
        """
        ...

    async def waiting(self, connection: AsyncConnection, *, limit: int) -> list[Batch]:
        """Batches that wait for a person, oldest first: unknown ones, and those that fail."""
        ...

    async def one(
        self, connection: AsyncConnection, batch_id: UUID, *, lock: bool = False
    ) -> Batch | None:
        """One batch."""
        ...

    async def letters(
        self, connection: AsyncConnection, keys: Sequence[BatchKey]
    ) -> Mapping[BatchKey, tuple[BatchLetter, ...]]:
        """The letters of batches, in their places."""
        ...


class BatchBinder(Protocol):
    """Puts the files of a batch into one folder; making it again gives the same files."""

    def home(self, batch: Batch) -> Path:
        """Where the folder of a batch lies at last: its name there is the batch's own."""
        ...

    def bind(self, claimed: ClaimedBatch, letters: Sequence[BatchLetter]) -> BatchFolder:
        """Make the folder beside its last place, under a name that is not its own; blocking.

        Raises:
            OSError: no space left, no permission: nothing of the folder is there.
        """
        ...

    def keep(self, batch: Batch) -> Path:
        """The batch has left: its files, if they are here, get their own name; blocking.

        Raises:
            OSError: it cannot be renamed.
        """
        ...

    def drop(self, claimed: ClaimedBatch) -> None:
        """Take away what this try and those before it bound; blocking."""
        ...


class HandOverError(Exception):
    """The batch is not over there, or not wholly; trying again does no harm."""


class InDoubtError(HandOverError):
    """The answer got lost while the batch was let go: look where it is before anything else."""


class Whereabouts(StrEnum):
    """What a look over there proves.

    `over`: they were given the batch. `held`: it lies there and they were not given it. `nowhere`:
    there is nothing that could prove either.
    """

    OVER = "over"
    HELD = "held"
    NOWHERE = "nowhere"


class Latest(Protocol):
    """The last moment at which a sign may be given (`notifier.channels.base.Deadline`)."""

    @property
    def max_send_s(self) -> float:
        """How many seconds it may take then."""
        ...

    def check(self) -> None:
        """Call right before it.

        Raises:
            DeadlinePassedError: too late to begin.
        """
        ...


class Exit(Protocol):
    """One batch's way out, open."""

    @property
    def place(self) -> str:
        """Where the batch is once it was let go."""
        ...

    async def look(self) -> Whereabouts:
        """Where the batch is.

        Raises:
            HandOverError: nobody answers.
        """
        ...

    async def bring(self, folder: Path) -> None:
        """Take the files there, all but the sign that they may be taken; once more does no harm.

        Raises:
            HandOverError: they did not get there.
        """
        ...

    async def release(self, deadline: Latest) -> None:
        """Give the sign that they may be taken: one step, done or not done.

        Raises:
            DeadlinePassedError: it was too late to begin; nothing was given.
            InDoubtError: nobody knows whether it was done.
            HandOverError: it was not done.
        """
        ...

    async def drop(self) -> None:
        """Take away what was brought of a batch that does not leave, unless it got its sign.

        Raises:
            HandOverError: nobody answers.
        """
        ...


class HandOver(Protocol):
    """Ways out to whoever prints or posts."""

    def open(self, home: Path, *, try_no: int) -> AbstractAsyncContextManager[Exit]:
        """Open the way out of the batch whose folder's last place is `home`.

        What is brought in a try is apart from what others brought, or bring later than they think.

        Raises:
            HandOverError: on entering; nobody answers.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFile:
    """A letter's file in the spool."""

    key: MessageKey
    file: str


class LetterFiles(Protocol):
    """The files of letters on this machine; what is gone already is no trouble."""

    def remove(self, files: Collection[str]) -> None:
        """Letters in the spool and their slips; blocking.

        Raises:
            OSError: no permission.
        """
        ...

    def clear(self, folders: Collection[str]) -> None:
        """Folders of batches; blocking. What lies elsewhere is left alone.

        Raises:
            OSError: no permission.
        """
        ...

    def forget(self, *, before: datetime) -> int:
        """Marks of letters that were let go before an instant; blocking. Returns how many.

        Raises:
            OSError: no permission.
        """
        ...


class KeptFiles(Protocol):
    """Which files of letters lie about, and which of them may go."""

    async def spool_files(
        self, connection: AsyncConnection, *, days: int, uploads: bool, limit: int
    ) -> list[SpoolFile]:
        """Lock files of letters whose fate is settled since `days` days."""
        ...

    async def folders(
        self, connection: AsyncConnection, *, days: int, uploads: bool, limit: int
    ) -> Mapping[BatchKey, str]:
        """Lock folders of batches that are over since `days` days."""
        ...

    async def cleared(
        self,
        connection: AsyncConnection,
        *,
        letters: Collection[MessageKey] = (),
        batches: Collection[BatchKey] = (),
    ) -> None:
        """Write down that the files and folders are gone."""
        ...

    async def stranded(self, connection: AsyncConnection, *, limit: int) -> list[SpoolFile]:
        """Lock letters that wait in the spool for a batch to leave."""
        ...

    async def unbatch(self, connection: AsyncConnection, letters: Collection[MessageKey]) -> None:
        """Let the sender have these letters again, at once."""
        ...

    async def abandon(self, connection: AsyncConnection) -> list[BatchKey]:
        """Nobody will look any more where leaving batches are: mark them as unknown."""
        ...

    async def unjudged(self, connection: AsyncConnection, *, before: datetime) -> bool:
        """Whether a letter was claimed before an instant and is `sending` ever since."""
        ...
