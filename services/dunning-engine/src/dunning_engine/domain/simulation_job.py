"""A simulation of many debtors as work that can be split: each part gives sums that add up.

Pure; which process does which part, and in which order, changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from dunning_engine.domain.account import Account
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.schedule import Calendar, local_midnight
from dunning_engine.domain.simulation import USUAL, Assumptions, Run, simulate
from dunning_engine.domain.simulation_diff import (
    ContactChange,
    InvoiceDifference,
    LevelChange,
    Listed,
    Listing,
    contact_changes,
    difference_rows,
    invoice_differences,
    level_changes,
    tally_differences,
)
from dunning_engine.domain.simulation_report import (
    Kind,
    Prices,
    Report,
    assumed_words,
    cost_minor,
    document,
    ladder_of,
)
from dunning_engine.domain.simulation_scenario import Scenario
from dunning_engine.domain.simulation_tally import Tally, tally_of
from dunning_engine.domain.story import Story

LISTED = 200
"""How many items a list of a report has, unless asked otherwise; its total is always exact."""

Purpose = Literal["forward", "backtest", "compare", "blast_radius"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to simulate: one scenario, or two over the same facts.

    It goes from `starts_on` to `ends_on` (exclusive), days of each debtor; from `now` on the first
    day when that is given. `kind` says where the facts come from: forward from now, or out of the
    past. `known_after_days` and `promises_kept` say how the stories were made, for the words of the
    report. Debtors with more than `debtor_invoices_max` invoices are left out and listed: the work
    grows with the square of their number.
    """

    purpose: Purpose
    kind: Kind
    a: Scenario
    b: Scenario | None = None
    starts_on: date
    ends_on: date
    now: datetime | None = None
    assumptions: Assumptions = USUAL
    prices: Prices = field(default_factory=Prices)
    known_after_days: int = 0
    promises_kept: bool = True
    listed: int = LISTED
    debtor_invoices_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A debtor whose story could not be played; nothing of it is in the figures."""

    debtor_id: str
    invoices: int
    reason: str

    @property
    def place(self) -> tuple[str, ...]:
        """By debtor."""
        return (self.debtor_id,)


class TooManyInvoicesError(ValueError):
    """A debtor has more invoices than the job allows."""


@dataclass(slots=True)
class Part:
    """What some of the debtors come to; parts are added in any order."""

    listed: int
    a: Tally = field(default_factory=Counter)
    b: Tally = field(default_factory=Counter)
    invoices: Listing[InvoiceDifference] = field(init=False)
    levels: Listing[LevelChange] = field(init=False)
    contacts: Listing[ContactChange] = field(init=False)
    troubles: Listing[Trouble] = field(init=False)
    contact_counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.invoices, self.levels = Listing(self.listed), Listing(self.listed)
        self.contacts, self.troubles = Listing(self.listed), Listing(self.listed)

    def add(self, other: Part) -> None:
        """Take another part in."""
        self.a.update(other.a)
        self.b.update(other.b)
        self.contact_counts.update(other.contact_counts)
        self.invoices.add(other.invoices.items, other.invoices.total)
        self.levels.add(other.levels.items, other.levels.total)
        self.contacts.add(other.contacts.items, other.contacts.total)
        self.troubles.add(other.troubles.items, other.troubles.total)


def play(
    job: Job,
    stories: Iterable[Story],
    *,
    calendar_of: Callable[[Account], Calendar],
    rates: RateBook,
) -> Part:
    """Play the stories of some debtors; one that cannot be played never stops the others."""
    part = Part(job.listed)

    most = job.debtor_invoices_max

    def run(story: Story, scenario: Scenario) -> Run:
        return simulate(
            scenario.under(story),
            scenario.policies,
            start=job.now or local_midnight(job.starts_on, story.account.zone),
            end=local_midnight(job.ends_on, story.account.zone),
            calendar=calendar_of(story.account),
            rates=rates,
            assumptions=job.assumptions,
        )

    for story in stories:
        try:
            if most is not None and story.invoices > most:
                raise TooManyInvoicesError(f"more than {most} invoices of one debtor")  # noqa: TRY301
            a = run(story, job.a)
            b = run(story, job.b) if job.b else None
        except Exception as error:  # noqa: BLE001 -- told with the debtor's name
            reason = f"{type(error).__name__}: {error}"[:500]
            name = story.account.debtor_id
            part.troubles.add([Trouble(debtor_id=name, invoices=story.invoices, reason=reason)])
            continue
        part.a.update(tally_of(a))
        if b and job.b:
            part.b.update(tally_of(b))
            _compare(part, a, b, {**job.a.policies, **job.b.policies})
    return part


def _compare(part: Part, a: Run, b: Run, policies: Mapping[PolicyKey, Policy]) -> None:
    contacts = contact_changes(a, b)
    part.invoices.add(invoice_differences(a, b, policies))
    part.levels.add(level_changes(a, b))
    part.contacts.add(contacts)
    part.contact_counts.update(change.code for change in contacts)


def result(job: Job, part: Part) -> dict[str, Any]:
    """The report of the whole job as a JSON object."""
    a = _report(job, job.a, part.a)
    troubles = {"troubles": _listing(part.troubles)}
    if job.b is None:
        return document(a) | troubles
    b = _report(job, job.b, part.b)
    found: dict[str, Any] = {
        "kind": job.purpose,
        "over": job.kind,
        "period": {"from": job.starts_on.isoformat(), "to": job.ends_on.isoformat()},
        "a": document(a),
        "b": document(b),
        "differences": difference_rows(tally_differences(part.a, part.b), a.ladder),
        "cost_difference_minor": sum(cost_minor(b).values()) - sum(cost_minor(a).values()),
        "invoices": _listing(part.invoices),
        "assumed": list(a.assumed),
    }
    if job.purpose == "blast_radius":
        found |= {
            "levels": _listing(part.levels),
            "contacts": _listing(part.contacts)
            | {
                "no_longer_contacted": part.contact_counts["only_under_a"],
                "newly_contacted": part.contact_counts["only_under_b"],
            },
        }
        found["assumed"].append("Open cases move to the new policy; levels count by their codes.")
    return found | troubles


def _report(job: Job, scenario: Scenario, tally: Tally) -> Report:
    both = [*job.a.policies.values(), *(job.b.policies.values() if job.b else ())]
    return Report(
        kind=job.kind,
        starts_on=job.starts_on,
        ends_on=job.ends_on,
        policies=_names(scenario),
        ladder=ladder_of(both),
        tally=tally,
        prices=job.prices,
        assumed=assumed_words(
            job.kind,
            job.assumptions,
            job.prices,
            known_after_days=job.known_after_days,
            promises_kept=job.promises_kept,
        ),
    )


def _names(scenario: Scenario) -> tuple[str, ...]:
    """The policies that cases can follow in the scenario."""
    keys: Sequence[tuple[str, int]] = sorted(scenario.policies)
    if scenario.override and scenario.only is None:
        keys = [scenario.override]
    elif scenario.override:
        keys = [key for key in keys if key[0] != scenario.only or key == scenario.override]
    return tuple(f"{policy_id} v{version}" for policy_id, version in keys)


def _listing(listing: Listing[Any]) -> dict[str, Any]:
    return {"total": listing.total, "items": [_item(item) for item in listing.items]}


def _item(item: Listed) -> Mapping[str, Any]:
    return asdict(item)  # type: ignore[call-overload,no-any-return]
