"""How much waits for a person, over HTTP: the figures of the desk's first page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.db import Database
from notifier.ports.attention import COUNTED_MAX, AttentionReading

XTenant = Annotated[str | None, Header(alias="X-Tenant")]


def attention_routes(*, db: Database, reading: AttentionReading) -> APIRouter:
    """The route `/v1/attention`."""
    router = APIRouter(prefix="/v1/attention", tags=["messages"])

    @router.get("")
    async def get_attention(
        principal: Principal = Depends(require("notices:read")), x_tenant: XTenant = None
    ) -> dict[str, Any]:
        """What waits for a person, by kind; nothing is counted beyond `counted_max`."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            counts = await reading.counts(connection)
        return asdict(counts) | {"counted_max": COUNTED_MAX}

    return router
