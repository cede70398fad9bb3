"""How often somebody may ask, and a first count of it in the memory of one process.

The count that holds for all processes is `notifier.ports.portal.Visits`; this one keeps hammering
away from the database. Reads no clock.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many requests at once, and so many a minute in the long run."""

    burst: int
    per_minute: float

    @property
    def step_s(self) -> float:
        """Seconds that one request uses up."""
        return _MINUTE_S / self.per_minute

    @property
    def span_s(self) -> float:
        """Seconds that a burst uses up."""
        return self.burst * self.step_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody who asks, as 32 bytes that stand for the name, and how often that is allowed."""

    name: bytes
    rate: Rate


class Throttle:
    """Lets each name through at a rate: a token bucket each, bounded in number."""

    def __init__(self, rate: Rate, *, names_max: int = 10_000) -> None:
        """Args: names_max is how many names are remembered; those unheard of longest go first."""
        self.rate = rate
        self._burst = rate.burst
        self._per_second = rate.per_minute / _MINUTE_S
        self._names_max = names_max
        self._seen: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: bytes, now: float) -> float:
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
