"""Credits on a debtor's account: payments and credit notes, and how much of each covers what.

A credit is an immutable fact; only its reversal and what it covers can change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from invoice_ingest.domain.allocation import Wanted
from invoice_ingest.domain.payment_order import SequenceName

CreditKind = Literal["payment", "credit_note"]


class CreditKey(NamedTuple):
    """A payment and a credit note may have the same id; the kind tells them apart."""

    kind: CreditKind
    credit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditDraft:
    """A payment or credit note as the ERP sends it.

    `dated_on` is the value date or the issue date. `wanted` is the ERP's own allocation; None lets
    the ledger cover the oldest due first; an empty one leaves all of it unallocated.
    """

    kind: CreditKind
    credit_id: str
    debtor_id: str
    currency: str
    amount_minor: int
    dated_on: date
    wanted: tuple[Wanted, ...] | None = None

    @property
    def key(self) -> CreditKey:
        """Its natural key inside the tenant."""
        return CreditKey(self.kind, self.credit_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """A credit as the ledger holds it: the fact, what of it covers nothing, and its reversal.

    `payment_order` is the order by which a payment was allocated last.
    """

    draft: CreditDraft
    unallocated_minor: int
    reversed_on: date | None = None
    payment_order: SequenceName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What a credit covers of one principal now; `booked_minor` is what it covered at first."""

    key: CreditKey
    invoice_id: str
    booked_minor: int
    amount_minor: int
    effective_on: date
    reversed_on: date | None = None
