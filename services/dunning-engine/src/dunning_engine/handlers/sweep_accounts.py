"""Decide about due accounts: gather their dossiers, decide each (pure), persist, emit.

Holds no rule of dunning; those are in `domain.decision`. An account about which nothing can be
decided never stops the others: it is set aside with the reason, and listed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol, TypeVar

import structlog

from dunning_common.values import Value, replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case, PolicyKey
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

PORTION = 50
"""Accounts that are decided about together, before others have the loop."""
TROUBLE_RETRY = timedelta(hours=1)
POLICY_RETRY = timedelta(days=1)
"""Who stores a policy wakes the cases that wait for it, but not one that came a moment before."""
CONTACTS_KEPT = timedelta(days=BUDGET_DAYS_MAX)

TenantPolicies = Mapping[PolicyKey, Policy]

log = structlog.get_logger()

W = TypeVar("W", bound="_About")
Done = TypeVar("Done")


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
    for first in range(0, len(dossiers), PORTION):
        _decide_some(dossiers[first : first + PORTION], policies, law, changes)
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


class _About(Protocol):
    @property
    def dossier(self) -> Dossier: ...


class _Work(Value, frozen=True):
    """A decision about an account, what it looked at, and its record if it says anything new."""

    opened: Opened
    dossier: Dossier
    cases: Sequence[Case]
    policies: TenantPolicies
    calendar: Calendar
    decision: Decision
    verdict_hash: bytes | None
    record: bytes | None = None


def _decide_some(
    some: Sequence[Opened], policies: Mapping[str, TenantPolicies], law: Law, changes: Changes
) -> None:
    """Decide about some accounts; whatever goes wrong with one stays with it.

    Each step is done for all of them before the next one: what a processor does again and again
    stays in its caches, and one account after the other takes a tenth longer.
    """
    decided = _each(some, lambda opened: _decided(opened, policies, law), changes)
    recorded = _each(decided, lambda work: _recorded(work, law), changes)
    _each(recorded, lambda work: _add(work, changes), changes)


def _each(works: Iterable[W], step: Callable[[W], Done], changes: Changes) -> list[Done]:
    """Take the step for each; an account with which it fails is set aside, and goes no further."""
    done: list[Done] = []
    for work in works:
        try:
            done.append(step(work))
        except Exception as error:
            dossier = work.dossier
            log.exception(
                "account_undecidable", tenant=dossier.key.tenant, debtor=dossier.key.debtor_id
            )
            changes.accounts.append(_set_aside(dossier, error))
    return done


def _set_aside(dossier: Dossier, error: Exception) -> AccountAfter:
    return AccountAfter(
        key=dossier.key,
        # A sandbox clock does not wait for a repair: it retries when asked to move.
        next_action_at=dossier.now + TROUBLE_RETRY if dossier.time_source == "real" else None,
        verdict_hash=dossier.verdict_hash,
        contacted_on=dossier.account.contacted_on,
        credit_blocked=dossier.account.credit_blocked,
        waits_for_feed=False,
        trouble=f"{type(error).__name__}: {error}"[:500],
    )


def _decided(opened: Opened, policies: Mapping[str, TenantPolicies], law: Law) -> _Work:
    dossier = opened.dossier
    account, cases = dossier.account, [stored.case for stored in dossier.cases]
    pinned = {case.policy_key for case in cases}
    used = {key: policy for key, policy in policies[account.tenant].items() if key in pinned}
    calendar = law.calendar(account.country, account.region, account.zone, dossier.now)

    decision = decide(account, cases, used, dossier.now, calendar, law.rates)

    if decision.next_action_at is not None and decision.next_action_at <= dossier.now:
        raise RuntimeError("the decision asks to be made again at once: it would never end")
    seen = obstacles_hash(decision.verdicts)
    return _Work(opened, dossier, cases, used, calendar, decision, seen)


def _recorded(work: _Work, law: Law) -> _Work:
    decision, dossier = work.decision, work.dossier
    if not decision.has_effects and work.verdict_hash == dossier.verdict_hash:
        return work
    record = make_record(
        dossier.account, work.cases, work.policies, work.calendar, law.rates, decision
    )
    return replace(work, record=record)


def _add(work: _Work, changes: Changes) -> None:
    """Add to `changes` what follows from the decision: all of it, or nothing."""
    before = changes.mark()
    try:
        _add_rows(work, changes)
    except Exception:
        changes.back_to(before)
        raise


def _add_rows(work: _Work, changes: Changes) -> None:
    opened, decision = work.opened, work.decision
    dossier, account = work.dossier, work.dossier.account
    if opened.newly_pinned:
        changes.events += opening_events(opened)
    apply_decision(dossier, decision, changes, policies=work.policies, opened=opened.newly_pinned)
    if work.record is not None:
        changes.records.append(
            NewRecord(
                tenant=account.tenant,
                debtor_id=account.debtor_id,
                decision_id=decision.decision_id,
                decided_at=dossier.now,
                record=work.record,
            )
        )
    changes.accounts.append(
        AccountAfter(
            key=dossier.key,
            next_action_at=_next_look(decision),
            verdict_hash=work.verdict_hash,
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
