"""What a rule of late-payment law is, as data: since when, for whom, how much, where it stands.

The rules themselves are in `law_of_interest` and `law_of_fixed_sums`; computing is not done here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeVar

from dunning_engine.domain.account import DebtorKind

Confidence = Literal["sourced", "unverified"]
"""`sourced`: read in a publication. `unverified`: common knowledge that nobody looked up yet."""
RateAnchor = Literal["half_year", "start", "payment"]
"""Whose half-year counts: that of each day, of the first day of interest, or of the last one."""
Refusal = Literal["only_if_agreed", "rate_not_kept"]
"""Why a claim that the law knows is not made: a contract must say so, or its rate is not kept."""

CHECKED_ON = date(2026, 11, 21)
COMMON_KNOWLEDGE = "common knowledge"
"""The source of an unverified rule for which none was named."""
NOT_CONSUMERS: tuple[DebtorKind, ...] = ("business", "public")


@dataclass(frozen=True, slots=True, kw_only=True)
class LawRule:
    """What every rule says of itself.

    It holds for contracts from `valid_from` through `valid_to` (None: still); the invoice date
    stands for the contract's. With a `tag` it holds only for debtors or invoices that bear it, and
    goes before the rule without. `basis` is the citation that a claim prints, `source` is where
    the figures were read (or, unverified, ought to be).
    """

    country: str
    kinds: tuple[DebtorKind, ...]
    valid_from: date
    valid_to: date | None = None
    tag: str | None = None
    basis: str
    source: str
    checked_on: date = CHECKED_ON
    confidence: Confidence = "sourced"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestRule(LawRule):
    """`series` plus `points` percent a year (without a series: `points` alone).

    `from_notice`: it runs only after a formal notice. `compounds_yearly`: after each year its
    interest bears interest. With a `refusal` nothing is claimed.
    """

    series: str | None = None
    points: Decimal = Decimal(0)
    anchor: RateAnchor = "half_year"
    from_notice: bool = False
    compounds_yearly: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A step of a scale, in units of its currency.

    For a debt up to `limit` (None: any): `base`, plus `percent` of what exceeds the step below.
    `is_inclusive` says whether a debt of exactly the limit belongs to it.
    """

    limit: Decimal | None
    base: Decimal
    percent: Decimal = Decimal(0)
    is_inclusive: bool = True

    def holds(self, debt: Decimal) -> bool:
        """Does a debt of that size belong to this step (or one below)?"""
        return self.limit is None or debt < self.limit or (self.is_inclusive and debt == self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedSumRule(LawRule):
    """A fixed sum for recovery costs, by the size of the debt in `currency`.

    The sums are of `currency` too; or, with `converted_by`, euros that the monthly series of that
    name converts into it. `by_due_date`: the due date decides whether the rule is in force.
    `has_consumer_conditions`: a consumer owes it only after conditions that `note` names; one of
    them is a free notice that names the sum, sent more than `notice_days` before.
    """

    bands: tuple[Band, ...]
    currency: str = "EUR"
    minimum: Decimal = Decimal(0)
    maximum: Decimal | None = None
    converted_by: str | None = None
    by_due_date: bool = False
    has_consumer_conditions: bool = False
    notice_days: int = 0


_Rule = TypeVar("_Rule", bound=LawRule)


def rules_for(rules: Iterable[_Rule], country: str, kind: DebtorKind) -> tuple[_Rule, ...]:
    """A country's rules for a kind of debtor, in the order of the table."""
    return tuple(rule for rule in rules if rule.country == country and kind in rule.kinds)


def in_force(rules: Iterable[_Rule], day: date, tags: frozenset[str]) -> _Rule | None:
    """The rule for a contract of that day; one with a tag that is borne goes first."""
    found = None
    for rule in rules:
        if not (rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to)):
            continue
        if rule.tag is None:
            found = found or rule
        elif rule.tag in tags:
            return rule
    return found
