"""Takes debtors and erases them: terms go out in clear, contacts only sealed with their key."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox, vault
from dunning_common.events.contacts import (
    Contacts,
    ContactsChangedV1,
    DebtorErasedV1,
    PostalAddress,
)
from dunning_common.ids import new_id
from dunning_common.outbox import Outgoing
from invoice_ingest.domain.debtor import Debtor, DebtorKey, Kept, erase, keep
from invoice_ingest.domain.outcome import Outcome, Status, unknown
from invoice_ingest.handlers import publish
from invoice_ingest.handlers.attempt import attempt
from invoice_ingest.handlers.ports import SOURCE, Desk, UnknownTenantError


async def keep_debtors(desk: Desk, tenant: str, drafts: Sequence[Debtor]) -> list[Outcome]:
    """Take debtors, in order; one transaction."""

    async def transaction() -> list[Outcome]:
        async with desk.db.tenant(tenant) as connection:
            if tenant not in await desk.tenants.setup(connection, [tenant]):
                raise UnknownTenantError(tenant)
            ids = {draft.debtor_id for draft in drafts}
            kept = keep(drafts, await desk.debtors.load(connection, tenant, ids))
            events = await save_kept(desk, connection, tenant, kept)
            await outbox.append(connection, events, source=SOURCE)
        return list(kept.outcomes)

    return await attempt(transaction)


async def erase_debtor(desk: Desk, tenant: str, debtor_id: str) -> Outcome:
    """Forget a person: contacts go, the key is destroyed, a tombstone is published.

    The account with its invoices stays: the law wants the books kept.
    """
    async with desk.db.tenant(tenant) as connection:
        debtor = (await desk.debtors.load(connection, tenant, [debtor_id])).get(debtor_id)
        if debtor is None:
            return unknown("debtor")
        if debtor.is_erased:
            return Status.UNCHANGED
        erased = erase(debtor)
        await desk.debtors.save(connection, tenant, [erased])
        await desk.debtors.destroy_key(connection, tenant, debtor_id)
        events = [
            publish.about_debtor(DebtorErasedV1(debtor_id=debtor_id), tenant, debtor_id),
            publish.terms_changed(tenant, erased),
        ]
        await outbox.append(connection, events, source=SOURCE)
    return Status.UPDATED


async def save_kept(
    desk: Desk, connection: AsyncConnection, tenant: str, kept: Kept
) -> list[Outgoing]:
    """Persist debtors and the keys of new ones; what to tell about them, ready for the outbox."""
    created = {i: DebtorKey(key_id=str(new_id()), key=vault.new_key()) for i in kept.created}
    await desk.debtors.save(connection, tenant, kept.debtors)
    await desk.debtors.add_keys(connection, tenant, created)
    known = await desk.debtors.keys(connection, [(tenant, i) for i in kept.retold_contacts])
    events = []
    for debtor in kept.debtors:
        if debtor.debtor_id in kept.retold_terms:
            events.append(publish.terms_changed(tenant, debtor))
        if debtor.debtor_id in kept.retold_contacts:
            events.append(_contacts_changed(tenant, debtor, known[tenant, debtor.debtor_id]))
    return events


def _contacts_changed(tenant: str, debtor: Debtor, key: DebtorKey) -> Outgoing:
    contact = debtor.contact
    if contact is None:
        raise AssertionError("an erased debtor has no contacts to tell")
    address = contact.address
    clear = Contacts(
        name=contact.name,
        language=debtor.terms.language,
        emails=contact.emails,
        phones=contact.phones,
        address=address
        and PostalAddress(
            lines=address.lines,
            postcode=address.postcode,
            city=address.city,
            country=address.country,
        ),
    )
    sealed = vault.seal_contacts(key.key, clear, tenant=tenant, debtor_id=debtor.debtor_id)
    payload = ContactsChangedV1(debtor_id=debtor.debtor_id, key_id=key.key_id, ciphertext=sealed)
    return publish.about_debtor(payload, tenant, debtor.debtor_id)
