"""Conditions under which a level of a policy applies to an invoice. Pure.

A condition is a fact about the invoice, about its debtor, or about everything the debtor owes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from dunning_common.values import Value
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case

Amounts = tuple[tuple[str, int], ...]
"""Minor units by ISO 4217 currency, sorted by currency."""
Otherwise = Literal["skip", "wait"]
"""What becomes of a level whose conditions are not met when it is due."""


def amount_in(amounts: Amounts, currency: str) -> int | None:
    """The amount for a currency; None when the policy names none: nothing is ever converted."""
    for code, minor in amounts:
        if code == currency:
            return minor
    return None


class Standing(Value, frozen=True, kw_only=True):
    """What a debtor owes in sum: overdue principal by currency, and how many invoices."""

    overdue_minor: Mapping[str, int]
    overdue_invoices: int


def standing_of(cases: Sequence[Case], today: date) -> Standing:
    """The debtor's standing on a day, over all its open invoices past due that are still ours."""
    overdue = [
        case
        for case in cases
        if case.settled is None and case.closed != "handed_over" and case.due_on < today
    ]
    totals: dict[str, int] = {}
    for case in overdue:
        totals[case.currency] = totals.get(case.currency, 0) + case.open_minor
    return Standing(overdue_minor=totals, overdue_invoices=len(overdue))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """All must hold; one that is empty or None asks nothing.

    Amounts are minor units of the invoice's currency: a currency that is not named is not asked
    about. `minimum_minor` and `maximum_minor` bound the open principal of the invoice,
    `debtor_minimum_minor` the overdue principal of all the debtor's invoices in that currency.
    """

    minimum_minor: Amounts = ()
    maximum_minor: Amounts = ()
    debtor_minimum_minor: Amounts = ()
    invoices_at_least: int | None = None
    invoices_at_most: int | None = None
    kinds: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    risks: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    without_tags: frozenset[str] = frozenset()

    @property
    def is_of_debtor(self) -> bool:
        """Does it ask about everything the debtor owes? The answer changes as days pass."""
        counts = (self.invoices_at_least, self.invoices_at_most)
        return bool(self.debtor_minimum_minor) or any(count is not None for count in counts)

    def unmet(self, case: Case, account: Account, standing: Standing) -> str | None:
        """The name of the first condition that does not hold, or None when all do."""
        for name, holds in self._answers(case, account, standing):
            if not holds:
                return name
        return None

    def _answers(
        self, case: Case, account: Account, standing: Standing
    ) -> Iterable[tuple[str, bool]]:
        owed = standing.overdue_minor.get(case.currency, 0)
        yield "minimum", case.due_minor >= (amount_in(self.minimum_minor, case.currency) or 0)
        most = amount_in(self.maximum_minor, case.currency)
        yield "maximum", most is None or case.due_minor <= most
        yield "debtor_minimum", owed >= (amount_in(self.debtor_minimum_minor, case.currency) or 0)
        yield "invoices_at_least", standing.overdue_invoices >= (self.invoices_at_least or 0)
        yield (
            "invoices_at_most",
            self.invoices_at_most is None or standing.overdue_invoices <= self.invoices_at_most,
        )
        yield "kinds", not self.kinds or account.kind in self.kinds
        yield "countries", not self.countries or account.country in self.countries
        yield "segments", not self.segments or account.segment in self.segments
        yield "risks", not self.risks or account.risk in self.risks
        tags = {*case.tags, *account.tags}
        yield "tags", not self.tags or bool(tags & self.tags)
        yield "without_tags", not tags & self.without_tags
