"""Which TCP ports to use: the usual ones, the ones of last time, or the next that are free.

Two platforms that start at the same moment must not choose the same ports: between looking and
listening lie seconds. So a launcher claims its ports for as long as it lives.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from standalone.catalog import SERVICES
from standalone.embedded import child

USUAL: Mapping[str, int] = {service.key: service.port for service in SERVICES} | {
    "catcher": 8025,
    "smtp": 1025,
    "kafka": 19092,
    "postgres": 15432,
}
_TRIES = 200


class PortError(RuntimeError):
    """No free port near the usual one."""


def choose(
    remembered: Mapping[str, object],
    *,
    offset: int = 0,
    is_free: Callable[[int], bool] = child.is_free,
) -> dict[str, int]:
    """A free port for every name of `USUAL`, all different.

    Args:
        remembered: ports of the last run; kept where they are free, so that bookmarks stay valid.
        offset: added to the usual ports, for several platforms on one machine.
        is_free: whether a port can be listened on.

    Raises:
        PortError: nothing free near the usual port.
    """
    chosen: dict[str, int] = {}
    for name, standard in USUAL.items():
        usual = standard + offset
        last = remembered.get(name)
        first = [last] if isinstance(last, int) and 0 < last < 65536 else []
        # a usual port of another name is not taken away from it
        others = {port + offset for other, port in USUAL.items() if other != name}
        following = [port for port in range(usual, usual + _TRIES) if port not in others]
        candidates = (port for port in [*first, *following] if port not in chosen.values())
        found = next((port for port in candidates if is_free(port)), None)
        if found is None:
            raise PortError(f"no free TCP port for {name} from {usual} on")
        chosen[name] = found
    return chosen


class Claims:
    """Ports that this process keeps other launchers of the same user from choosing."""

    def __init__(self, folder: Path | None = None) -> None:
        """Args: folder of the lock files, which all launchers of the user share."""
        shared = Path(tempfile.gettempdir()) / f"dunning-ports-{os.getuid()}"
        self._folder = folder or shared
        self._held: dict[int, IO[str]] = {}

    def take(self, port: int) -> bool:
        """Claim a port that is free; False when it is not, or when another launcher has it."""
        if port in self._held or not child.is_free(port):
            return False
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = (self._folder / str(port)).open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._held[port] = file
        return True

    def release(self) -> None:
        """Let go of all; ending the process does the same."""
        for file in self._held.values():
            file.close()
        self._held.clear()
