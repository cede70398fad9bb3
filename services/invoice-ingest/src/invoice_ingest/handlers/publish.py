"""Translates the ledger's private facts into the published contracts. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from dunning_common.events.envelope import Payload
from dunning_common.events.receivables import (
    ChargePaidV1,
    ChargePaymentUndoneV1,
    ChargePostedV1,
    ChargeWaivedV1,
    CreditNoteAllocatedV1,
    DebtorTermsChangedV1,
    InvoiceAmendedV1,
    InvoiceCancelledV1,
    InvoiceIssuedV1,
    InvoiceState,
    InvoiceWrittenOffV1,
    PaymentAllocatedV1,
    PaymentReversedV1,
    UnallocatedCashChangedV1,
)
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from invoice_ingest.domain.debtor import Debtor
from invoice_ingest.domain.fact import (
    CashChanged,
    ChargeFact,
    ChargePaid,
    ChargePaymentUndone,
    ChargePosted,
    ChargeWaived,
    CreditAllocated,
    Fact,
    InvoiceAmended,
    InvoiceCancelled,
    InvoiceFact,
    InvoiceIssued,
    InvoiceWrittenOff,
    PaymentReversed,
)
from invoice_ingest.domain.invoice import Invoice


def outgoing(facts: Sequence[Fact]) -> list[Outgoing]:
    """Facts as events, in order, each under the key of its account."""
    return [_cash(fact) if isinstance(fact, CashChanged) else _invoice(fact) for fact in facts]


def terms_changed(tenant: str, debtor: Debtor) -> Outgoing:
    """What deciding needs to know about a debtor."""
    terms = debtor.terms
    payload = DebtorTermsChangedV1(
        debtor_id=debtor.debtor_id,
        kind=terms.kind,
        country=terms.country,
        region=terms.region,
        zone=terms.zone,
        language=terms.language,
        segment=terms.segment,
        risk=terms.risk,
        policy_id=terms.policy_id,
        tags=terms.tags,
    )
    return about_debtor(payload, tenant, debtor.debtor_id)


def about_debtor(payload: Payload, tenant: str, debtor_id: str) -> Outgoing:
    """An event about a debtor, under its account's key."""
    return Outgoing(
        payload=payload, tenant=tenant, key=account_key(tenant, debtor_id), subject=debtor_id
    )


def _cash(fact: CashChanged) -> Outgoing:
    payload = UnallocatedCashChangedV1(
        debtor_id=fact.debtor_id,
        currency=fact.currency,
        unallocated_minor=fact.unallocated_minor,
        effective_on=fact.effective_on,
    )
    return about_debtor(payload, fact.tenant, fact.debtor_id)


def _invoice(fact: InvoiceFact) -> Outgoing:
    invoice = fact.invoice
    return Outgoing(
        payload=_payload(fact, _state(invoice)),
        tenant=invoice.tenant,
        key=account_key(invoice.tenant, invoice.debtor_id),
        subject=invoice.invoice_id,
    )


def _payload(fact: InvoiceFact, state: InvoiceState) -> Payload:  # noqa: PLR0911 -- one a fact
    on = fact.effective_on
    match fact:
        case InvoiceIssued():
            return InvoiceIssuedV1(invoice=state, effective_on=on)
        case InvoiceAmended():
            return InvoiceAmendedV1(invoice=state, effective_on=on)
        case InvoiceCancelled():
            return InvoiceCancelledV1(invoice=state, effective_on=on, reason=fact.reason)
        case InvoiceWrittenOff():
            return InvoiceWrittenOffV1(
                invoice=state, effective_on=on, amount_minor=fact.amount_minor, reason=fact.reason
            )
        case CreditAllocated():
            return _allocated(fact, state)
        case PaymentReversed():
            return PaymentReversedV1(
                invoice=state,
                effective_on=on,
                payment_id=fact.payment_id,
                amount_minor=fact.amount_minor,
                covered_on=fact.covered_on,
                reason=fact.reason,
            )
        case ChargePosted() | ChargeWaived() | ChargePaid() | ChargePaymentUndone():
            return _about_charge(fact, state)
        case never:
            assert_never(never)


def _about_charge(fact: ChargeFact, state: InvoiceState) -> Payload:
    on = fact.effective_on
    match fact:
        case ChargePosted():
            return ChargePostedV1(
                invoice=state,
                effective_on=on,
                charge_id=fact.charge_id,
                kind=fact.kind,
                amount_minor=fact.amount_minor,
            )
        case ChargeWaived():
            return ChargeWaivedV1(
                invoice=state,
                effective_on=on,
                charge_id=fact.charge_id,
                kind=fact.kind,
                amount_minor=fact.amount_minor,
                reason=fact.reason,
            )
        case ChargePaid():
            return ChargePaidV1(
                invoice=state,
                effective_on=on,
                payment_id=fact.payment_id,
                charge_id=fact.charge_id,
                kind=fact.kind,
                amount_minor=fact.amount_minor,
                charge_open_minor=fact.charge_open_minor,
            )
        case ChargePaymentUndone():
            return ChargePaymentUndoneV1(
                invoice=state,
                effective_on=on,
                payment_id=fact.payment_id,
                charge_id=fact.charge_id,
                kind=fact.kind,
                amount_minor=fact.amount_minor,
                charge_open_minor=fact.charge_open_minor,
                covered_on=fact.covered_on,
                cause=fact.cause,
                reason=fact.reason,
            )
        case never:
            assert_never(never)


def _allocated(fact: CreditAllocated, state: InvoiceState) -> Payload:
    match fact.key.kind:
        case "payment":
            return PaymentAllocatedV1(
                invoice=state,
                effective_on=fact.effective_on,
                payment_id=fact.key.credit_id,
                amount_minor=fact.amount_minor,
            )
        case "credit_note":
            return CreditNoteAllocatedV1(
                invoice=state,
                effective_on=fact.effective_on,
                credit_note_id=fact.key.credit_id,
                amount_minor=fact.amount_minor,
            )
        case never:
            assert_never(never)


def _state(invoice: Invoice) -> InvoiceState:
    return InvoiceState(
        invoice_id=invoice.invoice_id,
        debtor_id=invoice.debtor_id,
        number=invoice.number,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        currency=invoice.currency,
        amount_minor=invoice.amount_minor,
        open_minor=invoice.open_minor,
        charges_open_minor=invoice.charges_open_minor,
        status=invoice.status,
        settled_on=invoice.settled_on,
        revision=invoice.revision,
        version=invoice.version,
        policy_id=invoice.policy_id,
        tags=invoice.tags,
    )
