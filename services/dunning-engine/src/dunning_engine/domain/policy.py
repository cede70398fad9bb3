"""A dunning policy as a value: the ladder of levels and the hours in which it may speak.

Reading and checking documents is `policy_document`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import Literal, get_args

from dunning_engine.domain.case import Case, PolicyKey
from dunning_engine.domain.conditions import Amounts, Conditions, Otherwise, amount_in
from dunning_engine.domain.fees import Fee

Channel = Literal["email", "sms", "letter", "registered_letter", "call", "in_app"]
Template = Literal[
    "courtesy",
    "first_reminder",
    "second_reminder",
    "consumer_notice",
    "final_demand",
    "formal_notice",
    "letter_before_action",
]
Charge = Literal["interest", "compensation", "fee"]
LegalCharge = Literal["interest", "compensation"]
FinalAction = Literal["agency", "court_file", "write_off"]
Anchor = Literal["due_date", "invoice_date", "end_of_month", "previous_level"]
Counting = Literal["calendar_days", "business_days"]
Consolidation = Literal["debtor", "invoice"]
UnmatchedRule = Literal["ignore", "hold"]
ServedWhen = Literal["sent", "delivered"]

CHANNELS: tuple[Channel, ...] = get_args(Channel)
TEMPLATES: tuple[Template, ...] = get_args(Template)
"""Template families, the mildest first."""
CHARGES: tuple[LegalCharge, ...] = get_args(LegalCharge)
"""Charges that the law gives; fees are the policy's own."""
FINAL_ACTIONS: tuple[FinalAction, ...] = get_args(FinalAction)
ANCHORS: tuple[Anchor, ...] = get_args(Anchor)
COUNTINGS: tuple[Counting, ...] = get_args(Counting)
CONSOLIDATIONS: tuple[Consolidation, ...] = get_args(Consolidation)
UNMATCHED_RULES: tuple[UnmatchedRule, ...] = get_args(UnmatchedRule)
SERVED_WHEN: tuple[ServedWhen, ...] = get_args(ServedWhen)

DELIVERY_DAYS = 5
"""So long a report of delivery is waited for, unless a policy says otherwise."""
BUDGET_DAYS_MAX = 366
"""The longest a contact can count."""
BUILT_IN_BY_COUNTRY = {
    "AT": "austria-b2b",
    "BE": "belgium-b2b",
    "DE": "germany-b2b",
    "ES": "spain-b2b",
    "FR": "france-b2b",
    "GB": "uk-b2b",
    "IE": "ireland-b2b",
    "IT": "italy-b2b",
    "NL": "netherlands-b2b",
}
BUILT_IN_FOR_CONSUMERS = {"BE": "belgium-consumer", "NL": "netherlands-consumer"}
"""Where the law wants a ladder of their own for consumers."""
LAST_RESORT_POLICY_ID = "france-b2b"


