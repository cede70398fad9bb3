"""Record what the other services say: tenants, debtors' terms, invoices, news of notices.

Decides nothing: facts are written and the accounts they touch are woken, so that the sweeper
decides from present facts. Duplicates and another order of events end in the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Protocol

from dunning_common.consumer import Consumed
from dunning_common.events.contacts import ContactsChangedV1
from dunning_common.events.notifications import NotificationsEvent
from dunning_common.events.receivables import (
    ChargePaidV1,
    ChargePaymentUndoneV1,
    ChargePostedV1,
    ChargeWaivedV1,
    DebtorTermsChangedV1,
    InvoiceAmendedV1,
    InvoiceEvent,
    InvoiceIssuedV1,
    InvoiceState,
    PaymentReversedV1,
    UnallocatedCashChangedV1,
)
from dunning_common.events.responses import ChannelOptedInV1, ContactCorrectedV1, Response
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.outbox import Outgoing
from dunning_common.values import replace
from dunning_engine.domain.case import Balance
from dunning_engine.handlers.fold_notifications import Folded, News, fold_notifications
from dunning_engine.records import AccountKey, CaseKey, InvoiceFacts, LevelRow, NoticeKey

ONE_DAY = timedelta(days=1)


class FactStore(Protocol):
    """Where facts lie. Every method is a constant number of statements for any number of rows."""

    async def register_tenants(self, tenants: Sequence[TenantRegisteredV1]) -> None:
        """Write tenants, start sandbox clocks, and wake the accounts that waited for them."""
        ...

    async def lock_accounts(self, keys: Sequence[AccountKey]) -> None:
        """Make sure that the accounts exist, and lock them in their order."""
        ...

    async def save_terms(self, terms: Mapping[AccountKey, DebtorTermsChangedV1]) -> None:
        """Write the debtors' terms; the last ones win."""
        ...

    async def save_cash(self, cash: Mapping[tuple[AccountKey, str], int]) -> None:
        """Write the debtors' money that covers no invoice, by currency (minor units)."""
        ...

    async def load_invoices(self, keys: Sequence[CaseKey]) -> list[InvoiceFacts]:
        """What is known of these invoices."""
        ...

    async def save_invoices(self, invoices: Sequence[InvoiceFacts]) -> None:
        """Write invoices; a row of a later version stays as it is."""
        ...

    async def wake(self, keys: Sequence[AccountKey], *, settling: AbstractSet[AccountKey]) -> None:
        """Have the accounts decided at the next opportunity, each on its tenant's clock.

        Those that are `settling` may wait a moment for more of the same.
        """
        ...


class NewsStore(Protocol):
    """Where notices lie, and what follows from news of other kinds."""

    async def load_levels(self, notices: Sequence[NoticeKey]) -> list[LevelRow]:
        """Every item of these notices."""
        ...

    async def save_folded(self, folded: Folded) -> None:
        """Write what the news changed."""
        ...

    async def forget_failures(self, keys: Sequence[AccountKey]) -> None:
        """New contacts: what failed for lack of an address may be tried again."""
        ...

    async def charges_posted(self, charges: Sequence[tuple[str, str]]) -> None:
        """The ledger booked these charges (tenant, charge id)."""
        ...

    async def charges_moved(self, open_minor: Mapping[tuple[str, str], int]) -> None:
        """So much is still owed of these charges (tenant, charge id), in minor units."""
        ...

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox; the last thing in the transaction."""
        ...


@dataclass(slots=True)
class Batch:
    """Consumed events, sorted by what they are about; the last one of a kind wins.

    `urgent` accounts were touched by more than their debtor's terms and new invoices.
    """

    tenants: dict[str, TenantRegisteredV1] = field(default_factory=dict)
    terms: dict[AccountKey, DebtorTermsChangedV1] = field(default_factory=dict)
    cash: dict[tuple[AccountKey, str], int] = field(default_factory=dict)
    invoices: list[tuple[str, InvoiceEvent]] = field(default_factory=list)
    charges: list[tuple[str, str]] = field(default_factory=list)
    charges_open: dict[tuple[str, str], int] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    contacts: set[AccountKey] = field(default_factory=set)
    touched: set[AccountKey] = field(default_factory=set)
    urgent: set[AccountKey] = field(default_factory=set)


async def record_facts(facts: FactStore, notices: NewsStore, events: Sequence[Consumed]) -> None:
    """Record a batch of events in the caller's transaction."""
    batch = sort_out(events)
    if batch.tenants:
        await facts.register_tenants([batch.tenants[tenant] for tenant in sorted(batch.tenants)])
    if not batch.touched:
        return
    await facts.lock_accounts(sorted(batch.touched))
    if batch.terms:
        await facts.save_terms(batch.terms)
    if batch.cash:
        await facts.save_cash(batch.cash)
    moved = await _record_invoices(facts, batch)
    if batch.charges:
        await notices.charges_posted(batch.charges)
    if batch.charges_open:
        await notices.charges_moved(batch.charges_open)
    if batch.contacts:
        await notices.forget_failures(sorted(batch.contacts))
    folded = await _record_news(notices, batch.news)
    woken = batch.touched | moved
    await facts.wake(sorted(woken), settling=woken - batch.urgent - moved)
    if folded:
        await notices.emit(folded.events)


