"""What a tenant allows of promises and instalments, as the engine holds answers against it. Pure.

The engine owns these rules (`PUT /v1/plan-rules`); the page shows them, and holds a form only to
what the engine would refuse. Without them (`OPEN`) every form is taken, and the engine or a person
decides.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from dunning_common.money import parse_minor

PROMISE_DAYS_MOST = 366
"""Further ahead nobody can promise, whatever the rules say or if they are not known."""

_MONTHS_A_YEAR = 12
_MONTHS_MOST = 1_200
"""A hundred years: beyond, a day soon has no date; the engine itself allows ten."""

_WHOLE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrangementRules:
    """A tenant's rules.

    `max_months` is from today to the last instalment (None: no limit), `min_first_percent` of the
    total, `min_instalment_minor` by currency. A plan that misses a rule is refused where the rule's
    name is in `refuse`, else a person looks at it.
    """

    promise_days_max: int = PROMISE_DAYS_MOST
    max_months: int | None = None
    min_first_percent: Decimal = Decimal(0)
    min_instalment_minor: tuple[tuple[str, int], ...] = ()
    refuse: frozenset[str] = frozenset()

    def minimum_of(self, currency: str) -> int:
        """The smallest instalment in minor units of the currency."""
        return dict(self.min_instalment_minor).get(currency, 0)

    def promise_latest(self, today: date) -> date:
        """The last day that can be promised."""
        return today + timedelta(days=min(self.promise_days_max, PROMISE_DAYS_MOST))

    def last_latest(self, today: date) -> date | None:
        """The last day that the last instalment can have; None: any."""
        return None if self.max_months is None else months_later(today, self.max_months)

    def first_of(self, total_minor: int) -> int:
        """The smallest first payment of so much, in minor units."""
        share = Decimal(total_minor) * self.min_first_percent / 100
        return max(1, int(share.to_integral_value(rounding=ROUND_CEILING)))


OPEN = ArrangementRules()
"""The widest rules: those of an engine that never answered."""


def rules_of(document: Mapping[str, Any]) -> ArrangementRules:
    """Rules from the engine's document.

    Raises:
        ValueError: a number is none, or none that a day or an amount can be reckoned with.
        KeyError, AttributeError, TypeError, ArithmeticError, MoneyError: it is no such document.
    """
    return ArrangementRules(
        promise_days_max=_within(document, "promise_days_max", most=PROMISE_DAYS_MOST),
        max_months=_within(document, "max_months", most=_MONTHS_MOST),
        min_first_percent=_percent(document, "min_first_percent"),
        min_instalment_minor=tuple(
            (currency, _minimum(currency, text))
            for currency, text in sorted(document["min_instalment"].items())
        ),
        refuse=frozenset(map(str, document["refuse"])),
    )


def _within(document: Mapping[str, Any], name: str, *, most: int) -> int:
    found = int(document[name])
    if not 0 <= found <= most:
        raise ValueError(f"{name}: {found} is not from 0 to {most}; see PUT /v1/plan-rules")
    return found


def _percent(document: Mapping[str, Any], name: str) -> Decimal:
    found = Decimal(str(document[name]))
    if not found.is_finite() or not 0 <= found <= _WHOLE:
        raise ValueError(f"{name}: {found} is not from 0 to {_WHOLE}; see PUT /v1/plan-rules")
    return found


def _minimum(currency: str, text: str) -> int:
    found = parse_minor(text, currency)
    if found < 0:
        raise ValueError(f"min_instalment: {text} {currency} is negative; see PUT /v1/plan-rules")
    return found


def months_later(day: date, months: int) -> date:
    """The same day of a later month; its last day where that month is shorter."""
    year, month0 = divmod(day.year * _MONTHS_A_YEAR + day.month - 1 + months, _MONTHS_A_YEAR)
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))
