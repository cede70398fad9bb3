"""Simulations in processes of their own: the parts of a job side by side, the event loop left free.

The processes are started anew, not forked: whoever starts them has threads. Each knows the job from
its start; what goes to and fro are stories and sums.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from types import TracebackType
from typing import Self

from dunning_engine.adapters.holiday_calendar import YEARS_AHEAD, calendar_for
from dunning_engine.adapters.rate_files import load_rates
from dunning_engine.domain.account import Account
from dunning_engine.domain.schedule import Calendar
from dunning_engine.domain.simulation_job import Job, Part, play
from dunning_engine.domain.story import Story


class Crunchers:
    """A pool for one job. Use it as an async context manager; leaving it ends the processes."""

    def __init__(self, job: Job, *, workers: int | None = None) -> None:
        """Args: the job, and how many processes (one for each core that we may use)."""
        self.workers = workers or len(os.sched_getaffinity(0))
        self._pool = ProcessPoolExecutor(
            self.workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(job,)
        )

    async def crunch(self, stories: Sequence[Story]) -> Part:
        """Play some stories in one of the processes."""
        return await asyncio.wrap_future(self._pool.submit(_crunch, stories))

    async def __aenter__(self) -> Self:
        """Nothing to wait for: processes start with their first work."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes; what was not begun is not done any more."""
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)


class InThread:
    """The same for a small job: in a thread of this process, which starts at once."""

    workers = 1

    def __init__(self, job: Job) -> None:
        """Args: the job."""
        self._job = job

    async def crunch(self, stories: Sequence[Story]) -> Part:
        """Play some stories."""
        return await asyncio.to_thread(play_here, self._job, stories)


def play_here(job: Job, stories: Sequence[Story]) -> Part:
    """Play some stories in this very process, with the public law of the package."""
    years = range(job.starts_on.year - 1, job.ends_on.year + YEARS_AHEAD + 1)

    def calendar_of(account: Account) -> Calendar:
        return _calendar(account.country, account.region, years)

    return play(job, stories, calendar_of=calendar_of, rates=load_rates())


_jobs: list[Job] = []


def _begin(job: Job) -> None:
    # Ctrl-C is the parent's to handle: it cancels, and the pool ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _jobs.append(job)


def _crunch(stories: Sequence[Story]) -> Part:
    return play_here(_jobs[-1], stories)


@lru_cache(maxsize=1024)
def _calendar(country: str, region: str | None, years: range) -> Calendar:
    return calendar_for(country, region, years)
