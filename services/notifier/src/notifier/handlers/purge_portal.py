"""Throws away what the portal needs no more: links long expired, counts of visits long past."""

from __future__ import annotations

import structlog

from dunning_common.db import Database
from notifier.ports.portal import Links, Visits

log = structlog.get_logger()

KEPT_DAYS = 30
"""How long people can still see in the list that a link was there and expired."""

_BATCH = 5_000


class PortalPurge:
    """Cleans up a set at a time."""

    def __init__(self, *, db: Database, links: Links, visits: Visits) -> None:
        self._db = db
        self._links = links
        self._visits = visits

    async def purge(self) -> int:
        """One set; returns how many links there were in it."""
        async with self._db.worker() as connection:
            await self._visits.forget(connection)
            links = await self._links.purge(connection, kept_days=KEPT_DAYS, limit=_BATCH)
        if links:
            log.info("portal_links_purged", links=links)
        return links
