"""The last guard against texts and calls at night, whatever a policy's send window said.

08:00 to 21:00 where the debtor is: 12 CFR 1006.6(b)(1) (Regulation F) for the United States, and
the widest window that is usual elsewhere. E-mails and letters wake nobody and may go at any hour.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_OPENS, _CLOSES = time(8), time(21)
_LOUD = frozenset({"sms", "call"})


def may_arrive_for_s(channel: str, zone: ZoneInfo, now: datetime) -> float | None:
    """Seconds left in which a message may disturb the debtor; None: it never does.

    Args:
        channel: only `sms` and `call` are loud.
        zone: where the debtor is.
        now: real time, aware; in quiet hours nothing is left.
    """
    if channel not in _LOUD:
        return None
    if quiet_for_s(channel, zone, now):
        return 0.0
    closing = datetime.combine(now.astimezone(zone).date(), _CLOSES, tzinfo=zone)
    return (closing.astimezone(UTC) - now.astimezone(UTC)).total_seconds()


def quiet_for_s(channel: str, zone: ZoneInfo, now: datetime) -> float:
    """Seconds until a message may disturb the debtor; 0.0 when it may now.

    Args:
        channel: only `sms` and `call` are loud.
        zone: where the debtor is.
        now: real time, aware.
    """
    if channel not in _LOUD:
        return 0.0
    local = now.astimezone(zone)
    if _OPENS <= local.time() < _CLOSES:
        return 0.0
    day = local.date() if local.time() < _OPENS else local.date() + timedelta(days=1)
    opening = datetime.combine(day, _OPENS, tzinfo=zone)
    return (opening.astimezone(UTC) - now.astimezone(UTC)).total_seconds()
