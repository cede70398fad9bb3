"""The pure core against a slow model: whatever facts come, in whatever order, at whatever time.

`DUNNING_MODEL_RUNS` is the number of runs (300 by default, 10,000 by `make model`), each of up to
30 steps. A run plays one debtor: facts come late, twice and mixed up, the clock jumps or walks from
action to action, notices succeed, fail and come back, holds of all kinds come and go, cases move to
another version of their policy. At every decision the model in `slow_model` must agree.
"""

from __future__ import annotations

import os
import random
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from dunning_common.values import replace
from dunning_engine.domain.account import Hold, Instalment
from dunning_engine.domain.case import Approval, Case, Served
from dunning_engine.domain.policy_migration import (
    Dates,
    DoneLevel,
    not_before,
    rung_of_approval,
    rungs_by_code,
)
from dunning_engine.handlers.record_facts import fold_invoices
from dunning_engine.records import InvoiceFacts
from tests.unit.dunning_engine.builders import account
from tests.unit.dunning_engine.model_debtor import END, TwoSidedDebtor
from tests.unit.dunning_engine.model_policies import (
    EACH,
    LADDER,
    LADDER_2,
    PLAIN,
    TENANT,
)
from tests.unit.dunning_engine.slow_model import (
    Bill,
    Moves,
    migrate,
    moves_of,
    principal_on,
)

RUNS = int(os.environ.get("DUNNING_MODEL_RUNS", "300"))
ONE_DAY = timedelta(days=1)
DEBTORS = (
    account(),
    account(kind="consumer", zone="Europe/Paris"),
    account(zone="America/New_York"),
    account(zone="Australia/Lord_Howe", kind="public"),
)
MIX = {"ladder": LADDER, "plain": PLAIN, "each": EACH, "ladder_2": LADDER_2}
ODDS = random.Random
OUTCOMES = st.sampled_from(["served", "served", "served", "failed", "returned"])


