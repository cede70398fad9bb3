"""The ledger of the simulation: invoices, payments, and the permit without which nothing is sent.

A payment is acknowledged only when no permit that was live at its booking is live any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from dunning_common.events.dunning import ChargeAssessedV1
from dunning_common.events.envelope import Payload
from dunning_common.events.receivables import (
    ChargePostedV1,
    InvoiceAmendedV1,
    InvoiceCancelledV1,
    InvoiceIssuedV1,
    InvoiceState,
    PaymentAllocatedV1,
    PaymentReversedV1,
)
from notifier.ports.ledger import Denied, Granted, LedgerUnavailableError, PermitRequest
from tests.simulation.nature import Nature
from tests.simulation.wire import Topic


@dataclass
class Change:
    """Something that happened to an invoice; `known_at` is when the sender of the fact was told."""

    invoice_id: str
    version: int
    closes: bool
    known_at: float | None = None
    waits_for: set[UUID] = field(default_factory=set)


@dataclass
class Permit:
    """A permission to send about these invoices until then."""

    until: float
    invoice_ids: frozenset[str]


class Ledger:
    """Also the port `notifier.ports.ledger.Ledger`."""

    def __init__(self, nature: Nature, topic: Topic) -> None:
        self._nature = nature
        self._topic = topic
        self.invoices: dict[str, InvoiceState] = {}
        self.changes: list[Change] = []
        self.permits_live: dict[UUID, Permit] = {}
        self.charges: set[UUID] = set()

    # --- facts

    def issue(self, state: InvoiceState) -> None:
        """A new invoice."""
        self.invoices[state.invoice_id] = state
        on = state.issued_on
        self._topic.publish(state.debtor_id, InvoiceIssuedV1(invoice=state, effective_on=on))

    def pay(self, invoice_id: str, share: float) -> None:
        """A payment of a part, or of all; booked at once."""
        state = self.invoices[invoice_id]
        if state.status != "open":
            return
        amount = max(1, int(state.open_minor * share))
        left = state.open_minor - amount
        more = {"payment_id": "p", "amount_minor": amount}
        changes = {"open_minor": left, "status": "open" if left else "paid"}
        self._change(state, PaymentAllocatedV1, changes, **more)

    def bounce(self, invoice_id: str) -> None:
        """A payment of everything comes back."""
        state = self.invoices[invoice_id]
        if state.status == "paid":
            changes = {"open_minor": state.amount_minor, "status": "open"}
            more = {"payment_id": "p", "amount_minor": state.amount_minor}
            self._change(state, PaymentReversedV1, changes, **more)

    def cancel(self, invoice_id: str) -> None:
        """Nothing is owed any more."""
        state = self.invoices[invoice_id]
        if state.status == "open":
            self._change(state, InvoiceCancelledV1, {"open_minor": 0, "status": "cancelled"})

    def amend(self, invoice_id: str, **changes: Any) -> None:
        """A correction."""
        state = self.invoices[invoice_id]
        if state.status == "open":
            self._change(state, InvoiceAmendedV1, changes)

    def hear(self, events: Sequence[Payload]) -> None:
        """The engine's decisions: charges are booked once."""
        for event in events:
            if not isinstance(event, ChargeAssessedV1) or event.charge_id in self.charges:
                continue
            self.charges.add(event.charge_id)
            state = self.invoices[event.invoice_id]
            changes = {"charges_open_minor": state.charges_open_minor + event.amount_minor}
            more = {"charge_id": "c", "kind": event.kind, "amount_minor": event.amount_minor}
            self._change(state, ChargePostedV1, changes, **more)

    def _change(
        self, before: InvoiceState, kind: type[Any], changes: dict[str, Any], /, **more: Any
    ) -> None:
        state = before.model_copy(update={**changes, "version": before.version + 1})
        self.invoices[state.invoice_id] = state
        on = self._nature.now().date()
        self._topic.publish(state.debtor_id, kind(invoice=state, effective_on=on, **more))
        change = Change(state.invoice_id, state.version, closes=state.status != "open")
        self.changes.append(change)
        self._nature.note(f"{state.invoice_id}: {kind.__name__}, version {state.version}")
        now = self._nature.loop.clock
        live = [
            permit_id
            for permit_id, permit in self.permits_live.items()
            if permit.until > now and state.invoice_id in permit.invoice_ids
        ]
        change.waits_for = set(live)
        for permit_id in live:
            until = self.permits_live[permit_id].until
            self._nature.loop.soon(until - now, lambda p=permit_id: self._gone(p))
        if self._nature.bug == "ack_without_waiting":
            change.waits_for = set()
        self._acknowledge(change)

    def _gone(self, permit_id: UUID) -> None:
        self.permits_live.pop(permit_id, None)
        for change in self.changes:
            if permit_id in change.waits_for:
                change.waits_for.discard(permit_id)
                self._acknowledge(change)

    def _acknowledge(self, change: Change) -> None:
        if not change.waits_for and change.known_at is None:
            change.known_at = self._nature.loop.clock

    # --- permits

    async def documents(self, _: Any) -> dict[Any, Any]:
        """No invoice has an original document."""
        return {}

    async def keys(self, debtors: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], bytes]:
        """Keys are not what is simulated."""
        return dict.fromkeys(debtors, b"key")

    async def permits(
        self, requests: Sequence[PermitRequest], *, lease_s: float
    ) -> Mapping[UUID, Granted | Denied]:
        """As `invoice_ingest.domain.permit` answers; sometimes late, sometimes not at all."""
        await asyncio.sleep(40 if self._nature.happens(0.02) else 0.01)
        if self._nature.happens(0.02):
            raise LedgerUnavailableError("no answer")
        answers = {request.permit_id: self._decide(request, lease_s) for request in requests}
        if self._nature.happens(0.15):  # somebody pays at the worst moment
            invoice_id = requests[0].invoices[0][0]
            share = self._nature.chance.choice([0.4, 1.0])
            self._nature.loop.soon(
                self._nature.chance.random() * 3, lambda: self.pay(invoice_id, share)
            )
        if self._nature.happens(0.02):
            raise LedgerUnavailableError("granted, but the answer is lost")
        return answers

    def _decide(self, request: PermitRequest, lease_s: float) -> Granted | Denied:
        refused = [
            (invoice_id, state.status if state.status != "open" else "changed")
            for invoice_id, version in request.invoices
            if (state := self.invoices[invoice_id]).status != "open" or state.version != version
        ]
        if self._nature.bug == "no_permit":
            return Granted(expires_in_s=lease_s)
        if refused:
            return Denied(refused=tuple(refused))
        ids = frozenset(invoice_id for invoice_id, _ in request.invoices)
        self.permits_live[request.permit_id] = Permit(self._nature.loop.clock + lease_s, ids)
        return Granted(expires_in_s=lease_s)

    async def return_permits(self, permit_ids: Collection[UUID]) -> None:
        """Payments need not wait any longer."""
        if self._nature.happens(0.1):
            return  # the call is lost: they expire
        for permit_id in permit_ids:
            self._gone(permit_id)
