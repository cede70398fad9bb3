"""Small policies for tests: a level or a ladder with everything usual but what is asked for."""

from __future__ import annotations

from typing import Any

from dunning_engine.domain.policy import Level, Policy


def level(number: int, days: int, **changes: Any) -> Level:
    """Level `level_<number>`, so many days after the due date, by e-mail, a week after the last."""
    usual: dict[str, Any] = {
        "code": f"level_{number}",
        "level_no": number,
        "threshold_days": days,
        "gap_days": 0 if number == 1 else 7,
        "channels": ("email",),
        "template": "first_reminder",
    }
    return Level(**usual | changes)


def policy(*levels: Level, **changes: Any) -> Policy:
    """The policy `own` of those levels; without any it has one on the due date and one later."""
    usual: dict[str, Any] = {
        "policy_id": "own",
        "version": 1,
        "name": "Own",
        "country": "FR",
        "levels": levels or (level(1, 0), level(2, 14)),
    }
    return Policy(**usual | changes)
