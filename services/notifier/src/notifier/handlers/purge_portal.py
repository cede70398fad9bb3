"""Throws away what the portal needs no more: links long expired, counts of visits long past."""

from __future__ import annotations

import structlog

from dunning_common.db import Database
from notifier.ports.portal import Links, Visits

log = structlog.get_logger()

KEPT_DAYS = 30
"""How long people can still see in the list that a link was there and expired."""

SETS_MOST = 20
"""So many sets of visits a turn: what is left then is left to the next."""


class PortalPurge:
    """Cleans up a set at a time."""

    def __init__(
        self, *, db: Database, links: Links, visits: Visits, set_size: int = 5_000
    ) -> None:
        """Args: set_size is how many rows go at most in one transaction."""
        self._db = db
        self._links = links
        self._visits = visits
        self._set_size = set_size

    async def purge(self) -> int:
        """One set of links, and sets of visits; returns how many links there were."""
        await self._forget()
        async with self._db.worker() as connection:
            links = await self._links.purge(connection, kept_days=KEPT_DAYS, limit=self._set_size)
        if links:
            log.info("portal_links_purged", links=links)
        return links

    async def _forget(self) -> None:
        """A transaction for each set: none holds rows for long that visitors wait for."""
        for _ in range(SETS_MOST):
            async with self._db.worker() as connection:
                gone = await self._visits.forget(connection, limit=self._set_size)
            if gone < self._set_size:
                return
