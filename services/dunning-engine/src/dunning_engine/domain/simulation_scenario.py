"""Under which policies a story is played: as its cases are pinned, or as if another held. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dunning_common.values import replace
from dunning_engine.domain.case import Approval, Case, PolicyKey
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.policy_migration import (
    Dates,
    DoneLevel,
    not_before,
    rung_of_approval,
    rungs_by_code,
)
from dunning_engine.domain.story import Issued, Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The policies of a play. `name` is for people.

    With `override` cases follow that policy instead of their own: all of them, or those of the
    policy id `only`. Levels that are done count by their codes, as when open cases are moved.
    """

    name: str
    policies: Mapping[PolicyKey, Policy]
    override: PolicyKey | None = None
    only: str | None = None

    def under(self, story: Story) -> Story:
        """The story, its cases pinned as the scenario says."""
        if self.override is None:
            return story
        return replace(
            story,
            cases=tuple(self.pinned(case) for case in story.cases),
            facts=tuple(
                replace(fact, case=self.pinned(fact.case)) if isinstance(fact, Issued) else fact
                for fact in story.facts
            ),
        )

    def pinned(self, case: Case) -> Case:
        """The case under the scenario's policy."""
        key = self.override
        if key is None or key == case.policy_key or self.only not in (None, case.policy_id):
            return case
        old, new = self.policies.get(case.policy_key), self.policies[key]
        case = replace(case, policy_id=key[0], policy_version=key[1])
        return moved_on(case, old, new) if old else case


def moved_on(case: Case, old: Policy, new: Policy) -> Case:
    """The case with what is done placed on the ladder of another policy."""
    if not case.served and case.approval is None:
        return case
    done_levels = [
        DoneLevel(rung=done.level_no, code=done.code, outcome=done.outcome, on=done.on)
        for done in case.served
    ]
    dates = Dates(issued_on=case.issued_on, due_on=case.due_on)
    rungs = rungs_by_code(done_levels, old, new, dates)
    quiet = [day for day in (case.not_before, not_before(done_levels, rungs, old, new)) if day]
    said = case.approval
    rung = rung_of_approval(said.level_no if said else None, old, new)
    return replace(
        case,
        served=tuple(
            replace(done, level_no=rung) for done, rung in zip(case.served, rungs, strict=True)
        ),
        approval=Approval(level_no=rung, approved=said.approved) if said and rung else None,
        not_before=max(quiet, default=None),
    )
