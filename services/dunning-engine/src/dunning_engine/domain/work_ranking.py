"""In which order people work: by what an hour of work may be expected to bring nearer. Pure.

    value = amount x factor of the kind x (1 + days past due / 30)

The factor says how much of the money hangs on somebody acting now; age raises the value steadily,
at most 25-fold (after two years). Currencies are never converted in secret: without weights each
currency is a list of its own, the tenant's base currency first. A tenant may give weights, such as
1.17 for GBP and 1 for EUR; currencies with a weight are one list, which comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from dunning_engine.domain.work_item import WorkKind

FACTOR_PERCENT: Mapping[WorkKind, int] = {
    "approval": 100,  # written, priced, due: it only waits for a yes
    "broken_promise": 90,  # the debtor answered once; a call now is worth most
    "broken_plan": 90,
    "response": 90,  # the debtor is there and waits for a word
    "undeliverable": 80,  # nobody was told yet
    "delayed": 80,
    "dispute_overdue": 70,  # nothing moves before we answer
    "policy_missing": 60,
    "no_permitted_day": 60,
    "missing_rate": 60,
    "unmatched_receipt": 60,  # perhaps paid: a look at the account settles it
    "hand_over": 50,
    "court_file": 50,
    "silent_overdue": 40,  # somebody wanted it quiet, or it is too small
    "stale_feed": 30,
    "write_off": 5,
}
MONTH_DAYS = 30
DAYS_MAX = 720
UNIT = 100 * MONTH_DAYS
"""`ranking_value` counts in this part of a minor unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """What ranking looks at. `aged_from` is the due date of the oldest invoice concerned."""

    kind: WorkKind
    target: str
    currency: str
    amount_minor: int
    aged_from: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """By what a tenant ranks: the day, its base currency, and what a *minor unit* counts, if given.

    `weights` are exact; a currency without one is not compared with any other.
    """

    today: date
    base_currency: str | None = None
    weights: Mapping[str, Fraction]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an item stands in the list: the smallest place comes first, no two are equal.

    `shelf`: 0 weighted currencies, 1 the base currency, 2 others, one `currency` after the other.
    """

    shelf: int
    currency: str
    minus_value: Fraction
    kind: str
    target: str


def ranking_value(kind: WorkKind, amount_minor: int, days_past_due: int) -> int:
    """The expected value of acting, in `UNIT`ths of a minor unit of the item's currency."""
    age = MONTH_DAYS + min(max(days_past_due, 0), DAYS_MAX)
    return amount_minor * FACTOR_PERCENT[kind] * age


def place_of(item: Ranked, scale: Scale) -> Place:
    """The item's place; places of different items differ."""
    days = (scale.today - item.aged_from).days
    value = Fraction(ranking_value(item.kind, item.amount_minor, days))
    weight = scale.weights.get(item.currency)
    if weight is not None:
        return Place(0, "", -value * weight, item.kind, item.target)
    shelf = 1 if item.currency == scale.base_currency else 2
    return Place(shelf, item.currency, -value, item.kind, item.target)
