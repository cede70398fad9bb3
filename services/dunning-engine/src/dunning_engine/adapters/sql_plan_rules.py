"""A tenant's rules for promises and payment plans in PostgreSQL, as a document."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import asyncpg
import orjson

from dunning_common.money import parse_minor, to_decimal_string
from dunning_engine.domain.plan_rules import PlanRules

_READ = "SELECT document::text, stored_by, stored_at FROM plan_rules WHERE tenant = $1"
_WRITE = """
INSERT INTO plan_rules (tenant, document, stored_by) VALUES ($1, $2::jsonb, $3)
ON CONFLICT (tenant) DO UPDATE SET document = excluded.document, stored_by = excluded.stored_by,
    stored_at = clock_timestamp()
"""


class SqlPlanRules:
    """A tenant's rules, inside one transaction."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        self._sql = sql

    async def rules(self, tenant: str) -> PlanRules:
        """The tenant's rules, or the defaults."""
        row = await self.read(tenant)
        return rules_of(row["document"]) if row else PlanRules()

    async def read(self, tenant: str) -> dict[str, Any] | None:
        """The tenant's rules as a document, with who stored them and when; None: the defaults."""
        row = await self._sql.fetchrow(_READ, tenant)
        return None if row is None else {**row, "document": orjson.loads(row["document"])}

    async def write(self, tenant: str, rules: PlanRules, *, stored_by: str) -> None:
        """Store a tenant's rules instead of those before."""
        document = orjson.dumps(document_of(rules)).decode()
        await self._sql.execute(_WRITE, tenant, document, stored_by)


def document_of(rules: PlanRules) -> dict[str, Any]:
    """Rules as plain values; amounts and the percentage as decimal strings."""
    return {
        "max_months": rules.max_months,
        "min_instalment": _decimals(rules.min_instalment_minor),
        "min_first_percent": f"{rules.min_first_percent:f}",
        "max_open_plans": rules.max_open_plans,
        "debtor_kinds": list(rules.debtor_kinds),
        "risks": list(rules.risks),
        "refuse": sorted(rules.refuse),
        "grace_days": rules.grace_days,
        "tolerance": _decimals(rules.tolerance_minor),
        "promise_days_max": rules.promise_days_max,
        "promise_grace_days": rules.promise_grace_days,
        "claim_days": rules.claim_days,
    }


def rules_of(document: Mapping[str, Any]) -> PlanRules:
    """Rules from a document that was checked before; what is missing keeps its default."""
    values = dict(document)
    minors = {name: values.pop(name, {}) for name in ("min_instalment", "tolerance")}
    if "min_first_percent" in values:
        values["min_first_percent"] = Decimal(values["min_first_percent"])
    for name in ("debtor_kinds", "risks"):
        if name in values:
            values[name] = tuple(values[name])
    if "refuse" in values:
        values["refuse"] = frozenset(values["refuse"])
    return PlanRules(
        **values,
        min_instalment_minor=_minors(minors["min_instalment"]),
        tolerance_minor=_minors(minors["tolerance"]),
    )


def _decimals(amounts: tuple[tuple[str, int], ...]) -> dict[str, str]:
    return {currency: to_decimal_string(minor, currency) for currency, minor in amounts}


def _minors(amounts: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    return tuple(
        (currency, parse_minor(text, currency)) for currency, text in sorted(amounts.items())
    )
