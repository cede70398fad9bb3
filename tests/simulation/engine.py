"""The engine of the simulation: its real decisions, transitions and folds on rows in memory.

A transaction is a piece of code without `await`: a kill comes before or after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from dunning_common.events.contacts import ContactsChangedV1
from dunning_common.events.envelope import Envelope, Payload, Written
from dunning_common.events.notifications import NotificationsEvent
from dunning_common.events.receivables import InvoiceEvent
from dunning_common.values import replace
from dunning_engine.domain.account import Account, Hold
from dunning_engine.domain.case import Case
from dunning_engine.domain.decision import Decision, decide
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.schedule import Calendar
from dunning_engine.handlers.apply_decision import apply_decision
from dunning_engine.handlers.fold_notifications import News, fold_notifications
from dunning_engine.handlers.record_facts import fold_invoices
from dunning_engine.records import (
    Changes,
    ChannelNews,
    Dossier,
    InvoiceFacts,
    LevelRow,
    NewLevel,
    StoredCase,
)
from tests.simulation.nature import Nature
from tests.simulation.wire import Consumer, Topic
from tests.unit.dunning_engine.builders import CALENDARS, RATES

CALENDAR: Calendar = CALENDARS["FR"]
_FACTS = (
    "due_on",
    "amount_minor",
    "open_minor",
    "charges_open_minor",
    "version",
    "status",
    "balances",
)


class Engine:
    """All that is known and decided about one debtor."""

    def __init__(self, nature: Nature, account: Account, policy: Policy, topic: Topic) -> None:
        self._nature = nature
        self._topic = topic
        self.account = account
        self.policy = policy
        self.facts: dict[str, InvoiceFacts] = {}
        self.cases: dict[str, StoredCase] = {}
        self.levels: list[LevelRow] = []
        self.returns: dict[str, int] = {}
        self.wake_at: float | None = None
        self.from_ledger: Consumer | None = None
        self._unsure = False

    # --- facts and news

    def hear(self, events: Sequence[Payload]) -> None:
        """Facts of the ledger, and news of the notifier, in one transaction."""
        tenant = self.account.tenant
        invoices = [(tenant, event) for event in events if isinstance(event, InvoiceEvent)]
        for facts in fold_invoices(list(self.facts.values()), invoices):
            self.facts[facts.invoice_id] = facts
            self._learn(facts)
        news = [event for event in events if isinstance(event, NotificationsEvent)]
        if news:
            self._hear_news(news)
        if any(isinstance(event, ContactsChangedV1) for event in events):
            for key, stored in self.cases.items():
                self.cases[key] = replace(stored, case=stored.case.contacts_changed())
        self.wake(0.5)

    def _learn(self, facts: InvoiceFacts) -> None:
        stored = self.cases.get(facts.invoice_id)
        case = stored.case if stored else self._opened(facts)
        case = replace(case, **{name: getattr(facts, name) for name in _FACTS})
        self.cases[facts.invoice_id] = (
            replace(stored, case=case)
            if stored
            else StoredCase(
                case=case,
                pinned=True,
                wanted_policy_id=None,
                state="waiting",
                state_reason=None,
                next_level_no=None,
                next_level=None,
                next_at=None,
            )
        )

    def _opened(self, facts: InvoiceFacts) -> Case:
        return Case(
            invoice_id=facts.invoice_id,
            number=facts.number,
            issued_on=facts.issued_on,
            due_on=facts.due_on,
            currency=facts.currency,
            amount_minor=facts.amount_minor,
            open_minor=facts.open_minor,
            version=facts.version,
            policy_id=self.policy.policy_id,
            policy_version=self.policy.version,
        )

    def _hear_news(self, payloads: Sequence[Any]) -> None:
        asked = {payload.notice_id for payload in payloads}
        rows = [self._with_flight(row) for row in self.levels if row.notice_id in asked]
        folded = fold_notifications(rows, [self._news(payload) for payload in payloads])
        assert not folded.strays, "news of a notice that nobody asked for"
        for row in folded.levels:
            number = next(
                n
                for n, old in enumerate(self.levels)
                if (old.invoice_id, old.try_no) == (row.invoice_id, row.try_no)
            )
            self.levels[number] = row
        for row in folded.finished:
            if row.in_flight:
                self._land(row)
        for row in folded.missed:
            self._take_back(row)
        for _, on in folded.unsent:
            kept = list(self.account.contacted_on)
            kept.remove(on)
            self.account = replace(self.account, contacted_on=tuple(kept))
        self._unsure = self._unsure or bool(folded.returned)
        for event in folded.events:
            self._topic.publish(self.account.debtor_id, event.payload)

    def _news(self, payload: Any) -> News:
        envelope = Envelope.model_construct(tenant=self.account.tenant, time=self._nature.now())
        return News(envelope=envelope, payload=payload)

    def _with_flight(self, row: LevelRow) -> LevelRow:
        case = self.cases[row.invoice_id].case
        flight = case.in_flight
        mine = flight is not None and flight.notice_id == row.notice_id
        return replace(
            row,
            is_last=(flight is None or mine) and case.level_no <= row.level_no,
            in_flight=mine,
            revoked=bool(mine and flight and flight.revoked),
            returns=self.returns.get(row.invoice_id, 0),
        )

    def _take_back(self, row: LevelRow) -> None:
        """What went out did not arrive: the level is the next one again."""
        if self._nature.bug == "bounce_counts":
            return
        stored = self.cases[row.invoice_id]
        (done,) = (each for each in stored.case.served if each.level_no == row.level_no)
        case = stored.case.bounced(
            done, row.reason or "", *(row.bounced or ()), sent=row.sent or ()
        )
        self.cases[row.invoice_id] = replace(stored, case=case)
        self._nature.note(f"{row.invoice_id}: {row.level} taken back ({row.reason})")

    def _land(self, row: LevelRow) -> None:
        """The end of a flight, as `adapters.sql_news` writes it."""
        stored = self.cases[row.invoice_id]
        case, again = stored.case, self.returns.get(row.invoice_id, 0)
        match row.outcome:
            case "served":
                case = case.completed(row.level_no, row.level, row.decided_on)
                kinds = {charge["kind"]: charge for charge in row.charges}
                if "interest" in kinds:
                    through = datetime.fromisoformat(kinds["interest"]["assessed_on"]).date()
                    case = replace(case, interest_through=through)
                if "compensation" in kinds:
                    case = replace(case, compensation_charged=True)
                again = 0
            case "failed":
                case = case.failed(row.decided_on, row.reason or "", excused=row.excused)
                again = 0
            case _:
                case, again = case.returned(), again if row.revoked else again + 1
        if row.sent:
            case = case.part_sent(row.level_no, row.level, *row.sent)
        self.cases[row.invoice_id] = replace(stored, case=case)
        self.returns[row.invoice_id] = again
        self._nature.note(f"{row.invoice_id}: {row.level} {row.outcome} ({row.reason or ''})")

    # --- decisions

    def wake(self, delay_s: float) -> None:
        """Have a sweeper look at the account."""
        at = self._nature.loop.clock + delay_s
        if self.wake_at is not None and self.wake_at <= at:
            return
        self.wake_at = at
        self._nature.loop.soon(delay_s, lambda: self._sweep(at))

    def _sweep(self, at: float) -> None:
        if self.wake_at != at:
            return  # somebody else was earlier
        if self._nature.happens(0.03):  # down for a while; days, sometimes
            self.wake_at = None
            self.wake(self._nature.chance.choice([5, 3600, 3 * 86400]))
            return
        self.wake_at = None
        if self._unsure:  # the ledger refused: ask it what is new before deciding again
            self._unsure = False
            if self.from_ledger and self._nature.bug != "no_revisit":
                self.from_ledger.catch_up(self.account.debtor_id)
        decision = self.decided()
        self._apply(decision)
        if decision.next_action_at:
            self.wake((decision.next_action_at - self._nature.now()).total_seconds())

    def live(self) -> tuple[StoredCase, ...]:
        """The cases that a sweep looks at."""
        return tuple(
            stored
            for stored in self.cases.values()
            if stored.case.closed is None
            or (stored.case.closed != "handed_over" and stored.case.settled is None)
        )

    def decided(self) -> Decision:
        """What is decided now."""
        cases = [stored.case for stored in self.live()]
        policies = {self.policy.key: self.policy}
        return decide(self.account, cases, policies, self._nature.now(), CALENDAR, RATES)

    def _apply(self, decision: Decision) -> None:
        dossier = Dossier(
            account=self.account,
            policy_id=None,
            default_policy_id=None,
            cases=self.live(),
            now=decision.decided_at,
            time_source="real",
            verdict_hash=None,
        )
        changes = Changes()
        apply_decision(dossier, decision, changes, policies={self.policy.key: self.policy})
        for key, stored in changes.cases:
            self.cases[key.invoice_id] = stored
        for level in changes.levels:
            if level.notice_id:
                self.levels.append(_row(level, level.notice_id))
        ended = {end.hold_id for end in decision.holds_ended}
        self.account = replace(
            self.account,
            holds=tuple(hold for hold in self.account.holds if hold.hold_id not in ended),
            contacted_on=(
                *self.account.contacted_on,
                *(notice.decided_on for notice in decision.notices),
            ),
        )
        for event in changes.events:
            payload = event.payload
            said = payload.read() if isinstance(payload, Written) else payload
            self._topic.publish(self.account.debtor_id, said)
        for item in decision.items:
            self._nature.note(f"{item.invoice_id}: {item.level} asked for, try {item.attempt}")

    def hold(self, invoice_id: str, days: float) -> None:
        """A person stops one invoice for some days."""
        now = self._nature.now().astimezone(UTC)
        number = UUID(int=self._nature.chance.getrandbits(64))
        placed = Hold(
            hold_id=str(number),
            invoice_ids=(invoice_id,),
            placed_at=now,
            until=now + timedelta(days=days),
        )
        self.account = replace(self.account, holds=(*self.account.holds, placed))
        self._nature.note(f"{invoice_id}: held for {days:.1f} days")
        self.wake(0.1)


def _row(level: NewLevel, notice_id: UUID) -> LevelRow:
    return LevelRow(
        tenant=level.key.tenant,
        invoice_id=level.key.invoice_id,
        level_no=level.level_no,
        try_no=level.try_no,
        debtor_id=level.debtor_id,
        level=level.level,
        notice_id=notice_id,
        decided_at=level.decided_at,
        decided_on=level.decided_on,
        outcome=level.outcome,
        reason=level.reason,
        served_at=level.served_at,
        channels={channel: ChannelNews(state="pending") for channel in level.channels},
        needs=level.needs,
        charges=level.charges,
        in_flight=True,
        revoked=False,
        returns=0,
        time_source="real",
    )
