"""The built service fed by a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

from dunning_common.bus import Record
from kpi.testing import Story, set_k
from tests.integration.kpi.conftest import Running


@asynccontextmanager
async def consuming(running: Running) -> AsyncIterator[None]:
    loops = [asyncio.create_task(loop()) for loop in running.service.loops.values()]
    yield
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)


async def test_what_is_published_shows_in_the_figures_once_though_it_came_twice(
    running: Running,
) -> None:
    story = set_k(Story().register())
    story.remind(["jan-open"], at=date(2026, 3, 30))
    running.bus.repeat = 2

    async with consuming(running):
        publisher = await running.bus.publisher()
        for event in story.events:
            record = Record(event.envelope.key, event.envelope.to_bytes())
            await publisher.publish(event.payload.topic, [record])
        figures = await _until(running, notices=1)

    assert figures["open_balance"]["value"] == "180000.00"
    assert figures["collections"]["value"] == "270000.00"
    assert await running.books.rebuild()


async def _until(running: Running, *, notices: int) -> dict[str, dict[str, str]]:
    while True:
        answer = await running.client.get("/v1/kpi?on=2026-03-31", headers=running.bearer())
        figures: dict[str, dict[str, str]] = answer.json()["kpis"]
        if figures["notices"]["value"] == notices and figures["dso"]["value"] == "54.00":
            return figures
        await asyncio.sleep(0.05)
