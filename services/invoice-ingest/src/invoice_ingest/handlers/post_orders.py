"""Posts invoices, cancellations, write-offs, payments and credit notes to the ledger.

One call is one transaction for any number of orders. It commits; the acknowledgement towards the
caller is `grant_permits.acknowledge`, after live send permits are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from invoice_ingest.domain import documents, posting
from invoice_ingest.domain.book import Book, Loaded, Needs, TenantSetup
from invoice_ingest.domain.credit import CreditDraft
from invoice_ingest.domain.fact import CashChanged, InvoiceIssued
from invoice_ingest.domain.invoice import InvoiceDraft
from invoice_ingest.domain.outcome import Outcome, Status
from invoice_ingest.domain.touched import Touched
from invoice_ingest.handlers import publish
from invoice_ingest.handlers.attempt import attempt
from invoice_ingest.handlers.ports import SOURCE, Desk, UnknownTenantError


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What came of the orders: one outcome each, in order, and the sheet as it was stored."""

    outcomes: list[Outcome]
    book: Book

    @property
    def touched(self) -> Touched:
        """What the acknowledgement speaks of."""
        return touched(self.book, self.outcomes)


def touched(book: Book, outcomes: Collection[Outcome]) -> Touched:
    """What changed on a sheet, and whose orders changed nothing: all accounts when any did not."""
    facts = (f for f in book.facts if not isinstance(f, CashChanged | InvoiceIssued))
    is_repeat = not {Status.UNCHANGED, Status.STALE}.isdisjoint(outcomes)
    return Touched(
        invoices=frozenset(fact.invoice.invoice_id for fact in facts),
        accounts=frozenset(book.debtors) if is_repeat else frozenset(),
    )


async def post_invoices(desk: Desk, tenant: str, drafts: Sequence[InvoiceDraft]) -> Posted:
    """Take invoices, in order."""
    return await post(
        desk,
        tenant,
        invoice_needs(drafts),
        lambda book: [documents.put_invoice(book, draft) for draft in drafts],
    )


async def post_credits(desk: Desk, tenant: str, drafts: Sequence[CreditDraft]) -> Posted:
    """Take payments or credit notes, in order."""
    return await post(
        desk,
        tenant,
        credit_needs(drafts),
        lambda book: [posting.put_credit(book, draft) for draft in drafts],
    )


async def cancel_invoice(
    desk: Desk, tenant: str, invoice_id: str, *, reason: str, on: date | None
) -> Posted:
    """Cancel one invoice."""
    ids = frozenset({invoice_id})
    return await post(
        desk,
        tenant,
        Needs(owners_of=ids, invoices=ids, charges_of=ids, shrinking={invoice_id: 0}),
        lambda book: [documents.cancel_invoice(book, invoice_id, reason=reason, on=on)],
    )


async def write_off_invoice(
    desk: Desk, tenant: str, invoice_id: str, *, reason: str, on: date | None
) -> Posted:
    """Write one invoice off."""
    ids = frozenset({invoice_id})
    return await post(
        desk,
        tenant,
        Needs(owners_of=ids, invoices=ids, charges_of=ids),
        lambda book: [documents.write_off_invoice(book, invoice_id, reason=reason, on=on)],
    )


async def reverse_payment(
    desk: Desk, tenant: str, payment_id: str, *, reason: str, on: date | None
) -> Posted:
    """Take one payment back."""
    return await post(
        desk,
        tenant,
        Needs(reversals=frozenset({payment_id})),
        lambda book: [posting.reverse_payment(book, payment_id, reason=reason, on=on)],
    )


async def allocate_cash(desk: Desk, tenant: str, debtor_id: str, *, on: date | None) -> Posted:
    """Let one debtor's unallocated cash cover what is open."""
    ids = frozenset({debtor_id})
    return await post(
        desk,
        tenant,
        Needs(accounts=ids, open_of=ids, cash_of=ids),
        lambda book: [posting.allocate_cash(book, debtor_id, on=on)],
    )


def invoice_needs(drafts: Collection[InvoiceDraft]) -> Needs:
    """What taking these invoices needs to know."""
    least: dict[str, int] = {}
    added: dict[str, int] = {}
    for draft in drafts:
        known = least.get(draft.invoice_id, draft.amount_minor)
        least[draft.invoice_id] = min(known, draft.amount_minor)
        if draft.instalments:
            parts = added.get(draft.invoice_id, 0) + len(draft.instalments)
            added[draft.invoice_id] = parts
    return Needs(
        accounts=frozenset(draft.debtor_id for draft in drafts),
        invoices=frozenset(least),
        charges_of=frozenset(added),
        shrinking=least,
        documents=added,
    )


def credit_needs(drafts: Collection[CreditDraft]) -> Needs:
    """What taking these payments and credit notes needs to know."""
    return Needs(
        accounts=frozenset(draft.debtor_id for draft in drafts),
        invoices=frozenset(want.invoice_id for draft in drafts for want in draft.wanted or ()),
        open_of=frozenset(draft.debtor_id for draft in drafts if draft.wanted is None),
        credits=frozenset(draft.key for draft in drafts),
    )


async def open_book(desk: Desk, connection: AsyncConnection, tenant: str, needs: Needs) -> Book:
    """Gather: a worksheet with what the batch needs, rows locked.

    Raises:
        UnknownTenantError: the tenant was never registered.
    """
    setup = (await desk.tenants.setup(connection, [tenant])).get(tenant)
    if setup is None:
        raise UnknownTenantError(tenant)
    loaded = await desk.books.load(connection, tenant, needs)
    return make_book(desk, tenant, setup, loaded)


def make_book(desk: Desk, tenant: str, setup: TenantSetup, loaded: Loaded) -> Book:
    """A worksheet on the tenant's present day."""
    today = desk.clock.now().astimezone(ZoneInfo(setup.zone)).date()
    return Book(tenant=tenant, today=today, loaded=loaded, order=setup.order)


async def post(
    desk: Desk, tenant: str, needs: Needs, decide: Callable[[Book], list[Outcome]]
) -> Posted:
    """Gather, decide, persist, emit: one transaction, again when it lost a race.

    Raises:
        UnknownTenantError: the tenant was never registered.
    """

    async def transaction() -> Posted:
        async with desk.db.tenant(tenant) as connection:
            book = await open_book(desk, connection, tenant, needs)
            outcomes = decide(book)
            await desk.books.save(connection, book)
            await outbox.append(connection, publish.outgoing(book.facts), source=SOURCE)
        return Posted(outcomes=outcomes, book=book)

    return await attempt(transaction)