def sort_out(events: Iterable[Consumed]) -> Batch:
    """Which events say what. Events that mean nothing to the engine are left out."""
    batch = Batch()
    for event in events:
        tenant, payload = event.envelope.tenant, event.payload
        if isinstance(payload, TenantRegisteredV1):
            batch.tenants[tenant] = payload
        elif isinstance(payload, DebtorTermsChangedV1):
            key = AccountKey(tenant, payload.debtor_id)
            batch.terms[key] = payload
            batch.touched.add(key)
        elif isinstance(payload, UnallocatedCashChangedV1):
            key = AccountKey(tenant, payload.debtor_id)
            batch.cash[key, payload.currency] = payload.unallocated_minor
            batch.touched.add(key)
            batch.urgent.add(key)
        elif isinstance(payload, InvoiceEvent):
            _sort_out_invoice(batch, tenant, payload)
        elif isinstance(payload, NotificationsEvent):
            key = AccountKey(tenant, payload.debtor_id)
            batch.news.append(News(envelope=event.envelope, payload=payload))
            batch.touched.add(key)
            batch.urgent.add(key)
        elif isinstance(payload, Response | ContactsChangedV1):
            _sort_out_debtor(batch, AccountKey(tenant, payload.debtor_id), payload)
    return batch


def _sort_out_invoice(batch: Batch, tenant: str, payload: InvoiceEvent) -> None:
    key = AccountKey(tenant, payload.invoice.debtor_id)
    batch.invoices.append((tenant, payload))
    batch.touched.add(key)
    if not isinstance(payload, InvoiceIssuedV1):
        batch.urgent.add(key)
    match payload:
        case ChargePostedV1():
            batch.charges.append((tenant, payload.charge_id))
            batch.charges_open[tenant, payload.charge_id] = payload.amount_minor
        case ChargePaidV1() | ChargePaymentUndoneV1():
            batch.charges_open[tenant, payload.charge_id] = payload.charge_open_minor
        case ChargeWaivedV1():
            batch.charges_open[tenant, payload.charge_id] = 0
        case _:
            pass


def _sort_out_debtor(batch: Batch, key: AccountKey, payload: Response | ContactsChangedV1) -> None:
    """What a debtor says itself; what is made of an answer is `take_responses`' business."""
    batch.touched.add(key)
    if isinstance(payload, Response):
        batch.urgent.add(key)
    if isinstance(payload, ContactsChangedV1 | ContactCorrectedV1 | ChannelOptedInV1):
        batch.contacts.add(key)


def fold_invoices(
    known: Iterable[InvoiceFacts], events: Iterable[tuple[str, InvoiceEvent]]
) -> list[InvoiceFacts]:
    """The invoices that the events change; an event no newer than its row changes nothing."""
    rows = {row.key: row for row in known}
    changed: dict[CaseKey, InvoiceFacts] = {}
    for tenant, event in events:
        key = CaseKey(tenant, event.invoice.invoice_id)
        before = rows.get(key)
        if before is None or event.invoice.version > before.version:
            rows[key] = changed[key] = _after(tenant, before, event)
    return list(changed.values())


