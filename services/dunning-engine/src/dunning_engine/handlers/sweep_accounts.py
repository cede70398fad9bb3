"""Decide about due accounts: gather their dossiers, decide each (pure), persist, emit.

Holds no rule of dunning; those are in `domain.decision`. An account about which nothing can be
decided never stops the others: it is set aside with the reason, and listed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

import structlog

from dunning_engine.domain.account import Account
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.decision import decide
from dunning_engine.domain.outcome import Decision
from dunning_engine.domain.policy import BUDGET_DAYS_MAX, Policy
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.record import make_record
from dunning_engine.domain.schedule import Calendar
from dunning_engine.handlers.apply_decision import apply_decision, obstacles_hash
from dunning_engine.handlers.open_cases import (
    Opened,
    OpeningShelf,
    keep_openings,
    open_cases,
    opening_events,
)
from dunning_engine.records import AccountAfter, AccountKey, Changes, Dossier, NewRecord

BREATHE_EVERY = 50
TROUBLE_RETRY = timedelta(hours=1)
POLICY_RETRY = timedelta(days=1)
"""Who stores a policy wakes the cases that wait for it, but not one that came a moment before."""
CONTACTS_KEPT = timedelta(days=BUDGET_DAYS_MAX)

TenantPolicies = Mapping[PolicyKey, Policy]

log = structlog.get_logger()


class BatchFailedError(RuntimeError):
    """What was decided about these accounts could not be written; nothing of it was."""

    def __init__(self, accounts: Sequence[AccountKey]) -> None:
        super().__init__(f"nothing was written about {len(accounts)} accounts")
        self.accounts = tuple(accounts)


class ChangeStore(Protocol):
    """Where decisions are written."""

    async def save(self, changes: Changes) -> None:
        """Write everything that was decided; the events last."""
        ...


class PolicyShelf(OpeningShelf, Protocol):
    """Where policies are found, and what chooses them."""

    async def pinned(
        self, wanted: Sequence[tuple[str, PolicyKey]]
    ) -> Mapping[tuple[str, PolicyKey], Policy]:
        """Exact versions, by (tenant, key); unknown ones are missing."""
        ...


class Law(Protocol):
    """Dated public facts: holidays and rates."""

    @property
    def rates(self) -> RateBook:
        """Reference rates."""
        ...

    def calendar(self, country: str, region: str | None, zone: str, now: datetime) -> Calendar:
        """Public holidays that a decision at `now` may look into."""
        ...


async def sweep_accounts(
    store: ChangeStore, shelf: PolicyShelf, law: Law, claimed: Sequence[Dossier]
) -> int:
    """Decide about the claimed accounts and write what follows. Returns how many there were.

    Raises:
        BatchFailedError: it could not be written; the cause says why.
    """
    if not claimed:
        return 0
    dossiers = await open_cases(shelf, claimed)
    policies = await policies_of(shelf, dossiers)

    changes = Changes()
    for number, opened in enumerate(dossiers, start=1):
        _decide_one(opened, policies[opened.dossier.account.tenant], law, changes)
        if number % BREATHE_EVERY == 0:
            await asyncio.sleep(0)  # deciding is pure computing: let others have the loop

    try:
        await keep_openings(shelf, dossiers)
        await store.save(changes)
    except Exception as error:
        raise BatchFailedError([dossier.key for dossier in claimed]) from error
    return len(claimed)


async def policies_of(
    shelf: PolicyShelf, dossiers: Sequence[Opened]
) -> Mapping[str, TenantPolicies]:
    """The policy versions that the cases are pinned to, by tenant."""
    wanted = {
        (opened.dossier.account.tenant, stored.case.policy_key)
        for opened in dossiers
        for stored in opened.dossier.cases
        if stored.pinned
    }
    found = await shelf.pinned(sorted(wanted))
    by_tenant: dict[str, dict[PolicyKey, Policy]] = {
        opened.dossier.account.tenant: {} for opened in dossiers
    }
    for (tenant, key), policy in found.items():
        by_tenant[tenant][key] = policy
    return by_tenant


def _decide_one(opened: Opened, policies: TenantPolicies, law: Law, changes: Changes) -> None:
    """Decide about one account; whatever goes wrong stays with it."""
    before = changes.mark()
    try:
        _decide_about(opened, policies, law, changes)
    except Exception as error:
        changes.back_to(before)
        dossier = opened.dossier
        log.exception(
            "account_undecidable", tenant=dossier.key.tenant, debtor=dossier.key.debtor_id
        )
        changes.accounts.append(
            AccountAfter(
                key=dossier.key,
                # A sandbox clock does not wait for a repair: it retries when asked to move.
                next_action_at=(
                    dossier.now + TROUBLE_RETRY if dossier.time_source == "real" else None
                ),
                verdict_hash=dossier.verdict_hash,
                contacted_on=dossier.account.contacted_on,
                credit_blocked=dossier.account.credit_blocked,
                waits_for_feed=False,
                trouble=f"{type(error).__name__}: {error}"[:500],
            )
        )


def _decide_about(opened: Opened, policies: TenantPolicies, law: Law, changes: Changes) -> None:
    dossier = opened.dossier
    account, cases = dossier.account, [stored.case for stored in dossier.cases]
    pinned = {case.policy_key for case in cases}
    used = {key: policy for key, policy in policies.items() if key in pinned}
    calendar = law.calendar(account.country, account.region, account.zone, dossier.now)

    decision = decide(account, cases, used, dossier.now, calendar, law.rates)

    if decision.next_action_at is not None and decision.next_action_at <= dossier.now:
        raise RuntimeError("the decision asks to be made again at once: it would never end")
    if opened.newly_pinned:
        changes.events += opening_events(opened)
    apply_decision(dossier, decision, changes, opened=opened.newly_pinned)
    seen = obstacles_hash(decision.verdicts)
    if decision.has_effects or seen != dossier.verdict_hash:
        changes.records.append(
            NewRecord(
                tenant=account.tenant,
                debtor_id=account.debtor_id,
                decision_id=decision.decision_id,
                decided_at=dossier.now,
                record=make_record(account, cases, used, calendar, law.rates, decision),
            )
        )
    changes.accounts.append(
        AccountAfter(
            key=dossier.key,
            next_action_at=_next_look(decision),
            verdict_hash=seen,
            contacted_on=_contacts(account, decision),
            credit_blocked=(
                account.credit_blocked if decision.credit_block is None else decision.credit_block
            ),
            waits_for_feed="stale_feed" in [verdict.reason for verdict in decision.verdicts],
        )
    )


def _next_look(decision: Decision) -> datetime | None:
    """When to decide again, if nothing happens before."""
    if "policy_missing" not in [verdict.reason for verdict in decision.verdicts]:
        return decision.next_action_at
    again = decision.decided_at + POLICY_RETRY
    return min(again, decision.next_action_at or again)


def _contacts(account: Account, decision: Decision) -> tuple[date, ...]:
    """The debtor's contacts after the decision, without those too old for any budget."""
    oldest = decision.decided_on - CONTACTS_KEPT
    kept = [on for on in account.contacted_on if on > oldest]
    return (*kept, *(notice.decided_on for notice in decision.notices))
