"""Which TCP ports to use: the usual ones, the ones of last time, or the next that are free."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
