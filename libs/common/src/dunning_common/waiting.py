"""Waiting with a limit, so that a cancellation is never lost.

`asyncio.wait_for` of Python 3.11 swallows a cancellation that comes in the same moment as what it
waits for: a loop that uses it may outlive its shutdown. Nothing here knows what is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def wait_for_event(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for an event at most so long; whether it came. Does not clear it."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Await work at most so long, then leave it behind, whether or not it can be cancelled.

    Raises:
        TimeoutError: the work took longer.
        RuntimeError: something inside the work cancelled it.
        Exception: whatever the work raised.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_forget)
    if not task.done():
        raise TimeoutError
    if task.cancelled():  # from its inside: to the caller it would look like a wish to stop
        raise RuntimeError("the work was cancelled, and not by its caller")
    return task.result()


def _forget(task: asyncio.Future[T]) -> None:
    """Take note of how abandoned work ended, so that asyncio does not complain."""
    if not task.cancelled():
        task.exception()
