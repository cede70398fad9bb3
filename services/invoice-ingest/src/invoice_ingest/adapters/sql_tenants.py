"""Tenants in PostgreSQL. The profile is kept as it is published."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from dunning_common.events.tenants import TenantRegisteredV1

_ZONE = "SELECT zone FROM tenant WHERE tenant = $1"
_PROFILE = "SELECT profile FROM tenant WHERE tenant = $1"
_PUT = """
INSERT INTO tenant (tenant, zone, profile) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (tenant) DO UPDATE SET
    zone = excluded.zone, profile = excluded.profile, changed_at = now()
"""


class SqlTenants:
    """Keeps tenants."""

    async def zone(self, connection: AsyncConnection, tenant: str) -> str | None:
        """The tenant's time zone, or None when there is no such tenant."""
        raw = await driver(connection)
        zone: str | None = await raw.fetchval(_ZONE, tenant)
        return zone

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
