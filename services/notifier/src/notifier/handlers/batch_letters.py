"""Makes batches of the letters in the spool, binds each in a folder, and hands them over.

A batch may be bound and handed over any number of times: its files and their names are always the
same, so that a crash at any point costs nothing but work. Decides nothing about messages: a letter
in the spool counts as sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from dunning_common.db import Database
from notifier.ports.post import (
    BatchBinder,
    Batches,
    BatchNews,
    ClaimedBatch,
    HandOver,
    HandOverError,
)

log = structlog.get_logger()

_ROUND = 5
_RETRY_CAP_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRule:
    """When a batch is cut: at `largest` letters, or when one has waited for `wait_s` seconds.

    `lease_s` is how long one round of a batch may take before somebody else tries it;
    `retry_base_s` is the first pause after a failure, which doubles up to an hour.
    """

    largest: int = 500
    wait_s: float = 3600.0
    lease_s: float = 900.0
    retry_base_s: float = 30.0


class Batcher:
    """Takes letters from the spool to whoever prints or posts them; without `over`, to a folder."""

    def __init__(
        self,
        *,
        db: Database,
        batches: Batches,
        binder: BatchBinder,
        over: HandOver | None,
        rule: BatchRule,
    ) -> None:
        self._db = db
        self._batches = batches
        self._binder = binder
        self._over = over
        self._rule = rule

    async def work(self) -> int:
        """Cut what is due, then take one round of batches further; returns how many moved."""
        rule = self._rule
        async with self._db.worker() as connection:
            await self._batches.cut(connection, largest=rule.largest, wait_s=rule.wait_s)
        async with self._db.worker() as connection:
            claimed = await self._batches.claim(
                connection, hand_over=self._over is not None, limit=_ROUND, lease_s=rule.lease_s
            )
        for each in claimed:
            news = await self._further(each)
            async with self._db.worker() as connection:
                await self._batches.record(connection, [news])
        return len(claimed)

    async def _further(self, claimed: ClaimedBatch) -> BatchNews:
        """One batch: its folder, then its way out; trouble is news, too."""
        batch = claimed.batch
        news = BatchNews(key=batch.key, error=batch.error if batch.state == "ready" else None)
        try:
            if batch.state == "cut" or batch.folder is None:
                folder = await asyncio.to_thread(self._binder.bind, claimed)
                missing = ", ".join(folder.missing)
                error = f"not in the spool as written: {missing}" if missing else None
                news = replace(news, folder=folder, error=error)
            if self._over is not None and not claimed.sandbox:
                path = news.folder.path if news.folder else Path(batch.folder or "")
                place = await self._over.hand_over(path.name, path)
                news = replace(news, place=place)
        except (HandOverError, OSError) as error:
            retry_s = min(_RETRY_CAP_S, self._rule.retry_base_s * 2.0 ** min(batch.tries, 20))
            log.warning(
                "batch_waits", batch=str(batch.batch_id), tries=batch.tries, error=str(error)
            )
            return replace(
                news, error=f"{type(error).__name__}: {error}", retry_s=retry_s, place=None
            )
        log.info("batch_done", batch=str(batch.batch_id), letters=batch.letters, place=news.place)
        return news
