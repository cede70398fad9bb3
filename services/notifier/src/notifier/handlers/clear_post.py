"""Empties spool and batch folders: letters whose fate is settled lie about no longer than they may.

What is recorded stays: states, checksums, and the bytes themselves, sealed with their message. The
files go first and the record follows, so that a crash in between repeats what changes nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from dunning_common.clock import Clock
from dunning_common.db import Database
from notifier.domain.message import Settlement, State
from notifier.domain.post import IN_DOUBT
from notifier.handlers.settling import Settler
from notifier.ports.messages import Settled
from notifier.ports.post import Batches, KeptFiles, LetterFiles

log = structlog.get_logger()

_LETTERS, _BATCHES = 500, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingRule:
    """How many days files are kept; 0: for ever. `uploads`: batches go to a server."""

    keep_days: int
    uploads: bool


class PostClearer:
    """Takes away what was handed over, or taken back, long enough ago."""

    def __init__(
        self, *, db: Database, kept: KeptFiles, files: LetterFiles, rule: ClearingRule
    ) -> None:
        self._db = db
        self._kept = kept
        self._files = files
        self._rule = rule

    async def clear(self) -> int:
        """One round; returns how many letters and batches were taken away."""
        days, uploads = self._rule.keep_days, self._rule.uploads
        if not days:
            return 0
        async with self._db.worker() as connection:
            letters = await self._kept.spool_files(
                connection, days=days, uploads=uploads, limit=_LETTERS
            )
            folders = await self._kept.folders(
                connection, days=days, uploads=uploads, limit=_BATCHES
            )
            if not letters and not folders:
                return 0
            await asyncio.to_thread(self._files.remove, [each.file for each in letters])
            await asyncio.to_thread(self._files.clear, list(folders.values()))
            await self._kept.cleared(
                connection, letters=[each.key for each in letters], batches=list(folders)
            )
        log.info("post_cleared", letters=len(letters), batches=len(folders))
        return len(letters) + len(folders)


class MarkClearer:
    """Takes away the marks of letters that were let go into the spool long enough ago.

    A mark is needed until somebody judged its letter, however long that takes: as long as a letter
    is `sending` since before the marks' time was over, all of them stay.
    """

    def __init__(
        self, *, db: Database, kept: KeptFiles, files: LetterFiles, keep_days: int, clock: Clock
    ) -> None:
        self._db = db
        self._kept = kept
        self._files = files
        self._keep_days = keep_days
        self._clock = clock

    async def clear(self) -> int:
        """One round; returns how many marks were taken away; with 0 days to keep, none ever."""
        if not self._keep_days:
            return 0
        before = self._clock.now() - timedelta(days=self._keep_days)
        async with self._db.worker() as connection:
            if await self._kept.unjudged(connection, before=before):
                return 0
        return await asyncio.to_thread(self._files.forget, before=before)


class Unbatcher:
    """Gives letters that wait for a batch back to the sender: where no batches are made any more.

    Nothing of them left the house. Their files go, so that they are written and permitted anew.
    Letters whose batch was leaving are unknown: nobody can look for it any more.
    """

    def __init__(
        self,
        *,
        db: Database,
        kept: KeptFiles,
        files: LetterFiles,
        batches: Batches,
        settler: Settler,
    ) -> None:
        self._db = db
        self._kept = kept
        self._files = files
        self._batches = batches
        self._settler = settler

    async def give_back(self) -> int:
        """One round; returns how many letters were given back."""
        await self._doubt()
        async with self._db.worker() as connection:
            letters = await self._kept.stranded(connection, limit=_LETTERS)
            if not letters:
                return 0
            await asyncio.to_thread(self._files.remove, [each.file for each in letters])
            await self._kept.unbatch(connection, [each.key for each in letters])
        log.warning("letters_unbatched", letters=len(letters))
        return len(letters)

    async def _doubt(self) -> None:
        async with self._db.worker() as connection:
            keys = await self._kept.abandon(connection)
            found = await self._batches.letters(connection, keys)
            verdict = Settlement(state=State.UNKNOWN, reason=IN_DOUBT)
            await self._settler.settle(
                connection,
                [
                    Settled(
                        message=letter.message,
                        settlement=verdict,
                        sha256=letter.sha256,
                        actor="post",
                        over=frozenset({State.SENDING}),
                    )
                    for letters in found.values()
                    for letter in letters
                    if letter.message.state is State.SENDING
                ],
            )