def built_in_policy_id(country: str, kind: str) -> str | None:
    """The built-in policy of a country for that kind of debtor; None where there is none."""
    known = BUILT_IN_FOR_CONSUMERS.get(country) if kind == "consumer" else None
    return known or BUILT_IN_BY_COUNTRY.get(country)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One rung of the ladder.

    `threshold_days` counts from `anchor` (negative: before it): the due date, the invoice date, the
    end of the due date's month, or the completion of the level before. `gap_days` counts from the
    completion of the previous served post-due level. Both are `counting` calendar days, or days on
    which the policy may speak. A `final` level sends nothing and ends the ladder.

    `minimum_minor` maps a currency to the least principal worth this level (minor units): below it
    the level waits. `when` must hold when the level is due; `otherwise` it is skipped, or waits.
    `charges` are the law's, `fee` is the policy's own. A level with `needs_approval` waits for a
    person. When a try failed, the next one goes by `fallback`, if there is any. Once a level with
    `credit_block` was served, deliveries should stop until the invoice is settled.
    A level that is `beyond_budget` goes out although the contact budget is used up.
    `must_arrive` are the channels without which it is not served; None: see `needs`.
    `pay_within_days` gives the last day to pay that the notice names.
    """

    code: str
    level_no: int
    threshold_days: int
    anchor: Anchor = "due_date"
    gap_days: int = 0
    counting: Counting = "calendar_days"
    channels: tuple[Channel, ...] = ()
    fallback: tuple[Channel, ...] = ()
    template: Template | None = None
    charges: frozenset[LegalCharge] = frozenset()
    fee: Fee | None = None
    final: FinalAction | None = None
    pay_within_days: int | None = None
    minimum_minor: Amounts = ()
    when: Conditions | None = None
    otherwise: Otherwise = "skip"
    needs_approval: bool = False
    credit_block: bool = False
    beyond_budget: bool = False
    must_arrive: tuple[Channel, ...] | None = None

    @property
    def is_pre_due(self) -> bool:
        """Is it meant to arrive before the due date? Then it may lapse and sets no spacing."""
        return self.anchor == "due_date" and self.threshold_days < 0

    def least_minor(self, currency: str) -> int:
        """The least principal in that currency worth this level (minor units); 0: any."""
        return amount_in(self.minimum_minor, currency) or 0

    @property
    def needs(self) -> frozenset[Channel]:
        """The channels that must get through for the level to be served; none: any of them will do.

        Unless the policy says otherwise that is the registered letter, where there is one.
        """
        if self.must_arrive is not None:
            return frozenset(self.must_arrive)
        return frozenset([channel for channel in self.channels if channel == "registered_letter"])

    def channels_for(self, case: Case) -> tuple[Channel, ...]:
        """By which channels the next try goes.

        After a failed one by the fallback. When the cause was ours both ways take turns, so that
        the level goes out as soon as either works again. What went out is not sent again.
        """
        first_again = case.excused > 0 and case.failures % 2 == 0
        by_fallback = case.failures > 0 and self.fallback and not first_again
        wanted = self.fallback if by_fallback else self.channels
        if not case.undelivered or not (sent := case.sent_channels(self.level_no)):
            return wanted
        lacking = tuple([channel for channel in wanted if channel not in sent])
        return lacking or tuple([c for c in self.channels if c in self.needs - sent]) or wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactBudget:
    """At most `max_contacts` notices in any `days` days, and `quiet_days` free days between two.

    Counted per debtor over all its invoices, policies and channels.
    """

    max_contacts: int
    days: int
    quiet_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A version of a policy.

    `country` is the law that charges follow (None: no charges possible).
    `weekdays` are the days on which it may speak (0 = Monday); the send window [`opens`, `closes`)
    is wall time in the debtor's zone; with `observe_holidays` the debtor's public holidays are
    left out. `grace_days` keeps every post-due level from going out earlier than so many days
    after the due date. `max_attempts` failed tries block the level, those left out whose cause was
    not the debtor's address: they go on day by day.

    `resume_days` is how long after the end of a hold nothing goes out, `quiet_after_payment_days`
    how long after a part payment. `budget` bounds the contacts of a debtor. With `consolidation`
    `debtor` one notice speaks of all invoices that are due; those with a tag in `separate_tags`,
    and all with `invoice`, get a notice each. `payment_feed_hours` is how old the tenant's payments
    may be before nothing is sent; `unmatched_receipts` says whether money of the debtor that covers
    no invoice yet, but would cover this one, holds it back.

    With `served_when` `delivered` the ladder goes on after the due date once the arrival of the
    last level was reported, or `delivery_days` after it went out; with `sent` at once. A level of
    which nothing arrived is the next one again, whatever this says.
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
    resume_days: int = 0
    quiet_after_payment_days: int = 0
    budget: ContactBudget | None = None
    consolidation: Consolidation = "debtor"
    separate_tags: frozenset[str] = frozenset()
    payment_feed_hours: int | None = None
    unmatched_receipts: UnmatchedRule = "ignore"
    served_when: ServedWhen = "sent"
    delivery_days: int = DELIVERY_DAYS

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
        return tuple([level for level in self.levels if level.level_no > level_no])
