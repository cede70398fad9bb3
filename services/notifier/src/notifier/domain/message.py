"""A message: one notice over one channel, and the states it can be in.

Knows nothing of how it is stored or sent. Personal data never appears here: the recipient is a
hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    """Where a message stands.

    `planned` waits to be sent, `sending` may be on the wire right now. All others are terminal for
    the sending loop; `unknown` alone can still be resolved by evidence or by a person.
    """

    PLANNED = "planned"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    RETURNED = "returned"

    @property
    def is_terminal(self) -> bool:
        """Whether the notifier has nothing left to do of its own accord."""
        return self not in (State.PLANNED, State.SENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What identifies a message and what it is about; enough to tell the world what became of it.

    `fence` grows with every claim: a worker that lost its claim cannot record anything.
    `effective_at` is the tenant's clock at which the notice was decided. `causation` is the id of
    the event that asked for it.
    """

    tenant: str
    message_id: UUID
    notice_id: UUID
    debtor_id: str
    channel: str
    template: str
    level: str
    level_no: int
    invoice_ids: tuple[str, ...]
    effective_at: datetime
    state: State
    fence: int
    attempts: int
    recipient_hash: str | None = None
    provider: str | None = None
    causation: UUID | None = None

    @property
    def key(self) -> tuple[str, UUID]:
        """Its primary key."""
        return self.tenant, self.message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The verdict on a message: its next state, why, and what goes with it.

    `delay_s` only matters for `planned`: how long to wait before the next try. `sent` carries the
    provider's reference and the cost; `returned` the invoices that stood in the way.
    """

    state: State
    reason: str | None = None
    delay_s: float = 0.0
    provider_ref: str | None = None
    cost_minor: int = 0
    refused_invoice_ids: tuple[str, ...] = ()


def plan_again(reason: str, *, delay_s: float = 0.0) -> Settlement:
    """Not sent for certain, and worth another try."""
    return Settlement(state=State.PLANNED, reason=reason, delay_s=delay_s)


def suppress(reason: str) -> Settlement:
    """Not sent on purpose."""
    return Settlement(state=State.SUPPRESSED, reason=reason)


def fail(reason: str) -> Settlement:
    """Not sent for certain, and not tried again."""
    return Settlement(state=State.FAILED, reason=reason)


def give_back(reason: str, refused_invoice_ids: tuple[str, ...]) -> Settlement:
    """Not sent: the engine must decide again from present facts."""
    return Settlement(state=State.RETURNED, reason=reason, refused_invoice_ids=refused_invoice_ids)
