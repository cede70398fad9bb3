"""Takes over what debtors corrected about themselves: the ledger owns names and addresses.

A correction is opened with the debtor's key and told on as every change of contacts is. Nothing is
decided here; whether a correction had to be checked by a person was decided before it was told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox, vault
from dunning_common.events.contacts import ContactCorrection
from dunning_common.events.responses import ContactCorrectedV1
from invoice_ingest.domain.debtor import Address, Contact, Debtor, DebtorKey, keep
from invoice_ingest.handlers.keep_debtors import save_kept
from invoice_ingest.handlers.ports import SOURCE, Desk


class CorrectionError(ValueError):
    """A correction that does not fit the ledger; the consumer parks it."""


async def correct_contacts(
    desk: Desk, connection: AsyncConnection, told: Sequence[tuple[str, ContactCorrectedV1]]
) -> None:
    """Apply (tenant, correction) pairs, in order, inside the consumer's transaction.

    One about a debtor that was erased meanwhile is dropped: there is nobody to correct.

    Raises:
        CorrectionError: the debtor is not known.
        VaultError: the correction does not open with the debtor's key.
    """
    by_tenant: defaultdict[str, list[ContactCorrectedV1]] = defaultdict(list)
    for tenant, correction in told:
        by_tenant[tenant].append(correction)
    for tenant, corrections in sorted(by_tenant.items()):
        ids = {correction.debtor_id for correction in corrections}
        stored = await desk.debtors.load(connection, tenant, ids)
        keys = await desk.debtors.keys(connection, [(tenant, i) for i in sorted(ids)])
        kept = keep(_corrected(tenant, corrections, stored, keys), stored)
        events = await save_kept(desk, connection, tenant, kept)
        await outbox.append(connection, events, source=SOURCE)


def _corrected(
    tenant: str,
    corrections: Sequence[ContactCorrectedV1],
    stored: dict[str, Debtor],
    keys: dict[tuple[str, str], DebtorKey],
) -> list[Debtor]:
    """The debtors after each correction, in order."""
    now, after = dict(stored), []
    for correction in corrections:
        debtor = now.get(correction.debtor_id)
        if debtor is None:
            raise CorrectionError(
                f"response {correction.response_id} corrects a debtor that is not known here"
            )
        if debtor.contact is None:
            continue
        clear = vault.open_personal(
            keys[tenant, debtor.debtor_id].key,
            correction.ciphertext,
            tenant=tenant,
            debtor_id=debtor.debtor_id,
        )
        said = ContactCorrection.model_validate_json(clear, extra="ignore")
        mended = replace(debtor, contact=_mended(debtor.contact, said))
        now[debtor.debtor_id] = mended
        after.append(mended)
    return after


def _mended(contact: Contact, said: ContactCorrection) -> Contact:
    address = said.address
    return Contact(
        name=said.name or contact.name,
        emails=contact.emails if said.emails is None else said.emails,
        phones=contact.phones if said.phones is None else said.phones,
        address=contact.address
        if address is None
        else Address(
            lines=address.lines,
            postcode=address.postcode,
            city=address.city,
            country=address.country,
        ),
    )
