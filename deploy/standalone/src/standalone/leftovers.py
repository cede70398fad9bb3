"""Processes of an earlier launcher: remembered on disk, waited for, and in the end ended.

They end by themselves when their launcher dies; this is for the moment until then, in which they
still hold ports and files, and for machines where the kernel's signal did not come.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping

from standalone.embedded import child
from standalone.state import State

_FILE = "children.json"
_PATIENCE_S = 10.0


def remember(state: State, pids: Mapping[str, int | None]) -> None:
    """Note which processes run now."""
    state.save(
        _FILE, {name: [pid, child.started_at(pid)] for name, pid in pids.items() if pid is not None}
    )


def end(state: State) -> None:
    """Return when none of the remembered processes is left."""
    remembered = state.load(_FILE).values()
    alive = [pid for pid, started_at in remembered if _is_alive(pid, started_at)]
    deadline = time.monotonic() + _PATIENCE_S
    while alive:
        if time.monotonic() > deadline:
            for pid in alive:
                os.kill(pid, signal.SIGQUIT)  # PostgreSQL takes its own children along with it
            deadline = float("inf")
        time.sleep(0.1)
        alive = [pid for pid, started_at in remembered if _is_alive(pid, started_at)]
    state.save(_FILE, {})


def _is_alive(pid: int, started_at: str) -> bool:
    return bool(started_at) and child.started_at(pid) == started_at
