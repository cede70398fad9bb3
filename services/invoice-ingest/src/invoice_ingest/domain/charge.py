"""Charges beside an invoice's principal, and what payments cover of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from invoice_ingest.domain.credit import CreditKey

ChargeKind = Literal["interest", "compensation", "fee"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Interest, compensation or a fee on one invoice; `basis` names the law or the contract.

    `covered_minor` is paid, `given_up_minor` is owed no more: waived (`waived_on`, since when and
    why), or gone with an invoice that was cancelled or written off. A charge is `void`, and given
    up from the first, when its invoice owed nothing any more as it arrived.
    """

    tenant: str
    charge_id: str
    invoice_id: str
    kind: ChargeKind
    currency: str
    amount_minor: int
    assessed_on: date
    basis: str
    is_void: bool = False
    covered_minor: int = 0
    given_up_minor: int = 0
    waived_on: date | None = None
    waived_reason: str | None = None

    @property
    def open_minor(self) -> int:
        """What is still owed of it; never negative."""
        return self.amount_minor - self.covered_minor - self.given_up_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeCover:
    """What a payment covers of one charge now; `booked_minor` is what it covered at first.

    Credit notes correct the price and never cover charges.
    """

    key: CreditKey
    charge_id: str
    invoice_id: str
    booked_minor: int
    amount_minor: int
    effective_on: date
    reversed_on: date | None = None
