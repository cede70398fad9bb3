"""Simulate a tenant's own invoices: the open ones ahead, or the past again. Writes nothing.

Gathers debtors batch by batch, each in a transaction of its own, and hands them to processes that
compute; no rule of dunning is here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from dunning_common.values import replace
from dunning_engine.domain.case import Case, PolicyKey
from dunning_engine.domain.policy import BUILT_IN_BY_COUNTRY, BUILT_IN_FOR_CONSUMERS, Policy
from dunning_engine.domain.schedule import local_date
from dunning_engine.domain.simulation import USUAL, Assumptions
from dunning_engine.domain.simulation_job import LISTED, Job, Purpose
from dunning_engine.domain.simulation_report import Prices
from dunning_engine.domain.simulation_scenario import Scenario
from dunning_engine.domain.story import Story, in_order, promised_payments
from dunning_engine.handlers.open_cases import OpeningShelf, open_cases
from dunning_engine.handlers.run_simulation import Cruncher, run_simulation
from dunning_engine.records import Dossier, StoredCase

BATCH_DEBTORS = 200
DEBTOR_INVOICES_MAX = 3_000
"""About half a minute of work for a debtor's past; whoever has more is listed as left out."""
ALL_POLICIES = "all"
ZONE_UNKNOWN = "UTC"


class TooManyInvoicesError(ValueError):
    """The tenant has more invoices than one simulation may speak of."""

    def __init__(self, invoices: int, most: int) -> None:
        super().__init__(
            f"there are {invoices} invoices, and a simulation takes at most {most}: name some of "
            "the debtors in debtor_ids"
        )


class UnknownCandidateError(LookupError):
    """There is no such policy, or no such version of it."""

    def __init__(self, field_name: str, named: Named) -> None:
        version = f", version {named.version}" if named.version else ""
        super().__init__(f"there is no policy {named.policy_id!r}{version}")
        self.field_name = field_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A policy of the shelf; without a version its newest one."""

    policy_id: str
    version: int | None = None


Candidate = Named | Policy
"""A policy of the shelf, or one that nobody stored yet (its version is chosen here)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to simulate.

    With `days` the open invoices go so many days ahead, without it the past is played again, from
    `since` to `until` (exclusive), which default to its beginning and to now. `policy` is followed
    by all invoices; in a comparison `other` is the second one. For a blast radius `policy` is the
    second one and the invoices' own policies are the first; only invoices under the policy id
    `replaces` follow it (`all`: all of them), by default those under its own id.
    """

    purpose: Purpose
    policy: Candidate | None = None
    other: Candidate | None = None
    replaces: str | None = None
    days: int | None = None
    since: date | None = None
    until: date | None = None
    known_after_days: int = 0
    promises_kept: bool = True
    debtors: tuple[str, ...] | None = None
    assumptions: Assumptions = USUAL
    prices: Prices = field(default_factory=Prices)
    listed: int = LISTED

    @property
    def is_forward(self) -> bool:
        """Does it look ahead, not back?"""
        return self.days is not None


class _Extent(Protocol):
    @property
    def invoices(self) -> int: ...
    @property
    def first_on(self) -> date | None: ...
    @property
    def without_terms(self) -> int: ...
    @property
    def now(self) -> datetime: ...
    @property
    def zone(self) -> str | None: ...


class Portfolio(Protocol):
    """Where a tenant's debtors are read, page by page, in the order of their ids."""

    async def extent(
        self, tenant: str, *, all_cases: bool, debtors: Sequence[str] | None
    ) -> _Extent:
        """How much there is."""
        ...

    async def followed(self, tenant: str, *, all_cases: bool) -> list[tuple[str, PolicyKey]]:
        """The policy versions that cases follow, or that new ones could get."""
        ...

    async def open_page(
        self, tenant: str, *, after: str, limit: int, debtors: Sequence[str] | None, now: datetime
    ) -> list[Dossier]:
        """Debtors with their open cases."""
        ...

    async def past_page(
        self,
        tenant: str,
        *,
        after: str,
        limit: int,
        debtors: Sequence[str] | None,
        now: datetime,
        known_after_days: int,
    ) -> list[Story]:
        """Debtors with everything that happened to them."""
        ...

    async def really(
        self, tenant: str, *, since: date, until: date, debtors: Sequence[str] | None
    ) -> dict[str, Any]:
        """What was really done in those days."""
        ...


