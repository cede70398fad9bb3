"""A ledger that writes events as the real one does, and its feed. Keeps everything in memory."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import httpx

from dunning_common.events import receivables as ledger
from dunning_common.events.contacts import ContactsChangedV1, PostalAddress
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.registry import parse_payload
from dunning_common.events.tenants import BankDetails, LegalIdentity, TenantRegisteredV1
from dunning_common.feed import FeedClient
from dunning_common.ids import account_key

FEED_TOPICS = ("tenants.v1", "receivables.v1", "contacts.v1", "notifications.v1", "responses.v1")


class Ledger:
    """Writes the ledger's events for one tenant, with versions and sequences as the ledger does."""

    def __init__(self, tenant: str = "acme", *, zone: str = "Europe/Paris") -> None:
        self.tenant = tenant
        self.zone = zone
        self.invoices: dict[str, ledger.InvoiceState] = {}
        self._sequences: defaultdict[tuple[str, str], int] = defaultdict(int)

    def registered(
        self,
        *,
        sandbox_from: date | None = None,
        country: str = "FR",
        payments_fresh_until: datetime | None = None,
    ) -> Envelope:
        """The tenant, as a sandbox when it has a first day."""
        payload = TenantRegisteredV1(
            tenant_id=self.tenant,
            name="Acme SARL",
            country=country,
            zone=self.zone,
            language="fr",
            base_currency="EUR",
            legal=LegalIdentity(
                legal_name="Acme", address=PostalAddress(lines=("1 rue de la Paix",), country="FR")
            ),
            bank=BankDetails(holder="Acme", iban="FR7630006000011234567890189"),
            email_from="ar@acme.example",
            sandbox=sandbox_from is not None,
            sandbox_starts_on=sandbox_from,
            payments_fresh_until=payments_fresh_until,
        )
        return self._envelope(payload, self.tenant, self.tenant)

    def debtor(self, debtor_id: str = "d1", **terms: Any) -> Envelope:
        """A debtor's terms: a French business unless said otherwise."""
        fields = {"kind": "business", "country": "FR", "zone": "Europe/Paris", "language": "fr"}
        payload = ledger.DebtorTermsChangedV1(debtor_id=debtor_id, **(fields | terms))
        return self._about(payload, debtor_id, debtor_id)

    def contacts(self, debtor_id: str = "d1") -> Envelope:
        """New contacts of a debtor."""
        payload = ContactsChangedV1(debtor_id=debtor_id, key_id="k", ciphertext="")
        return self._about(payload, debtor_id, debtor_id)

    def invoice(
        self,
        invoice_id: str = "i1",
        *,
        debtor_id: str = "d1",
        issued_on: date,
        due_on: date,
        amount_minor: int = 100_00,
        currency: str = "EUR",
        **more: Any,
    ) -> Envelope:
        """A new invoice."""
        state = ledger.InvoiceState(
            invoice_id=invoice_id,
            debtor_id=debtor_id,
            number=f"N-{invoice_id}",
            issued_on=issued_on,
            due_on=due_on,
            currency=currency,
            amount_minor=amount_minor,
            open_minor=amount_minor,
            status="open",
            revision=1,
            version=1,
            **more,
        )
        self.invoices[invoice_id] = state
        event = ledger.InvoiceIssuedV1(invoice=state, effective_on=issued_on)
        return self._about(event, debtor_id, invoice_id)

    def unallocated(self, amount_minor: int, debtor_id: str = "d1", *, on: date) -> Envelope:
        """Money that covers no invoice yet, as it stands now."""
        payload = ledger.UnallocatedCashChangedV1(
            debtor_id=debtor_id, currency="EUR", unallocated_minor=amount_minor, effective_on=on
        )
        return self._about(payload, debtor_id, debtor_id)

    def paid(
        self, invoice_id: str = "i1", *, on: date, amount_minor: int | None = None
    ) -> Envelope:
        """A payment of all that is open, or of a part."""
        before = self.invoices[invoice_id]
        paid_minor = before.open_minor if amount_minor is None else amount_minor
        open_minor = before.open_minor - paid_minor
        state = self._moved(
            invoice_id,
            open_minor=open_minor,
            status="open" if open_minor else "paid",
            settled_on=None if open_minor else on,
        )
        event = ledger.PaymentAllocatedV1(
            invoice=state, effective_on=on, payment_id=f"p-{state.version}", amount_minor=paid_minor
        )
        return self._about(event, state.debtor_id, invoice_id)

    def reversed(
        self, invoice_id: str = "i1", *, on: date, covered_on: date | None = None
    ) -> Envelope:
        """The payment bounced: everything is owed again."""
        before = self.invoices[invoice_id]
        state = self._moved(
            invoice_id, open_minor=before.amount_minor, status="open", settled_on=None
        )
        event = ledger.PaymentReversedV1(
            invoice=state,
            effective_on=on,
            payment_id="p",
            amount_minor=before.amount_minor,
            covered_on=covered_on,
        )
        return self._about(event, state.debtor_id, invoice_id)

    def amended(self, invoice_id: str = "i1", *, on: date, **changes: Any) -> Envelope:
        """A newer revision."""
        state = self._moved(invoice_id, **changes)
        event = ledger.InvoiceAmendedV1(invoice=state, effective_on=on)
        return self._about(event, state.debtor_id, invoice_id)

    def charged(self, charge_id: UUID, invoice_id: str = "i1") -> Envelope:
        """The ledger booked a charge."""
        state = self._moved(invoice_id)
        event = ledger.ChargePostedV1(
            invoice=state,
            effective_on=state.issued_on,
            charge_id=str(charge_id),
            kind="interest",
            amount_minor=1,
        )
        return self._about(event, state.debtor_id, invoice_id)

    def booked(self, assessed: Mapping[str, Any]) -> Envelope:
        """The ledger booked a charge just as the engine assessed it (the event's data)."""
        invoice_id, amount_minor = assessed["invoice_id"], assessed["amount_minor"]
        owed_minor = self.invoices[invoice_id].charges_open_minor + amount_minor
        state = self._moved(invoice_id, charges_open_minor=owed_minor)
        event = ledger.ChargePostedV1(
            invoice=state,
            effective_on=state.issued_on,
            charge_id=str(assessed["charge_id"]),
            kind=assessed["kind"],
            amount_minor=amount_minor,
        )
        return self._about(event, state.debtor_id, invoice_id)

    def gave_up(self, withdrawn: Mapping[str, Any], *, amount_minor: int, on: date) -> Envelope:
        """The ledger gave up so much of a charge that the engine withdrew (the event's data)."""
        invoice_id = withdrawn["invoice_id"]
        owed_minor = self.invoices[invoice_id].charges_open_minor - amount_minor
        event = ledger.ChargeWaivedV1(
            invoice=self._moved(invoice_id, charges_open_minor=owed_minor),
            effective_on=on,
            charge_id=str(withdrawn["charge_id"]),
            kind=withdrawn["kind"],
            amount_minor=amount_minor,
            reason=withdrawn["reason"],
        )
        return self._about(event, withdrawn["debtor_id"], invoice_id)

    def waived(self, invoice_id: str = "i1", *, on: date) -> Envelope:
        """The ledger gave up all that was charged."""
        before = self.invoices[invoice_id]
        event = ledger.ChargeWaivedV1(
            invoice=self._moved(invoice_id, charges_open_minor=0),
            effective_on=on,
            charge_id="c",
            kind="fee",
            amount_minor=before.charges_open_minor,
            reason="goodwill",
        )
        return self._about(event, before.debtor_id, invoice_id)

    def charge_paid(
        self, invoice_id: str = "i1", *, on: date, amount_minor: int | None = None
    ) -> Envelope:
        """A payment of all that is owed of charges, or of a part."""
        before = self.invoices[invoice_id]
        paid_minor = before.charges_open_minor if amount_minor is None else amount_minor
        rest = before.charges_open_minor - paid_minor
        event = ledger.ChargePaidV1(
            invoice=self._moved(invoice_id, charges_open_minor=rest),
            effective_on=on,
            payment_id="p",
            charge_id="c",
            kind="interest",
            amount_minor=paid_minor,
            charge_open_minor=rest,
        )
        return self._about(event, before.debtor_id, invoice_id)

    def charge_unpaid(
        self, invoice_id: str = "i1", *, on: date, covered_on: date, amount_minor: int
    ) -> Envelope:
        """The payment of a charge bounced."""
        owed = self.invoices[invoice_id].charges_open_minor + amount_minor
        event = ledger.ChargePaymentUndoneV1(
            invoice=self._moved(invoice_id, charges_open_minor=owed),
            effective_on=on,
            payment_id="p",
            charge_id="c",
            kind="interest",
            amount_minor=amount_minor,
            charge_open_minor=owed,
            covered_on=covered_on,
            cause="payment_reversed",
        )
        return self._about(event, event.invoice.debtor_id, invoice_id)

    def cancelled(self, invoice_id: str = "i1", *, on: date) -> Envelope:
        """A cancellation."""
        state = self._moved(invoice_id, open_minor=0, status="cancelled", settled_on=on)
        event = ledger.InvoiceCancelledV1(invoice=state, effective_on=on)
        return self._about(event, state.debtor_id, invoice_id)

    def _moved(self, invoice_id: str, **changes: Any) -> ledger.InvoiceState:
        before = self.invoices[invoice_id]
        state = before.model_copy(update={**changes, "version": before.version + 1})
        self.invoices[invoice_id] = state
        return state

    def _about(self, payload: Payload, debtor_id: str, subject: str) -> Envelope:
        return self._envelope(payload, account_key(self.tenant, debtor_id), subject)

    def _envelope(self, payload: Payload, key: str, subject: str) -> Envelope:
        self._sequences[payload.topic, key] += 1
        return Envelope(
            type=type(payload).__name__,
            source="invoice-ingest",
            subject=subject,
            tenant=self.tenant,
            key=key,
            sequence=self._sequences[payload.topic, key],
            data=payload.model_dump(mode="json"),
        )


