"""The rules of dunning once more: slow, obvious, and without any code of the engine.

Only value types are shared (accounts, holds, policies). Days are found by trying one after the
other, hours by reading the wall, so that an error of arithmetic in the engine cannot hide here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from dunning_common.events.receivables import (
    CreditNoteAllocatedV1,
    InvoiceEvent,
    PaymentAllocatedV1,
    PaymentReversedV1,
)
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.policy import Level, Policy

ONE_DAY = timedelta(days=1)


@dataclass
class Done:
    """A level that is done: `rung` is the number that it stands for on the present ladder."""

    rung: int
    code: str
    on: date
    served: bool
    arrived: bool = False


@dataclass
class Bill:
    """An invoice as the model knows it, in minor units."""

    invoice_id: str
    policy: Policy
    issued_on: date
    due_on: date
    currency: str
    amount: int
    tags: tuple[str, ...] = ()
    open: int = 0
    version: int = 1
    status: str = "open"
    paid_on: list[date] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    flight: int | None = None
    flight_revoked: bool = False
    failures: int = 0
    failed_on: date | None = None
    closed: str | None = None
    not_before: date | None = None
    approval: tuple[int, bool] | None = None
    compensated: bool = False
    dead: list[tuple[int, str]] = field(default_factory=list)
    charged_in_vain: list[str] = field(default_factory=list)

    @property
    def settled(self) -> str | None:
        """Why nothing is owed, if so."""
        if self.status != "open":
            return self.status
        return "paid" if self.open <= 0 else None

    @property
    def over(self) -> bool:
        """Nobody looks at it any more."""
        return self.closed == "handed_over" or bool(self.closed and self.settled)


@dataclass
class View:
    """What the model expects to be said about one bill."""

    state: str
    level: Level | None = None
    reason: str | None = None
    lapses: list[tuple[int, str]] = field(default_factory=list)
    closing: str | None = None
    reopened: bool = False
    revoked: bool = False

    @property
    def is_pressing(self) -> bool:
        """Does it have to be noticed now? That a courtesy came too late may be noted later."""
        missed = any(reason != "too_late" for _, reason in self.lapses)
        acts = self.state in ("due", "handed_over")
        return bool(acts or missed or self.closing or self.reopened or self.revoked)


@dataclass
class Forecast:
    """What the model expects of one decision."""

    views: dict[str, View]
    groups: list[list[str]]
    ended: dict[str, str]
    resumed: dict[str, date]
    block: bool | None

    @property
    def is_pressing(self) -> bool:
        """Does anything have to be noticed now?"""
        views = any(view.is_pressing for view in self.views.values())
        return views or bool(self.ended) or self.block is not None


def forecast(
    account: Account, bills: list[Bill], now: datetime, holidays: frozenset[date]
) -> Forecast:
    """What must be decided about these bills at that instant."""
    look = _Look(account, sorted((b for b in bills if not b.over), key=lambda b: b.invoice_id), now)
    look.holidays = holidays
    ended = {h.hold_id: end for h in account.holds if (end := look.end_of(h))}
    look.holds = [h for h in account.holds if h.hold_id not in ended]
    resumed = {}
    for bill in look.bills:
        good = [h for h in account.holds if ended.get(h.hold_id) in ("ended", "kept")]
        pause = bill.policy.resume_days
        if pause and not bill.settled and any(_about(h, bill) for h in good):
            resumed[bill.invoice_id] = look.today + timedelta(days=pause)
    look.resumed = resumed
    views = {bill.invoice_id: look.view(bill) for bill in look.bills}
    while len(look.gone) < len(left := [k for k, v in views.items() if v.state == "handed_over"]):
        # Whom others take over counts no more for what is said of the rest.
        look.gone = left
        views |= {b.invoice_id: look.view(b) for b in look.bills if b.invoice_id not in left}
    groups = look.within_budget(views)
    wanted = any(_wants_block(b) for b in look.bills)
    wanted = wanted or bool(account.credit_blocked and account.handed_over_invoices)
    block = None if wanted == account.credit_blocked else wanted
    return Forecast(views, groups, ended, resumed, block)


def _wants_block(bill: Bill) -> bool:
    stops = {level.level_no for level in bill.policy.levels if level.credit_block}
    return not bill.settled and any(d.served and d.rung in stops for d in bill.done)


def _about(hold: Hold, bill: Bill) -> bool:
    return not hold.invoice_ids or bill.invoice_id in hold.invoice_ids


class _Look:
    holidays: frozenset[date] = frozenset()
    holds: list[Hold]
    resumed: dict[str, date]

    def __init__(self, account: Account, bills: list[Bill], now: datetime) -> None:
        self.account = account
        self.bills = bills
        self.gone: list[str] = []
        self.now = now
        self.zone = ZoneInfo(account.zone)
        self.wall = now.astimezone(self.zone)
        self.today = self.wall.date()

    # --- holds and money in dispute

    def end_of(self, hold: Hold) -> str | None:
        """How a hold ends now, if it does."""
        if hold.instalments:
            owed = sum(
                b.open
                for b in self.bills
                if _about(hold, b) and not b.settled and b.currency == hold.currency
            )
            paid = max(0, hold.baseline_minor - owed)
            promised = sum(part.amount_minor for part in hold.instalments)
            if paid + hold.tolerance_minor >= min(promised, hold.baseline_minor):
                return "kept"
            for part in hold.instalments:
                expected = sum(p.amount_minor for p in hold.instalments if p.on <= part.on)
                late = self.today > part.on + timedelta(days=hold.grace_days)
                if late and paid + hold.tolerance_minor < expected:
                    return "partly_kept" if paid else "broken"
        if hold.until and hold.until <= self.now:
            return "ended"
        return None

    def disputed(self, bill: Bill) -> int:
        parts = [h.disputed_minor or 0 for h in self.holds if _about(h, bill)]
        return min(sum(parts), bill.open)

    def held(self, bill: Bill) -> list[Hold]:
        return [
            h
            for h in self.holds
            if _about(h, bill)
            and h.placed_at <= self.now
            and (h.disputed_minor is None or bill.open - self.disputed(bill) <= 0)
        ]

    # --- days

    def works(self, bill: Bill, day: date) -> bool:
        policy = bill.policy
        if policy.observe_holidays and day in self.holidays:
            return False
        return day.weekday() in policy.weekdays

    def counted(self, bill: Bill, start: date, days: int, counting: str) -> date:
        """`start` and so many days more (or less), one after the other."""
        day, left = start, abs(days)
        while left:
            day += ONE_DAY if days > 0 else -ONE_DAY
            if counting == "calendar_days" or self.works(bill, day):
                left -= 1
        return day

    def anchor(self, bill: Bill, level: Level) -> date:
        if level.anchor == "invoice_date":
            return bill.issued_on
        if level.anchor == "end_of_month":
            day = bill.due_on
            while (day + ONE_DAY).month == day.month:
                day += ONE_DAY
            return day
        if level.anchor == "previous_level":
            for done in reversed(bill.done):
                if done.served:
                    return done.on
        return bill.due_on

    def ripe(self, bill: Bill, level: Level, day: date, failed_on: date | None) -> bool:
        """Is the level due on that day, or before it?"""
        policy = bill.policy
        if day < self.counted(bill, self.anchor(bill, level), level.threshold_days, level.counting):
            return False
        if any(d.served and day <= d.on for d in bill.done):
            return False  # one level a day, whatever the policy says
        if not _early(level):
            if day < bill.due_on + timedelta(days=policy.grace_days) and policy.grace_days:
                return False
            before = [d for d in bill.done if d.served and not _was_early(d, bill)]
            if before and day < self.counted(bill, before[-1].on, level.gap_days, level.counting):
                return False
            sent = [d for d in bill.done if d.served]
            waits = policy.served_when == "delivered" and sent and not sent[-1].arrived
            if waits and day < sent[-1].on + timedelta(days=policy.delivery_days):
                return False
        not_before = self.resumed.get(bill.invoice_id, bill.not_before)
        if not_before and day < not_before:
            return False
        if failed_on and day <= failed_on:
            return False
        quiet = policy.quiet_after_payment_days
        return not (quiet and bill.paid_on and day < max(bill.paid_on) + timedelta(days=quiet))

    def moment(self, bill: Bill, level: Level, failed_on: date | None) -> datetime:
        """The first instant, from now on, at which the level may go out."""
        day = self.today
        while True:
            if self.ripe(bill, level, day, failed_on) and self.works(bill, day):
                opens = datetime.combine(day, bill.policy.opens, self.zone)
                closes = datetime.combine(day, bill.policy.closes, self.zone)
                if self.wall < closes:
                    return max(self.wall, opens)
            day += ONE_DAY

    # --- the ladder

    def view(self, bill: Bill) -> View:
        if reason := bill.settled:
            return View(
                "closed",
                reason=reason,
                closing=None if bill.closed == reason else reason,
                revoked=bill.flight is not None and not bill.flight_revoked,
            )
        reopened = bill.closed is not None
        held = self.held(bill)
        if bill.flight is not None:
            revoked = bool(held) and not bill.flight_revoked
            return View("in_flight", reopened=reopened, revoked=revoked)
        view = self.climb(bill, held)
        view.reopened = reopened
        return view

    def climb(self, bill: Bill, held: list[Hold]) -> View:
        lapses: list[tuple[int, str]] = []
        failures, failed_on = bill.failures, bill.failed_on
        reached = max((d.rung for d in bill.done), default=0)
        for level in bill.policy.levels:
            if level.level_no <= reached:
                continue
            moment = self.moment(bill, level, failed_on)
            if held:
                return View("held", level, lapses=lapses)
            if reason := self.lapse(bill, level, moment):
                lapses.append((level.level_no, reason))
                failures, failed_on = 0, None
                continue
            if failures >= bill.policy.max_attempts:
                return View("blocked", level, lapses=lapses)
            how = level.fallback if failures and level.fallback else level.channels
            if how and all((level.level_no, channel) in bill.dead for channel in how):
                return View("blocked", level, lapses=lapses)
            if moment > self.wall:
                return View("scheduled", level, lapses=lapses)
            state, why = self.gate(bill, level)
            return View(state, level, why, lapses)
        return View("exhausted", lapses=lapses)

    def lapse(self, bill: Bill, level: Level, moment: datetime) -> str | None:
        if _early(level) and moment.date() > bill.due_on:
            return "too_late"
        if moment > self.wall:
            return None
        if level.when and level.otherwise == "skip" and not self.meets(bill, level):
            return "not_applicable"
        if level.needs_approval and bill.approval == (level.level_no, False):
            return "rejected"
        return None

    def meets(self, bill: Bill, level: Level) -> bool:
        when = level.when
        assert when
        ours = [b for b in self.bills if b.invoice_id not in self.gone]
        overdue = [b for b in ours if not b.settled and b.due_on < self.today]
        owed = sum(b.open for b in overdue if b.currency == bill.currency)
        asked = bill.open - self.disputed(bill)
        return all(
            [
                asked >= dict(when.minimum_minor).get(bill.currency, 0),
                asked <= dict(when.maximum_minor).get(bill.currency, asked),
                owed >= dict(when.debtor_minimum_minor).get(bill.currency, 0),
                len(overdue) >= (when.invoices_at_least or 0),
                when.invoices_at_most is None or len(overdue) <= when.invoices_at_most,
                not when.kinds or self.account.kind in when.kinds,
            ]
        )

    def gate(self, bill: Bill, level: Level) -> tuple[str, str | None]:
        policy, asked = bill.policy, bill.open - self.disputed(bill)
        if asked < dict(level.minimum_minor).get(bill.currency, 0):
            return "blocked", "below_minimum"
        if level.when and not self.meets(bill, level):
            return "blocked", "not_applicable"
        if policy.payment_feed_hours is not None:
            fresh = self.account.payments_fresh_until
            if fresh is None or fresh + timedelta(hours=policy.payment_feed_hours) < self.now:
                return "held", "stale_feed"
        cash = dict(self.account.unallocated_minor).get(bill.currency, 0)
        if policy.unmatched_receipts == "hold" and cash >= asked > 0:
            return "held", "unmatched_receipt"
        if level.needs_approval and bill.approval != (level.level_no, True):
            return "awaiting_approval", None
        return ("handed_over", level.final) if level.final else ("due", None)

    # --- the budget

    def within_budget(self, views: dict[str, View]) -> list[list[str]]:
        """Which bills go out together; those beyond the budget are put off in `views`."""
        due = [b for b in self.bills if views[b.invoice_id].state == "due"]
        due.sort(key=lambda b: (b.due_on, b.invoice_id))
        joint = [b for b in due if not _alone(b)]
        groups = [[b] for b in due if _alone(b)]
        sent, contacts = [], list(self.account.contacted_on)
        for group in [joint, *groups] if joint else groups:
            going = group
            if any(not _room(contacts, b.policy, self.today) for b in group):
                going = []
                for bill in group:
                    view = views[bill.invoice_id]
                    if view.level and view.level.beyond_budget:
                        going.append(bill)
                    else:
                        view.state, view.reason = "scheduled", "contact_budget"
            if going:
                contacts.append(self.today)
                sent.append([b.invoice_id for b in going])
        return sent


def _early(level: Level) -> bool:
    return level.anchor == "due_date" and level.threshold_days < 0


def _was_early(done: Done, bill: Bill) -> bool:
    """A level that stands for another one is judged by its own day."""
    for level in bill.policy.levels:
        if (level.level_no, level.code) == (done.rung, done.code):
            return _early(level)
    return done.on <= bill.due_on


def _alone(bill: Bill) -> bool:
    own = set(bill.tags) & bill.policy.separate_tags
    return bill.policy.consolidation == "invoice" or bool(own)


def _room(contacts: list[date], policy: Policy, today: date) -> bool:
    budget = policy.budget
    if budget is None:
        return True
    window = [today - n * ONE_DAY for n in range(budget.days)]
    if sum(contacts.count(day) for day in window) >= budget.max_contacts:
        return False
    quiet = [today - n * ONE_DAY for n in range(budget.quiet_days + 1)] if budget.quiet_days else []
    return not any(day in contacts for day in quiet)


def fee_of(level: Level, kind: str, currency: str, asked: int) -> int:
    """The policy's fee on an amount, with pencil and paper."""
    fee = level.fee
    if fee is None or (kind == "consumer" and not fee.consumers):
        return 0
    total = Decimal(dict(fee.fixed_minor).get(currency, 0))
    if fee.percent is not None:
        share = Decimal(asked) * fee.percent / 100
        total += share.quantize(Decimal(1), ROUND_HALF_UP)
    return int(min(total, Decimal(dict(fee.maximum_minor).get(currency, 10**12))))


