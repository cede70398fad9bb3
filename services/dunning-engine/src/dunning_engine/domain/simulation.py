"""What would happen to a debtor's cases, event by event: decide, act, jump to what comes next.

Uses the very `decide` of the engine and the transitions of `domain.case`; every notice is served at
once, unless a share of failures is asked for. Nothing is read, sent or stored, and no debtor's
behaviour is guessed: money comes only where the story says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import blake2b
from itertools import groupby
from typing import Literal, NamedTuple, assert_never
from uuid import UUID

from dunning_common.values import replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Approval, Case, PolicyKey
from dunning_engine.domain.decision import decide
from dunning_engine.domain.notice import NoticeItem, NoticePlan
from dunning_engine.domain.outcome import Decision
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.rates import RateBook
from dunning_engine.domain.schedule import Calendar, add_days, local_date
from dunning_engine.domain.story import (
    Ended,
    Fact,
    Held,
    Issued,
    Moved,
    Received,
    Released,
    Story,
    moved,
)
from dunning_engine.domain.verdict import Verdict

ROUNDS_MAX = 100
"""How often one instant may be decided about; every round but the last serves a level."""
_CONTACTS_KEPT_DAYS = 400
_OBSTACLES = frozenset({"held", "blocked", "awaiting_approval"})

StepKind = Literal["sent", "failed", "lapsed", "handed_over", "obstacle"]


class SimulationError(RuntimeError):
    """The story cannot be played on; the message names the debtor and what does not end."""


class Happening(NamedTuple):
    """What happened to one invoice on one day. Amounts are minor units of `currency`.

    `reason` says why a level lapsed, to whom it was handed over, or `state:reason` of an obstacle,
    which is told once for each level. `open_minor` is what was asked for.
    """

    on: date
    invoice_id: str
    kind: StepKind
    level_no: int
    level: str
    reason: str
    currency: str
    open_minor: int
    channels: tuple[str, ...] = ()
    interest_minor: int = 0
    compensation_minor: int = 0
    fee_minor: int = 0


class HoldOver(NamedTuple):
    """A hold ended: `outcome` is ended, kept, partly_kept, broken, or released by somebody."""

    on: date
    kind: str
    outcome: str


class Settlement(NamedTuple):
    """From that day on an invoice owed nothing; `until` it owed again (None: for good)."""

    since: date
    until: date | None

    def covers(self, day: date) -> bool:
        """Was it settled on that day?"""
        return self.since <= day and (self.until is None or day < self.until)


class Sent(NamedTuple):
    """A notice, and whether any of its messages got through."""

    notice: NoticePlan
    is_served: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What a simulation takes for granted, each to be stated beside its result.

    Of a hundred notices `failing_percent` fail on all channels: which ones follows from `seed` and
    the notice alone. Levels that need a person's approval get it at once when `approvals_granted`.
    """

    failing_percent: int = 0
    seed: int = 0
    approvals_granted: bool = True

    def fails(self, notice_id: UUID) -> bool:
        """Does this notice reach nobody?"""
        if not self.failing_percent:
            return False
        drawn = blake2b(notice_id.bytes + str(self.seed).encode(), digest_size=8).digest()
        return int.from_bytes(drawn, "big") % 100 < self.failing_percent


