"""What a telephone call came to, and what follows from it for the message behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from notifier.domain.message import Settlement, State, fail


class CallOutcome(StrEnum):
    """What a person says about a call.

    `reached`: spoke to the debtor; `promised`: and was promised a payment; `left_message`: with
    another person or a machine, without saying what it is about; `no_answer`; `wrong_number`:
    somebody else has the number; `refused`: the debtor does not want to be called.
    """

    REACHED = "reached"
    PROMISED = "promised"
    LEFT_MESSAGE = "left_message"
    NO_ANSWER = "no_answer"
    WRONG_NUMBER = "wrong_number"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRule:
    """How often a debtor is called in vain, and how long is waited before the next call."""

    tries: int = 3
    pause_s: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConclusion:
    """What follows: a verdict on the message, or another call in `again_s` seconds.

    `delivered` says that the debtor knows now what the message had to say.
    """

    settlement: Settlement | None
    delivered: bool = False
    again_s: float = 0.0


def conclude(outcome: CallOutcome, *, tries_before: int, rule: CallRule) -> CallConclusion:
    """What follows from a call.

    A machine or another person is no way to tell a debtor (the debt must not be told to others),
    so a message left counts as a call in vain.
    """
    match outcome:
        case CallOutcome.REACHED | CallOutcome.PROMISED | CallOutcome.REFUSED:
            settlement = Settlement(state=State.SENT, reason=f"call: {outcome}")
            return CallConclusion(settlement=settlement, delivered=True)
        case CallOutcome.WRONG_NUMBER:
            return CallConclusion(settlement=fail("call: wrong_number"))
        case _:
            if tries_before + 1 >= rule.tries:
                return CallConclusion(settlement=fail(f"call: {outcome}, {rule.tries} calls"))
            return CallConclusion(settlement=None, again_s=rule.pause_s)
