"""A debtor as deciding sees it: where it lives, what it is, and what stops reminders.

Holds no personal data: names and addresses stay with the notifier.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, get_args

from dunning_common.values import Value

DebtorKind = Literal["business", "consumer", "public"]
HoldKind = Literal[
    "manual",
    "dispute",
    "promise",
    "plan",
    "pending_collection",
    "insolvency",
    "breathing_space",
]
HOLD_KINDS: tuple[HoldKind, ...] = get_args(HoldKind)


class Instalment(Value, frozen=True, kw_only=True):
    """A part of what was promised: so many minor units, at the latest on that day."""

    on: date
    amount_minor: int


class Hold(Value, frozen=True, kw_only=True):
    """Reminders stop for the debtor, or only for the invoices named.

    `until` is exclusive; None means until somebody releases it. Released holds are not handed to
    the core; a hold whose `until` has passed is, once, so that its end can be announced.

    A *dispute* of a part names `disputed_minor` (minor units, with exactly one invoice): the
    undisputed rest goes on. A *promise* or a *plan* carries its `instalments` (one, or several) in
    `currency`, and what its invoices owed when it was made, `baseline_minor`; it ends by itself:
    kept, partly kept or broken. `grace_days` and `tolerance_minor` are what a late or short
    instalment may be.
    """

    hold_id: str
    invoice_ids: tuple[str, ...] = ()
    kind: HoldKind = "manual"
    reason: str = ""
    placed_at: datetime
    until: datetime | None = None
    disputed_minor: int | None = None
    currency: str | None = None
    instalments: tuple[Instalment, ...] = ()
    baseline_minor: int = 0
    grace_days: int = 0
    tolerance_minor: int = 0

    def covers(self, invoice_id: str) -> bool:
        """Does it concern the invoice at all, now or later?"""
        return not self.invoice_ids or invoice_id in self.invoice_ids

    def is_active(self, at: datetime) -> bool:
        """Does it stop reminders at that instant?"""
        return self.placed_at <= at and (self.until is None or at < self.until)


class Account(Value, frozen=True, kw_only=True):
    """One debtor of one tenant.

    `zone` is an IANA time zone, `country` ISO 3166-1 alpha-2, `region` an ISO 3166-2 subdivision
    without the country prefix (it selects regional holidays). `contacted_on` are the days, oldest
    first, on which notices went to the debtor lately, over all invoices and channels (dates in its
    zone). `unallocated_minor` is money of the debtor that covers no invoice yet, by currency.
    `payments_fresh_until` is how far the tenant's payments are known. `credit_blocked` says that a
    stop of deliveries was asked for, `handed_over_invoices` how many open invoices are with others.
    """

    tenant: str
    debtor_id: str
    kind: DebtorKind = "business"
    country: str
    region: str | None = None
    zone: str
    language: str = "en"
    segment: str | None = None
    risk: str | None = None
    tags: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
    contacted_on: tuple[date, ...] = ()
    unallocated_minor: tuple[tuple[str, int], ...] = ()
    payments_fresh_until: datetime | None = None
    credit_blocked: bool = False
    handed_over_invoices: int = 0
