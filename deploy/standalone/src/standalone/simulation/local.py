"""Plays a file's past under one policy or two, in processes of this machine: no system needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.adapters.policy_yaml import parse_policy
from dunning_engine.adapters.process_pool import Crunchers, InThread
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.policy import BUILT_IN_BY_COUNTRY, LAST_RESORT_POLICY_ID, Policy
from dunning_engine.domain.simulation import Assumptions
from dunning_engine.domain.simulation_job import LISTED, Job
from dunning_engine.domain.simulation_report import Prices
from dunning_engine.domain.simulation_scenario import Scenario
from dunning_engine.domain.story import Story
from dunning_engine.handlers.run_simulation import run_simulation
from invoice_ingest.domain.csv_file import read_rows
from invoice_ingest.domain.mapping import parse_mapping
from standalone.simulation.left_out import left_out, shares
from standalone.simulation.past import Past, past_of

BATCH_INVOICES = 500
"""About so many invoices go to a process at a time."""
SMALL = 500
"""So few invoices are played here: starting processes would take longer."""

Tell = Callable[[int, int], object]
"""Hears (debtors done, debtors in all)."""


class UnknownPolicyError(LookupError):
    """No built-in policy has that id; anything else is given as a YAML file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A CSV file of past invoices and the mapping that explains it, as bytes."""

    content: bytes
    mapping: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to play. `since` and `until` (exclusive) cut the past; no `workers`: all cores."""

    since: date | None = None
    until: date | None = None
    known_after_days: int = 0
    assumptions: Assumptions
    prices: Prices
    listed: int = LISTED
    workers: int | None = None


def policy_named(name: str, *, version: int = 1) -> Policy:
    """A built-in policy by its id, or the policy in a YAML file.

    Args:
        name: id, or path that ends in `.yaml` or `.yml`; the file's name is the policy's id.
        version: what a policy from a file is called.

    Raises:
        UnknownPolicyError: neither.
        dunning_engine.adapters.policy_yaml.PolicyTextError: the file holds no policy.
        OSError: the file cannot be read.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return parse_policy(path.read_bytes(), policy_id=path.stem, version=version)
    found = builtin_policies().get(name)
    if found is None:
        known = ", ".join(builtin_policies())
        raise UnknownPolicyError(f"there is no built-in policy {name!r}: name {known}, or a file")
    return found


async def backtest(
    file: File, policies: Sequence[Policy], options: Options, *, tell: Tell = lambda *_: None
) -> dict[str, Any]:
    """Play the past of a file under one policy, or under two side by side.

    Args:
        file: what happened.
        policies: one or two; none: the built-in policy of each debtor's country.
        options: how to play.
        tell: hears of progress.

    Raises:
        standalone.simulation.past.EmptyFileError: no row can be played.
        invoice_ingest.domain.mapping.MappingError: the mapping cannot be used.
        invoice_ingest.domain.csv_file.FileError: the file cannot be read by it.
    """
    mapping = parse_mapping(yaml.safe_load(file.mapping))
    past = past_of(
        read_rows(file.content, mapping),
        policy_of=_built_in_of,
        known_after_days=options.known_after_days,
    )
    job = _job(past, policies, options)
    if past.invoices <= SMALL:
        report = await run_simulation(job, _batches(past.stories), InThread(job))
    else:
        async with Crunchers(job, workers=options.workers) as crunchers:
            report = await run_simulation(
                job,
                _batches(past.stories),
                crunchers,
                tell=lambda done: tell(done, len(past.stories)),
            )
    left = left_out(file.content, mapping, past.bad_rows, past.taken)
    return report | {
        "file": {
            "invoices": past.invoices,
            "debtors": len(past.stories),
            "bad": [
                {"line": bad.line, "column": bad.column, "reason": bad.reason}
                for bad in past.bad_rows
            ],
            "money": shares(left, past.totals_minor),
            "unreadable_amounts": left.unreadable,
            "repeated_rows": left.repeated,
            "payments_for_unknown_invoices": past.strays,
        }
    }


def _built_in_of(country: str) -> PolicyKey:
    return builtin_policies()[BUILT_IN_BY_COUNTRY.get(country, LAST_RESORT_POLICY_ID)].key


def _job(past: Past, policies: Sequence[Policy], options: Options) -> Job:
    starts_on, ends_on = options.since or past.starts_on, options.until or past.ends_on
    scenarios = [_scenario(policy) for policy in policies]
    if not scenarios:
        built_in = {policy.key: policy for policy in builtin_policies().values()}
        scenarios = [Scenario(name="built-in", policies=built_in)]
    return Job(
        purpose="compare" if len(scenarios) > 1 else "backtest",
        kind="backtest",
        a=scenarios[0],
        b=scenarios[1] if len(scenarios) > 1 else None,
        starts_on=starts_on,
        ends_on=ends_on,
        assumptions=options.assumptions,
        prices=options.prices,
        known_after_days=options.known_after_days,
        listed=options.listed,
    )


def _scenario(policy: Policy) -> Scenario:
    name = f"{policy.policy_id} v{policy.version}"
    return Scenario(name=name, policies={policy.key: policy}, override=policy.key)


async def _batches(stories: Sequence[Story]) -> AsyncIterator[Sequence[Story]]:
    batch: list[Story] = []
    invoices = 0
    for story in stories:
        batch.append(story)
        invoices += story.invoices
        if invoices >= BATCH_INVOICES:
            yield batch
            batch, invoices = [], 0
    if batch:
        yield batch
