"""What a provider reports after it took a message, and how far that moves what we know.

Reports arrive late, twice and out of order; knowledge only moves forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from notifier.domain.message import State


class Stage(IntEnum):
    """How far a message is known to have come; a later stage is never taken back."""

    NONE = 0
    ACCEPTED = 1
    DELIVERED = 2
    BOUNCED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report about one message. `hard` only means something for a bounce."""

    stage: Stage
    provider_ref: str = ""
    reason: str = ""
    hard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What follows from reports: `proves_sent` when the message was not known to be sent before.

    `delivered` and `bounced` are the reports that are news, in this order.
    """

    stage: Stage
    proves_sent: Report | None = None
    delivered: Report | None = None
    bounced: Report | None = None

    @property
    def is_news(self) -> bool:
        """Whether anything must be stored or told."""
        return any((self.proves_sent, self.delivered, self.bounced))


_PROVABLE = frozenset({State.UNKNOWN, State.FAILED, State.PLANNED})


def learn(state: State, known: Stage, *, attempts: int, reports: Sequence[Report]) -> Knowledge:
    """Fold reports into what is known about a message.

    A report about a message that we hold for unknown, failed or waiting for another try proves that
    an attempt reached the provider: it was sent, and must not be sent again. A message that was
    suppressed or returned never had an attempt to prove.
    """
    evidence = [report for report in reports if report.stage > Stage.NONE]
    if not evidence:
        return Knowledge(stage=known)
    proves = evidence[0] if state in _PROVABLE and attempts > 0 else None
    if proves is None and state is not State.SENT:
        return Knowledge(stage=known)
    delivered = bounced = None
    stage = known
    for report in sorted(evidence, key=lambda report: report.stage):
        if report.stage <= stage:
            continue
        stage = report.stage
        match report.stage:
            case Stage.DELIVERED:
                delivered = report
            case Stage.BOUNCED:
                bounced = report
            case _:
                pass
    return Knowledge(stage=stage, proves_sent=proves, delivered=delivered, bounced=bounced)
