"""One seed: a debtor with some invoices, sixty days of business and faults, then what must hold.

The faults end after sixty days; what was begun comes to its end in a few calm ones. The promises:

- never twice: the provider takes a level of an invoice at most once over a channel;
- never after an acknowledged payment, credit or correction: what it takes speaks of the version
  of the invoice that was the last acknowledged one, or of a later one;
- never forgotten: each level that was due ended as served, lapsed or failed with its reason, each
  message that may have been sent is known as sent or listed as unknown, nothing is in flight.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from dunning_common.events.contacts import ContactsChangedV1
from dunning_common.events.receivables import InvoiceState
from dunning_common.values import replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.policy import ContactBudget, Policy
from notifier.domain.feedback import Stage
from notifier.domain.message import State
from tests.simulation.engine import Engine
from tests.simulation.ledger import Ledger
from tests.simulation.nature import DAY_S, START, Bug, Nature
from tests.simulation.postman import Postman, Rows, Writer
from tests.simulation.virtual_time import run
from tests.simulation.wire import Topic
from tests.unit.dunning_engine.builders import FRANCE, account

DAYS, CALM_DAYS = 60, 12
BUDGETED = replace(
    FRANCE, policy_id="budgeted", budget=ContactBudget(max_contacts=2, days=7, quiet_days=1)
)


class BrokenPromiseError(AssertionError):
    """A promise was broken; the message names it and carries the diary."""


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, bug: Bug | None = None) -> None:
        self.nature = Nature(seed, bug)
        chance = self.nature.chance
        receivables, dunning, notifications = (Topic(self.nature) for _ in range(3))
        contacts = Topic(self.nature)
        self.ledger = Ledger(self.nature, receivables)
        debtor: Account = account(kind=chance.choice(["business", "business", "public"]))
        policy: Policy = chance.choice([FRANCE, FRANCE, BUDGETED])
        self.engine = Engine(self.nature, debtor, policy, dunning)
        self.rows = Rows(self.nature, notifications)
        self.writer = Writer(set(chance.choice([(), (), ("sms",), ("email", "sms")])))
        self.postman = Postman(self.nature, self.rows, self.ledger, self.writer)
        self.engine.from_ledger = receivables.read_by(self.engine.hear)
        notifications.read_by(self.engine.hear)
        contacts.read_by(self.engine.hear)
        dunning.read_by(self.rows.hear)
        dunning.read_by(self.ledger.hear)
        self._contacts = contacts

    def live(self) -> None:
        """Let the days pass.

        Raises:
            BrokenPromiseError: something happened that must not.
        """
        run(self.nature.loop, self._days())
        problems = [*self._twice(), *self._after_the_fact(), *self._forgotten()]
        if problems:
            story = "\n  ".join([*self.nature.diary, "", *problems])
            raise BrokenPromiseError(f"seed {self.nature.seed}:\n  {story}")

    async def _days(self) -> None:
        self._plan_business()
        workers = [asyncio.create_task(self.postman.work(name)) for name in ("a", "b")]
        await asyncio.sleep(DAYS * DAY_S)
        self.nature.calm = True
        self.nature.note("calm")
        self.engine.wake(0)
        await asyncio.sleep(CALM_DAYS * DAY_S)
        for worker in workers:
            worker.cancel()

    def _plan_business(self) -> None:
        chance, loop = self.nature.chance, self.nature.loop
        for number in range(chance.randint(1, 3)):
            key = f"i{number}"
            issued_on = START.date() + timedelta(days=chance.randint(-30, 5))
            state = InvoiceState(
                invoice_id=key,
                debtor_id="d1",
                number=key,
                issued_on=issued_on,
                due_on=issued_on + timedelta(days=chance.choice([0, 14, 30])),
                currency="EUR",
                amount_minor=chance.randint(100, 500000),
                open_minor=0,
                status="open",
                revision=1,
                version=1,
            )
            state = state.model_copy(update={"open_minor": state.amount_minor})
            loop.soon(chance.random() * DAY_S, lambda s=state: self.ledger.issue(s))
            for _ in range(chance.randint(0, 3)):
                self._plan_one(key, chance.uniform(1.5, DAYS - 1) * DAY_S)
        if self.writer.no_address:
            loop.soon(chance.uniform(1, DAYS) * DAY_S, self._addresses)

    def _plan_one(self, key: str, at: float) -> None:
        chance = self.nature.chance
        share = chance.choice([0.3, 0.5, 1.0])
        due_on = START.date() + timedelta(days=chance.randint(0, 50))
        days = chance.uniform(0.1, 12)
        action = chance.choice(
            [
                lambda: self.ledger.pay(key, share),
                lambda: self.ledger.bounce(key),
                lambda: self.ledger.amend(key, due_on=due_on),
                lambda: self.ledger.cancel(key) if days < 3 else None,
                lambda: self.engine.hold(key, days),
            ]
        )
        self.nature.loop.soon(at, action)

    def _addresses(self) -> None:
        self.writer.no_address.clear()
        self.nature.note("addresses")
        changed = ContactsChangedV1.model_construct(debtor_id="d1")
        self._contacts.publish("d1", changed)

    # --- the promises

    def _twice(self) -> list[str]:
        levels = Counter(
            (item.invoice_id, item.level, taken.message.channel)
            for taken in self.postman.provider.accepted
            # What came back reached nobody: after new contacts it goes out once more.
            if self.rows.messages[taken.message.message_id].stage is not Stage.BOUNCED
            for item in self.rows.notices[taken.message.notice_id].notice.items
            if item.invoice_id in taken.message.invoice_ids
        )
        return [f"TWICE {what}: {count} times" for what, count in levels.items() if count > 1]

    def _after_the_fact(self) -> list[str]:
        found = []
        for taken in self.postman.provider.accepted:
            for change in self.ledger.changes:
                version = taken.versions.get(change.invoice_id)
                known = change.known_at is not None and change.known_at < taken.at
                if version is not None and known and version < change.version:
                    what = "A SETTLED INVOICE" if change.closes else "A CHANGED INVOICE"
                    found.append(f"{what} {change.invoice_id} was reminded: {taken.message.level}")
        return found

    def _forgotten(self) -> list[str]:
        return [*self._lost_messages(), *self._lost_levels()]

    def _lost_messages(self) -> list[str]:
        taken = {each.message.message_id for each in self.postman.provider.accepted}
        found = []
        for row in self.rows.messages.values():
            state, about = row.message.state, f"{row.message.level} by {row.message.channel}"
            if not state.is_terminal:
                found.append(f"FORGOTTEN {about} is still {state}")
            elif state is State.SENT and row.message.message_id not in taken:
                found.append(f"FORGOTTEN {about} counts as sent, and was not")
            elif state not in (State.SENT, State.UNKNOWN) and row.message.message_id in taken:
                found.append(f"FORGOTTEN {about} was sent and counts as {state}")
            elif state is not State.SENT and not row.reason:
                found.append(f"FORGOTTEN {about} is {state} without a reason")
        return found

    def _lost_levels(self) -> list[str]:
        engine, now = self.engine, self.nature.now()
        decision = engine.decided()
        found = ["FORGOTTEN work"] if decision.has_effects else []
        if engine.facts.keys() != self.ledger.invoices.keys():
            found.append("FORGOTTEN an invoice")
        for key, facts in engine.facts.items():
            if facts.version != self.ledger.invoices[key].version:
                found.append(f"FORGOTTEN facts of {key}")
            case = engine.cases[key].case
            done = sorted(level.level_no for level in case.served)
            if case.in_flight:
                found.append(f"FORGOTTEN flight of {key}")
            if done != list(range(1, len(done) + 1)):
                found.append(f"FORGOTTEN level of {key}: done are {done}")
            found += self._missed(key)
        for verdict in decision.verdicts:
            waits = verdict.state == "scheduled" and verdict.at and verdict.at > now
            says_why = verdict.state in ("closed", "exhausted") or verdict.reason
            if not waits and not says_why:
                found.append(f"FORGOTTEN {verdict.invoice_id}: {verdict.state} without a reason")
        return found

    def _missed(self, key: str) -> list[str]:
        """The last level of an invoice counts as served, and nothing of it arrived."""
        case = self.engine.cases[key].case
        last = case.served[-1] if case.served and case.served[-1].outcome == "served" else None
        tries = [
            row
            for row in self.engine.levels
            if last and (row.invoice_id, row.level_no) == (key, last.level_no)
        ]
        states = {news.state for row in tries for news in row.channels.values()}
        if last is None or not tries or states & {"sent", "delivered", "unknown"}:
            return []
        return [f"FORGOTTEN {key}: {last.code} counts as served and did not arrive"]
