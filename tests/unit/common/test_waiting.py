"""Waiting ends in time, and a cancellation is never lost."""

from __future__ import annotations

import asyncio

import pytest

from dunning_common.waiting import wait_for_event, within


async def never() -> None:
    await asyncio.Event().wait()


async def test_an_event_that_comes_is_seen() -> None:
    event = asyncio.Event()
    event.set()

    assert await wait_for_event(event, 0.001)


async def test_an_event_that_does_not_come_is_given_up() -> None:
    assert not await wait_for_event(asyncio.Event(), 0.001)


@pytest.mark.parametrize("steps", range(6))
async def test_a_loop_ends_though_its_event_comes_in_the_same_moment(steps: int) -> None:
    event = asyncio.Event()

    async def loop() -> None:
        while True:
            await wait_for_event(event, 60)
            event.clear()

    task = asyncio.ensure_future(loop())
    await asyncio.sleep(0.001)
    event.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()

    done, _ = await asyncio.wait({task}, timeout=30)
    assert done


async def test_work_that_ends_in_time_gives_its_result() -> None:
    async def work() -> int:
        return 7

    assert await within(30, work()) == 7


async def test_work_that_fails_raises_what_it_raised() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await within(30, work())


async def test_work_that_takes_too_long_is_left_behind() -> None:
    with pytest.raises(TimeoutError):
        await within(0.001, never())


async def test_work_that_cannot_be_cancelled_is_left_behind_as_well() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    with pytest.raises(TimeoutError):
        await within(0.001, stubborn())
    release.set()


async def test_work_that_cancels_itself_does_not_stop_its_caller() -> None:
    async def confused() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError):
        await within(30, confused())


async def test_who_is_cancelled_cancels_the_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await never()
        finally:
            ended.set()

    task = asyncio.ensure_future(within(60, work()))
    await asyncio.sleep(0.001)
    task.cancel()

    assert await wait_for_event(ended, 30)
    with pytest.raises(asyncio.CancelledError):
        await task
