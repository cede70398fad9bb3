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
        KeyError, AttributeError, TypeError, ValueError, ArithmeticError, MoneyError: it is none.
    """
    return ArrangementRules(
        promise_days_max=int(document["promise_days_max"]),
        max_months=int(document["max_months"]),
        min_first_percent=Decimal(str(document["min_first_percent"])),
        min_instalment_minor=tuple(
            (currency, parse_minor(text, currency))
            for currency, text in sorted(document["min_instalment"].items())
        ),
        refuse=frozenset(map(str, document["refuse"])),
    )


def months_later(day: date, months: int) -> date:
    """The same day of a later month; its last day where that month is shorter."""
    year, month0 = divmod(day.year * _MONTHS_A_YEAR + day.month - 1 + months, _MONTHS_A_YEAR)
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))