class Shelf(OpeningShelf, Protocol):
    """Where policies are found."""

    async def latest(self, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Policy]:
        """The newest version of policies, by (tenant, policy id); unknown ones are missing."""
        ...

    async def pinned(
        self, wanted: Sequence[tuple[str, PolicyKey]]
    ) -> Mapping[tuple[str, PolicyKey], Policy]:
        """Exact versions, by (tenant, key); unknown ones are missing."""
        ...


class Stores(Protocol):
    """What one transaction of the tenant gives to read."""

    @property
    def portfolio(self) -> Portfolio:
        """Debtors."""
        ...

    @property
    def policies(self) -> Shelf:
        """Policies."""
        ...


OpenStores = Callable[[], AbstractAsyncContextManager[Stores]]
OpenCruncher = Callable[[Job, int], AbstractAsyncContextManager[Cruncher]]
"""Gets the job and the number of its invoices."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Where batches come from."""

    open_stores: OpenStores
    tenant: str
    wish: Wish
    now: datetime


async def simulate_portfolio(
    open_stores: OpenStores,
    open_cruncher: OpenCruncher,
    *,
    tenant: str,
    wish: Wish,
    invoices_max: int,
) -> dict[str, Any]:
    """Simulate, and report as a JSON object.

    Raises:
        TooManyInvoicesError: there are more than `invoices_max` invoices.
        UnknownCandidateError: a policy is not on the shelf.
    """
    async with open_stores() as stores:
        extent = await stores.portfolio.extent(
            tenant, all_cases=not wish.is_forward, debtors=wish.debtors
        )
        if extent.invoices > invoices_max:
            raise TooManyInvoicesError(extent.invoices, invoices_max)
        followed = await stores.portfolio.followed(tenant, all_cases=not wish.is_forward)
        found = await stores.policies.pinned(followed)
        policies = {key: policy for (_, key), policy in found.items()}
        built_in = await stores.policies.latest(_built_in(tenant))
        policies |= {policy.key: policy for policy in built_in.values()}
        candidates = [
            await _candidate(stores.policies, tenant, name, wanted, policies)
            for name, wanted in (("policy", wish.policy), ("other", wish.other))
            if wanted
        ]
        job = _job(wish, policies, candidates, extent)
        more: dict[str, Any] = {"invoices_without_terms": extent.without_terms}
        if not wish.is_forward:
            more["really"] = await stores.portfolio.really(
                tenant, since=job.starts_on, until=job.ends_on, debtors=wish.debtors
            )
    read = _Read(open_stores, tenant, wish, extent.now)
    async with open_cruncher(job, extent.invoices) as cruncher:
        report = await run_simulation(job, _batches(read), cruncher)
    return report | more


def _built_in(tenant: str) -> list[tuple[str, str]]:
    known = {*BUILT_IN_BY_COUNTRY.values(), *BUILT_IN_FOR_CONSUMERS.values()}
    return [(tenant, policy_id) for policy_id in sorted(known)]


async def _candidate(
    shelf: Shelf,
    tenant: str,
    name: str,
    wanted: Candidate,
    policies: dict[PolicyKey, Policy],
) -> Policy:
    """The policy that is meant; `policies` is told of it, so that two new ones differ."""
    newest = await shelf.latest([(tenant, wanted.policy_id)])
    latest = newest.get((tenant, wanted.policy_id))
    if isinstance(wanted, Policy):
        known = [version for policy_id, version in policies if policy_id == wanted.policy_id]
        version = max([*known, latest.version if latest else 0]) + 1
        policy: Policy | None = replace(wanted, version=version)
    elif wanted.version is None:
        policy = latest
    else:
        key = (wanted.policy_id, wanted.version)
        policy = (await shelf.pinned([(tenant, key)])).get((tenant, key))
    if policy is None:
        raise UnknownCandidateError(name, Named(policy_id=wanted.policy_id))
    policies[policy.key] = policy
    return policy


