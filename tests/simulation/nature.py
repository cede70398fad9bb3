"""Chance and fate: everything that a seed decides, the diary of what happened, and planted bugs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from tests.simulation.virtual_time import VirtualLoop

START = datetime(2026, 4, 6, tzinfo=UTC)
DAY_S = 86400.0
Bug = Literal[
    "no_permit",
    "resend_unknown",
    "mark_before_send",
    "no_fence",
    "no_sweeper",
    "bounce_counts",
    "ack_without_waiting",
    "no_revisit",
]


class KilledError(BaseException):
    """A process died; what it had in memory is gone. No handler of ours may catch it."""


@dataclass
class Nature:
    """What the parts of a simulation share. Faults happen until `calm`."""

    seed: int
    bug: Bug | None = None
    calm: bool = False
    diary: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.loop = VirtualLoop()

    def now(self) -> datetime:
        """The present instant; business and real time are the same here."""
        return START + timedelta(seconds=self.loop.clock)

    def happens(self, probability: float) -> bool:
        """Does a fault strike now?"""
        return not self.calm and self.chance.random() < probability

    def note(self, text: str) -> None:
        """Into the diary."""
        self.diary.append(f"{self.now():%m-%d %H:%M:%S} {text}")
