"""A dunning policy as a value: the ladder of levels and the hours in which it may speak.

Reading and checking documents is `policy_document`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import Literal, get_args

from dunning_engine.domain.case import PolicyKey

Channel = Literal["email", "sms", "letter", "registered_letter"]
Template = Literal[
    "courtesy",
    "first_reminder",
    "second_reminder",
    "final_demand",
    "formal_notice",
    "letter_before_action",
]
Charge = Literal["interest", "compensation"]
FinalAction = Literal["agency"]

CHANNELS: tuple[Channel, ...] = get_args(Channel)
TEMPLATES: tuple[Template, ...] = get_args(Template)
"""Template families, the mildest first."""
CHARGES: tuple[Charge, ...] = get_args(Charge)
FINAL_ACTIONS: tuple[FinalAction, ...] = get_args(FinalAction)

BUILT_IN_BY_COUNTRY = {"FR": "france-b2b", "DE": "germany-b2b", "GB": "uk-b2b"}
LAST_RESORT_POLICY_ID = "france-b2b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One rung of the ladder.

    `threshold_days` counts from the due date (negative: before it), `gap_days` from the completion
    of the previous served post-due level. A `final` level sends nothing and ends the ladder.
    `minimum_minor` maps a currency to the least principal worth this level (minor units).
    `pay_within_days` gives the last day to pay that the notice names.
    """

    code: str
    level_no: int
    threshold_days: int
    gap_days: int = 0
    channels: tuple[Channel, ...] = ()
    template: Template | None = None
    charges: frozenset[Charge] = frozenset()
    final: FinalAction | None = None
    pay_within_days: int | None = None
    minimum_minor: tuple[tuple[str, int], ...] = ()

    @property
    def is_pre_due(self) -> bool:
        """Is it meant to arrive before the due date? Then it may lapse and sets no spacing."""
        return self.threshold_days < 0

    def least_minor(self, currency: str) -> int:
        """The least principal in that currency worth this level (minor units); 0: any."""
        for code, minor in self.minimum_minor:
            if code == currency:
                return minor
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A version of a policy.

    `country` is the law that charges follow (FR, DE, GB; None: no charges possible).
    `weekdays` are the days on which it may speak (0 = Monday); the send window [`opens`, `closes`)
    is wall time in the debtor's zone; with `observe_holidays` the debtor's public holidays are
    left out. `grace_days` keeps every post-due level from going out earlier than so many days
    after the due date. `max_attempts` failed tries block the level.
    """

    policy_id: str
    version: int
    name: str
    country: str | None
    levels: tuple[Level, ...]
    weekdays: frozenset[int] = frozenset({0, 1, 2, 3, 4})
    opens: time = time(8)
    closes: time = time(20)
    observe_holidays: bool = True
    grace_days: int = 0
    max_attempts: int = 3

    @property
    def key(self) -> PolicyKey:
        """Id and version: what a case is pinned to."""
        return (self.policy_id, self.version)

    def level(self, level_no: int) -> Level | None:
        """The level with that number."""
        for level in self.levels:
            if level.level_no == level_no:
                return level
        return None

    def levels_after(self, level_no: int) -> tuple[Level, ...]:
        """The levels above that number, lowest first; none when the ladder is exhausted."""
        return tuple(level for level in self.levels if level.level_no > level_no)


def select_policy_id(
    *,
    invoice_policy_id: str | None,
    debtor_policy_id: str | None,
    default_policy_id: str | None,
    country: str,
) -> str:
    """Which policy a new case gets: invoice, debtor, tenant's default, the country's built-in."""
    return (
        invoice_policy_id
        or debtor_policy_id
        or default_policy_id
        or BUILT_IN_BY_COUNTRY.get(country, LAST_RESORT_POLICY_ID)
    )
