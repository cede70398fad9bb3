"""Ends the process when a loop stops making progress, so that a supervisor starts a clean one.

A thread, not a task: it must see also an event loop that is blocked. It knows nothing of what the
loops do; they call `beat` whenever they get round.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Self

import structlog

from dunning_common.service import EXIT_RESTART_ME

ExitProcess = Callable[[int], object]
_CHECKS_PER_LIMIT = 10
log = structlog.get_logger()


class Watchdog:
    """Watches one loop. Use as a context manager around the loop.

    Time is counted in checks of the thread itself, not by a clock: a process that was stopped as a
    whole (SIGSTOP, a paused machine) is not taken for one that hangs.
    """

    def __init__(self, name: str, *, limit_s: float, exit_process: ExitProcess = os._exit) -> None:
        """Args: the loop's name for the log, the longest silence in seconds, and how to end."""
        self._name = name
        self._limit_s = limit_s
        self._exit = exit_process
        self._silent_checks = 0
        self._over = threading.Event()
        self.thread: threading.Thread | None = None

    def beat(self) -> None:
        """The loop got round."""
        self._silent_checks = 0

    def __enter__(self) -> Self:
        self._over.clear()
        self.beat()
        self.thread = threading.Thread(
            target=self._watch, name=f"watchdog-{self._name}", daemon=True
        )
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(self._limit_s / _CHECKS_PER_LIMIT):
            self._silent_checks += 1
            if self._silent_checks > _CHECKS_PER_LIMIT:
                log.error("loop_makes_no_progress", loop=self._name, limit_s=self._limit_s)
                self._exit(EXIT_RESTART_ME)
                return
