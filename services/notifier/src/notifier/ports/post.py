"""Handing letters over to whoever prints or posts them, as ports: batches, folders, transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

BatchKey = tuple[str, UUID]
"""Tenant and batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Letters of one kind of one tenant that are handed over together.

    `state` is `cut` (its letters are chosen), `ready` (its folder is whole) or `handed_over`.
    `folder` is where its files lie, `place` where they were handed over to. `error` says what went
    wrong at the last of `tries`, or what is amiss with a batch that went through.
    """

    tenant: str
    batch_id: UUID
    seq: int
    channel: str
    state: str
    letters: int
    pages: int | None
    size_bytes: int | None
    checksum: str | None
    folder: str | None
    place: str | None
    tries: int
    error: str | None
    cut_at: datetime
    ready_at: datetime | None
    handed_over_at: datetime | None

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
    """A letter of a batch: its place in it, its file in the spool and that file's checksum."""

    message_id: UUID
    debtor_id: str
    place: int
    file: str
    sha256: str

    def reference(self, batch: Batch) -> str:
        """The letter's name among people: `R12-0007`."""
        return f"{batch.reference}-{self.place:04}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedBatch:
    """A batch to work on; `creditor` is the tenant's name, `sandbox` whether nothing may leave."""

    batch: Batch
    letters: tuple[BatchLetter, ...]
    creditor: str
    language: str
    zone: str
    sandbox: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFolder:
    """A batch's files, whole: letters, cover sheet, list, checksums.

    `missing` are the references of letters that were not in the spool as they were written.
    """

    path: Path
    pages: int
    size_bytes: int
    checksum: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNews:
    """What became of a batch in one round; `error` does not keep it from moving on."""

    key: BatchKey
    folder: BatchFolder | None = None
    place: str | None = None
    error: str | None = None
    retry_s: float | None = None


class Batches(Protocol):
    """Where batches are kept."""

    async def cut(self, connection: AsyncConnection, *, largest: int, wait_s: float) -> int:
        """Make batches of letters in the spool that belong to none; returns how many.

        A batch is cut when there are `largest` letters of a kind or one waits for `wait_s`.
        """
        ...

    async def claim(
        self, connection: AsyncConnection, *, hand_over: bool, limit: int, lease_s: float
    ) -> list[ClaimedBatch]:
        """Take batches that have to be built or, if wanted, handed over; others skip them."""
        ...

    async def record(self, connection: AsyncConnection, news: Sequence[BatchNews]) -> None:
        """Write down what became of them."""
        ...

    async def page(self, connection: AsyncConnection, *, after: int, limit: int) -> list[Batch]:
        """The tenant's batches, oldest first; `after` is the `seq` of the last one seen."""
        ...

    async def one(self, connection: AsyncConnection, batch_id: UUID) -> Batch | None:
        """One batch."""
        ...

    async def letters(
        self, connection: AsyncConnection, keys: Sequence[BatchKey]
    ) -> Mapping[BatchKey, tuple[BatchLetter, ...]]:
        """The letters of batches, in their places."""
        ...


class BatchBinder(Protocol):
    """Puts the files of a batch into one folder; making it again gives the same files."""

    def bind(self, claimed: ClaimedBatch) -> BatchFolder:
        """Blocking.

        Raises:
            OSError: no space left, no permission: nothing of the folder is there.
        """
        ...


class HandOverError(Exception):
    """The batch is not over there, or not wholly; trying again does no harm."""


class HandOver(Protocol):
    """Takes a batch's folder to whoever prints or posts it."""

    async def hand_over(self, name: str, folder: Path) -> str:
        """Take the folder there; once more changes nothing. Returns the place.

        Raises:
            HandOverError: it did not get there.
        """
        ...
