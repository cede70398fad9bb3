"""Leave to send a text, as a port: limits are counted where all senders see them."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from notifier.domain.sms_limits import Exceeded


class AllowanceUnavailableError(RuntimeError):
    """The limits cannot be read now: nothing may be sent."""


class Allowance(Protocol):
    """Counts texts against the limits before they leave."""

    async def take(
        self, *, tenant: str, message_id: UUID, number_hash: str, cost_minor: int
    ) -> Exceeded | None:
        """Count this text, durably, unless a limit stands in the way; each text counts once.

        Raises:
            AllowanceUnavailableError: it could not be counted.
        """
        ...
