"""A story told in events, for tests and for showing the pages: what the others would publish.

Keeps just enough of a ledger to number versions and sequences and to carry open amounts; it checks
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from dunning_common.consumer import Consumed
from dunning_common.events.contacts import PostalAddress
from dunning_common.events.dunning import (
    AnyChannel,
    LevelServedV1,
    NoticeItemV2,
    NoticeMessageV2,
    NoticeRequestedV2,
)
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.notifications import (
    NoticeBouncedV2,
    NoticeDeliveredV2,
    NoticeFailedV2,
    NoticeReturnedV2,
    NoticeSentV2,
    NoticeSuppressedV2,
    NoticeUnknownV2,
)
from dunning_common.events.receivables import (
    ChargePaidV1,
    ChargePaymentUndoneV1,
    ChargePostedV1,
    ChargeWaivedV1,
    CreditNoteAllocatedV1,
    InvoiceAmendedV1,
    InvoiceCancelledV1,
    InvoiceIssuedV1,
    InvoiceState,
    InvoiceWrittenOffV1,
    PaymentAllocatedV1,
    PaymentReversedV1,
    UnallocatedCashChangedV1,
)
from dunning_common.events.tenants import BankDetails, LegalIdentity, TenantRegisteredV1
from dunning_common.ids import account_key, name_id
from kpi.domain.facts import Outcome

_SOURCES = {
    "tenants.v1": "invoice-ingest",
    "receivables.v1": "invoice-ingest",
    "dunning.v1": "dunning-engine",
    "notifications.v1": "notifier",
}
_MESSAGES: dict[Outcome, tuple[type[Payload], dict[str, Any]]] = {
    Outcome.SENT: (
        NoticeSentV2,
        {"provider": "smtp", "provider_ref": "1", "sha256": "0" * 64},
    ),
    Outcome.DELIVERED: (NoticeDeliveredV2, {"provider": "smtp"}),
    Outcome.BOUNCED: (
        NoticeBouncedV2,
        {"provider": "smtp", "reason": "no such user", "hard": True},
    ),
    Outcome.FAILED: (NoticeFailedV2, {"reason": "refused"}),
    Outcome.UNKNOWN: (NoticeUnknownV2, {"reason": "connection lost"}),
    Outcome.SUPPRESSED: (NoticeSuppressedV2, {"reason": "no_address"}),
    Outcome.RETURNED: (NoticeReturnedV2, {"reason": "paid", "refused_invoice_ids": ()}),
}


class Story:
    """Events of one tenant in the order in which they were told: `events`."""

    def __init__(self, tenant: str = "acme", *, debtor_id: str = "D-1") -> None:
        """Args: the tenant, and the debtor of whatever names none."""
        self.tenant = tenant
        self.debtor_id = debtor_id
        self.events: list[Consumed] = []
        self._sequences: dict[tuple[str, str], int] = {}
        self._invoices: dict[str, InvoiceState] = {}
        self._numbers = count(1)

    def register(
        self,
        *,
        zone: str = "Europe/Paris",
        currency: str = "EUR",
        sandbox: bool = True,
        starts_on: date | None = None,
        name: str = "Acme SAS",
    ) -> Story:
        """The tenant is set up, or changed."""
        payload = TenantRegisteredV1(
            tenant_id=self.tenant,
            name=name,
            country="FR",
            zone=zone,
            language="fr",
            base_currency=currency,
            legal=LegalIdentity(
                legal_name=name, address=PostalAddress(lines=("1 rue du Port",), country="FR")
            ),
            bank=BankDetails(holder=name, iban="FR7630006000011234567890189"),
            email_from="billing@example.com",
            sandbox=sandbox,
            sandbox_starts_on=starts_on,
        )
        return self._tell(payload, key=self.tenant)

    def issue(
        self,
        invoice_id: str,
        amount_minor: int,
        *,
        on: date,
        due_on: date,
        currency: str = "EUR",
        debtor_id: str | None = None,
    ) -> Story:
        """A new invoice."""
        self._invoices[invoice_id] = InvoiceState(
            invoice_id=invoice_id,
            debtor_id=debtor_id or self.debtor_id,
            number=invoice_id,
            issued_on=on,
            due_on=due_on,
            currency=currency,
            amount_minor=amount_minor,
            open_minor=amount_minor,
            status="open" if amount_minor else "paid",
            revision=1,
            version=1,
        )
        return self._invoice(InvoiceIssuedV1, invoice_id, on)

    def amend(
        self,
        invoice_id: str,
        *,
        on: date,
        amount_minor: int | None = None,
        due_on: date | None = None,
    ) -> Story:
        """Another amount or due date; what was paid stays paid."""
        before = self._invoices[invoice_id]
        amount = before.amount_minor if amount_minor is None else amount_minor
        covered_minor = before.amount_minor - before.open_minor
        self._change(
            invoice_id,
            open_minor=max(0, amount - covered_minor),
            amount_minor=amount,
            due_on=due_on or before.due_on,
        )
        return self._invoice(InvoiceAmendedV1, invoice_id, on)

    def pay(self, invoice_id: str, amount_minor: int | None = None, *, on: date) -> Story:
        """A payment of all that is open, or of part of it."""
        before = self._invoices[invoice_id]
        paid = before.open_minor if amount_minor is None else amount_minor
        self._change(invoice_id, open_minor=before.open_minor - paid)
        return self._invoice(
            PaymentAllocatedV1, invoice_id, on, payment_id=self._number(), amount_minor=paid
        )

    def reverse(self, invoice_id: str, amount_minor: int, *, on: date) -> Story:
        """A payment bounced."""
        self._change(invoice_id, open_minor=self.open_minor(invoice_id) + amount_minor)
        return self._invoice(
            PaymentReversedV1,
            invoice_id,
            on,
            payment_id=self._number(),
            amount_minor=amount_minor,
        )

    def credit(self, invoice_id: str, amount_minor: int, *, on: date) -> Story:
        """A credit note."""
        self._change(invoice_id, open_minor=self.open_minor(invoice_id) - amount_minor)
        return self._invoice(
            CreditNoteAllocatedV1,
            invoice_id,
            on,
            credit_note_id=self._number(),
            amount_minor=amount_minor,
        )

    def cancel(self, invoice_id: str, *, on: date) -> Story:
        """Nothing is owed any more."""
        self._change(invoice_id, open_minor=0, status="cancelled")
        return self._invoice(InvoiceCancelledV1, invoice_id, on)

    def write_off(self, invoice_id: str, *, on: date) -> Story:
        """The rest is given up."""
        rest = self.open_minor(invoice_id)
        self._change(invoice_id, open_minor=0, status="written_off")
        return self._invoice(InvoiceWrittenOffV1, invoice_id, on, amount_minor=rest)

    def charge(self, invoice_id: str, amount_minor: int, *, on: date) -> Story:
        """Interest beside the principal."""
        before = self._invoices[invoice_id]
        self._change(
            invoice_id,
            open_minor=before.open_minor,
            charges_open_minor=before.charges_open_minor + amount_minor,
        )
        return self._invoice(
            ChargePostedV1,
            invoice_id,
            on,
            charge_id=self._number(),
            kind="interest",
            amount_minor=amount_minor,
        )

    def waive(self, invoice_id: str, amount_minor: int, *, on: date) -> Story:
        """So much of what was charged is given up."""
        before = self._invoices[invoice_id]
        self._change(
            invoice_id,
            open_minor=before.open_minor,
            charges_open_minor=before.charges_open_minor - amount_minor,
        )
        return self._invoice(
            ChargeWaivedV1,
            invoice_id,
            on,
            charge_id=self._number(),
            kind="fee",
            amount_minor=amount_minor,
            reason="goodwill",
        )

    def pay_charge(self, invoice_id: str, amount_minor: int, *, on: date) -> Story:
        """A payment of so much of what was charged."""
        before = self._invoices[invoice_id]
        rest = before.charges_open_minor - amount_minor
        self._change(invoice_id, open_minor=before.open_minor, charges_open_minor=rest)
        return self._invoice(
            ChargePaidV1,
            invoice_id,
            on,
            payment_id=self._number(),
            charge_id=self._number(),
            kind="interest",
            amount_minor=amount_minor,
            charge_open_minor=rest,
        )

    def unpay_charge(
        self, invoice_id: str, amount_minor: int, *, on: date, covered_on: date
    ) -> Story:
        """That payment bounced."""
        before = self._invoices[invoice_id]
        owed = before.charges_open_minor + amount_minor
        self._change(invoice_id, open_minor=before.open_minor, charges_open_minor=owed)
        return self._invoice(
            ChargePaymentUndoneV1,
            invoice_id,
            on,
            payment_id=self._number(),
            charge_id=self._number(),
            kind="interest",
            amount_minor=amount_minor,
            charge_open_minor=owed,
            covered_on=covered_on,
            cause="payment_reversed",
        )

    def cash(self, unallocated_minor: int, *, on: date, currency: str = "EUR") -> Story:
        """So much of the debtor's money covers no invoice now."""
        payload = UnallocatedCashChangedV1(
            debtor_id=self.debtor_id,
            currency=currency,
            unallocated_minor=unallocated_minor,
            effective_on=on,
        )
        return self._tell(payload, key=account_key(self.tenant, self.debtor_id))

    def open_minor(self, invoice_id: str) -> int:
        """What is owed now."""
        return self._invoices[invoice_id].open_minor

    def remind(
        self,
        invoice_ids: Sequence[str],
        *,
        level: str = "first_reminder",
        level_no: int = 2,
        at: datetime | date,
        channels: Sequence[AnyChannel] = ("email",),
        outcomes: Sequence[Outcome] = (Outcome.SENT,),
    ) -> Story:
        """A notice is decided, each of its messages meets `outcomes`, and the level is served.

        A day stands for eight in the morning UTC.
        """
        instant = at if isinstance(at, datetime) else datetime.combine(at, time(8), UTC)
        debtor_id = self._invoices[invoice_ids[0]].debtor_id
        key = account_key(self.tenant, debtor_id)
        notice_id = name_id(self.tenant, level, str(level_no), instant.isoformat(), *invoice_ids)
        self._tell(
            self._notice(notice_id, debtor_id, invoice_ids, level, level_no, instant, channels),
            key=key,
        )
        for channel in channels:
            for outcome in outcomes:
                self._tell(
                    _message(
                        outcome,
                        notice_id=notice_id,
                        message_id=name_id(str(notice_id), channel),
                        debtor_id=debtor_id,
                        channel=channel,
                        level=level,
                        level_no=level_no,
                        invoice_ids=tuple(invoice_ids),
                        recipient_hash="0" * 16,
                        effective_at=instant,
                    ),
                    key=key,
                )
        for invoice_id in invoice_ids:
            self._tell(
                LevelServedV1(
                    debtor_id=debtor_id,
                    invoice_id=invoice_id,
                    level=level,
                    level_no=level_no,
                    notice_id=notice_id,
                    effective_at=instant,
                ),
                key=key,
            )
        return self

    def _notice(
        self,
        notice_id: UUID,
        debtor_id: str,
        invoice_ids: Sequence[str],
        level: str,
        level_no: int,
        at: datetime,
        channels: Sequence[AnyChannel],
    ) -> NoticeRequestedV2:
        states = [self._invoices[invoice_id] for invoice_id in invoice_ids]
        return NoticeRequestedV2(
            notice_id=notice_id,
            debtor_id=debtor_id,
            decided_at=at,
            zone="Europe/Paris",
            policy_id="france-b2b",
            policy_version=1,
            decision_id=name_id("decision", str(notice_id)),
            items=tuple(
                NoticeItemV2(
                    invoice_id=state.invoice_id,
                    number=state.number,
                    level=level,
                    level_no=level_no,
                    issued_on=state.issued_on,
                    due_on=state.due_on,
                    days_late=(at.date() - state.due_on).days,
                    currency=state.currency,
                    amount_minor=state.amount_minor,
                    open_minor=state.open_minor,
                    version=state.version,
                )
                for state in states
            ),
            messages=tuple(
                NoticeMessageV2(
                    channel=channel,
                    template=level,
                    level=level,
                    level_no=level_no,
                    invoice_ids=tuple(invoice_ids),
                )
                for channel in channels
            ),
        )

    def _change(self, invoice_id: str, *, open_minor: int, **changes: Any) -> None:
        before = self._invoices[invoice_id]
        settled = {"status": "open" if open_minor else "paid", "open_minor": open_minor}
        self._invoices[invoice_id] = before.model_copy(
            update={"version": before.version + 1} | settled | changes
        )

    def _invoice(self, event: type[Payload], invoice_id: str, on: date, **extra: Any) -> Story:
        state = self._invoices[invoice_id]
        return self._tell(
            event.model_validate({"invoice": state, "effective_on": on} | extra),
            key=account_key(self.tenant, state.debtor_id),
        )

    def _number(self) -> str:
        return f"N-{next(self._numbers)}"

    def _tell(self, payload: Payload, *, key: str) -> Story:
        place = (payload.topic, key)
        self._sequences[place] = self._sequences.get(place, 0) + 1
        envelope = Envelope(
            type=type(payload).__name__,
            source=_SOURCES[payload.topic],
            subject=key,
            tenant=self.tenant,
            key=key,
            sequence=self._sequences[place],
            data=payload.model_dump(mode="json"),
        )
        self.events.append(Consumed(envelope, payload))
        return self


