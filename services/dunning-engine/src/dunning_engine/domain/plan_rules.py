"""What a tenant allows when debtors ask to pay in parts: schedules, their score, where one stands.

Pure. Amounts are minor units of one currency, dates are dates where the debtor lives. Nothing here
stores or agrees to anything; whether a plan ends is `arrangement`'s business.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Literal, assert_never, get_args

from dunning_common.money import to_decimal_string
from dunning_common.values import replace
from dunning_engine.domain.account import DebtorKind, Instalment
from dunning_engine.domain.schedule import add_days

Interval = Literal["weekly", "fortnightly", "monthly", "quarterly"]
RuleName = Literal[
    "max_months",
    "min_instalment",
    "min_first_percent",
    "max_open_plans",
    "debtor_kinds",
    "risks",
]
RULES: tuple[RuleName, ...] = get_args(RuleName)
Answer = Literal["met", "needs_approval", "refused"]
Rating = Literal["accepted", "needs_approval", "refused"]
InstalmentState = Literal["paid", "partly_paid", "open", "late"]

INSTALMENTS_MAX = 120
_MONTHS_A_YEAR = 12


class PlanError(ValueError):
    """A schedule that is none; `field` is the argument to mend, the message says how."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRules:
    """What a tenant allows. A plan that misses a rule needs approval; is refused if in `refuse`.

    `max_months` counts from the day of the agreement to the last instalment.
    `min_instalment_minor` is by currency; a currency that is missing has no minimum.
    `min_first_percent` is of the total. `risks` empty: any. `tolerance_minor` is by currency: what
    may be missing in the end. `grace_days` is how late an instalment may be.
    `promise_days_max` is how far ahead a promise may be, `promise_grace_days` how late its payment.
    `claim_days`: so many bank days after the day on which a debtor says it paid reminders rest.
    """

    max_months: int = 12
    min_instalment_minor: tuple[tuple[str, int], ...] = ()
    min_first_percent: Decimal = Decimal(0)
    max_open_plans: int = 1
    debtor_kinds: tuple[DebtorKind, ...] = ("business", "consumer", "public")
    risks: tuple[str, ...] = ()
    refuse: frozenset[RuleName] = frozenset({"max_open_plans"})
    grace_days: int = 3
    tolerance_minor: tuple[tuple[str, int], ...] = ()
    promise_days_max: int = 30
    promise_grace_days: int = 3
    claim_days: int = 3

    def minimum_of(self, currency: str) -> int:
        """The smallest instalment allowed, in minor units of the currency."""
        return dict(self.min_instalment_minor).get(currency, 0)

    def tolerance_of(self, currency: str) -> int:
        """What may be missing in the end, in minor units of the currency."""
        return dict(self.tolerance_minor).get(currency, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan that a debtor asks for: who asks, on which day, and the schedule."""

    instalments: tuple[Instalment, ...]
    currency: str
    asked_on: date
    debtor_kind: DebtorKind = "business"
    risk: str | None = None
    open_plans: int = 0

    @property
    def total_minor(self) -> int:
        """What would be paid in all."""
        return sum(part.amount_minor for part in self.instalments)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """What one rule says. `found` and `limit` are the values that were compared, for people.

    Amounts among them are minor units; None: the rule sets no limit.
    """

    rule: RuleName
    answer: Answer
    found: int | Decimal | str | date | None
    limit: int | Decimal | str | date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Every rule's answer, and the worst of them."""

    rating: Rating
    answers: tuple[RuleAnswer, ...]

    @property
    def missed(self) -> tuple[RuleAnswer, ...]:
        """The rules that are not met."""
        return tuple(answer for answer in self.answers if answer.answer != "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalmentStanding:
    """One instalment and how much of it is paid; payments fill the earliest one first."""

    on: date
    amount_minor: int
    paid_minor: int
    state: InstalmentState


def add_months(day: date, months: int) -> date:
    """The same day of a later month; its last day where that month is shorter."""
    year, month0 = divmod(day.year * _MONTHS_A_YEAR + day.month - 1 + months, _MONTHS_A_YEAR)
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))


