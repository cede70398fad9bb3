"""Ask a sandbox tenant's clock to walk. Walking itself is `walk_clock`'s business."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo

from dunning_engine.records import ClockRow


class ClockError(ValueError):
    """The clock cannot go there; the message says why and what to do."""


class RealClockError(ClockError):
    """The tenant follows the real clock."""


class BackwardsError(ClockError):
    """The clock never goes backwards."""

    def __init__(self, clock: ClockRow, asked: datetime) -> None:
        super().__init__(
            f"{asked.isoformat()} lies before {clock.target.isoformat()}, where the clock is or "
            "was asked to go; ask for that instant or a later one"
        )
        self.clock = clock


class TargetStore(Protocol):
    """Where the clock lies."""

    async def lock(self, tenant: str) -> ClockRow | None:
        """The tenant's clock, locked; None for a tenant that follows the real one."""
        ...

    async def aim(self, tenant: str, target: datetime) -> None:
        """Ask the clock to walk to `target`."""
        ...


async def set_clock(store: TargetStore, tenant: str, advance_to: datetime | date) -> datetime:
    """Give the clock a target; the present one again is welcome. Returns the target.

    Args:
        store: bound to one transaction.
        tenant: whose clock.
        advance_to: an instant with its zone; a local one, or a date (00:00), in the tenant's zone.

    Raises:
        ClockError: a tenant without its own clock, or a target in its past.
    """
    clock = await store.lock(tenant)
    if clock is None:
        raise RealClockError(
            "this tenant follows the real clock; only a sandbox tenant's clock can be moved"
        )
    target = instant(advance_to, clock.zone)
    if target < clock.target:
        raise BackwardsError(clock, target)
    await store.aim(tenant, target)
    return target


def instant(advance_to: datetime | date, zone: str) -> datetime:
    """The instant in UTC that is meant by a date, a local time or an instant."""
    place = ZoneInfo(zone)
    if not isinstance(advance_to, datetime):
        advance_to = datetime.combine(advance_to, time(), place)
    if advance_to.tzinfo is None:
        advance_to = advance_to.replace(tzinfo=place)
    return advance_to.astimezone(UTC)
