"""Notes about debtors: what was said on the phone, and what somebody should know.

Free text of people: it stays in its table, is never put into events, logs or the audit, and goes
when the debtor is erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from dunning_common.consumer import Consumed
from dunning_common.events.contacts import DebtorErasedV1
from dunning_common.ids import new_id
from dunning_engine.work_records import NoteRow


class UnknownDebtorError(LookupError):
    """Nothing is known of the debtor."""


class ForeignInvoiceError(ValueError):
    """The debtor has no such invoice."""


class NoteStore(Protocol):
    """Where notes lie."""

    async def account(
        self, tenant: str, debtor_id: str, invoice_id: str | None
    ) -> tuple[datetime, bool] | None:
        """The tenant's instant, and whether the debtor has that invoice. None: unknown debtor."""
        ...

    async def add(self, note: NoteRow) -> None:
        """Keep a note."""
        ...


class Shredder(Protocol):
    """Where notes can be destroyed."""

    async def forget(self, keys: Sequence[tuple[str, str]]) -> None:
        """Delete every note about debtors (tenant, debtor)."""
        ...


async def forget_erased(store: Shredder, events: Sequence[Consumed]) -> None:
    """Delete the notes about debtors that were erased: they may tell who somebody is."""
    keys = {
        (event.envelope.tenant, event.payload.debtor_id)
        for event in events
        if isinstance(event.payload, DebtorErasedV1)
    }
    if keys:
        await store.forget(sorted(keys))


async def write_note(
    store: NoteStore,
    *,
    tenant: str,
    debtor_id: str,
    invoice_id: str | None = None,
    words: str,
    by: str,
) -> NoteRow:
    """Keep a note about a debtor, or about one of its invoices.

    Raises:
        UnknownDebtorError: there is no such debtor.
        ForeignInvoiceError: it has no such invoice.
    """
    account = await store.account(tenant, debtor_id, invoice_id)
    if account is None:
        raise UnknownDebtorError(f"no debtor {debtor_id!r} is known here")
    now, has_it = account
    if not has_it:
        raise ForeignInvoiceError(f"the debtor has no invoice {invoice_id!r}")
    note = NoteRow(
        tenant=tenant,
        note_id=new_id(),
        debtor_id=debtor_id,
        invoice_id=invoice_id,
        words=words,
        written_at=now,
        written_by=by,
    )
    await store.add(note)
    return note
