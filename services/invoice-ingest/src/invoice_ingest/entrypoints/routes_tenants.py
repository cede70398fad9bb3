"""Tenants over REST. A token sees and changes its own tenant only; `*` tokens any."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from dunning_common.auth import Principal, require
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.legal_identity import lacks_of
from dunning_common.problems import ProblemError
from invoice_ingest.domain.payment_order import LAWS, SEQUENCES, PaymentOrder
from invoice_ingest.entrypoints.answers import (
    LawView,
    PaymentOrderView,
    Taken,
    TakenTenant,
    TenantView,
    TenantWarning,
)
from invoice_ingest.entrypoints.bodies import PaymentOrderBody, TenantBody
from invoice_ingest.entrypoints.drafts import tenant_profile
from invoice_ingest.entrypoints.edge import StrictRoute, accepted, problems, unknown_tenant
from invoice_ingest.entrypoints.fields import TenantId
from invoice_ingest.handlers.choose_payment_order import choose_payment_order, payment_order
from invoice_ingest.handlers.ports import Desk
from invoice_ingest.handlers.register_tenants import register_tenant


def tenant_routes(desk: Desk) -> APIRouter:
    """`/v1/tenants/{tenant}`."""
    router = APIRouter(prefix="/v1/tenants", tags=["tenants"], route_class=StrictRoute)

    @router.put("/{tenant}", summary="Register a tenant", responses=problems(400, 409, 422))
    async def put(
        tenant: TenantId,
        body: TenantBody,
        principal: Annotated[Principal, Depends(require("tenants:write"))],
    ) -> TakenTenant:
        """Create a tenant or change what is known about it; the last telling wins.

        `warnings` names what its country's law wants on letters and what is empty here.
        """
        _check(principal, tenant)
        profile = tenant_profile(tenant, body)
        status = accepted(await register_tenant(desk, profile))
        return TakenTenant(id=tenant, status=status, warnings=list(_warnings(profile)))

    @router.get("/{tenant}", summary="Show a tenant", responses=problems(404, 422))
    async def get(
        tenant: TenantId, principal: Annotated[Principal, Depends(require("tenants:read"))]
    ) -> TenantView:
        """What was registered last, with `warnings` about what its letters lack."""
        _check(principal, tenant)
        async with desk.db.tenant(tenant) as connection:
            profile = await desk.tenants.profile(connection, tenant)
        if profile is None:
            raise unknown_tenant()
        return TenantView(**dict(profile), warnings=_warnings(profile))

    @router.put(
        "/{tenant}/payment-order",
        summary="Choose what money covers first",
        responses=problems(400, 404, 422),
    )
    async def put_order(
        tenant: TenantId,
        body: PaymentOrderBody,
        principal: Annotated[Principal, Depends(require("tenants:write"))],
    ) -> Taken:
        """Principal, interest, costs: what comes first in what is allocated from now on."""
        _check(principal, tenant)
        order = PaymentOrder(automatic=body.automatic, allocated=body.allocated)
        return Taken(id=tenant, status=accepted(await choose_payment_order(desk, tenant, order)))

    @router.get(
        "/{tenant}/payment-order",
        summary="Show what money covers first",
        responses=problems(404, 422),
    )
    async def get_order(
        tenant: TenantId, principal: Annotated[Principal, Depends(require("tenants:read"))]
    ) -> PaymentOrderView:
        """The tenant's choice, and what `by_law` means in each country."""
        _check(principal, tenant)
        order = await payment_order(desk, tenant)
        return PaymentOrderView(
            automatic=order.automatic,
            allocated=order.allocated,
            laws=[
                LawView(
                    country=law.country,
                    order=law.order,
                    covers=list(SEQUENCES[law.order]),
                    source=law.source,
                )
                for law in LAWS
            ],
        )

    return router


def _warnings(profile: TenantRegisteredV1) -> tuple[TenantWarning, ...]:
    return tuple(
        TenantWarning(pointer=lack.pointer, detail=lack.detail, remedy=lack.remedy)
        for lack in lacks_of(profile)
    )


def _check(principal: Principal, tenant: str) -> None:
    if not principal.acts_for(tenant):
        raise ProblemError(403, "foreign-tenant", "This token does not act for that tenant.")