class FakeFeed:
    """The feeds of ledger and notifier, as far as a consumer can tell: heads and replay."""

    def __init__(self) -> None:
        self.events: defaultdict[tuple[str, str], list[Envelope]] = defaultdict(list)

    def add(self, envelope: Envelope) -> None:
        """Keep an event; its sequence must be the next of its key."""
        self.events[parse_payload(envelope).topic, envelope.key].append(envelope)

    def next_sequence(self, envelope: Envelope) -> int:
        """The sequence that an event of this topic and key must have."""
        return len(self.events[parse_payload(envelope).topic, envelope.key]) + 1

    def clients(self) -> dict[str, FeedClient]:
        """A feed client per topic."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return {topic: FeedClient("http://feed.test", "token", http) for topic in FEED_TOPICS}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        if request.url.path.endswith("/heads"):
            return httpx.Response(200, json=self._heads(asked))
        found = [
            envelope
            for key, after in sorted(asked["after"].items())
            for envelope in self.events[asked["topic"], key]
            if envelope.sequence > after
        ]
        events = b",".join(envelope.to_bytes() for envelope in found)
        return httpx.Response(200, content=b'{"events":[' + events + b'],"more":false}')

    def _heads(self, asked: dict[str, Any]) -> dict[str, Any]:
        heads = {
            key: len(events)
            for (topic, key), events in self.events.items()
            if topic == asked["topic"]
            and events
            and (asked["keys"] is None or key in asked["keys"])
            and asked["tenant"] in (None, events[0].tenant)
        }
        return {"heads": heads, "txid": 1, "next_key": None}
