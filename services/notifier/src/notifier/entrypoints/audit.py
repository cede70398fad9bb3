"""The HTTP interface of the log: who read, took, accepted, refused, linked or set what, and when.

Lines name a person by the subject of the token and a thing by its id; nothing of what it says.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.db import Database
from notifier.ports.responses import Responses


def audit_routes(*, db: Database, responses: Responses) -> APIRouter:
    """The route `/v1/audit`."""
    router = APIRouter(prefix="/v1/audit", tags=["audit"])

    @router.get("")
    async def get_lines(
        target: Annotated[str, Query(min_length=1, max_length=250, pattern=r"^[^\x00]+$")],
        principal: Principal = Depends(require("audit:read")),
        x_tenant: Annotated[str | None, Header(alias="X-Tenant")] = None,
    ) -> dict[str, Any]:
        """Who did what to one thing, oldest first.

        `target` is the id of a message, an answer, a link or a batch, or `invoice:<id>` and
        `debtor:<id>` for archives of evidence.
        """
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            lines = await responses.history(connection, target)
        return {
            "items": [
                {"at": line.at, "action": line.action, "person": line.actor} for line in lines
            ]
        }

    return router
