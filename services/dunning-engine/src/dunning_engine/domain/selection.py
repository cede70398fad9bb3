"""Which policy an invoice gets, and why not another: invoice, debtor, rules, default, built-in.

Pure: the same facts and the same rules give the same answer, so what was chosen once can be shown
again. Reading rules from documents is `selection_document`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dunning_common.values import replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case
from dunning_engine.domain.conditions import Amounts, amount_in
from dunning_engine.domain.policy import (
    BUILT_IN_FOR_CONSUMERS,
    LAST_RESORT_POLICY_ID,
    built_in_policy_id,
)

Source = Literal["invoice", "debtor", "rule", "default", "built_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Whom a rule is for: all that is given must fit; what is empty asks nothing.

    One of the `tags` must be on the invoice or its debtor. `amount_at_least_minor` bounds the
    invoice's own amount (minor units by currency): a currency that it does not name never fits,
    because nothing is ever converted.
    """

    segments: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    amount_at_least_minor: Amounts = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Invoices that fit `when` get the policy, unless a rule of a smaller `rank` fits, too."""

    code: str
    rank: int
    when: When
    policy_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A version of a tenant's rules, the smallest rank first. Version 0: it never stored any."""

    version: int = 0
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What choosing looks at; amounts are minor units of `currency`."""

    invoice_policy_id: str | None = None
    debtor_policy_id: str | None = None
    default_policy_id: str | None = None
    kind: str
    country: str
    segment: str | None = None
    risk: str | None = None
    tags: tuple[str, ...] = ()
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Somebody who could name the policy: what it named, whether that won, and why (not).

    `rule` is the code of a rule; `policy_id` is None where nothing is named.
    """

    source: Source
    policy_id: str | None
    won: bool = False
    why: str
    rule: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The policy chosen, and every candidate in the order of precedence; exactly one has won."""

    policy_id: str
    candidates: tuple[Candidate, ...]

    @property
    def winner(self) -> Candidate:
        """The candidate that won."""
        return next(candidate for candidate in self.candidates if candidate.won)


def facts_of(
    account: Account,
    case: Case,
    *,
    invoice_policy_id: str | None,
    debtor_policy_id: str | None,
    default_policy_id: str | None,
) -> Facts:
    """What choosing looks at, of an invoice and its debtor."""
    return Facts(
        invoice_policy_id=invoice_policy_id,
        debtor_policy_id=debtor_policy_id,
        default_policy_id=default_policy_id,
        kind=account.kind,
        country=account.country,
        segment=account.segment,
        risk=account.risk,
        tags=tuple(sorted({*case.tags, *account.tags})),
        currency=case.currency,
        amount_minor=case.amount_minor,
    )


def select(facts: Facts, rules: Sequence[Rule]) -> Selection:
    """Choose by precedence: invoice > debtor > rules > tenant's default > built-in of the country.

    Among rules the smallest rank that fits wins.
    """
    candidates: list[Candidate] = []
    winner: Candidate | None = None
    for candidate, fits in _candidates(facts, rules):
        if not fits:
            candidates.append(candidate)
        elif winner is None:
            winner = replace(candidate, won=True)
            candidates.append(winner)
        else:
            candidates.append(replace(candidate, why=f"{_named(winner)} comes first"))
    if winner is None or winner.policy_id is None:
        raise AssertionError("the built-in policy of the country always fits")
    return Selection(policy_id=winner.policy_id, candidates=tuple(candidates))


def misfit(when: When, facts: Facts) -> str | None:
    """The first condition that the facts do not meet, in words; None when the rule fits."""
    for name, value, wanted in (
        ("segment", facts.segment, when.segments),
        ("risk", facts.risk, when.risks),
        ("kind", facts.kind, when.kinds),
        ("country", facts.country, when.countries),
        ("currency", facts.currency, when.currencies),
    ):
        if wanted and value not in wanted:
            return f"the {name} is {value or 'not given'}, not {_or(wanted)}"
    if when.tags and not set(when.tags) & set(facts.tags):
        return f"neither the invoice nor the debtor has the tag {_or(when.tags)}"
    if when.amount_at_least_minor:
        least = amount_in(when.amount_at_least_minor, facts.currency)
        if least is None:
            return f"it names no amount in {facts.currency}"
        if facts.amount_minor < least:
            return "the invoice's amount is below the rule's"
    return None


def _candidates(facts: Facts, rules: Sequence[Rule]) -> Iterator[tuple[Candidate, bool]]:
    """Everybody who could name the policy, first the one who is asked first; and does it fit?"""
    yield _wish("invoice", facts.invoice_policy_id, "the invoice")
    yield _wish("debtor", facts.debtor_policy_id, "the debtor")
    for rule in sorted(rules, key=lambda rule: rule.rank):
        against = misfit(rule.when, facts)
        why = against or f"the rule {rule.code!r} (rank {rule.rank}) fits"
        yield (
            Candidate(source="rule", policy_id=rule.policy_id, why=why, rule=rule.code),
            against is None,
        )
    yield _wish("default", facts.default_policy_id, "the tenant's default")
    known = built_in_policy_id(facts.country, facts.kind)
    whom = " for consumers" if known in BUILT_IN_FOR_CONSUMERS.values() else ""
    why = (
        f"it is the built-in policy of {facts.country}{whom}"
        if known
        else f"{facts.country} has no built-in policy; this one is the last resort"
    )
    yield (
        Candidate(source="built_in", policy_id=known or LAST_RESORT_POLICY_ID, why=why),
        True,
    )


def _wish(source: Source, policy_id: str | None, who: str) -> tuple[Candidate, bool]:
    why = f"{who} names it" if policy_id else f"{who} names no policy"
    return Candidate(source=source, policy_id=policy_id or None, why=why), bool(policy_id)


def _named(winner: Candidate) -> str:
    match winner.source:
        case "invoice":
            return "the policy of the invoice"
        case "debtor":
            return "the policy of the debtor"
        case "rule":
            return f"the rule {winner.rule!r}"
        case "default":
            return "the tenant's default"
        case "built_in":
            return "the built-in policy"


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)
