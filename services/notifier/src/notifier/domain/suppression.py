"""Which addresses must not be written to, and what a message does that finds its own among them.

A suppression is of one address on one channel: an e-mail address that bounced never stops a letter.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from notifier.domain.bounces import BounceClass
from notifier.domain.message import Settlement, suppress


class Cause(StrEnum):
    """Why an address is not written to; several may hold at once, each is lifted by itself."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    OPT_OUT = "opt_out"
    PERSON = "person"


CAUSE_OF = {
    BounceClass.HARD: Cause.HARD_BOUNCE,
    BounceClass.COMPLAINT: Cause.COMPLAINT,
    BounceClass.UNSUBSCRIBE: Cause.OPT_OUT,
}
"""The bounce classes that condemn an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One address on one channel that is not written to.

    `source` is who said so: a provider (`sendgrid`, `twilio`, `smtp`), `email` or `sms` for what
    came in that way, `portal`, or `person:<who>`. `since` is when it happened; None: now.
    """

    tenant: str
    channel: str
    recipient_hash: str
    cause: Cause
    source: str
    since: datetime | None = None
    debtor_id: str | None = None
    note: str = ""


def verdict(causes: Collection[Cause]) -> Settlement:
    """What becomes of a message whose every address is suppressed, for these reasons together."""
    if set(causes) == {Cause.HARD_BOUNCE}:
        return suppress("address_bounced")
    return suppress("opted_out")
