"""A tenant's settings of its portal: read, and replaced with a line of who did it."""

from __future__ import annotations

from typing import Any

from dunning_common.db import Database
from notifier.portal.settings import PortalSettings
from notifier.ports.portal import PortalReading
from notifier.ports.responses import Responses

TARGET = "portal-settings"
"""What the log calls them."""


class SettingsDesk:
    """Where settings are looked at and changed."""

    def __init__(self, *, db: Database, reading: PortalReading, responses: Responses) -> None:
        self._db = db
        self._reading = reading
        self._responses = responses

    async def read(self, tenant: str) -> dict[str, Any]:
        """The settings as they hold now, with who stored them; `stored_by` None: the defaults."""
        async with self._db.tenant(tenant) as connection:
            stored = await self._reading.settings(connection)
        defaults = PortalSettings().document() | {"stored_by": None, "stored_at": None}
        return defaults | (stored or {})

    async def store(self, tenant: str, settings: PortalSettings, *, person: str) -> dict[str, Any]:
        """Replace the settings; returns what holds now."""
        async with self._db.tenant(tenant) as connection:
            await self._reading.store_settings(connection, tenant, settings, by=person)
            await self._responses.log(connection, tenant, TARGET, "settings_stored", person)
        return await self.read(tenant)
