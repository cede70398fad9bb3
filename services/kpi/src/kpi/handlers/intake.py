"""Events in the contracts' terms become facts in this service's terms.

Pure translation; an event that says nothing about figures becomes no fact, only a date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from dunning_common.consumer import Consumed
from dunning_common.events.dunning import (
    LevelServedV1,
    NoticeRequested,
    NoticeRequestedV1,
    NoticeRequestedV2,
    NoticeRequestedV3,
)
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.notifications import (
    NoticeBouncedV1,
    NoticeBouncedV2,
    NoticeDeliveredV1,
    NoticeDeliveredV2,
    NoticeFailedV1,
    NoticeFailedV2,
    NoticeReturnedV1,
    NoticeReturnedV2,
    NoticeSentV1,
    NoticeSentV2,
    NoticeSuppressedV1,
    NoticeSuppressedV2,
    NoticeUnknownV1,
    NoticeUnknownV2,
    NotificationsEvent,
)
from dunning_common.events.receivables import (
    ChargePaidV1,
    ChargePaymentUndoneV1,
    ChargePostedV1,
    ChargeWaivedV1,
    CreditNoteAllocatedV1,
    InvoiceAmendedV1,
    InvoiceCancelledV1,
    InvoiceEvent,
    InvoiceIssuedV1,
    InvoiceWrittenOffV1,
    PaymentAllocatedV1,
    PaymentReversedV1,
    UnallocatedCashChangedV1,
)
from dunning_common.events.tenants import TenantRegisteredV1
from kpi.domain.facts import (
    CashFact,
    ContactFact,
    InvoiceFact,
    LevelFact,
    MessageFact,
    Move,
    NoticeFact,
    Outcome,
)
from kpi.domain.histories import FactSet

_MOVES: Final[dict[type, Move]] = {
    InvoiceIssuedV1: Move.ISSUED,
    InvoiceAmendedV1: Move.AMENDED,
    InvoiceCancelledV1: Move.CANCELLED,
    InvoiceWrittenOffV1: Move.WRITTEN_OFF,
    PaymentAllocatedV1: Move.PAID,
    PaymentReversedV1: Move.REVERSED,
    ChargePaidV1: Move.PAID,
    ChargePaymentUndoneV1: Move.REVERSED,
    CreditNoteAllocatedV1: Move.CREDITED,
    ChargePostedV1: Move.CHARGED,
    ChargeWaivedV1: Move.WAIVED,
}
_OUTCOMES: Final[dict[type, Outcome]] = {
    NoticeSentV1: Outcome.SENT,
    NoticeSentV2: Outcome.SENT,
    NoticeDeliveredV1: Outcome.DELIVERED,
    NoticeDeliveredV2: Outcome.DELIVERED,
    NoticeBouncedV1: Outcome.BOUNCED,
    NoticeBouncedV2: Outcome.BOUNCED,
    NoticeFailedV1: Outcome.FAILED,
    NoticeFailedV2: Outcome.FAILED,
    NoticeUnknownV1: Outcome.UNKNOWN,
    NoticeUnknownV2: Outcome.UNKNOWN,
    NoticeSuppressedV1: Outcome.SUPPRESSED,
    NoticeSuppressedV2: Outcome.SUPPRESSED,
    NoticeReturnedV1: Outcome.RETURNED,
    NoticeReturnedV2: Outcome.RETURNED,
}
_CONTACTING: Final = frozenset({Outcome.SENT, Outcome.DELIVERED})


@dataclass(slots=True)
class Seen:
    """The latest business day and instant that events of a tenant named."""

    on: date | None = None
    at: datetime | None = None

    def day(self, on: date) -> None:
        """Take note of a business day."""
        self.on = on if self.on is None else max(self.on, on)

    def instant(self, at: datetime) -> None:
        """Take note of an instant of the tenant's clock."""
        self.at = at if self.at is None else max(self.at, at)


@dataclass(slots=True, kw_only=True)
class Intake:
    """Everything that a batch of events says."""

    registered: dict[str, TenantRegisteredV1] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    facts: FactSet = field(default_factory=FactSet)

    @property
    def tenants(self) -> list[str]:
        """Every tenant that the batch speaks of, in the order in which they are locked."""
        return sorted(self.seen)


