"""Put new invoices under a policy: choose it by precedence, and pin the version it has now.

A case keeps the version it was opened with. An invoice that asks for a policy nobody stored stays
unopened and says so; it is opened when the policy arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dunning_common.events.dunning import CaseOpenedV1
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from dunning_engine.domain.policy import Policy, select_policy_id
from dunning_engine.records import Dossier, StoredCase


class NewestPolicies(Protocol):
    """Where the newest version of a policy is found."""

    async def latest(self, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Policy]:
        """The newest version of policies, by (tenant, policy id); unknown ones are missing."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A dossier whose cases are pinned where possible; `newly_pinned` names those pinned now."""

    dossier: Dossier
    newly_pinned: frozenset[str]


async def open_cases(policies: NewestPolicies, dossiers: Sequence[Dossier]) -> list[Opened]:
    """Pin the cases that have no policy yet."""
    wanted = {
        (dossier.account.tenant, wanted_policy(dossier, stored))
        for dossier in dossiers
        for stored in dossier.cases
        if not stored.pinned
    }
    found = await policies.latest(sorted(wanted)) if wanted else {}
    return [_opened(dossier, found) for dossier in dossiers]


def wanted_policy(dossier: Dossier, stored: StoredCase) -> str:
    """Which policy an unopened case asks for."""
    return select_policy_id(
        invoice_policy_id=stored.wanted_policy_id,
        debtor_policy_id=dossier.policy_id,
        default_policy_id=dossier.default_policy_id,
        country=dossier.account.country,
    )


def opening_events(opened: Opened) -> list[Outgoing]:
    """The announcements of the cases that were pinned now."""
    dossier = opened.dossier
    return [
        Outgoing(
            payload=CaseOpenedV1(
                debtor_id=dossier.account.debtor_id,
                invoice_id=stored.case.invoice_id,
                policy_id=stored.case.policy_id,
                policy_version=stored.case.policy_version,
                effective_at=dossier.now,
            ),
            tenant=dossier.account.tenant,
            key=account_key(dossier.account.tenant, dossier.account.debtor_id),
            subject=stored.case.invoice_id,
        )
        for stored in dossier.cases
        if stored.case.invoice_id in opened.newly_pinned
    ]


def _opened(dossier: Dossier, found: Mapping[tuple[str, str], Policy]) -> Opened:
    if all(stored.pinned for stored in dossier.cases):
        return Opened(dossier, frozenset())
    cases = tuple(
        stored if stored.pinned else _pin(dossier, stored, found) for stored in dossier.cases
    )
    newly = frozenset(
        now.case.invoice_id
        for was, now in zip(dossier.cases, cases, strict=True)
        if now.pinned and not was.pinned
    )
    return Opened(replace(dossier, cases=cases), newly)


def _pin(
    dossier: Dossier, stored: StoredCase, found: Mapping[tuple[str, str], Policy]
) -> StoredCase:
    policy_id = wanted_policy(dossier, stored)
    policy = found.get((dossier.account.tenant, policy_id))
    if policy is None:
        return replace(stored, case=replace(stored.case, policy_id=policy_id))
    pinned = replace(stored.case, policy_id=policy_id, policy_version=policy.version)
    return replace(stored, case=pinned, pinned=True, opened_at=dossier.now)
