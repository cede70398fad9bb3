"""Selection rules as documents: reading and checking them, writing them in one canonical form.

A document is what YAML or JSON gives; a problem names its place by path, and all are collected.
Nothing here knows files or line numbers, or which policies are stored: the caller says that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from dunning_common.money import MoneyError, parse_minor, to_decimal_string
from dunning_engine.domain.account import DebtorKind
from dunning_engine.domain.conditions import Amounts
from dunning_engine.domain.document import (
    DocumentReader,
    Path,
    PolicyInvalidError,
    listed,
    shown,
)
from dunning_engine.domain.selection import Rule, Rules, When

KINDS: tuple[DebtorKind, ...] = get_args(DebtorKind)
RULES_MAX = 500
RANK_MAX = 1_000_000
RULE_KEYS = ("code", "rank", "when", "policy_id")
WHEN_KEYS = ("segments", "risks", "kinds", "countries", "tags", "currencies", "amount_at_least")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a rule may name: policies that new cases can get, and ISO 3166-1 alpha-2 countries."""

    policies: Collection[str]
    countries: Collection[str]


def read_rules(document: object, *, version: int, known: Known) -> Rules:
    """Check a document, a list of rules or a mapping with the list as `rules`.

    Raises:
        PolicyInvalidError: with every problem found.
    """
    reader = _Reader(known)
    found = reader.rules(document)
    if reader.problems:
        raise PolicyInvalidError(reader.problems)
    return Rules(version=version, rules=tuple(sorted(found, key=lambda rule: rule.rank)))


def stored_rules(document: Mapping[str, Any], *, version: int) -> Rules:
    """The rules of a document that was checked when it was stored."""
    rules = document["rules"]
    everything = Known(
        policies={rule["policy_id"] for rule in rules},
        countries={code for rule in rules for code in rule["when"].get("countries", ())},
    )
    return read_rules(document, version=version, known=everything)


def rules_document(rules: Rules) -> dict[str, Any]:
    """The canonical document of rules, without their version: equal content, equal document."""
    return {"rules": [_rule_document(rule) for rule in rules.rules]}


def _rule_document(rule: Rule) -> dict[str, Any]:
    when = rule.when
    lists = {
        "segments": when.segments,
        "risks": when.risks,
        "kinds": when.kinds,
        "countries": when.countries,
        "tags": when.tags,
        "currencies": when.currencies,
    }
    document: dict[str, Any] = {name: list(values) for name, values in lists.items() if values}
    if when.amount_at_least_minor:
        document["amount_at_least"] = {
            currency: to_decimal_string(minor, currency)
            for currency, minor in when.amount_at_least_minor
        }
    return {
        "code": rule.code,
        "rank": rule.rank,
        "when": document,
        "policy_id": rule.policy_id,
    }


class _Reader(DocumentReader):
    """Walks a document of rules; a wrong value is replaced, so that it can go on."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self._known = known

    def rules(self, document: object) -> list[Rule]:
        path: Path = ()
        if isinstance(document, Mapping):
            fields = self.mapping(document, (), ("rules",), required=("rules",))
            if "rules" not in fields:
                return []
            document, path = fields["rules"], ("rules",)
        if not isinstance(document, list):
            self.problem(path, "must be a list of rules")
            return []
        if len(document) > RULES_MAX:
            self.problem(path, f"has {len(document)} rules; at most {RULES_MAX} are possible")
            return []
        found: list[Rule] = []
        for index, item in enumerate(document):
            rule = self.rule(item, (*path, index))
            self.conflicts(rule, found, (*path, index))
            found.append(rule)
        return found

    def rule(self, value: object, path: Path) -> Rule:
        fields = self.mapping(value, path, RULE_KEYS, required=RULE_KEYS)
        return Rule(
            code=self.code(fields["code"], (*path, "code")) if "code" in fields else "",
            rank=self.integer(fields.get("rank", 1), (*path, "rank"), 1, RANK_MAX),
            when=self.when(fields["when"], (*path, "when")) if "when" in fields else When(),
            policy_id=self.policy_id(fields.get("policy_id"), (*path, "policy_id")),
        )

    def conflicts(self, rule: Rule, earlier: Sequence[Rule], path: Path) -> None:
        """What must hold between a rule and those before it."""
        for other in earlier:
            if rule.code and rule.code == other.code:
                self.conflict(
                    (*path, "code"), f"{rule.code!r} is used before; give it its own code"
                )
            if rule.rank == other.rank:
                self.conflict(
                    (*path, "rank"),
                    f"{rule.rank} is the rank of {other.code!r}, too: which of them comes first? "
                    "Give it another rank",
                )

    def when(self, value: object, path: Path) -> When:
        fields = self.mapping(value, path, WHEN_KEYS)
        if isinstance(value, Mapping) and not fields:
            self.problem(
                path, "is empty and would fit every invoice; set the tenant's default policy for it"
            )
        countries, kinds = self._known.countries, KINDS
        return When(
            segments=self.words(fields, "segments", path),
            risks=self.words(fields, "risks", path),
            kinds=self.known(fields, "kinds", path, kinds, listed(kinds)),
            countries=self.known(fields, "countries", path, countries, "ISO 3166-1, such as FR"),
            tags=self.words(fields, "tags", path),
            currencies=self.currencies(fields, path),
            amount_at_least_minor=self.least(fields, path),
        )

    def words(self, fields: Mapping[str, Any], name: str, path: Path) -> tuple[str, ...]:
        """A list of words, each once, sorted."""
        value, path = fields.get(name), (*path, name)
        found = self.names(value, path)
        words = value if isinstance(value, list) else []
        for index, item in enumerate(words):
            if item in words[:index]:
                self.conflict((*path, index), f"{shown(item)} is listed twice; remove one")
        return tuple(sorted(found))

    def known(
        self, fields: Mapping[str, Any], name: str, path: Path, known: Collection[str], what: str
    ) -> tuple[str, ...]:
        """A list of words that mean something here."""
        found = self.words(fields, name, path)
        for item in found:
            if item not in known:
                place = (*path, name, fields[name].index(item))
                self.conflict(place, f"{shown(item)} is unknown; choose from {what}")
        return found

    def currencies(self, fields: Mapping[str, Any], path: Path) -> tuple[str, ...]:
        found = self.words(fields, "currencies", path)
        for item in found:
            try:
                parse_minor("0", item)
            except MoneyError as error:
                place = (*path, "currencies", fields["currencies"].index(item))
                self.conflict(place, str(error))
        return found

    def least(self, fields: Mapping[str, Any], path: Path) -> Amounts:
        if "amount_at_least" not in fields:
            return ()
        value, path = fields["amount_at_least"], (*path, "amount_at_least")
        found = self.amounts(value, path)
        if isinstance(value, Mapping) and not value:
            self.problem(path, 'names no amount; write one such as {EUR: "10000.00"}')
        for currency, minor in found:
            if minor == 0:
                self.conflict(
                    (*path, currency), "must be more than 0; remove it if every amount fits"
                )
        return found

    def policy_id(self, value: object, path: Path) -> str:
        if isinstance(value, str) and value in self._known.policies:
            return value
        if value is not None:
            self.problem(
                path, f"there is no active policy {shown(value)}; store and activate it first"
            )
        return ""
