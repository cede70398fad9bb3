"""A debtor as deciding sees it: where it lives, what it is, and what stops reminders.

Holds no personal data: names and addresses stay with the notifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

DebtorKind = Literal["business", "consumer", "public"]
HoldKind = Literal["manual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Reminders stop for the debtor, or for one invoice when `invoice_id` is given.

    `until` is exclusive; None means until somebody releases it. Released holds are not handed to
    the core; a hold whose `until` has passed is, once, so that its end can be announced.
    """

    hold_id: str
    invoice_id: str | None = None
    kind: HoldKind = "manual"
    reason: str = ""
    placed_at: datetime
    until: datetime | None = None

    def covers(self, invoice_id: str) -> bool:
        """Does it concern the invoice at all, now or later?"""
        return self.invoice_id is None or self.invoice_id == invoice_id

    def is_active(self, at: datetime) -> bool:
        """Does it stop reminders at that instant?"""
        return self.placed_at <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One debtor of one tenant.

    `zone` is an IANA time zone, `country` ISO 3166-1 alpha-2, `region` an ISO 3166-2 subdivision
    without the country prefix (it selects regional holidays).
    """

    tenant: str
    debtor_id: str
    kind: DebtorKind = "business"
    country: str
    region: str | None = None
    zone: str
    language: str = "en"
    segment: str | None = None
    tags: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
