"""Store policies: immutable versions, a new one only when the content changed.

Cases stay pinned to the version they were opened with; checking content is the domain's business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from dunning_engine.domain.policy import Policy
from dunning_engine.domain.policy_document import to_document

PolicyStatus = Literal["created", "updated", "unchanged"]


class BuiltInPolicyError(ValueError):
    """The id belongs to a built-in policy."""

    def __init__(self, policy_id: str) -> None:
        super().__init__(
            f"{policy_id!r} is built in and cannot be changed; store yours under another id"
        )


class UnknownPolicyError(LookupError):
    """There is no policy of that id."""

    def __init__(self, policy_id: str) -> None:
        super().__init__(f"there is no policy {policy_id!r}; store it first")


class PolicyStore(Protocol):
    """Where policies lie."""

    async def lock(self, tenant: str, policy_id: str) -> None:
        """Keep others from storing a version of this policy until the transaction ends."""
        ...

    async def latest(self, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Policy]:
        """The newest version of policies, by (tenant, policy id)."""
        ...

    async def add(self, tenant: str, policy: Policy, *, source: str, stored_by: str) -> None:
        """Store a new version."""
        ...

    async def wake_unpinned(self, tenant: str) -> None:
        """Have the accounts decided whose invoices found no policy so far."""
        ...

    async def set_default(self, tenant: str, policy_id: str) -> None:
        """Make it the tenant's default."""
        ...


async def store_policy(
    store: PolicyStore,
    *,
    tenant: str,
    policy_id: str,
    source: str,
    parse: Callable[[int], Policy],
    stored_by: str,
    built_in: Collection[str],
) -> tuple[Policy, PolicyStatus]:
    """Store a policy as a new version, unless its content is that of the newest one.

    Args:
        store: bound to one transaction.
        tenant: whose policy.
        policy_id: its id.
        source: the text as it was given.
        parse: reads the text as a given version.
        stored_by: who stores it.
        built_in: ids that cannot be used.

    Raises:
        BuiltInPolicyError: the id is taken.
        ValueError: whatever `parse` raises for text that is no policy.
    """
    if policy_id in built_in:
        raise BuiltInPolicyError(policy_id)
    policy = parse(1)
    await store.lock(tenant, policy_id)
    newest = (await store.latest([(tenant, policy_id)])).get((tenant, policy_id))
    if newest is not None and to_document(newest) == to_document(policy):
        return newest, "unchanged"
    policy = replace(policy, version=newest.version + 1 if newest else 1)
    await store.add(tenant, policy, source=source, stored_by=stored_by)
    await store.wake_unpinned(tenant)
    return policy, "updated" if newest else "created"


async def choose_default(store: PolicyStore, *, tenant: str, policy_id: str) -> None:
    """Make a policy the tenant's default for cases that are opened from now on.

    Raises:
        UnknownPolicyError: there is none of that id.
    """
    if not await store.latest([(tenant, policy_id)]):
        raise UnknownPolicyError(policy_id)
    await store.set_default(tenant, policy_id)
    await store.wake_unpinned(tenant)
