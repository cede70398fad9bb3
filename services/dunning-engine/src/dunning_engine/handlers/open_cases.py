"""Put new invoices under a policy: choose it by precedence, and pin the version that is active.

A case keeps the version it was opened with. An invoice that asks for a policy nobody stored stays
unopened and says so; it is opened when the policy arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from dunning_common.events.dunning import CaseOpenedV1
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from dunning_common.values import Value, replace
from dunning_engine.domain.activation import Assignment, Offer, Tally, assign, reason_to_stop
from dunning_engine.domain.selection import Facts, Rules, Selection, facts_of, select
from dunning_engine.policy_records import NewPin, StageKey, StageStop
from dunning_engine.records import CaseKey, Dossier, StoredCase

NO_RULES = Rules()
NO_OFFER = Offer(active_version=None)

Choice = tuple[Facts, Selection]
PolicyName = tuple[str, str]
"""Tenant and policy id."""


class OpeningShelf(Protocol):
    """What choosing a policy for new cases reads, and what it writes."""

    async def rules(self, tenants: Sequence[str]) -> Mapping[str, Rules]:
        """The newest selection rules by tenant; those without any are missing."""
        ...

    async def offers(self, wanted: Sequence[PolicyName]) -> Mapping[PolicyName, Offer]:
        """The versions that new cases can get; policies nobody stored are missing."""
        ...

    async def tallies(self, stages: Sequence[StageKey]) -> Mapping[StageKey, Tally]:
        """What came of stages with a stop rule; those that were counted just now are missing."""
        ...

    async def add_pins(self, pins: Sequence[NewPin]) -> None:
        """Keep which version each case was opened with, and why."""
        ...

    async def stop_stages(self, stops: Sequence[StageStop]) -> list[StageKey]:
        """End running stages; tells which of them this call ended."""
        ...


class Opened(Value, frozen=True, kw_only=True):
    """A dossier whose cases are pinned where possible.

    `newly_pinned` names those pinned now, `pins` says why. `selections` shows for every case that
    was not open yet who could name its policy. `stops` are stages that ended on the way.
    """

    dossier: Dossier
    newly_pinned: frozenset[str] = frozenset()
    pins: tuple[NewPin, ...] = ()
    selections: Mapping[str, Selection]
    stops: tuple[StageStop, ...] = ()


async def open_cases(shelf: OpeningShelf, dossiers: Sequence[Dossier]) -> list[Opened]:
    """Choose a policy version for the cases that have none yet. Writes nothing."""
    unopened = [d for d in dossiers if not all(stored.pinned for stored in d.cases)]
    if not unopened:
        return [Opened(dossier=dossier, selections={}) for dossier in dossiers]
    rules = await shelf.rules(sorted({dossier.key.tenant for dossier in unopened}))
    choices = {
        CaseKey(dossier.key.tenant, stored.case.invoice_id): _chosen(dossier, stored, rules)
        for dossier in unopened
        for stored in dossier.cases
        if not stored.pinned
    }
    wanted = {(key.tenant, selection.policy_id) for key, (_, selection) in choices.items()}
    offers = await shelf.offers(sorted(wanted))
    offers, stopped = await _without_failed(shelf, offers)
    versions = {tenant: found.version for tenant, found in rules.items()}
    return [_opened(dossier, choices, offers, stopped, versions) for dossier in dossiers]


async def keep_openings(shelf: OpeningShelf, dossiers: Sequence[Opened]) -> None:
    """Write which version each new case got, and the end of stages whose rule stopped them."""
    pins = [pin for opened in dossiers for pin in opened.pins]
    if pins:
        await shelf.add_pins(pins)
    stops = {stop.key: stop for opened in dossiers for stop in opened.stops}
    if stops:
        await shelf.stop_stages(list(stops.values()))


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


def _chosen(dossier: Dossier, stored: StoredCase, rules: Mapping[str, Rules]) -> Choice:
    facts = facts_of(
        dossier.account,
        stored.case,
        invoice_policy_id=stored.wanted_policy_id,
        debtor_policy_id=dossier.policy_id,
        default_policy_id=dossier.default_policy_id,
    )
    return facts, select(facts, rules.get(dossier.key.tenant, NO_RULES).rules)


async def _without_failed(
    shelf: OpeningShelf, offers: Mapping[PolicyName, Offer]
) -> tuple[Mapping[PolicyName, Offer], Mapping[PolicyName, tuple[StageKey, str]]]:
    """The offers without the stages that their own rule stops now, and those with the reason."""
    watched = {
        StageKey(tenant=tenant, policy_id=policy_id, number=offer.stage.number): offer.stage
        for (tenant, policy_id), offer in offers.items()
        if offer.stage and offer.stage.stop_rule
    }
    if not watched:
        return offers, {}
    tallies = await shelf.tallies(list(watched))
    stopped = {
        (key.tenant, key.policy_id): (key, why)
        for key, stage in watched.items()
        if key in tallies and (why := reason_to_stop(stage.stop_rule, tallies[key]))
    }
    kept = {
        name: replace(offer, stage=None) if name in stopped else offer
        for name, offer in offers.items()
    }
    return kept, stopped


def _opened(
    dossier: Dossier,
    choices: Mapping[CaseKey, Choice],
    offers: Mapping[PolicyName, Offer],
    stopped: Mapping[PolicyName, tuple[StageKey, str]],
    rules_versions: Mapping[str, int],
) -> Opened:
    tenant = dossier.key.tenant
    cases: list[StoredCase] = []
    pins: list[NewPin] = []
    selections: dict[str, Selection] = {}
    stops: dict[StageKey, StageStop] = {}
    for stored in dossier.cases:
        key = CaseKey(tenant, stored.case.invoice_id)
        if stored.pinned or key not in choices:
            cases.append(stored)
            continue
        facts, selection = choices[key]
        name = (tenant, selection.policy_id)
        given = assign(
            offers.get(name, NO_OFFER),
            tenant=tenant,
            invoice_id=key.invoice_id,
            segment=dossier.account.segment,
        )
        selections[key.invoice_id] = selection
        cases.append(_pinned(dossier, stored, selection.policy_id, given))
        if name in stopped:
            stage, why = stopped[name]
            stops[stage] = StageStop(key=stage, why=why, at=dossier.now)
        if given.version is not None:
            pins.append(
                NewPin(
                    key=key,
                    policy=(selection.policy_id, given.version),
                    at=dossier.now,
                    why=given.why,
                    rules_version=rules_versions.get(tenant, NO_RULES.version),
                    facts=facts,
                )
            )
    return Opened(
        dossier=replace(dossier, cases=tuple(cases)) if selections else dossier,
        newly_pinned=frozenset(pin.key.invoice_id for pin in pins),
        pins=tuple(pins),
        selections=selections,
        stops=tuple(stops.values()),
    )


def _pinned(dossier: Dossier, stored: StoredCase, policy_id: str, given: Assignment) -> StoredCase:
    if given.version is None:
        return replace(stored, case=replace(stored.case, policy_id=policy_id))
    pinned = replace(stored.case, policy_id=policy_id, policy_version=given.version)
    return replace(stored, case=pinned, pinned=True, opened_at=dossier.now)
