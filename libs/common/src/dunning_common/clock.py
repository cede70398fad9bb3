"""The only place where the system clock is read.

Domain code never imports this: time is an argument. Leases and deadlines of the sending protocol
use the database clock and `monotonic`, not `now`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Something that tells the present instant, in UTC."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)


def monotonic() -> float:
    """Seconds that never jump; only differences mean anything."""
    return time.monotonic()
