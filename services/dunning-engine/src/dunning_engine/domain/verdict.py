"""What was decided about one case, and by which rules: codes and facts, no prose.

Turning a verdict into words is `explain`'s business.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from dunning_common.values import Value

Fact = str | int | bool | date | datetime | None
CaseState = Literal[
    "due",  # planned in this decision's notice
    "scheduled",  # waits for `at`
    "held",  # a hold stands in the way; `at` is None when it has no end
    "in_flight",  # a notice is out and not settled
    "awaiting_approval",  # a person must let it go out
    "blocked",  # cannot go on until facts change (`reason`); `at` is when it is looked at again
    "handed_over",  # handed over in this decision
    "exhausted",  # no level left
    "closed",  # paid, cancelled, written off or handed over before (`reason`)
]


class Step(Value, frozen=True):
    """One rule that was applied: its code and the facts it looked at, in the order of reading."""

    code: str
    facts: tuple[tuple[str, Fact], ...] = ()


class Verdict(Value, frozen=True, kw_only=True):
    """The decision about one case.

    `level_no`/`level` is the next level (the one planned now when the state is `due`); `at` is the
    earliest moment at which something can happen, always later than the decision's `now`.
    """

    invoice_id: str
    state: CaseState
    level_no: int | None = None
    level: str | None = None
    at: datetime | None = None
    reason: str | None = None
    trace: tuple[Step, ...] = ()


def step(code: str, **facts: Fact) -> Step:
    """A `Step` with its facts in the order given."""
    return Step(code, tuple(facts.items()))
