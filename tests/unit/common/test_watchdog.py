"""A loop that makes no progress ends its process; one that does is left alone."""

from __future__ import annotations

import threading
import time

from dunning_common.watchdog import Watchdog


def test_a_silent_loop_ends_the_process_with_status_70() -> None:
    ended = threading.Event()
    statuses: list[int] = []

    def leave(status: int) -> None:
        statuses.append(status)
        ended.set()

    with Watchdog("loop", limit_s=0.02, exit_process=leave):
        assert ended.wait(30)

    assert statuses == [70]


def test_a_loop_that_beats_is_left_alone() -> None:
    statuses: list[int] = []
    checks = 40

    with Watchdog("loop", limit_s=5.0, exit_process=statuses.append) as watchdog:
        for _ in range(checks):
            time.sleep(0.001)
            watchdog.beat()

    assert not statuses


def test_a_loop_that_ended_is_not_watched_any_more() -> None:
    statuses: list[int] = []

    with Watchdog("loop", limit_s=0.05, exit_process=statuses.append) as watchdog:
        thread = watchdog.thread

    thread.join(30)
    assert not thread.is_alive()
    assert not statuses
