"""What must be true of a policy on the day on which it is stored, beside what its document says.

It looks at public facts that are given as values: reference rates and the countries there are. A
policy that is stored already is not asked again. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

from dunning_engine.domain.document import PolicyProblem, listed
from dunning_engine.domain.interest import rate_series
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.rates import RateBook, half_year_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFacts:
    """Reference rates, ISO 3166-1 alpha-2 codes, and the day on the tenant's clock."""

    rates: RateBook
    countries: Collection[str]
    today: date


def check_policy(policy: Policy, facts: PublicFacts) -> list[PolicyProblem]:
    """Everything that keeps the policy from being stored on that day."""
    missing = _missing_series(policy.country, facts)
    return [
        problem
        for index, level in enumerate(policy.levels)
        for problem in (
            *_interest(level, index, missing, facts),
            *_where(level, index, facts),
            *_one_sum(level, index, policy.country),
        )
    ]


def _missing_series(country: str | None, facts: PublicFacts) -> list[str]:
    """The rates of the present half-year that the law looks at and nobody has entered."""
    half_year = half_year_of(facts.today)
    return [
        name
        for name in rate_series(country)
        if half_year not in facts.rates.series.get(name, {}) and not _is_monthly(facts.rates, name)
    ]


def _is_monthly(rates: RateBook, name: str) -> bool:
    """The law can do without figures by month."""
    return any("-" in period for period in rates.series.get(name, {}))


def _interest(
    level: Level, index: int, missing: Collection[str], facts: PublicFacts
) -> Iterator[PolicyProblem]:
    if missing and "interest" in level.charges:
        yield PolicyProblem(
            path=("levels", index, "charges"),
            message=f"interest needs the {listed(missing)} rate of {half_year_of(facts.today)}, "
            "which is not in the rate files: add it with its source, or leave interest out",
        )


def _one_sum(level: Level, index: int, country: str | None) -> Iterator[PolicyProblem]:
    """Art. 6:96 lid 7 BW: invoices that one letter could name have one sum of costs together."""
    most = level.when.invoices_at_most if level.when else None
    if country == "NL" and level.template == "consumer_notice" and (most is None or most > 1):
        yield PolicyProblem(
            path=("levels", index, "template"),
            message="names the costs of each invoice, and the law gives one sum for all that are "
            "overdue (art. 6:96 lid 7 BW): add 'when: {invoices_at_most: 1}' to the level",
        )


def _where(level: Level, index: int, facts: PublicFacts) -> Iterator[PolicyProblem]:
    named = level.when.countries if level.when else frozenset()
    for country in sorted(named - set(facts.countries)):
        yield PolicyProblem(
            path=("levels", index, "when", "countries"),
            message=f"{country!r} is no country; write a code of ISO 3166-1, such as FR or GB",
        )
