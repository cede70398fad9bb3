"""What a provider reports after it took a message, and how far that moves what we know.

Reports arrive late, twice and out of order; knowledge only moves forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from notifier.domain.bounces import BounceClass
from notifier.domain.message import Message, State
from notifier.domain.suppression import CAUSE_OF, Suppression


class Stage(IntEnum):
    """How far a message is known to have come; a later stage is never taken back."""

    NONE = 0
    ACCEPTED = 1
    DELIVERED = 2
    BOUNCED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report about one message.

    `bounce` is why it did not arrive, or why nothing more should be sent there; `hard`, for a
    bounce, that the address is dead. `recipient_hash` is the address that the report names, where
    it names one; `occurred_at` when it happened. A report that is not `trusted` (its message was
    only guessed from the address) condemns no address. `opts_in` takes a former opt-out back.
    """

    stage: Stage
    provider_ref: str = ""
    reason: str = ""
    hard: bool = False
    bounce: BounceClass | None = None
    recipient_hash: str | None = None
    occurred_at: datetime | None = None
    trusted: bool = True
    opts_in: bool = False


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


def condemned(message: Message, provider: str, reports: Sequence[Report]) -> list[Suppression]:
    """The addresses that must not be written to any more after these reports about a message.

    A message that was never tried has no address that a report could speak of.
    """
    found = []
    for report in reports:
        cause = CAUSE_OF.get(report.bounce) if report.bounce else None
        address = report.recipient_hash or message.recipient_hash
        if cause is None or address is None or not report.trusted or message.attempts == 0:
            continue
        found.append(
            Suppression(
                tenant=message.tenant,
                channel=message.channel,
                recipient_hash=address,
                cause=cause,
                source=provider,
                since=report.occurred_at,
                debtor_id=message.debtor_id,
                note=report.reason,
            )
        )
    return found
