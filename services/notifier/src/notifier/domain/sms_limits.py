"""How much may be spent on texts in a day, and how often one number may be written to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsLimits:
    """Limits of a tenant: spending in minor units a (UTC) day, texts to one number in 24 hours."""

    daily_cost_minor: int = 500_00
    per_number_daily: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsUse:
    """What was used so far: spent today, and texts to this number in the last 24 hours.

    `day_left_s` is how long the day still lasts, `number_free_s` until the number's oldest text is
    24 hours old.
    """

    spent_minor: int
    to_number: int
    day_left_s: float
    number_free_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceeded:
    """A limit stands in the way for `wait_s` more seconds."""

    reason: str
    wait_s: float


def judge(use: SmsUse, limits: SmsLimits, *, cost_minor: int) -> Exceeded | None:
    """Whether one more text of this cost may go; None when it may."""
    if use.to_number >= limits.per_number_daily:
        return Exceeded(
            reason=f"sms_number_limit: {use.to_number} texts to this number in 24 hours",
            wait_s=use.number_free_s,
        )
    if use.spent_minor + cost_minor > limits.daily_cost_minor:
        return Exceeded(
            reason=f"sms_daily_limit: {use.spent_minor} of {limits.daily_cost_minor} minor units",
            wait_s=use.day_left_s,
        )
    return None