USUAL = Assumptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What happened to one debtor, and where it stands at the end.

    `first` are the verdicts of the very first decision, `last` the newest about each invoice.
    `settlements` are by invoice; their days are value dates, known or not.
    """

    account: Account
    cases: tuple[Case, ...]
    notices: tuple[Sent, ...]
    happenings: tuple[Happening, ...]
    holds_over: tuple[HoldOver, ...]
    settlements: Mapping[str, tuple[Settlement, ...]]
    first: Mapping[str, Verdict]
    last: Mapping[str, Verdict]


def simulate(
    story: Story,
    policies: Mapping[PolicyKey, Policy],
    *,
    start: datetime,
    end: datetime,
    calendar: Calendar,
    rates: RateBook,
    assumptions: Assumptions = USUAL,
) -> Run:
    """Play a debtor's story from `start` to `end` (exclusive; both timezone-aware).

    Args:
        story: The debtor; its cases are pinned to policies. What became known before `start` is
            taken as known; nothing is decided about it earlier.
        policies: The policy versions that the cases are pinned to; more do no harm.
        start: The first instant at which something may be decided.
        end: Nothing is decided from here on.
        calendar: Public holidays of the debtor's country for all years from `start` to `end`.
        rates: Reference rates.
        assumptions: What is taken for granted.

    Raises:
        SimulationError: one instant asks to be decided about again and again.
    """
    return Walk(story, policies, calendar, rates, assumptions).run(start, end)


@dataclass(slots=True)
class Walk:
    """One debtor on the way. Mutable, for one simulation only."""

    story: Story
    policies: Mapping[PolicyKey, Policy]
    calendar: Calendar
    rates: RateBook
    assumptions: Assumptions
    account: Account = field(init=False)
    live: dict[str, Case] = field(init=False)
    closed: dict[str, Case] = field(default_factory=dict)
    notices: list[Sent] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    holds_over: list[HoldOver] = field(default_factory=list)
    settled: dict[str, list[Settlement]] = field(default_factory=dict)
    first: dict[str, Verdict] = field(default_factory=dict)
    last: dict[str, Verdict] = field(default_factory=dict)
    used: dict[PolicyKey, Policy] = field(default_factory=dict)
    told: set[tuple[str, int, str]] = field(default_factory=set)
    feed_matters: bool = False

    def __post_init__(self) -> None:
        self.account = self.story.account
        self.live = {}
        for case in self.story.cases:
            self._put(case)
            self._use(case)

    def run(self, start: datetime, end: datetime) -> Run:
        """Go from `start` to `end`, from fact to action to fact."""
        instants = [
            (at, list(fs)) for at, fs in groupby(self.story.facts, key=lambda fact: fact.at)
        ]
        place = 0
        while place < len(instants) and instants[place][0] <= start:
            self.learn(instants[place][1])
            place += 1
        wake = self.act(start)
        self.first = dict(self.last)
        while True:
            known = instants[place][0] if place < len(instants) else None
            now = min((at for at in (wake, known) if at is not None), default=end)
            if now >= end:
                break
            if known == now:
                self.learn(instants[place][1])
                place += 1
            wake = self.act(now)
        reached = self.reached()
        for _, facts in instants[place:]:  # what was paid by then, though nobody knew
            self.learn([fact for fact in facts if isinstance(fact, Moved | Received)])
        return replace(reached, settlements=self.settlements_until(end))

    # -- facts

    def learn(self, facts: list[Fact]) -> None:
        """Take in what becomes known at one instant."""
        for fact in facts:
            match fact:
                case Issued():
                    self.live[fact.case.invoice_id] = fact.case
                    self._use(fact.case)
                case Moved():
                    self._move(fact.invoice_id, fact.delta_minor, fact.since)
                case Received():
                    self._receive(fact)
                case Ended():
                    if case := self._case(fact.invoice_id):
                        self._put(replace(case, status=fact.status, open_minor=0))
                case Held():
                    holds = (*self.account.holds, fact.hold)
                    self.account = replace(self.account, holds=holds)
                case Released():
                    self._release(fact)
                case _:
                    assert_never(fact)

    def _case(self, invoice_id: str) -> Case | None:
        return self.live.get(invoice_id) or self.closed.get(invoice_id)

    def _put(self, case: Case) -> None:
        """A closed case that owes again is looked at again, unless others have it."""
        owes_again = case.closed != "handed_over" and case.settled is None
        self.live.pop(case.invoice_id, None)
        self.closed.pop(case.invoice_id, None)
        kept = self.live if case.closed is None or owes_again else self.closed
        kept[case.invoice_id] = case

    def _use(self, case: Case) -> None:
        policy = self.policies.get(case.policy_key)
        if policy and case.policy_key not in self.used:
            self.used[case.policy_key] = policy
            self.feed_matters |= policy.payment_feed_hours is not None

    def _move(self, invoice_id: str, delta_minor: int, since: date) -> None:
        case = self._case(invoice_id)
        if case is None:
            return
        was_owed, case = case.open_minor > 0, moved(case, delta_minor, since)
        self._put(case)
        past = self.settled.setdefault(invoice_id, [])
        if was_owed and case.open_minor == 0:
            past.append(Settlement(add_days(since, -1), None))
            if case.closed == "handed_over":
                self._handed_over(-1)
        elif not was_owed and case.open_minor and past:
            past[-1] = past[-1]._replace(until=since)

    def _receive(self, fact: Received) -> None:
        left = fact.amount_minor
        wanted = [
            case
            for case in (*self.live.values(), *self.closed.values())
            if case.settled is None
            and case.currency == fact.currency
            and (not fact.invoice_ids or case.invoice_id in fact.invoice_ids)
        ]
        for case in sorted(wanted, key=lambda case: (case.due_on, case.invoice_id)):
            part = min(left, case.open_minor)
            if part:
                self._move(case.invoice_id, -part, add_days(fact.on, 1))
                left -= part
        if left:
            cash = dict(self.account.unallocated_minor)
            cash[fact.currency] = cash.get(fact.currency, 0) + left
            self.account = replace(self.account, unallocated_minor=tuple(sorted(cash.items())))

    def _release(self, fact: Released) -> None:
        on = local_date(fact.at, self.account.zone)
        for hold in self.account.holds:
            if hold.hold_id == fact.hold_id:
                self.holds_over.append(HoldOver(on, hold.kind, "released"))
        left = tuple(hold for hold in self.account.holds if hold.hold_id != fact.hold_id)
        self.account = replace(self.account, holds=left)

    def _handed_over(self, count: int) -> None:
        now = max(0, self.account.handed_over_invoices + count)
        self.account = replace(self.account, handed_over_invoices=now)

    # -- decisions

    def act(self, now: datetime) -> datetime | None:
        """Decide until nothing more happens at that instant. Returns when to look again."""
        for _ in range(ROUNDS_MAX):
            if not self.live and not self.account.holds:
                return None
            decision = self.decided(now)
            if not self._apply(decision):
                wake = decision.next_action_at
                if wake is not None and wake <= now:
                    break
                return wake
        debtor = self.account.debtor_id
        raise SimulationError(f"what is decided about debtor {debtor} at {now} does not end")

    def decided(self, now: datetime) -> Decision:
        """The engine's decision at that instant."""
        account = self.account
        if self.feed_matters:
            account = replace(account, payments_fresh_until=now)
        cases = list(self.live.values())
        return decide(account, cases, self.used, now, self.calendar, self.rates)

    def _apply(self, decision: Decision) -> bool:
        """Do what the decision says, in its order. Must the same instant be decided about again?"""
        today = decision.decided_on
        for verdict in decision.verdicts:
            self.last[verdict.invoice_id] = verdict
            if verdict.state in _OBSTACLES or verdict.reason == "contact_budget":
                self._tell(verdict, today)
        for invoice_id in decision.reopened:
            self._put(self.live[invoice_id].reopened())
        for closing in decision.closings:
            self._put(self.live[closing.invoice_id].closed_as(closing.reason))
        self._finish_levels(decision)
        for notice in decision.notices:
            self._send(notice)
        self._end_holds(decision)
        if decision.credit_block is not None:
            self.account = replace(self.account, credit_blocked=decision.credit_block)
        approved = self._approve(decision) if self.assumptions.approvals_granted else False
        return bool(decision.notices) or approved

    def _tell(self, verdict: Verdict, today: date) -> None:
        reason = f"{verdict.state}:{verdict.reason or ''}"
        place = (verdict.invoice_id, verdict.level_no or 0, reason)
        if place in self.told:
            return
        self.told.add(place)
        case = self.live[verdict.invoice_id]
        self.happenings.append(
            Happening(
                today, case.invoice_id, "obstacle", verdict.level_no or 0, verdict.level or "",
                reason, case.currency, case.due_minor,
            )
        )  # fmt: skip

    def _finish_levels(self, decision: Decision) -> None:
        for done in decision.lapses:
            case = self.live[done.invoice_id]
            self._put(case.lapsed(done.level_no, done.level, done.on, done.reason))
            self.happenings.append(
                Happening(
                    done.on, done.invoice_id, "lapsed", done.level_no, done.level, done.reason,
                    case.currency, case.due_minor,
                )
            )  # fmt: skip
        for done in decision.hand_overs:
            case = self.live[done.invoice_id]
            case = case.completed(done.level_no, done.level, done.on)
            self._put(case.closed_as("handed_over"))
            self._handed_over(+1)
            self.happenings.append(
                Happening(
                    done.on, done.invoice_id, "handed_over", done.level_no, done.level, done.reason,
                    case.currency, case.due_minor,
                )
            )  # fmt: skip

    def _send(self, notice: NoticePlan) -> None:
        is_served = not self.assumptions.fails(notice.notice_id)
        self.notices.append(Sent(notice, is_served))
        for item in notice.items:
            case = self.live[item.invoice_id].requested(notice.notice_id, item.level_no)
            if is_served:
                case = _charged(
                    case.completed(item.level_no, item.level, notice.decided_on),
                    item,
                    notice.decided_on,
                )
            else:
                case = case.failed(notice.decided_on, "simulated_failure")
            self.live[item.invoice_id] = case
            self.happenings.append(_told(item, notice, is_served=is_served))
        if is_served:
            horizon = notice.decided_on - timedelta(days=_CONTACTS_KEPT_DAYS)
            lately = (on for on in self.account.contacted_on if on > horizon)
            self.account = replace(self.account, contacted_on=(*lately, notice.decided_on))

    def _end_holds(self, decision: Decision) -> None:
        if decision.holds_ended:
            over = {ended.hold_id: ended for ended in decision.holds_ended}
            for hold in self.account.holds:
                if ended := over.get(hold.hold_id):
                    self.holds_over.append(HoldOver(decision.decided_on, hold.kind, ended.outcome))
            left = tuple(hold for hold in self.account.holds if hold.hold_id not in over)
            self.account = replace(self.account, holds=left)
        for resumed in decision.resumes:
            if case := self._case(resumed.invoice_id):
                self._put(replace(case, not_before=resumed.not_before))

    def _approve(self, decision: Decision) -> bool:
        waiting = [v for v in decision.verdicts if v.state == "awaiting_approval" and v.level_no]
        for verdict in waiting:
            said = Approval(level_no=verdict.level_no or 0, approved=True)
            case = self.live[verdict.invoice_id]
            self.live[verdict.invoice_id] = replace(case, approval=said)
        return bool(waiting)

    # -- what came of it

    def reached(self) -> Run:
        """What happened so far, and where the debtor stands."""
        cases = (*self.live.values(), *self.closed.values())
        return Run(
            account=self.account,
            cases=tuple(sorted(cases, key=lambda case: case.invoice_id)),
            notices=tuple(self.notices),
            happenings=tuple(self.happenings),
            holds_over=tuple(self.holds_over),
            settlements={},
            first=self.first,
            last=dict(self.last),
        )

    def settlements_until(self, end: datetime) -> dict[str, tuple[Settlement, ...]]:
        """When each invoice was settled; only what began before `end`."""
        day = local_date(end, self.account.zone)
        found = {
            invoice_id: tuple(stay for stay in stays if stay.since <= day)
            for invoice_id, stays in self.settled.items()
        }
        return {invoice_id: stays for invoice_id, stays in found.items() if stays}


def _charged(case: Case, item: NoticeItem, today: date) -> Case:
    """The case once the ledger booked what the notice charged."""
    if not item.charges:
        return case
    kinds = {charge.kind for charge in item.charges}
    return replace(
        case,
        charges_open_minor=case.charges_open_minor
        + sum(charge.amount_minor for charge in item.charges),
        interest_through=today if "interest" in kinds else case.interest_through,
        compensation_charged=case.compensation_charged or "compensation" in kinds,
    )


def _told(item: NoticeItem, notice: NoticePlan, *, is_served: bool) -> Happening:
    return Happening(
        notice.decided_on,
        item.invoice_id,
        "sent" if is_served else "failed",
        item.level_no,
        item.level,
        "",
        item.currency,
        item.open_minor - item.disputed_minor,
        item.channels,
        item.interest_minor,
        item.compensation_minor,
        item.fee_minor,
    )
