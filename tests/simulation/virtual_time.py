"""An event loop whose clock stands still while somebody works and jumps while all wait.

Sixty days pass in milliseconds, always in the same order: nothing here depends on the machine.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Jumping(selectors.DefaultSelector):
    """Waits for nobody: the time that the loop would sleep has passed at once."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody: nothing can happen any more")
        if timeout > 0:
            self.loop.clock += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines in virtual seconds, from 0."""

    def __init__(self) -> None:
        self.clock = 0.0
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)
        self.failures: list[BaseException] = []
        self.set_exception_handler(self._failed)

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context.get("exception") or RuntimeError(context["message"]))

    def time(self) -> float:
        return self.clock

    def soon(self, delay_s: float, action: Callable[[], object]) -> None:
        """Do something after so many seconds."""
        self.call_at(self.clock + max(0.0, delay_s), action)


def run(loop: VirtualLoop, main: Coroutine[Any, Any, None]) -> None:
    """Run to the end, and leave nothing behind."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main)
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    for failure in loop.failures:
        raise failure
