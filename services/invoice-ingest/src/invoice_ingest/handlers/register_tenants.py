"""Registers tenants: who the creditor is. The last telling wins, but a sandbox stays one."""

from __future__ import annotations

from dunning_common import outbox
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.outbox import Outgoing
from invoice_ingest.domain.outcome import Flaw, Outcome, Status, conflict
from invoice_ingest.handlers.attempt import attempt
from invoice_ingest.handlers.ports import SOURCE, Desk


async def register_tenant(desk: Desk, profile: TenantRegisteredV1) -> Outcome:
    """Register a tenant or change what was registered."""
    tenant = profile.tenant_id

    async def transaction() -> Outcome:
        async with desk.db.tenant(tenant) as connection:
            stored = await desk.tenants.profile(connection, tenant, lock=True)
            if stored == profile:
                return Status.UNCHANGED
            if stored is not None and stored.sandbox != profile.sandbox:
                return conflict(
                    "sandbox-fixed",
                    "A tenant is a sandbox from its first day or never.",
                    Flaw(pointer="/sandbox", detail="register another tenant"),
                )
            await desk.tenants.put(connection, profile)
            event = Outgoing(payload=profile, tenant=tenant, key=tenant, subject=tenant)
            await outbox.append(connection, [event], source=SOURCE)
            return Status.CREATED if stored is None else Status.UPDATED

    return await attempt(transaction)
