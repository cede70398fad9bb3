"""Fees that a policy asks for beside what the law gives: fixed, in percent, or by tiers. Pure.

Exact arithmetic in minor units, rounded half up once. What a consumer may be asked for is the
policy's to say; by default nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from dunning_engine.domain.conditions import Amounts, amount_in

FeePer = Literal["invoice", "notice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTier:
    """`amount_minor` for principal up to `up_to_minor` (inclusive); None: without limit."""

    up_to_minor: int | None
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """The sum of a fixed part, a percentage of the open principal, and a tier, by currency.

    `percent` is in percent of the principal that is dunned. `maximum_minor` caps the sum. `per`
    says whether every invoice of a notice bears it, or only the oldest of them.
    """

    fixed_minor: Amounts = ()
    percent: Decimal | None = None
    tiers: tuple[tuple[str, tuple[FeeTier, ...]], ...] = ()
    maximum_minor: Amounts = ()
    per: FeePer = "invoice"
    consumers: bool = False


def fee_minor(fee: Fee, currency: str, principal_minor: int) -> int:
    """The fee on a principal, in minor units of that currency; 0 where the policy names none."""
    total = amount_in(fee.fixed_minor, currency) or 0
    if fee.percent is not None:
        exact = Fraction(fee.percent) * principal_minor / 100
        total += int((2 * exact + 1) // 2)
    for code, tiers in fee.tiers:
        if code == currency:
            total += _tier(tiers, principal_minor)
    most = amount_in(fee.maximum_minor, currency)
    return total if most is None else min(total, most)


def _tier(tiers: tuple[FeeTier, ...], principal_minor: int) -> int:
    for tier in tiers:
        if tier.up_to_minor is None or principal_minor <= tier.up_to_minor:
            return tier.amount_minor
    return 0
