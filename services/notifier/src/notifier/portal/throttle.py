"""How often somebody may ask: token buckets by name, held in memory, bounded in number.

Per process and forgotten with it: it blunts hammering, it is no lock. Reads no clock.
"""

from __future__ import annotations

from collections import OrderedDict


class Throttle:
    """Lets through `burst` requests at once and `per_minute` in the long run, for each name."""

    def __init__(self, *, burst: int, per_minute: float, names_max: int = 10_000) -> None:
        """Args: names_max is how many names are remembered; those unheard of longest go first."""
        self._burst = burst
        self._per_second = per_minute / 60
        self._names_max = names_max
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str, now: float) -> float:
        """Seconds until the name may ask again; 0.0: it may now, and that is counted.

        Args:
            name: who asks.
            now: seconds on a monotonic clock.
        """
        left, since = self._seen.pop(name, (float(self._burst), now))
        left = min(self._burst, left + max(0.0, now - since) * self._per_second)
        allowed = left >= 1
        self._seen[name] = (left - 1 if allowed else left, now)
        while len(self._seen) > self._names_max:
            self._seen.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._per_second
