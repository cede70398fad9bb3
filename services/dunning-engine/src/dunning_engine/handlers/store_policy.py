"""Store policies: immutable versions, a new one only when the content changed; and show the change.

Unless asked otherwise the stored version is active for all new cases at once. Cases stay pinned to
the version they were opened with; checking content is the domain's business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dunning_common.values import replace
from dunning_engine.domain.activation import Offer
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.policy_diff import DocumentDiff, diff_policies
from dunning_engine.domain.policy_writing import to_document
from dunning_engine.handlers.activate_policy import ActivationStore, activate_at_once

PolicyStatus = Literal["created", "updated", "unchanged"]


class BuiltInPolicyError(ValueError):
    """The id belongs to a built-in policy."""

    def __init__(self, policy_id: str) -> None:
        super().__init__(
            f"{policy_id!r} is built in and cannot be changed; store yours under another id"
        )


class UnknownPolicyError(LookupError):
    """There is no policy of that id that new cases could get."""

    def __init__(self, policy_id: str) -> None:
        super().__init__(f"there is no active policy {policy_id!r}; store and activate it first")


class PolicyStore(ActivationStore, Protocol):
    """Where policies lie."""

    async def latest(self, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Policy]:
        """The newest version of policies, by (tenant, policy id)."""
        ...

    async def add(
        self, tenant: str, policy: Policy, *, source: str, stored_by: str, activate: bool = True
    ) -> None:
        """Store a new version."""
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
    activate: bool = True,
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
        activate: new cases get the version from now on; else it only lies ready.

    Raises:
        BuiltInPolicyError: the id is taken.
        ValueError: whatever `parse` raises for text that is no policy.
    """
    if policy_id in built_in:
        raise BuiltInPolicyError(policy_id)
    policy = parse(1)
    await store.lock(tenant, policy_id)
    newest = (await store.latest([(tenant, policy_id)])).get((tenant, policy_id))
    status: PolicyStatus = "unchanged"
    if newest is not None and to_document(newest) == to_document(policy):
        policy = newest
    else:
        policy = replace(policy, version=newest.version + 1 if newest else 1)
        await store.add(tenant, policy, source=source, stored_by=stored_by, activate=False)
        status = "updated" if newest else "created"
    if activate and await activate_at_once(
        store, tenant=tenant, policy_id=policy_id, version=policy.version, by=stored_by
    ):
        await store.wake_unpinned(tenant)
    return policy, status


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """What storing a document would change, compared with a stored version, if there is one.

    `offer` tells what is active now.
    """

    before: Policy | None
    diff: DocumentDiff
    offer: Offer


async def compare_policy(
    store: PolicyStore,
    *,
    tenant: str,
    policy: Policy,
    version: int | None,
    built_in: Collection[str],
) -> PolicyChange:
    """Compare a policy with a stored version of it, the newest unless one is named.

    Raises:
        BuiltInPolicyError: the id is taken.
        LookupError: there is no such version.
    """
    policy_id = policy.policy_id
    if policy_id in built_in:
        raise BuiltInPolicyError(policy_id)
    if version is None:
        before = (await store.latest([(tenant, policy_id)])).get((tenant, policy_id))
    else:
        wanted = (tenant, (policy_id, version))
        before = (await store.pinned([wanted])).get(wanted)
        if before is None:
            raise LookupError(f"{policy_id!r} has no version {version}")
    offers = await store.offers([(tenant, policy_id)])
    return PolicyChange(
        before=before,
        diff=diff_policies(to_document(before) if before else None, to_document(policy)),
        offer=offers.get((tenant, policy_id), Offer(active_version=None)),
    )


async def choose_default(store: PolicyStore, *, tenant: str, policy_id: str) -> None:
    """Make a policy the tenant's default for cases that are opened from now on.

    Raises:
        UnknownPolicyError: there is none of that id, or none of its versions is active.
    """
    offer = (await store.offers([(tenant, policy_id)])).get((tenant, policy_id))
    if offer is None or offer.active_version is None:
        raise UnknownPolicyError(policy_id)
    await store.set_default(tenant, policy_id)
    await store.wake_unpinned(tenant)
