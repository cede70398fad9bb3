"""Tenants in PostgreSQL. The profile is kept as it is published."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from dunning_common.events.tenants import TenantRegisteredV1
from invoice_ingest.domain.book import TenantSetup
from invoice_ingest.domain.payment_order import PaymentOrder

_SETUP = """
SELECT tenant, zone, automatic_order, allocated_order FROM tenant WHERE tenant = ANY($1::text[])
"""
_CHOOSE_ORDER = """
UPDATE tenant SET automatic_order = $2, allocated_order = $3, changed_at = now() WHERE tenant = $1
"""
_PROFILE = "SELECT profile FROM tenant WHERE tenant = $1"
_PUT = """
INSERT INTO tenant (tenant, zone, profile) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (tenant) DO UPDATE SET
    zone = excluded.zone, profile = excluded.profile, changed_at = now()
"""


class SqlTenants:
    """Keeps tenants."""

    async def setup(
        self, connection: AsyncConnection, tenants: Collection[str]
    ) -> dict[str, TenantSetup]:
        """How tenants are set up; those that do not exist are missing."""
        raw = await driver(connection)
        return {
            row["tenant"]: TenantSetup(
                zone=row["zone"],
                order=PaymentOrder(
                    automatic=row["automatic_order"], allocated=row["allocated_order"]
                ),
            )
            for row in await raw.fetch(_SETUP, tenants)
        }

    async def choose_order(
        self, connection: AsyncConnection, tenant: str, order: PaymentOrder
    ) -> None:
        """Keep the order in which money covers what is owed."""
        raw = await driver(connection)
        await raw.execute(_CHOOSE_ORDER, tenant, order.automatic, order.allocated)

    async def profile(
        self, connection: AsyncConnection, tenant: str, *, lock: bool = False
    ) -> TenantRegisteredV1 | None:
        """What was registered last."""
        raw = await driver(connection)
        found = await raw.fetchval(_PROFILE + (" FOR UPDATE" if lock else ""), tenant)
        return None if found is None else TenantRegisteredV1.model_validate(found)

    async def put(self, connection: AsyncConnection, profile: TenantRegisteredV1) -> None:
        """Register, or replace what was registered."""
        raw = await driver(connection)
        await raw.execute(_PUT, profile.tenant_id, profile.zone, profile.model_dump_json())
