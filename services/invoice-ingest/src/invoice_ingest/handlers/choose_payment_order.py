"""Keeps a tenant's choice of what money covers first, in what is allocated from then on."""

from __future__ import annotations

from invoice_ingest.domain.outcome import Outcome, Status
from invoice_ingest.domain.payment_order import PaymentOrder
from invoice_ingest.handlers.attempt import attempt
from invoice_ingest.handlers.ports import Desk, UnknownTenantError


async def choose_payment_order(desk: Desk, tenant: str, order: PaymentOrder) -> Outcome:
    """Change the order. What was allocated before stays where it is.

    Raises:
        UnknownTenantError: the tenant was never registered.
    """

    async def transaction() -> Outcome:
        async with desk.db.tenant(tenant) as connection:
            setup = (await desk.tenants.setup(connection, [tenant])).get(tenant)
            if setup is None:
                raise UnknownTenantError(tenant)
            if setup.order == order:
                return Status.UNCHANGED
            await desk.tenants.choose_order(connection, tenant, order)
        return Status.UPDATED

    return await attempt(transaction)


async def payment_order(desk: Desk, tenant: str) -> PaymentOrder:
    """The tenant's present choice.

    Raises:
        UnknownTenantError: the tenant was never registered.
    """
    async with desk.db.tenant(tenant) as connection:
        setup = (await desk.tenants.setup(connection, [tenant])).get(tenant)
    if setup is None:
        raise UnknownTenantError(tenant)
    return setup.order