def step_from(start: date, interval: Interval, steps: int) -> date:
    """The day so many intervals after `start`, counted from `start` itself."""
    match interval:
        case "weekly":
            return start + timedelta(weeks=steps)
        case "fortnightly":
            return start + timedelta(weeks=2 * steps)
        case "monthly":
            return add_months(start, steps)
        case "quarterly":
            return add_months(start, 3 * steps)
        case _ as never:
            assert_never(never)


def make_schedule(
    total_minor: int,
    *,
    count: int,
    starts_on: date,
    interval: Interval,
    first_minor: int | None = None,
) -> tuple[Instalment, ...]:
    """Split a total into `count` instalments that add up to it, to the minor unit.

    Args:
        total_minor: What is to be paid.
        count: How many instalments, the first payment among them.
        starts_on: The day of the first one.
        interval: From one to the next.
        first_minor: The first one; without it all are equal. What cannot be divided is spread over
            the earliest of the others, one minor unit each.

    Raises:
        PlanError: no schedule can be made of that; the field is that of the argument.
    """
    if total_minor <= 0:
        raise PlanError("amount", "nothing is owed; there is nothing to pay in parts")
    if not 1 <= count <= INSTALMENTS_MAX:
        raise PlanError("instalments", f"must be between 1 and {INSTALMENTS_MAX}")
    if first_minor is None:
        parts = _split(total_minor, count)
    elif not 0 < first_minor <= total_minor:
        raise PlanError("first_payment", "must be more than nothing and at most the total")
    elif (count == 1) != (first_minor == total_minor):
        raise PlanError("first_payment", "must leave something for the other instalments")
    else:
        rest = _split(total_minor - first_minor, count - 1) if count > 1 else []
        parts = [first_minor, *rest]
    if min(parts) <= 0:
        raise PlanError("instalments", "so many that some would be zero; ask for fewer")
    days = [step_from(starts_on, interval, number) for number in range(count)]
    return tuple(
        Instalment(on=day, amount_minor=part) for day, part in zip(days, parts, strict=True)
    )


def check_schedule(
    instalments: Sequence[Instalment], total_minor: int, *, currency: str, not_before: date
) -> None:
    """Check a schedule that somebody wrote by hand: it adds up to the total, and days increase.

    Raises:
        PlanError: the field names the instalment, such as `instalments/2/on`.
    """
    if not 1 <= len(instalments) <= INSTALMENTS_MAX:
        raise PlanError("instalments", f"give between 1 and {INSTALMENTS_MAX} instalments")
    if instalments[0].on < not_before:
        raise PlanError("instalments/0/on", f"lies in the past; today is {not_before}")
    for number, part in enumerate(instalments):
        if part.amount_minor <= 0:
            raise PlanError(f"instalments/{number}/amount", "must be more than nothing")
        if number and part.on <= instalments[number - 1].on:
            raise PlanError(f"instalments/{number}/on", "must be later than the one before")
    given = sum(part.amount_minor for part in instalments)
    if given != total_minor:
        raise PlanError(
            "instalments",
            f"add up to {to_decimal_string(given, currency)}; the plan is about "
            f"{to_decimal_string(total_minor, currency)} {currency}",
        )


def score(rules: PlanRules, proposal: Proposal) -> Score:
    """Ask every rule of the tenant about a proposal; the worst answer is the rating."""
    answers = (
        _max_months(rules, proposal),
        _min_instalment(rules, proposal),
        _min_first_percent(rules, proposal),
        _answer(
            rules,
            "max_open_plans",
            met=proposal.open_plans < rules.max_open_plans,
            found=proposal.open_plans,
            limit=rules.max_open_plans,
        ),
        _answer(
            rules,
            "debtor_kinds",
            met=proposal.debtor_kind in rules.debtor_kinds,
            found=proposal.debtor_kind,
            limit=", ".join(rules.debtor_kinds),
        ),
        _answer(
            rules,
            "risks",
            met=not rules.risks or proposal.risk in rules.risks,
            found=proposal.risk,
            limit=", ".join(rules.risks) or None,
        ),
    )
    given = {answer.answer for answer in answers}
    rating: Rating = "accepted"
    if "refused" in given:
        rating = "refused"
    elif "needs_approval" in given:
        rating = "needs_approval"
    return Score(rating=rating, answers=answers)


