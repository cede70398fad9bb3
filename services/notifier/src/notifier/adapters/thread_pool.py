"""Threads for processor work, so that the event loop stays free: templates, MIME, typesetting.

Knows nothing of what it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_CHUNK = 8
"""Items per task: small enough to share out, large enough not to count."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class ThreadPool:
    """A few threads."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="notifier-write")

    async def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The function's result for each item, in order."""
        loop = asyncio.get_running_loop()
        chunks = [items[first : first + _CHUNK] for first in range(0, len(items), _CHUNK)]
        done = await asyncio.gather(
            *(
                loop.run_in_executor(self._pool, lambda chunk: [function(i) for i in chunk], chunk)
                for chunk in chunks
            )
        )
        return [result for results in done for result in results]

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