def _message(outcome: Outcome, **common: Any) -> Payload:
    event, extra = _MESSAGES[outcome]
    return event.model_validate(common | extra)


def set_k(story: Story, *, year: int = 2026) -> Story:
    """Three months of trade with round figures, to check formulas by.

    150,000 open on 31 December; sales of 100,000, 80,000 and 120,000; 180,000 open on 31 March, of
    which 50,000 overdue: 25,000 up to 30 days, 15,000 to 60, 7,000 to 90 and 3,000 longer.
    """
    end = date(year, 3, 31)
    aged = ((15, 25_000), (45, 15_000), (75, 7_000), (120, 3_000))
    past = date(year - 1, 11, 15)
    story.issue("old-paid", 14_700_000, on=past, due_on=date(year - 1, 12, 15))
    story.issue("old-open", 300_000, on=past, due_on=end - timedelta(days=aged[3][0]))
    story.issue("jan-open", 700_000, on=date(year, 1, 5), due_on=end - timedelta(days=aged[2][0]))
    story.issue("jan-paid", 9_300_000, on=date(year, 1, 15), due_on=date(year, 2, 14))
    story.issue("feb-open", 1_500_000, on=date(year, 2, 2), due_on=end - timedelta(days=aged[1][0]))
    story.issue("feb-next", 1_000_000, on=date(year, 2, 10), due_on=date(year, 4, 10))
    story.issue("feb-part", 5_500_000, on=date(year, 2, 20), due_on=date(year, 4, 20))
    story.issue("mar-open", 2_500_000, on=date(year, 3, 1), due_on=end - timedelta(days=aged[0][0]))
    story.issue("mar-next", 9_500_000, on=date(year, 3, 10), due_on=date(year, 4, 9))
    story.pay("old-paid", on=date(year, 1, 20))
    story.pay("jan-paid", on=date(year, 2, 14))
    story.pay("feb-part", 3_000_000, on=date(year, 3, 20))
    return story