def migrate(bill: Bill, new: Policy) -> None:
    """To another version by the codes of levels: what was done stays done, under its own code."""
    old, places = bill.policy, {level.code: level.level_no for level in new.levels}

    def day(policy: Policy, level: Level) -> date:
        if level.anchor == "previous_level":
            below = [other for other in policy.levels if other.level_no == level.level_no - 1]
            start = day(policy, below[0]) if below else bill.due_on
        else:
            start = _Look.anchor(None, bill, level)  # type: ignore[arg-type]
        return start + timedelta(days=level.threshold_days)

    for done in bill.done:
        stood = next((lv for lv in old.levels if lv.level_no == done.rung), None)
        if done.code in places:
            done.rung = places[done.code]
        elif not done.served or stood is None:
            done.rung = 0
        elif stood.code in places:
            done.rung = places[stood.code]
        else:
            mine = day(old, stood)
            lower = [lv.level_no for lv in new.levels if not lv.final and day(new, lv) <= mine]
            done.rung = max(lower, default=0)
    if bill.approval:
        asked = next((lv for lv in old.levels if lv.level_no == bill.approval[0]), None)
        place = places.get(asked.code) if asked else None
        bill.approval = (place, bill.approval[1]) if place else None
    bill.policy = new


Moves = list[tuple[date, int, date | None]]
"""Payments: value date, amount, and the day of the reversal if there was one."""


def moves_of(events: Sequence[InvoiceEvent]) -> Moves:
    """The payments that events tell of; a reversal is of the last one that was not reversed yet."""
    moves: Moves = []
    for event in events:
        match event:
            case PaymentAllocatedV1() | CreditNoteAllocatedV1():
                moves.append((event.effective_on, event.amount_minor, None))
            case PaymentReversedV1():
                n = max(n for n, move in enumerate(moves) if move[2] is None)
                moves[n] = (*moves[n][:2], event.effective_on)
            case _:
                pass
    return moves


def principal_on(amount: int, moves: Moves, day: date) -> int:
    """What was owed on a day: payments count from the day after their value date until they bounce."""
    paid = [part for on, part, back in moves if on < day and (back is None or day < back)]
    return max(0, amount - sum(paid))


def is_open_hour(policy: Policy, wall: time) -> bool:
    """May the policy speak at that time of the day?"""
    return policy.opens <= wall < policy.closes