def take_in(events: Iterable[Consumed]) -> Intake:
    """Sort a batch of events into facts."""
    intake = Intake()
    for event in events:
        _take(intake, event)
    return intake


def _take(intake: Intake, event: Consumed) -> None:
    seen = intake.seen.setdefault(event.envelope.tenant, Seen())
    _TAKERS.get(type(event.payload), _take_instant)(intake, seen, event.envelope, event.payload)


def _take_invoice(intake: Intake, seen: Seen, envelope: Envelope, payload: InvoiceEvent) -> None:
    invoice = payload.invoice
    intake.facts.invoices.append(
        InvoiceFact(
            tenant=envelope.tenant,
            invoice_id=invoice.invoice_id,
            version=invoice.version,
            sequence=envelope.sequence,
            move=_MOVES[type(payload)],
            effective_on=payload.effective_on,
            debtor_id=invoice.debtor_id,
            currency=invoice.currency,
            due_on=invoice.due_on,
            amount_minor=invoice.amount_minor,
            open_minor=invoice.open_minor,
            charges_open_minor=invoice.charges_open_minor,
            is_paid=invoice.status == "paid",
        )
    )
    seen.day(payload.effective_on)


def _take_message(
    intake: Intake, seen: Seen, envelope: Envelope, payload: NotificationsEvent
) -> None:
    outcome = _OUTCOMES[type(payload)]
    intake.facts.messages.append(
        MessageFact(
            tenant=envelope.tenant,
            notice_id=payload.notice_id,
            message_id=payload.message_id,
            outcome=outcome,
            level=payload.level,
            level_no=payload.level_no,
            channel=payload.channel,
        )
    )
    if outcome in _CONTACTING:
        intake.facts.contacts.extend(
            ContactFact(
                tenant=envelope.tenant,
                invoice_id=invoice_id,
                message_id=payload.message_id,
                level=payload.level,
                level_no=payload.level_no,
                channel=payload.channel,
                contacted_at=payload.effective_at,
            )
            for invoice_id in payload.invoice_ids
        )
    seen.instant(payload.effective_at)


def _take_notice(intake: Intake, seen: Seen, envelope: Envelope, payload: NoticeRequested) -> None:
    if payload.items:
        intake.facts.notices.append(
            NoticeFact(
                tenant=envelope.tenant,
                notice_id=payload.notice_id,
                currency=payload.items[0].currency,
                decided_at=payload.decided_at,
            )
        )
    seen.instant(payload.decided_at)


def _take_level(intake: Intake, seen: Seen, envelope: Envelope, payload: LevelServedV1) -> None:
    intake.facts.levels.append(
        LevelFact(
            tenant=envelope.tenant,
            invoice_id=payload.invoice_id,
            level=payload.level,
            level_no=payload.level_no,
            served_at=payload.effective_at,
        )
    )
    seen.instant(payload.effective_at)


def _take_cash(
    intake: Intake, seen: Seen, envelope: Envelope, payload: UnallocatedCashChangedV1
) -> None:
    intake.facts.cash.append(
        CashFact(
            tenant=envelope.tenant,
            debtor_id=payload.debtor_id,
            currency=payload.currency,
            sequence=envelope.sequence,
            effective_on=payload.effective_on,
            unallocated_minor=payload.unallocated_minor,
        )
    )
    seen.day(payload.effective_on)


def _take_tenant(intake: Intake, _: Seen, envelope: Envelope, payload: TenantRegisteredV1) -> None:
    intake.registered[envelope.tenant] = payload


def _take_instant(_: Intake, seen: Seen, __: Envelope, payload: Payload) -> None:
    """Whatever else happened (holds, cases, charges assessed) only says how late it is."""
    at = getattr(payload, "effective_at", None)
    if isinstance(at, datetime):
        seen.instant(at)


_Taker = Callable[[Intake, Seen, Envelope, Any], None]
_TAKERS: Final[dict[type, _Taker]] = {
    **dict.fromkeys(_MOVES, _take_invoice),
    **dict.fromkeys(_OUTCOMES, _take_message),
    NoticeRequestedV1: _take_notice,
    NoticeRequestedV2: _take_notice,
    NoticeRequestedV3: _take_notice,
    LevelServedV1: _take_level,
    UnallocatedCashChangedV1: _take_cash,
    TenantRegisteredV1: _take_tenant,
}
