"""Money as integer minor units and an ISO 4217 currency; decimal strings only at the edges.

Pure value types: no clock, no input or output. Must never hold or return a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from babel.core import get_global
from babel.numbers import get_currency_precision

MAX_MINOR = 10**15
"""Largest amount accepted at the edges, in minor units: ten thousand billion euros."""

_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,6})?", re.ASCII)


class MoneyError(ValueError):
    """An amount or a currency that cannot be money; the message names the remedy."""


@cache
def _known_currencies() -> frozenset[str]:
    return frozenset(get_global("all_currencies"))


@cache
def exponent(currency: str) -> int:
    """Number of decimals of an ISO 4217 currency (EUR 2, JPY 0, KWD 3).

    Raises:
        MoneyError: the code is not an ISO 4217 currency.
    """
    if currency not in _known_currencies():
        raise MoneyError(f"{currency!r} is not an ISO 4217 currency code such as EUR")
    return int(get_currency_precision(currency))


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount: `minor` counts the smallest unit of `currency`."""

    minor: int
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other).minor, self.currency)

    def __str__(self) -> str:
        return f"{to_decimal_string(self.minor, self.currency)} {self.currency}"

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise MoneyError(f"cannot combine {self.currency} with {other.currency}")
        return other


def parse_minor(text: str, currency: str) -> int:
    """Turn a decimal string such as `"1234.50"` into minor units, exactly.

    Raises:
        MoneyError: not a plain decimal, too many decimals for the currency, or out of range.
    """
    places = exponent(currency)
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise MoneyError('an amount is a plain decimal string such as "1234.50"')
    scaled = Decimal(text).scaleb(places)
    if scaled != scaled.to_integral_value():
        raise MoneyError(f"{currency} has {places} decimals; send no more than that")
    minor = int(scaled)
    if abs(minor) > MAX_MINOR:
        raise MoneyError("the amount is larger than any invoice this ledger takes")
    return minor


def to_decimal(minor: int, currency: str) -> Decimal:
    """Minor units as an exact decimal in the currency's unit."""
    return Decimal(minor).scaleb(-exponent(currency))


def to_decimal_string(minor: int, currency: str) -> str:
    """Minor units as the decimal string used on every edge, e.g. `"1234.50"`."""
    return f"{to_decimal(minor, currency):f}"


def round_half_up(amount: Decimal) -> int:
    """Round to a whole number of minor units, halves away from zero (commercial rounding)."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def total_minor(amounts: Iterable[int]) -> int:
    """Sum of minor units; named so that a reader sees that one currency is meant."""
    return sum(amounts)
