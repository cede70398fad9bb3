"""Run a simulation over a stream of debtors, batch by batch: never are all of them in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from typing import Any, Protocol

from dunning_engine.domain.simulation_job import Job, Part, result
from dunning_engine.domain.story import Story


class Cruncher(Protocol):
    """Plays stories somewhere else, so that the event loop stays free."""

    workers: int

    async def crunch(self, stories: Sequence[Story]) -> Part:
        """Play some stories."""
        ...


async def run_simulation(
    job: Job,
    batches: AsyncIterable[Sequence[Story]],
    cruncher: Cruncher,
    *,
    tell: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """Play all batches and report.

    Args:
        job: what to simulate.
        batches: debtors with their stories.
        cruncher: who plays them; at most two batches for each of its workers wait at a time.
        tell: hears after each batch how many debtors are done.
    """
    whole = Part(job.listed)
    waiting: set[asyncio.Task[tuple[int, Part]]] = set()
    debtors = 0

    async def crunch(stories: Sequence[Story]) -> tuple[int, Part]:
        return len(stories), await cruncher.crunch(stories)

    def take_in(done: set[asyncio.Task[tuple[int, Part]]]) -> None:
        nonlocal debtors
        for task in done:
            count, part = task.result()
            whole.add(part)
            debtors += count
        tell(debtors)

    try:
        async for stories in batches:
            waiting.add(asyncio.create_task(crunch(stories)))
            if len(waiting) >= 2 * cruncher.workers:
                done, waiting = await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
                take_in(done)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
            take_in(done)
    finally:
        for task in waiting:
            task.cancel()
    return result(job, whole)
