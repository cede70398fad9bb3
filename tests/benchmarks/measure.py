"""What a benchmark writes down, and how much work it does. Measures nothing itself."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

import pytest

VARIABLE = "DUNNING_BENCH_SCALE"
SMOKE = 0.01
"""The scale when nobody asks for another: a second or two each, figures without meaning."""

OUT = pytest.StashKey[TextIO]()
"""Where the lines go when figures are wanted (`python -m tests.benchmarks`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure beside its limit, both measured in the same run."""

    name: str
    value: float
    unit: str
    limit: float

    @property
    def ratio(self) -> float:
        """How near the limit the value comes; 1 is the limit itself, whatever the unit.

        Of rates more is better: value / limit. Of times and sizes less is: limit / value.
        """
        is_rate = self.unit.endswith("/s")
        return self.value / self.limit if is_rate else self.limit / self.value

    def as_json(self) -> str:
        """The line as it is printed."""
        shown = {"name": self.name, "value": _short(self.value), "unit": self.unit}
        return json.dumps(shown | {"limit": _short(self.limit), "ratio": round(self.ratio, 3)})


def scaled(count: int, *, least: int = 1) -> int:
    """`count` at full scale, fewer in a smoke run, never fewer than `least`."""
    return max(least, round(count * float(os.environ.get(VARIABLE, SMOKE))))


def median(values: Iterable[float]) -> float:
    """The middle one: what the machine does when nobody disturbs it."""
    return statistics.median(values)


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def _short(value: float) -> float:
    return round(value) if value >= 100 else round(value, 3)