def _job(
    wish: Wish,
    policies: Mapping[PolicyKey, Policy],
    candidates: Sequence[Policy],
    extent: _Extent,
) -> Job:
    today = local_date(extent.now, extent.zone or ZONE_UNKNOWN)
    starts_on, now = wish.since or extent.first_on or today, None
    ends_on = wish.until or today + timedelta(days=1)
    if wish.days is not None:
        starts_on, ends_on, now = today, today + timedelta(days=wish.days), extent.now
    first, second = _scenarios(wish, policies, candidates)
    return Job(
        purpose=wish.purpose,
        kind="forward" if wish.is_forward else "backtest",
        a=first,
        b=second,
        starts_on=starts_on,
        ends_on=ends_on,
        now=now,
        assumptions=wish.assumptions,
        prices=wish.prices,
        known_after_days=wish.known_after_days,
        promises_kept=wish.promises_kept,
        listed=wish.listed,
        debtor_invoices_max=DEBTOR_INVOICES_MAX,
    )


def _scenarios(
    wish: Wish, policies: Mapping[PolicyKey, Policy], candidates: Sequence[Policy]
) -> tuple[Scenario, Scenario | None]:
    as_pinned = Scenario(name="as they are", policies=policies)
    if wish.purpose == "blast_radius":
        (policy,) = candidates
        only = None if wish.replaces == ALL_POLICIES else wish.replaces or policy.policy_id
        return as_pinned, replace(as_pinned, name="candidate", override=policy.key, only=only)
    scenarios = [replace(as_pinned, name=p.name, override=p.key) for p in candidates]
    if not scenarios:
        return as_pinned, None
    return scenarios[0], scenarios[1] if len(scenarios) > 1 else None


async def _batches(read: _Read) -> AsyncIterator[Sequence[Story]]:
    after = ""
    while True:
        async with read.open_stores() as stores:
            if read.wish.is_forward:
                stories = await _open_stories(stores, read, after)
            else:
                stories = await _past_stories(stores, read, after)
        if not stories:
            return
        after = stories[-1].account.debtor_id
        yield stories


async def _open_stories(stores: Stores, read: _Read, after: str) -> list[Story]:
    dossiers = await stores.portfolio.open_page(
        read.tenant, after=after, limit=BATCH_DEBTORS, debtors=read.wish.debtors, now=read.now
    )
    opened = await open_cases(stores.policies, dossiers)
    return [_ahead(one.dossier, read) for one in opened]


def _ahead(dossier: Dossier, read: _Read) -> Story:
    """The debtor from now on: what is on its way arrives today, what was promised is paid."""
    account = dossier.account
    today = local_date(read.now, account.zone)
    cases = tuple(_landed(stored, today) for stored in dossier.cases)
    promised = promised_payments(account, cases, read.now) if read.wish.promises_kept else []
    return Story(account=account, cases=cases, facts=in_order(promised))


def _landed(stored: StoredCase, today: date) -> Case:
    """The case once the notice that is on its way has arrived, today."""
    case, flight = stored.case, stored.case.in_flight
    if flight is None:
        return case
    code = stored.next_level or f"level {flight.level_no}"
    return case.completed(flight.level_no, code, today)


async def _past_stories(stores: Stores, read: _Read, after: str) -> list[Story]:
    return await stores.portfolio.past_page(
        read.tenant,
        after=after,
        limit=BATCH_DEBTORS,
        debtors=read.wish.debtors,
        now=read.now,
        known_after_days=read.wish.known_after_days,
    )
