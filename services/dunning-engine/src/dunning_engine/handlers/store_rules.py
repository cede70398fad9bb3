"""Store the rules that choose policies: immutable versions, a new one only when something changed.

The newest version decides about cases that are opened from now on; open ones keep their policy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dunning_common.values import replace
from dunning_engine.domain.policy_diff import DocumentDiff, diff_rules
from dunning_engine.domain.selection import Rules
from dunning_engine.domain.selection_document import Known, rules_document

RulesStatus = Literal["created", "updated", "unchanged"]
LOCK_NAME = "*rules*"
"""Stands for the rules where policies are locked by their id; no policy can have it."""


class RulesStore(Protocol):
    """Where rules lie."""

    async def lock(self, tenant: str, policy_id: str) -> None:
        """Keep others from storing under this name until the transaction ends."""
        ...

    async def active_policies(self, tenant: str) -> Collection[str]:
        """Ids of the tenant's policies and of the built-in ones that new cases can get."""
        ...

    async def rules(self, tenants: Sequence[str]) -> Mapping[str, Rules]:
        """The newest rules by tenant; those without any are missing."""
        ...

    async def add_rules(self, tenant: str, rules: Rules, *, source: str, stored_by: str) -> None:
        """Store a new version."""
        ...

    async def wake_unpinned(self, tenant: str) -> None:
        """Have the accounts decided whose invoices found no policy so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesText:
    """Rules as somebody gave them: `parse` reads them as a version, given what they may name."""

    source: str
    parse: Callable[[int, Known], Rules]


async def store_rules(
    store: RulesStore, *, tenant: str, text: RulesText, countries: Collection[str], stored_by: str
) -> tuple[Rules, RulesStatus]:
    """Store rules as a new version, unless their content is that of the newest one.

    Raises:
        ValueError: whatever `parse` raises for text that is no list of rules.
    """
    await store.lock(tenant, LOCK_NAME)
    known = Known(policies=await store.active_policies(tenant), countries=countries)
    rules = text.parse(1, known)
    newest = (await store.rules([tenant])).get(tenant)
    if newest is not None and rules_document(newest) == rules_document(rules):
        return newest, "unchanged"
    rules = replace(rules, version=newest.version + 1 if newest else 1)
    await store.add_rules(tenant, rules, source=text.source, stored_by=stored_by)
    await store.wake_unpinned(tenant)
    return rules, "updated" if newest else "created"


async def compare_rules(
    store: RulesStore,
    *,
    tenant: str,
    text: RulesText,
    countries: Collection[str],
    more_policies: Collection[str],
) -> tuple[int | None, DocumentDiff]:
    """The newest stored version, and what storing the text would change.

    Args:
        store: bound to one transaction.
        tenant: whose rules.
        text: the rules.
        countries: that they may name.
        more_policies: policies that will be stored before the rules are.

    Raises:
        ValueError: whatever `parse` raises for text that is no list of rules.
    """
    active = await store.active_policies(tenant)
    known = Known(policies={*active, *more_policies}, countries=countries)
    rules = text.parse(1, known)
    newest = (await store.rules([tenant])).get(tenant)
    before = rules_document(newest) if newest else None
    return newest.version if newest else None, diff_rules(before, rules_document(rules))
