"""Say yes or no to levels that wait for a person, and show what a yes would send.

What somebody says counts for exactly the level that it was said about: a screen that shows another
one is refused. The level itself goes out (or is skipped) when the account is decided, at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.charges import ChargePlan, assess
from dunning_engine.domain.judgement import with_disputes
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.domain.rates import MissingRateError, RateBook
from dunning_engine.domain.schedule import add_days, local_date
from dunning_engine.records import AccountAt, Dossier, StoredCase
from dunning_engine.work_records import LevelAsk, WaitingCase

RulingStatus = Literal["done", "unchanged", "refused"]


class UnknownCaseError(LookupError):
    """There is no case of that invoice."""


class StaleLevelError(ValueError):
    """Another level waits than the one that was looked at, or none; the message says which."""

    def __init__(self, ask: LevelAsk, case: WaitingCase) -> None:
        self.waiting_level_no = case.waits_for
        if case.waits_for is None:
            now = f"level {ask.level_no} of {ask.invoice_id!r} does not wait for approval any more"
        else:
            now = f"level {case.waits_for} of {ask.invoice_id!r} waits, not level {ask.level_no}"
        super().__init__(f"{now}; look at it again")


class ApprovalStore(Protocol):
    """Where approvals lie."""

    async def debtors_of(self, tenant: str, invoice_ids: Sequence[str]) -> list[str]:
        """Whose these invoices are, each debtor once."""
        ...

    async def lock_accounts(self, tenant: str, debtor_ids: Sequence[str]) -> dict[str, AccountAt]:
        """Lock the accounts of debtors in their order; unknown ones are missing."""
        ...

    async def cases(self, tenant: str, invoice_ids: Sequence[str]) -> dict[str, WaitingCase]:
        """The cases of invoices; unknown ones are missing."""
        ...

    async def save_approvals(
        self, tenant: str, asks: Sequence[tuple[LevelAsk, datetime]], *, approved: bool, by: str
    ) -> None:
        """Write what somebody said about levels."""
        ...

    async def wake_accounts(self, tenant: str, instants: Mapping[str, datetime]) -> None:
        """Have these debtors' accounts decided at the next opportunity."""
        ...


class DossierReader(Protocol):
    """Where what deciding takes is read, for several debtors at once."""

    async def dossiers(self, tenant: str, debtor_ids: Sequence[str]) -> list[Dossier]:
        """Their accounts and open cases; locks nothing."""
        ...


class VersionShelf(Protocol):
    """Where policy versions are found."""

    async def pinned(
        self, wanted: Sequence[tuple[str, PolicyKey]]
    ) -> Mapping[tuple[str, PolicyKey], Policy]:
        """Exact versions, by (tenant, key); unknown ones are missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRuling:
    """What came of one wish. `refused` carries why."""

    ask: LevelAsk
    case: WaitingCase | None
    status: RulingStatus
    why: UnknownCaseError | StaleLevelError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldSend:
    """What approving sends: to `asks_minor` of principal come the charges.

    `missing_rate`: the charges cannot be told before that reference rate is stored.
    """

    level: Level
    channels: tuple[str, ...]
    asks_minor: int
    disputed_minor: int
    charges: tuple[ChargePlan, ...]
    pay_by: date | None
    missing_rate: str | None = None


async def decide_level(
    store: ApprovalStore, *, tenant: str, ask: LevelAsk, approved: bool, by: str
) -> ApprovalRuling:
    """Approve or reject the level of one case.

    Raises:
        UnknownCaseError: there is no such case.
        StaleLevelError: another level waits, or none.
    """
    (ruling,) = await decide_levels(store, tenant=tenant, asks=[ask], approved=approved, by=by)
    if ruling.why:
        raise ruling.why
    return ruling


async def decide_levels(
    store: ApprovalStore, *, tenant: str, asks: Sequence[LevelAsk], approved: bool, by: str
) -> list[ApprovalRuling]:
    """Approve or reject levels of several cases; those that are stale are left alone."""
    ids = [ask.invoice_id for ask in asks]
    accounts = await store.lock_accounts(tenant, await store.debtors_of(tenant, ids))
    cases = await store.cases(tenant, ids)

    rulings = [rule(ask, cases.get(ask.invoice_id), approved=approved) for ask in asks]

    done = [(r.ask, r.case) for r in rulings if r.status == "done" and r.case]
    written = [
        (ask, accounts[case.debtor_id].now) for ask, case in done if case.debtor_id in accounts
    ]
    await store.save_approvals(tenant, written, approved=approved, by=by)
    debtors = {case.debtor_id for _, case in done} & set(accounts)
    await store.wake_accounts(tenant, {name: accounts[name].now for name in sorted(debtors)})
    return rulings


def rule(ask: LevelAsk, case: WaitingCase | None, *, approved: bool) -> ApprovalRuling:
    """Does the wish fit the case as it is now?"""
    if case is None:
        unknown = UnknownCaseError(f"there is no case of invoice {ask.invoice_id!r}")
        return ApprovalRuling(ask=ask, case=None, status="refused", why=unknown)
    said = case.approved if case.is_decided(ask.level_no) else None
    if said is approved:
        return ApprovalRuling(ask=ask, case=case, status="unchanged")
    if case.waits_for != ask.level_no:
        stale = StaleLevelError(ask, case)
        return ApprovalRuling(ask=ask, case=case, status="refused", why=stale)
    return ApprovalRuling(ask=ask, case=case, status="done")


async def preview_approvals(
    reader: DossierReader,
    shelf: VersionShelf,
    rates: RateBook,
    *,
    tenant: str,
    cases: Sequence[WaitingCase],
) -> dict[str, WouldSend]:
    """What each waiting case would send today, by invoice; one that cannot be told is missing."""
    dossiers = await reader.dossiers(tenant, [case.debtor_id for case in cases])
    keys = sorted(
        {
            (case.policy_id, case.policy_version)
            for case in cases
            if case.policy_id is not None and case.policy_version is not None
        }
    )
    policies = await shelf.pinned([(tenant, key) for key in keys])
    wanted = {case.invoice_id: case for case in cases}
    return {
        stored.case.invoice_id: found
        for dossier in dossiers
        for stored in dossier.cases
        if (waiting := wanted.get(stored.case.invoice_id))
        and (policy := policies.get((tenant, stored.case.policy_key)))
        and (level := policy.level(waiting.level_no or 0))
        and (found := would_send(dossier, stored, policy, level, rates))
    }


def would_send(
    dossier: Dossier, stored: StoredCase, policy: Policy, level: Level, rates: RateBook
) -> WouldSend:
    """What the level says about the invoice today, by the rules that will decide it."""
    account = dossier.account
    holds = tuple(hold for hold in account.holds if hold.is_active(dossier.now))
    case = with_disputes(stored.case, holds)
    today = local_date(dossier.now, account.zone)
    charges: tuple[ChargePlan, ...] = ()
    missing_rate = None
    try:
        charges = assess(account, case, policy, level, today, rates).charges
    except MissingRateError as gap:
        missing_rate = f"{gap.series} of {gap.half_year}"
    days = level.pay_within_days
    return WouldSend(
        level=level,
        channels=level.channels_for(case),
        asks_minor=case.due_minor,
        disputed_minor=case.disputed_minor,
        charges=charges,
        pay_by=None if days is None else add_days(today, days),
        missing_rate=missing_rate,
    )