class Machine(TwoSidedDebtor, RuleBasedStateMachine):
    """The engine's debtor on the left, the model's bills on the right, the same facts for both."""

    @initialize(
        debtor=st.integers(0, len(DEBTORS) - 1),
        mix=st.sampled_from(["ladder", "ladder plain", "each", "ladder each ladder_2"]),
        seed=st.integers(0, 2**32),
    )
    def begin(self, debtor: int, mix: str, seed: int) -> None:
        self.meet(DEBTORS[debtor], seed)
        self.mix = [MIX[name] for name in mix.split()]
        self.issue(0, 30, 100000, vip=False)
        self.deliver(1)

    # --- the clock

    @rule(hours=st.one_of(st.integers(1, 30), st.integers(24, 24 * 45)))
    def wait(self, hours: int) -> None:
        self.now = min(self.now + timedelta(hours=hours), END)
        self.decide()

    @rule(times=st.integers(1, 4), outcome=OUTCOMES)
    def walk(self, times: int, outcome: str) -> None:
        """From action to action, as a sweeper does that is never late."""
        for _ in range(times):
            if self.wake and self.wake < END:
                self.now = max(self.now, self.wake)
            self.decide()
            self.settle(outcome)

    @rule(seed=st.integers(0, 2**16), times=st.integers(1, 3))
    def learn_and_walk(self, seed: int, times: int) -> None:
        self.deliver(seed)
        self.feed(0)
        self.walk(times, "served")

    @rule()
    def decide_now(self) -> None:
        self.decide()

    # --- the books

    @precondition(lambda self: len(self.books.entries) < 4)
    @rule(
        past=st.integers(0, 60),
        term=st.sampled_from([0, 0, 4, 14, 30, 45]),
        amount=st.integers(1, 400000),
        vip=st.booleans(),
    )
    def issue(self, past: int, term: int, amount: int, vip: bool) -> None:
        issued_on = self.today - timedelta(days=past)
        self.mail.append(
            self.books.issue(
                f"i{len(self.books.entries)}",
                issued_on=issued_on,
                due_on=issued_on + timedelta(days=term),
                currency=self.chance.choice(["EUR", "EUR", "USD"]),
                amount_minor=amount,
                tags=("vip",) if vip else (),
            )
        )

    def pick(self, n: int) -> str:
        return sorted(self.books.entries)[n % len(self.books.entries)]

    @rule(
        n=st.integers(0, 9),
        percent=st.integers(1, 100),
        ago=st.integers(0, 3),
        credit=st.booleans(),
    )
    def pay(self, n: int, percent: int, ago: int, credit: bool) -> None:
        key = self.pick(n)
        state = self.books.entries[key].state
        amount = max(1, state.open_minor * percent // 100)
        if state.status == "open" and state.open_minor:
            # Not valued before a reversal: then more than everything would be paid on some days.
            back = [day for _, _, day in moves_of(self.books.entries[key].events) if day]
            on = max([self.today - timedelta(days=ago), state.issued_on, *back])
            self.mail.append(self.books.pay(state.invoice_id, amount, on, credit=credit))

    @rule(n=st.integers(0, 9))
    def bounce(self, n: int) -> None:
        event = self.books.reverse(self.pick(n), self.today)
        self.mail += [event] if event else []

    @rule(n=st.integers(0, 9), hours=st.integers(1, 200))
    def pay_and_bounce(self, n: int, hours: int) -> None:
        """Paid, decided about, and owed again."""
        self.pay(n, 100, 0, credit=False)
        self.deliver(1)
        self.wait(hours)
        self.bounce(n)
        self.deliver(1)
        self.decide()

    @rule(n=st.integers(0, 9), share=st.integers(1, 99), times=st.integers(1, 3))
    def dispute_and_walk(self, n: int, share: int, times: int) -> None:
        """A part is disputed; the rest goes on."""
        self.hold(n, "part", whole=False, hours=share + 120, endless=True)
        self.approve(n, yes=True)
        self.feed(0)
        self.walk(times, "served")

    @rule(
        n=st.integers(0, 9),
        what=st.sampled_from(["cancel", "write_off", "due", "due", "amount"]),
        days=st.integers(-40, 60),
    )
    def correct(self, n: int, what: str, days: int) -> None:
        state = self.books.entries[self.pick(n)].state
        if state.status != "open":
            return
        match what:
            case "cancel":
                event = self.books.cancel(state.invoice_id, self.today)
            case "write_off":
                event = self.books.write_off(state.invoice_id, self.today)
            case "due":
                due_on = max(state.issued_on, state.due_on + timedelta(days=days))
                event = self.books.amend(state.invoice_id, self.today, due_on=due_on)
            case _:
                more = abs(days) * 10
                event = self.books.amend(
                    state.invoice_id,
                    self.today,
                    amount_minor=state.amount_minor + more,
                    open_minor=state.open_minor + more,
                )
        self.mail.append(event)

    @rule(seed=st.integers(0, 2**16))
    def deliver(self, seed: int) -> None:
        """Some of what happened becomes known: in order for an invoice, mixed and doubled."""
        chance = ODDS(seed)
        upto = {key: chance.random() for key in self.books.entries}
        batch = [e for e in self.mail if upto[e.invoice.invoice_id] < 0.8]
        self.mail = [e for e in self.mail if e not in batch]
        known = list(self.facts.values())
        old = [
            e for entry in self.books.entries.values() for e in entry.events if e not in self.mail
        ]
        batch_of = {key: [e for e in batch if e.invoice.invoice_id == key] for key in upto}
        keys = [e.invoice.invoice_id for e in batch]
        chance.shuffle(keys)
        mixed = []
        for key in keys:
            mixed.append(batch_of[key].pop(0))
            mixed += [
                e for e in chance.sample(old, min(1, len(old))) if e in mixed or e not in batch
            ]
        folded = {f.invoice_id: f for f in fold_invoices(known, [(TENANT, e) for e in mixed])}
        plain = {f.invoice_id: f for f in fold_invoices(known, [(TENANT, e) for e in batch])}
        assert folded == plain, "the order among invoices and repetitions mean nothing"
        self.check_any_order(known, batch, folded, chance)
        for key, facts in folded.items():
            self.facts[key] = facts
            self.learn(key, facts)

    def check_any_order(self, known: Any, batch: Any, folded: Any, chance: random.Random) -> None:
        """Even events of one invoice in a wrong order end in the same invoice."""
        wrong = list(batch)
        chance.shuffle(wrong)
        for facts in fold_invoices(known, [(TENANT, e) for e in wrong]):
            assert replace(facts, balances=()) == replace(folded[facts.invoice_id], balances=())

    def learn(self, key: str, facts: InvoiceFacts) -> None:
        entry = self.books.entries[key]
        if key not in self.cases:
            policy = self.mix[int(key[1:]) % len(self.mix)]
            self.cases[key] = Case(
                invoice_id=key,
                number=key,
                issued_on=facts.issued_on,
                due_on=facts.due_on,
                currency=facts.currency,
                amount_minor=facts.amount_minor,
                open_minor=facts.open_minor,
                version=facts.version,
                policy_id=policy.policy_id,
                policy_version=policy.version,
                tags=facts.tags,
            )
            self.bills[key] = Bill(
                key, policy, facts.issued_on, facts.due_on, facts.currency, 0, facts.tags
            )
        names = ("due_on", "amount_minor", "open_minor", "charges_open_minor", "version", "status")
        self.cases[key] = replace(
            self.cases[key],
            **{name: getattr(facts, name) for name in (*names, "balances")},
        )
        told = [e for e in entry.events if e.invoice.version <= facts.version]
        bill, last = self.bills[key], told[-1].invoice
        bill.due_on, bill.amount, bill.open = last.due_on, last.amount_minor, last.open_minor
        bill.status, bill.version = last.status, last.version
        moves = moves_of(told)
        days = {on for on, _, _ in moves}
        owed = {
            day: principal_on(bill.amount, moves, day) for on in days for day in (on, on + ONE_DAY)
        }
        bill.paid_on = [day for day in days if owed[day + ONE_DAY] < owed[day]]
        if last.status in ("open", "paid"):
            self.check_history(moves, facts)

    def check_history(self, moves: Moves, facts: InvoiceFacts) -> None:
        """The principal of every day is the amount less what was paid before that day."""
        for on in {
            facts.issued_on,
            self.today,
            *(day for move in moves for day in (move[0], move[2]) if day),
        }:
            for day in (on, on + ONE_DAY):
                history = [b.open_minor for b in facts.balances if b.since <= day]
                found = history[-1] if history else facts.amount_minor
                owed = principal_on(facts.amount_minor, moves, day)
                assert found == owed, f"{found} owed on {day}, not {owed}"

    # --- the debtor

    @rule(
        n=st.integers(0, 9),
        kind=st.sampled_from(["manual", "dispute", "part", "promise", "plan"]),
        whole=st.booleans(),
        hours=st.integers(1, 24 * 30),
        endless=st.booleans(),
    )
    def hold(self, n: int, kind: str, whole: bool, hours: int, endless: bool) -> None:
        self.holds += 1
        key = self.pick(n)
        if key not in self.bills:
            return
        common: dict[str, Any] = {"hold_id": f"h{self.holds}", "placed_at": self.now}
        common["until"] = None if endless and hours % 3 else self.now + timedelta(hours=hours)
        ids = () if whole else (key,)
        if kind == "manual":
            placed = Hold(**common, invoice_ids=ids)
        elif kind == "dispute":
            placed = Hold(**common, invoice_ids=(key,), kind="dispute")
        elif kind == "part":
            part = max(1, self.bills[key].open * (hours % 120) // 100)
            placed = Hold(**common, invoice_ids=(key,), kind="dispute", disputed_minor=part)
        else:
            made = self.arrangement(kind, ids, hours)
            if made is None:
                return
            placed = replace(made, hold_id=common["hold_id"])
        self.debtor = replace(self.debtor, holds=(*self.debtor.holds, placed))

    def arrangement(self, kind: str, ids: tuple[str, ...], hours: int) -> Hold | None:
        currency = "EUR"
        owed = sum(
            b.open
            for b in self.bills.values()
            if (not ids or b.invoice_id in ids)
            and b.currency == currency
            and not b.settled
            and not b.over
        )
        if owed < 10:
            return None
        count = 1 if kind == "promise" else 3
        parts = tuple(
            Instalment(
                on=self.today + timedelta(days=hours % 20 + 7 * k),
                amount_minor=owed // (count + hours % 2),
            )
            for k in range(count)
        )
        return Hold(
            hold_id="",
            placed_at=self.now,
            kind=kind,  # type: ignore[arg-type]
            invoice_ids=ids,
            currency=currency,
            instalments=parts,
            baseline_minor=owed,
            grace_days=hours % 3,
            tolerance_minor=hours % 5,
        )

    @precondition(lambda self: self.debtor.holds)
    @rule(n=st.integers(0, 5))
    def release(self, n: int) -> None:
        gone = self.debtor.holds[n % len(self.debtor.holds)]
        self.debtor = replace(
            self.debtor, holds=tuple(h for h in self.debtor.holds if h is not gone)
        )

    @rule(minor=st.sampled_from([0, 1, 5000, 10**7]))
    def cash(self, minor: int) -> None:
        self.debtor = replace(self.debtor, unallocated_minor=(("EUR", minor),) if minor else ())

    @rule(ago=st.sampled_from([0, 0, 0, 71, 73]))
    def feed(self, ago: int) -> None:
        fresh = self.now - timedelta(hours=ago)
        before = self.debtor.payments_fresh_until
        self.debtor = replace(self.debtor, payments_fresh_until=max(fresh, before or fresh))

    @rule()
    def contacts(self) -> None:
        for key, bill in self.bills.items():
            self.cases[key] = self.cases[key].contacts_changed()
            bill.failures, bill.failed_on = 0, None
            bill.dead.clear()

    @rule(n=st.integers(0, 9), yes=st.sampled_from([True, True, False]))
    def approve(self, n: int, yes: bool) -> None:
        key = self.pick(n)
        if key not in self.bills:
            return
        bill = self.bills[key]
        reached = max((d.rung for d in bill.done), default=0)
        asked = [lv for lv in bill.policy.levels if lv.needs_approval and lv.level_no > reached]
        if asked:
            self.cases[key] = replace(
                self.cases[key], approval=Approval(level_no=asked[0].level_no, approved=yes)
            )
            bill.approval = (asked[0].level_no, yes)

    @rule(outcome=OUTCOMES)
    def settle(self, outcome: str) -> None:
        """Everything that is on its way comes out."""
        for on, items in self.flights.values():
            for key, item in items.items():
                case, bill = self.cases[key], self.bills[key]
                bill.flight, bill.flight_revoked = None, False
                if outcome == "served":
                    self.serve(key, item, on)
                elif outcome == "failed":
                    self.cases[key] = case.failed(on, "no_address")
                    bill.failures, bill.failed_on = bill.failures + 1, on
                else:
                    self.cases[key] = case.returned()
            if outcome != "served":
                kept = list(self.debtor.contacted_on)
                kept.remove(on)
                self.debtor = replace(self.debtor, contacted_on=tuple(kept))
        self.flights = {}

    @rule(n=st.integers(0, 9), all_dead=st.booleans())
    def come_back(self, n: int, all_dead: bool) -> None:
        """What went out last about an invoice did not arrive: its level is the next one again."""
        key = self.pick(n)
        last = self.last_sent(key) if key in self.bills else None
        if last is None:
            return
        dead = self.channels[key] if all_dead else self.channels[key][:1]
        self.cases[key] = self.cases[key].bounced(last, "bounced", *dead)
        bill = self.bills[key]
        bill.done.pop()
        bill.failures, bill.failed_on = 1, last.on
        bill.dead += [(last.level_no, channel) for channel in dead]
        bill.charged_in_vain.append(last.code)
        self.went_out[key].pop()
        self.decide()

    @rule(n=st.integers(0, 9), times=st.integers(1, 4))
    def come_back_and_walk(self, n: int, times: int) -> None:
        """What goes out next comes back too, and the one after that."""
        for _ in range(times):
            self.come_back(n, all_dead=True)
            self.walk(1, "served")

    @rule(n=st.integers(0, 9))
    def arrive(self, n: int) -> None:
        """The arrival of what went out last about an invoice is reported."""
        key = self.pick(n)
        last = self.last_sent(key) if key in self.bills else None
        if last is None:
            return
        case = self.cases[key]
        told = replace(last, delivered=True)
        self.cases[key] = replace(case, served=(*case.served[:-1], told))
        self.bills[key].done[-1].arrived = True
        self.decide()

    @rule(forth=st.booleans())
    def change_version(self, forth: bool) -> None:
        old, new = (LADDER, LADDER_2) if forth else (LADDER_2, LADDER)
        for key, case in self.cases.items():
            if case.policy_key != old.key or case.in_flight or self.bills[key].over:
                continue
            dates = Dates(issued_on=case.issued_on, due_on=case.due_on)
            done = [done_level(d) for d in case.served]
            rungs = rungs_by_code(done, old, new, dates)
            pause = max(
                filter(None, [case.not_before, not_before(done, rungs, old, new)]), default=None
            )
            said = case.approval
            place = rung_of_approval(said.level_no if said else None, old, new)
            self.cases[key] = replace(
                case,
                policy_version=new.version,
                not_before=pause,
                served=tuple(
                    replace(d, level_no=r) for d, r in zip(case.served, rungs, strict=True)
                ),
                approval=Approval(level_no=place, approved=said.approved)
                if said and place
                else None,
            )
            migrate(self.bills[key], new)
            self.bills[key].not_before = pause

    def teardown(self) -> None:
        if hasattr(self, "books"):
            self.check_story()


def done_level(done: Served) -> DoneLevel:
    return DoneLevel(rung=done.level_no, code=done.code, outcome=done.outcome, on=done.on)


Machine.TestCase.settings = settings(
    max_examples=RUNS,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestModel = Machine.TestCase
