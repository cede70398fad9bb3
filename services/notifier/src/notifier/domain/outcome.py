"""What a send attempt came to, and what follows from it.

The one rule everything rests on: only what is *definitely not sent* may ever be tried again.
Whatever may have reached the provider is `Unknown` and stays so until there is evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never
from uuid import UUID

from notifier.domain.message import Settlement, State, fail, plan_again


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The provider took it. `cost_minor` is in minor units of the configured currency."""

    provider_ref: str
    cost_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Definitely not sent. `retry` when the reason may pass (no connection, try later).

    `retry_after_s` is how many seconds the provider wants to be left alone at least.
    """

    reason: str
    retry: bool
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """Definitely not sent, and nothing is wrong: a limit or a person has to let it go first.

    It is looked at again after `delay_s`. When the message is older than `give_up_after_s` it
    fails, so that the engine can decide again.
    """

    reason: str
    delay_s: float
    give_up_after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """It may or may not have been sent: bytes left and no answer came."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """Definitely not sent: the deadline had passed before the first byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """Definitely not sent yet: it lies in the spool at `provider_ref` and leaves with its batch.

    It stays planned, so that a payment or a revocation takes it back like any other.
    """

    provider_ref: str


Outcome = Sent | Spooled | Refused | Deferred | Unknown | Late

IN_SPOOL = "in_spool"
"""The reason of a planned letter that waits in the spool for its batch to leave."""

_UNTIL_ITS_BATCH_S = 100 * 365 * 86_400.0
"""The sender leaves such a letter alone: its batch is what moves it on."""

LONGEST_RETRY_AFTER_S = 3600.0
"""A provider that asks for a longer pause is asked again after this one."""

_LATE_DELAY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to wait after a definite failure: doubling from `base_s` up to `cap_s`.

    After `give_up_after_s` since the message was planned it fails, so that the engine can decide
    again from present facts instead of a stale notice going out.
    """

    base_s: float = 1.0
    cap_s: float = 60.0
    give_up_after_s: float = 4 * 3600.0

    def delay_s(self, attempts: int, message_id: UUID) -> float:
        """Seconds before try number `attempts + 1`; spread by the message's id, not by chance."""
        doubled = min(self.cap_s, self.base_s * 2.0 ** min(max(attempts - 1, 0), 30))
        spread = 0.75 + (message_id.int % 1000) / 2000.0
        return float(doubled * spread)


def settle(
    outcome: Outcome, *, message_id: UUID, attempts: int, age_s: float, retry: RetryPolicy
) -> Settlement:
    """What becomes of a message after an attempt.

    Args:
        outcome: what the channel reported.
        message_id: spreads retries.
        attempts: tries so far, this one included.
        age_s: seconds since the message was planned.
        retry: the policy for definite failures.
    """
    match outcome:
        case Sent() | Spooled():
            return accepted(outcome)
        case Refused(retry=True) if age_s < retry.give_up_after_s:
            wished_s = min(outcome.retry_after_s, LONGEST_RETRY_AFTER_S)
            delay_s = max(wished_s, retry.delay_s(attempts, message_id))
            return plan_again(outcome.reason, delay_s=delay_s)
        case Deferred() if age_s < outcome.give_up_after_s:
            return plan_again(outcome.reason, delay_s=outcome.delay_s)
        case Refused() | Deferred():
            return fail(outcome.reason)
        case Unknown():
            return Settlement(state=State.UNKNOWN, reason=outcome.reason)
        case Late():
            return plan_again("deadline_passed", delay_s=_LATE_DELAY_S)
        case _:
            assert_never(outcome)


def accepted(outcome: Sent | Spooled) -> Settlement:
    """The verdict on a message that was taken: by a provider for good, or by the spool for now."""
    match outcome:
        case Sent():
            return Settlement(
                state=State.SENT, provider_ref=outcome.provider_ref, cost_minor=outcome.cost_minor
            )
        case Spooled():
            return Settlement(
                state=State.PLANNED,
                reason=IN_SPOOL,
                delay_s=_UNTIL_ITS_BATCH_S,
                provider_ref=outcome.provider_ref,
            )
        case _:
            assert_never(outcome)