def counter_proposal(
    rules: PlanRules, proposal: Proposal, interval: Interval
) -> tuple[Instalment, ...] | None:
    """The longest schedule, no longer than the one asked for, that the rules accept as it is.

    It starts on the day asked for. None: the rules accept no plan of two or more instalments.
    """
    if not proposal.instalments:
        return None
    total, starts_on = proposal.total_minor, proposal.instalments[0].on
    first = max(proposal.instalments[0].amount_minor, _first_needed(rules, proposal))
    for count in range(len(proposal.instalments), 1, -1):
        for first_minor in (None, first):
            try:
                parts = make_schedule(
                    total,
                    count=count,
                    starts_on=starts_on,
                    interval=interval,
                    first_minor=first_minor,
                )
            except PlanError:
                continue
            if score(rules, replace(proposal, instalments=parts)).rating == "accepted":
                return parts
    return None


def standing_of(
    instalments: Sequence[Instalment], *, paid_minor: int, today: date, grace_days: int = 0
) -> tuple[InstalmentStanding, ...]:
    """Each instalment with what is paid of it; `late` ones are past their grace."""
    left, found = paid_minor, []
    for part in sorted(instalments, key=lambda part: part.on):
        paid = min(left, part.amount_minor)
        left -= paid
        state: InstalmentState = "partly_paid" if paid else "open"
        if paid == part.amount_minor:
            state = "paid"
        elif today > add_days(part.on, grace_days):
            state = "late"
        found.append(
            InstalmentStanding(
                on=part.on, amount_minor=part.amount_minor, paid_minor=paid, state=state
            )
        )
    return tuple(found)


def _split(total_minor: int, count: int) -> list[int]:
    share, left_over = divmod(total_minor, count)
    return [share + (number < left_over) for number in range(count)]


def _answer(
    rules: PlanRules,
    rule: RuleName,
    *,
    met: bool,
    found: int | Decimal | str | date | None,
    limit: int | Decimal | str | date | None,
) -> RuleAnswer:
    missed: Answer = "refused" if rule in rules.refuse else "needs_approval"
    return RuleAnswer(rule=rule, answer="met" if met else missed, found=found, limit=limit)


def _max_months(rules: PlanRules, proposal: Proposal) -> RuleAnswer:
    last = max(part.on for part in proposal.instalments)
    limit = add_months(proposal.asked_on, rules.max_months)
    return _answer(rules, "max_months", met=last <= limit, found=last, limit=limit)


def _min_instalment(rules: PlanRules, proposal: Proposal) -> RuleAnswer:
    smallest = min(part.amount_minor for part in proposal.instalments)
    # Who owes less than the minimum may pay it, at once.
    limit = min(rules.minimum_of(proposal.currency), proposal.total_minor)
    return _answer(
        rules, "min_instalment", met=smallest >= limit, found=smallest, limit=limit or None
    )


def _min_first_percent(rules: PlanRules, proposal: Proposal) -> RuleAnswer:
    first = min(proposal.instalments, key=lambda part: part.on).amount_minor
    percent = (Decimal(100 * first) / proposal.total_minor).quantize(Decimal("0.01"))
    return _answer(
        rules,
        "min_first_percent",
        met=first >= _first_needed(rules, proposal),
        found=percent,
        limit=rules.min_first_percent,
    )


def _first_needed(rules: PlanRules, proposal: Proposal) -> int:
    share = Decimal(proposal.total_minor) * rules.min_first_percent / 100
    return int(share.to_integral_value(rounding=ROUND_CEILING))
