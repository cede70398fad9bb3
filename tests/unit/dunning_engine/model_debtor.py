"""A debtor twice: in the engine's values and in the model's, moved by the same facts.

Here is how decisions are made, compared and applied on both sides, and what must hold of each.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from dunning_common.values import replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case, Served
from dunning_engine.domain.decision import Decision, decide
from dunning_engine.records import InvoiceFacts
from tests.unit.dunning_engine.builders import CALENDARS, RATES
from tests.unit.dunning_engine.model_policies import MODEL_POLICIES, Books
from tests.unit.dunning_engine.slow_model import (
    Bill,
    Done,
    Forecast,
    fee_of,
    forecast,
    is_open_hour,
)

CALENDAR = CALENDARS["FR"]
BEGIN = datetime(2026, 1, 5, 7, tzinfo=UTC)
END = datetime(2028, 12, 1, tzinfo=UTC)


class TwoSidedDebtor:
    """Cases on the engine's side, bills on the model's."""

    def meet(self, debtor: Account, seed: int) -> None:
        """Begin with nothing."""
        self.debtor = debtor
        self.chance = random.Random(seed)
        self.now = BEGIN
        self.books = Books()
        self.mail: list[Any] = []
        self.facts: dict[str, InvoiceFacts] = {}
        self.cases: dict[str, Case] = {}
        self.bills: dict[str, Bill] = {}
        self.flights: dict[UUID, tuple[date, dict[str, Any]]] = {}
        self.went_out: dict[str, list[tuple[str, date]]] = {}
        self.channels: dict[str, tuple[str, ...]] = {}
        self.charged: set[UUID] = set()
        self.holds = 0
        self.wake: datetime | None = None

    @property
    def today(self) -> date:
        """The date where the debtor lives."""
        return self.now.astimezone(ZoneInfo(self.debtor.zone)).date()

    def serve(self, key: str, item: Any, on: date) -> None:
        self.went_out.setdefault(key, []).append((item.level, on))
        self.channels[key] = item.channels
        self.cases[key] = self.cases[key].completed(item.level_no, item.level, on)
        self.finish(key, item.level_no, item.level, on, served=True)
        for charge in item.charges:
            assert charge.charge_id not in self.charged, "a charge is made once"
            self.charged.add(charge.charge_id)
            self.mail.append(self.books.charge(key, on, charge.kind, charge.amount_minor))
            if charge.kind == "interest":
                self.cases[key] = replace(self.cases[key], interest_through=charge.assessed_on)
            if charge.kind == "compensation":
                self.cases[key] = replace(self.cases[key], compensation_charged=True)
                assert not self.bills[key].compensated
                self.bills[key].compensated = True

    def finish(self, key: str, level_no: int, code: str, on: date, *, served: bool) -> None:
        bill = self.bills[key]
        bill.done.append(Done(level_no, code, on, served))
        bill.failures, bill.failed_on = 0, None

    def last_sent(self, key: str) -> Served | None:
        """The last level that is done, if a notice of it went out and nothing came after it."""
        case, bill = self.cases[key], self.bills[key]
        if not case.served or case.in_flight or bill.closed == "handed_over":
            return None
        last = case.served[-1]
        higher = [
            done for done in case.served if done is not last and done.level_no >= last.level_no
        ]
        return last if last.outcome == "served" and not higher else None

    # --- deciding, and what must hold of it

    def decided(self, at: datetime, *, shuffled: bool = False) -> Decision:
        live = [case for key, case in self.cases.items() if not self.bills[key].over]
        debtor = self.debtor
        if shuffled:
            self.chance.shuffle(live)
            holds = list(debtor.holds)
            self.chance.shuffle(holds)
            debtor = replace(debtor, holds=tuple(holds))
        return decide(debtor, live, MODEL_POLICIES, at, CALENDAR, RATES)

    def expected(self, at: datetime) -> Forecast:
        return forecast(self.debtor, list(self.bills.values()), at, CALENDAR.holidays)

    def decide(self) -> None:
        self.debtor = replace(self.debtor, handed_over_invoices=self.handed_over())
        decision, model = self.decided(self.now), self.expected(self.now)
        assert decision == self.decided(self.now, shuffled=True), "order means nothing"
        self.compare(decision, model)
        self.check_money(decision)
        self.check_limits(decision)
        self.apply(decision, model)
        if not self.waits_for_another_policy(model):
            self.check_silence(decision.next_action_at)
        self.wake = decision.next_action_at

    def handed_over(self) -> int:
        return sum(b.closed == "handed_over" and not b.settled for b in self.bills.values())

    def compare(self, decision: Decision, model: Forecast) -> None:
        verdicts = {v.invoice_id: v for v in decision.verdicts}
        assert verdicts.keys() == model.views.keys()
        for key, view in model.views.items():
            found = verdicts[key]
            assert found.state == view.state, (found, view)
            if view.state not in ("closed", "in_flight"):
                assert found.level_no == (view.level.level_no if view.level else None)
            if view.reason:
                assert found.reason == view.reason
            lapses = [(x.level_no, x.reason) for x in decision.lapses if x.invoice_id == key]
            assert lapses == view.lapses
            assert (key in decision.reopened) == view.reopened
            assert [c.reason for c in decision.closings if c.invoice_id == key] == (
                [view.closing] if view.closing else []
            )
            assert view.revoked == any(r.invoice_id == key for r in decision.revocations)
        assert [[i.invoice_id for i in n.items] for n in decision.notices] == model.groups
        assert {e.hold_id: e.outcome for e in decision.holds_ended} == model.ended
        assert {r.invoice_id: r.not_before for r in decision.resumes} == model.resumed
        assert decision.credit_block == model.block

    def check_money(self, decision: Decision) -> None:
        disputed = {h.hold_id for h in decision.holds_ended}
        for item in decision.items:
            bill = self.bills[item.invoice_id]
            parts = sum(
                h.disputed_minor or 0
                for h in self.debtor.holds
                if h.hold_id not in disputed and h.covers(item.invoice_id)
            )
            assert (item.amount_minor, item.open_minor) == (bill.amount, bill.open)
            assert item.disputed_minor == min(parts, bill.open)
            asked = item.open_minor - item.disputed_minor
            level = bill.policy.levels[item.level_no - 1]
            is_early = decision.decided_on < bill.due_on  # nothing is charged before the due date
            fee = 0 if is_early else fee_of(level, self.debtor.kind, bill.currency, asked)
            if level.code in bill.charged_in_vain:
                fee = 0
            assert item.fee_minor == fee
            assert item.fee_minor + item.interest_minor + item.compensation_minor == sum(
                c.amount_minor for c in item.charges
            )
            assert not (bill.compensated and item.compensation_minor)
            through = self.cases[item.invoice_id].interest_through
            for line in (line for charge in item.charges for line in charge.segments):
                assert through is None or line.first_day > through, "no day of interest twice"
                assert bill.due_on < line.first_day <= line.last_day <= decision.decided_on
                through = line.last_day

    def check_limits(self, decision: Decision) -> None:
        """Said once more without the model: never held, settled, in flight, or at a wrong hour."""
        wall = self.now.astimezone(ZoneInfo(self.debtor.zone))
        ended = {end.hold_id for end in decision.holds_ended}
        for item in decision.items:
            bill = self.bills[item.invoice_id]
            assert bill.settled is None
            assert bill.flight is None
            assert is_open_hour(bill.policy, wall.time())
            assert wall.weekday() in bill.policy.weekdays
            assert not any(
                h.covers(item.invoice_id) and h.disputed_minor is None and h.hold_id not in ended
                for h in self.debtor.holds
            )
            codes = [code for code, _ in self.went_out.get(item.invoice_id, [])]
            assert item.level not in codes, "no level twice"

    def apply(self, decision: Decision, model: Forecast) -> None:
        today = self.today
        ended = set(model.ended)
        self.debtor = replace(
            self.debtor,
            holds=tuple(h for h in self.debtor.holds if h.hold_id not in ended),
            contacted_on=(*self.debtor.contacted_on, *(today for _ in model.groups)),
            credit_blocked=self.debtor.credit_blocked if model.block is None else model.block,
        )
        self.apply_to_cases(decision)
        for key, view in model.views.items():
            bill = self.bills[key]
            if view.closing or view.reopened:
                bill.closed = view.closing
            bill.flight_revoked = bill.flight_revoked or view.revoked
            bill.not_before = model.resumed.get(key, bill.not_before)
            for level_no, _ in view.lapses:
                code = bill.policy.levels[level_no - 1].code
                self.finish(key, level_no, code, today, served=False)
            if view.state == "handed_over":
                assert view.level
                self.finish(key, view.level.level_no, view.level.code, today, served=True)
                bill.closed = "handed_over"
            if view.state == "due":
                assert view.level
                bill.flight = view.level.level_no

    def apply_to_cases(self, decision: Decision) -> None:
        for key in decision.reopened:
            self.cases[key] = self.cases[key].reopened()
        for closing in decision.closings:
            self.cases[closing.invoice_id] = self.cases[closing.invoice_id].closed_as(
                closing.reason
            )
        for revocation in decision.revocations:
            self.cases[revocation.invoice_id] = self.cases[revocation.invoice_id].revoked()
        for end in decision.lapses:
            self.cases[end.invoice_id] = self.cases[end.invoice_id].lapsed(
                end.level_no, end.level, end.on, end.reason
            )
        for done in decision.hand_overs:
            case = self.cases[done.invoice_id].completed(done.level_no, done.level, done.on)
            self.cases[done.invoice_id] = case.closed_as("handed_over")
        for notice in decision.notices:
            items = {item.invoice_id: item for item in notice.items}
            self.flights[notice.notice_id] = (decision.decided_on, items)
            for key, item in items.items():
                self.cases[key] = self.cases[key].requested(notice.notice_id, item.level_no)
        for resumption in decision.resumes:
            case = self.cases[resumption.invoice_id]
            self.cases[resumption.invoice_id] = replace(case, not_before=resumption.not_before)

    def waits_for_another_policy(self, model: Forecast) -> bool:
        """A notice under several policies keeps to the most careful of their budgets.

        When the invoice that brought that budget in has gone out beyond it, or is settled, those
        that waited with it may go earlier than was foreseen.
        """
        budgets = {bill.policy.budget for bill in self.bills.values()}
        waits = any(view.reason == "contact_budget" for view in model.views.values())
        return waits and len(budgets) > 1

    def check_silence(self, until: datetime | None) -> None:
        """Asked again at once, nothing is left to do; and nothing until the next look is due."""
        self.debtor = replace(self.debtor, handed_over_invoices=self.handed_over())
        assert not self.decided(self.now).has_effects
        asked = [timedelta(days=n, hours=7) for n in (1, 9, 100)]
        if until is not None:
            assert until > self.now
            gap = until - self.now
            asked = [gap * 0.3, gap * 0.8, gap - timedelta(seconds=1)]
        for wait in asked:
            if self.now < self.now + wait < END:
                assert not self.expected(self.now + wait).is_pressing, (
                    "something would be forgotten"
                )

    def check_story(self) -> None:
        """Levels went out in the order of their ladders, none twice; done levels agree."""
        for key, levels in self.went_out.items():
            codes = [code for code, _ in levels]
            assert len(codes) == len(set(codes))
            days = [on for _, on in levels]
            assert days == sorted(days)
            mine = [(d.rung, d.code, d.on, d.served) for d in self.bills[key].done]
            assert mine == [
                (s.level_no, s.code, s.on, s.outcome == "served") for s in self.cases[key].served
            ]
