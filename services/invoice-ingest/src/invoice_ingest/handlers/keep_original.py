"""Keep the original document of an invoice, sealed with its debtor's key; hand documents out.

A document is no fact of dunning: nothing is published, no version moves.
"""

from __future__ import annotations

from collections.abc import Collection

from dunning_common import vault
from invoice_ingest.domain.original import Original, Sheet
from invoice_ingest.domain.outcome import Status
from invoice_ingest.domain.permit import InvoiceRef
from invoice_ingest.handlers.ports import Desk


class NoSuchInvoiceError(LookupError):
    """There is no such invoice."""


class DebtorErasedError(LookupError):
    """The debtor was erased: no document of it is kept any more."""


async def keep_original(desk: Desk, tenant: str, invoice_id: str, document: Original) -> Status:
    """Keep a document; the same again is unchanged, another one replaces it.

    Raises:
        NoSuchInvoiceError: not in the ledger.
        DebtorErasedError: there is no key to seal it with.
    """
    async with desk.db.tenant(tenant) as connection:
        sheet = await desk.originals.sheet(connection, tenant, invoice_id)
        if sheet is None:
            raise NoSuchInvoiceError(invoice_id)
        debtor = (tenant, sheet.debtor_id)
        key = (await desk.debtors.keys(connection, {debtor})).get(debtor)
        if key is None:
            raise DebtorErasedError(sheet.debtor_id)
        kept = await desk.originals.kept(connection, tenant, sheet)
        if kept == (document.sha256, document.file_name):
            return Status.UNCHANGED
        sealed = vault.seal(key.key, document.content, context=_context(tenant, sheet))
        await desk.originals.put(connection, tenant, sheet, document, sealed)
    return Status.UPDATED if kept else Status.CREATED


async def drop_original(desk: Desk, tenant: str, invoice_id: str) -> None:
    """Forget a document; there may be none.

    Raises:
        NoSuchInvoiceError: not in the ledger.
    """
    async with desk.db.tenant(tenant) as connection:
        sheet = await desk.originals.sheet(connection, tenant, invoice_id)
        if sheet is None:
            raise NoSuchInvoiceError(invoice_id)
        await desk.originals.drop(connection, tenant, sheet)


async def read_originals(
    desk: Desk, invoices: Collection[InvoiceRef], *, bytes_max: int
) -> tuple[dict[InvoiceRef, Original], list[InvoiceRef]]:
    """Documents of invoices of any tenant, in the order asked for, as far as there is room.

    Those that are missing or erased are not spoken of.

    Returns:
        The documents, and the invoices whose document had no room: it was not even read.
    """
    async with desk.db.worker() as connection:
        listed = await desk.originals.listed(connection, invoices)
        keys = await desk.debtors.keys(
            connection, {(found.asked[0], found.sheet.debtor_id) for found in listed}
        )
        chosen: list[InvoiceRef] = []
        left_out: list[InvoiceRef] = []
        for found in listed:
            if (found.asked[0], found.sheet.debtor_id) not in keys:
                continue
            if found.size_bytes > bytes_max:
                left_out.append(found.asked)
                continue
            bytes_max -= found.size_bytes
            chosen.append(found.asked)
        sealed = await desk.originals.read(connection, chosen) if chosen else []
    opened = {
        found.asked: Original(
            file_name=found.file_name,
            media_type=found.media_type,
            content=vault.unseal(
                keys[found.asked[0], found.sheet.debtor_id].key,
                found.sealed,
                context=_context(found.asked[0], found.sheet),
            ),
        )
        for found in sealed
    }
    return opened, left_out


def _context(tenant: str, sheet: Sheet) -> str:
    """All names with their borders, so that no document opens as another's."""
    names = (tenant, sheet.debtor_id, sheet.invoice_id)
    return "original|" + "|".join(f"{len(name)}|{name}" for name in names)
