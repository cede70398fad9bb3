"""Takes the rows of an import: debtor, invoice and payment of a row together, or nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from invoice_ingest.domain import documents, posting
from invoice_ingest.domain.book import Book, Needs
from invoice_ingest.domain.credit import CreditDraft
from invoice_ingest.domain.debtor import Debtor, keep
from invoice_ingest.domain.invoice import InvoiceDraft
from invoice_ingest.domain.outcome import Outcome, Refusal, Status
from invoice_ingest.domain.touched import Touched
from invoice_ingest.handlers import publish
from invoice_ingest.handlers.attempt import attempt
from invoice_ingest.handlers.keep_debtors import save_kept
from invoice_ingest.handlers.ports import SOURCE, Desk
from invoice_ingest.handlers.post_orders import (
    credit_needs,
    invoice_needs,
    open_book,
    touched,
)

RecordName = Literal["debtor", "invoice", "payment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDraft:
    """What a row says, as drafts."""

    debtor: Debtor | None = None
    invoice: InvoiceDraft | None = None
    payment: CreditDraft | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """What came of a row; when `refused` is set, nothing of the row was taken."""

    statuses: dict[RecordName, Status]
    refused: tuple[RecordName, Refusal] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One outcome per row, and what the acknowledgement speaks of."""

    rows: list[RowOutcome]
    touched: Touched


class _Undone(Exception):  # noqa: N818 -- not an error: the way out of a transaction
    """Ends a trial without storing anything."""

    def __init__(self, imported: Imported) -> None:
        super().__init__()
        self.imported = imported


async def import_rows(
    desk: Desk,
    tenant: str,
    rows: Sequence[RowDraft],
    *,
    update_debtors: bool,
    commit: bool,
) -> Imported:
    """Take rows in one transaction.

    Args:
        desk: what the ledger works with.
        tenant: whose rows.
        rows: what the file says.
        update_debtors: whether a row changes a debtor that is known already.
        commit: False tries everything and stores nothing.
    """

    async def transaction() -> Imported:
        async with desk.db.tenant(tenant) as connection:
            imported = await _import(desk, connection, tenant, rows, update_debtors=update_debtors)
            if not commit:
                raise _Undone(imported)
        return imported

    try:
        return await attempt(transaction)
    except _Undone as undone:
        return undone.imported


async def _import(
    desk: Desk,
    connection: AsyncConnection,
    tenant: str,
    rows: Sequence[RowDraft],
    *,
    update_debtors: bool,
) -> Imported:
    book = await open_book(desk, connection, tenant, _needs(rows))
    ids = {row.debtor.debtor_id for row in rows if row.debtor}
    stored = await desk.debtors.load(connection, tenant, ids)
    accepted: dict[str, Debtor] = {}
    outcomes = [
        _post_row(book, row, stored=stored, accepted=accepted, update_debtors=update_debtors)
        for row in rows
    ]
    events = await save_kept(desk, connection, tenant, keep(list(accepted.values()), stored))
    await desk.books.save(connection, book)
    events += publish.outgoing(book.facts)
    await outbox.append(connection, events, source=SOURCE)
    documents_ = (o for row in outcomes for name, o in row.statuses.items() if name != "debtor")
    return Imported(rows=outcomes, touched=touched(book, set(documents_)))


def _needs(rows: Sequence[RowDraft]) -> Needs:
    invoices = invoice_needs([row.invoice for row in rows if row.invoice])
    credits_ = credit_needs([row.payment for row in rows if row.payment])
    debtors = frozenset(row.debtor.debtor_id for row in rows if row.debtor)
    return Needs(
        accounts=invoices.accounts | credits_.accounts | debtors,
        invoices=invoices.invoices | credits_.invoices,
        open_of=credits_.open_of,
        charges_of=invoices.charges_of,
        shrinking=invoices.shrinking,
        credits=credits_.credits,
        documents=invoices.documents,
    )


def _post_row(
    book: Book,
    row: RowDraft,
    *,
    stored: dict[str, Debtor],
    accepted: dict[str, Debtor],
    update_debtors: bool,
) -> RowOutcome:
    """Post a row's records one after the other; the first refusal takes all of them back."""
    mark = book.mark()
    statuses: dict[RecordName, Status] = {}
    if row.debtor is not None:
        outcome = _debtor(row.debtor, stored, accepted, update_debtors=update_debtors)
        if isinstance(outcome, Refusal):
            return RowOutcome(statuses={}, refused=("debtor", outcome))
        statuses["debtor"] = outcome
        if row.debtor.debtor_id not in book.debtors:
            book.put_debtor(row.debtor.debtor_id, country=row.debtor.terms.country)
    steps: list[tuple[RecordName, Outcome]] = []
    if row.invoice is not None:
        steps.append(("invoice", documents.put_invoice(book, row.invoice)))
    if row.payment is not None and not any(isinstance(o, Refusal) for _, o in steps):
        steps.append(("payment", posting.put_credit(book, row.payment)))
    for name, outcome in steps:
        if isinstance(outcome, Refusal):
            book.back_to(mark)
            return RowOutcome(statuses={}, refused=(name, outcome))
        statuses[name] = outcome
    if row.debtor is not None and statuses["debtor"] is not Status.UNCHANGED:
        accepted[row.debtor.debtor_id] = row.debtor
    return RowOutcome(statuses=statuses)


def _debtor(
    draft: Debtor,
    stored: dict[str, Debtor],
    accepted: dict[str, Debtor],
    *,
    update_debtors: bool,
) -> Outcome:
    """What a row does to its debtor: by default an import makes debtors, but changes none."""
    known = accepted.get(draft.debtor_id) or stored.get(draft.debtor_id)
    if known is not None and not update_debtors and not known.is_erased:
        return Status.UNCHANGED
    return keep([draft], {} if known is None else {draft.debtor_id: known}).outcomes[0]
