"""Threads for processor work, so that the event loop stays free: templates, MIME, typesetting.

Knows nothing of what it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_PORTION_MAX = 25
"""Items in one call: enough for a step done for all of them before the next one to pay."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class ThreadPool:
    """A few threads."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="notifier-write")

    async def map(
        self, function: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]
    ) -> list[Result]:
        """The function's results for all items, in order; it is called with portions of them."""
        loop = asyncio.get_running_loop()
        size = min(_PORTION_MAX, -(-len(items) // self._threads)) or 1
        done = await asyncio.gather(
            *(
                loop.run_in_executor(self._pool, function, items[first : first + size])
                for first in range(0, len(items), size)
            )
        )
        return [result for results in done for result in results]

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