async def _record_invoices(facts: FactStore, batch: Batch) -> set[AccountKey]:
    """Write the invoices; returns the accounts that an invoice left for another debtor."""
    if not batch.invoices:
        return set()
    keys = {CaseKey(tenant, event.invoice.invoice_id) for tenant, event in batch.invoices}
    known = await facts.load_invoices(sorted(keys))
    changed = fold_invoices(known, batch.invoices)
    await facts.save_invoices(changed)
    owners = {row.key: row.debtor_id for row in changed}
    return {
        AccountKey(row.tenant, row.debtor_id)
        for row in known
        if owners.get(row.key, row.debtor_id) != row.debtor_id
    }


async def _record_news(notices: NewsStore, news: Sequence[News]) -> Folded | None:
    if not news:
        return None
    keys = {NoticeKey(item.envelope.tenant, item.payload.notice_id) for item in news}
    folded = fold_notifications(await notices.load_levels(sorted(keys)), news)
    await notices.save_folded(folded)
    return folded


def _after(tenant: str, before: InvoiceFacts | None, event: InvoiceEvent) -> InvoiceFacts:
    invoice = event.invoice
    return InvoiceFacts(
        tenant=tenant,
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
        version=invoice.version,
        wanted_policy_id=invoice.policy_id,
        tags=invoice.tags,
        balances=_balances(before, event, invoice),
    )


def _balances(
    before: InvoiceFacts | None, event: InvoiceEvent, invoice: InvoiceState
) -> tuple[Balance, ...]:
    """The history of the principal after the event; empty while it never moved."""
    if before is None:
        if invoice.open_minor == invoice.amount_minor:
            return ()
        first = Balance(since=invoice.issued_on, open_minor=invoice.amount_minor)
        return _moved((first,), invoice.open_minor - invoice.amount_minor, event.effective_on)
    delta = invoice.open_minor - before.open_minor
    if delta == 0:
        return before.balances
    history = before.balances or (Balance(since=before.issued_on, open_minor=before.open_minor),)
    match event:
        case InvoiceAmendedV1():  # the amount was wrong from the first day on
            return tuple(replace(b, open_minor=max(b.open_minor + delta, 0)) for b in history)
        case PaymentReversedV1():  # owed again on the day on which the payment bounced
            since = _bounced_on(history, delta, event)
            moved = _moved(history, delta, since - ONE_DAY)
            most = invoice.amount_minor
            return tuple(replace(b, open_minor=min(b.open_minor, most)) for b in moved)
        case _:
            return _moved(history, delta, event.effective_on)


def _bounced_on(history: tuple[Balance, ...], delta: int, event: PaymentReversedV1) -> date:
    """The day from which a bounced payment is owed again: not before it counted at all.

    A payment counts from the day after its value date. One that bounced by then never did, and
    owing it again from that day would ask for more than the invoice. Where the event does not name
    the value date, the last payment that fits is taken.
    """
    on = event.effective_on
    if event.covered_on:
        return max(on, event.covered_on + ONE_DAY)
    counted = (
        after.since
        for before, after in pairwise(history)
        if after.since > on and before.open_minor - after.open_minor >= delta
    )
    return max(counted, default=on)


def _moved(history: tuple[Balance, ...], delta: int, on: date) -> tuple[Balance, ...]:
    """`delta` counts from the day after `on`, also where later entries were written before."""
    since = max(on + ONE_DAY, history[0].since)
    earlier = [b for b in history if b.since < since]
    later = [b for b in history if b.since >= since]
    if not later or later[0].since != since:
        base = earlier[-1].open_minor if earlier else 0
        later.insert(0, Balance(since=since, open_minor=base))
    shifted = [replace(b, open_minor=max(b.open_minor + delta, 0)) for b in later]
    return (*earlier, *shifted)
