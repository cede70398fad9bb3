"""Policies that use everything at once, and the ledger that makes facts, for the model tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from dunning_common.events.receivables import (
    ChargePostedV1,
    CreditNoteAllocatedV1,
    InvoiceAmendedV1,
    InvoiceCancelledV1,
    InvoiceEvent,
    InvoiceIssuedV1,
    InvoiceState,
    InvoiceWrittenOffV1,
    PaymentAllocatedV1,
    PaymentReversedV1,
)
from dunning_common.values import replace
from dunning_engine.domain.conditions import Conditions
from dunning_engine.domain.fees import Fee
from dunning_engine.domain.policy import ContactBudget, Level, Policy
from tests.unit.dunning_engine.builders import FRANCE
from tests.unit.dunning_engine.slow_model import moves_of

TENANT = "acme"
ONE_DAY = timedelta(days=1)


def _level(code: str, number: int, days: int, **more: Any) -> Level:
    usual = {"channels": ("email",), "template": "first_reminder"}
    return Level(code=code, level_no=number, threshold_days=days, **(usual | more))


_FORMAL = {
    "channels": ("registered_letter", "email"),
    "template": "formal_notice",
    "charges": frozenset({"interest", "compensation"}),
    "beyond_budget": True,
}
_END = {"channels": (), "template": None, "final": "agency"}

LADDER = Policy(
    policy_id="ladder",
    version=1,
    name="Everything",
    country="FR",
    grace_days=6,
    max_attempts=2,
    resume_days=3,
    quiet_after_payment_days=4,
    budget=ContactBudget(max_contacts=2, days=7, quiet_days=1),
    unmatched_receipts="hold",
    separate_tags=frozenset({"vip"}),
    levels=(
        _level("courtesy", 1, -4, template="courtesy"),
        _level("first", 2, 5, fallback=("letter",), minimum_minor=(("EUR", 1500),)),
        _level("friendly", 3, 9, gap_days=3, when=Conditions(invoices_at_least=2)),
        _level(
            "second",
            4,
            14,
            gap_days=4,
            counting="business_days",
            when=Conditions(debtor_minimum_minor=(("EUR", 3000),)),
            otherwise="wait",
        ),
        _level(
            "call",
            5,
            20,
            gap_days=6,
            needs_approval=True,
            credit_block=True,
            fee=Fee(fixed_minor=(("EUR", 500),), percent=Decimal("1.5")),
        ),
        _level("formal", 6, 30, gap_days=8, **_FORMAL),
        _level("hand_over", 7, 45, gap_days=10, **_END),
    ),
)
LADDER_2 = replace(
    LADDER,
    version=2,
    budget=None,
    served_when="delivered",
    delivery_days=9,
    levels=(
        _level("courtesy", 1, -2, template="courtesy"),
        _level("first", 2, 7, fallback=("sms", "letter")),
        _level("second", 3, 12, gap_days=5),
        _level("demand", 4, 25, gap_days=8, needs_approval=True, template="final_demand"),
        _level("formal", 5, 40, gap_days=12, **_FORMAL),
        _level("hand_over", 6, 60, gap_days=7, **_END),
    ),
)
EACH = Policy(
    policy_id="each",
    version=1,
    name="An own notice for every invoice",
    country="FR",
    weekdays=frozenset({1, 3, 5}),
    opens=time(9, 30),
    closes=time(16),
    observe_holidays=False,
    consolidation="invoice",
    payment_feed_hours=72,
    budget=ContactBudget(max_contacts=3, days=10),
    levels=(
        _level("a", 1, 40, anchor="invoice_date", fee=Fee(fixed_minor=(("EUR", 300),))),
        _level("b", 2, 10, anchor="end_of_month", gap_days=2, counting="business_days"),
        _level("c", 3, 9, anchor="previous_level", needs_approval=True),
        _level("d", 4, 20, gap_days=5, **_END | {"final": "write_off"}),
    ),
)
PLAIN = FRANCE
MODEL_POLICIES = {policy.key: policy for policy in (LADDER, LADDER_2, EACH, PLAIN)}


@dataclass
class Entry:
    """One invoice in the books, and everything that was said about it."""

    state: InvoiceState
    events: list[InvoiceEvent] = field(default_factory=list)


@dataclass
class Books:
    """A small ledger: says what happened as events, each with the invoice as it is afterwards."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def issue(self, invoice_id: str, **facts: Any) -> InvoiceEvent:
        state = InvoiceState(
            invoice_id=invoice_id,
            debtor_id="d1",
            number=invoice_id,
            open_minor=facts["amount_minor"],
            status="open",
            revision=1,
            version=1,
            **facts,
        )
        self.entries[invoice_id] = Entry(state)
        return self._say(invoice_id, InvoiceIssuedV1, state.issued_on)

    def pay(self, invoice_id: str, amount: int, on: date, *, credit: bool = False) -> InvoiceEvent:
        entry = self.entries[invoice_id]
        left = entry.state.open_minor - amount
        status = "open" if left else "paid"
        more: dict[str, Any] = {"amount_minor": amount}
        more |= {"credit_note_id": "c"} if credit else {"payment_id": "p"}
        kind = CreditNoteAllocatedV1 if credit else PaymentAllocatedV1
        return self._say(invoice_id, kind, on, more, open_minor=left, status=status)

    def reverse(self, invoice_id: str, on: date) -> InvoiceEvent | None:
        """The last payment bounces: on its own value date, if need be, but after those of others.

        Which of several payments valued afterwards bounced is nothing that the event could tell.
        """
        entry = self.entries[invoice_id]
        moves = moves_of(entry.events)
        live = [move for move in moves if move[2] is None]
        if not live or entry.state.status not in ("open", "paid"):
            return None
        amount = live[-1][1]
        on = max([on, *(move[0] + ONE_DAY for move in moves if move is not live[-1])])
        more = {"payment_id": "p", "amount_minor": amount}
        owed = entry.state.open_minor + amount
        return self._say(invoice_id, PaymentReversedV1, on, more, open_minor=owed, status="open")

    def amend(self, invoice_id: str, on: date, **facts: Any) -> InvoiceEvent:
        return self._say(invoice_id, InvoiceAmendedV1, on, **facts)

    def cancel(self, invoice_id: str, on: date) -> InvoiceEvent:
        return self._say(invoice_id, InvoiceCancelledV1, on, open_minor=0, status="cancelled")

    def write_off(self, invoice_id: str, on: date) -> InvoiceEvent:
        more = {"amount_minor": self.entries[invoice_id].state.open_minor}
        return self._say(
            invoice_id, InvoiceWrittenOffV1, on, more, open_minor=0, status="written_off"
        )

    def charge(self, invoice_id: str, on: date, kind: str, amount: int) -> InvoiceEvent:
        state = self.entries[invoice_id].state
        more = {"charge_id": "x", "kind": kind, "amount_minor": amount}
        owed = state.charges_open_minor + amount
        return self._say(invoice_id, ChargePostedV1, on, more, charges_open_minor=owed)

    def _say(
        self,
        invoice_id: str,
        kind: type[Any],
        on: date,
        more: dict[str, Any] | None = None,
        **changes: Any,
    ) -> InvoiceEvent:
        entry = self.entries[invoice_id]
        if entry.events:
            changes["version"] = entry.state.version + 1
        entry.state = entry.state.model_copy(update=changes)
        event: InvoiceEvent = kind(invoice=entry.state, effective_on=on, **(more or {}))
        entry.events.append(event)
        return event
