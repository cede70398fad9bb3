"""Hears over LISTEN that permits were given back, and wakes the requests that wait for it.

A convenience: whoever waits also looks again by itself, so a missed ring costs a moment, no more.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import structlog

from dunning_common.db import Database
from invoice_ingest.adapters.sql_permits import CHANNEL

log = structlog.get_logger()

_AGAIN_S = 2.0
_CHECK_S = 30.0


class PermitBell:
    """One listening connection, many waiting requests."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._rung = asyncio.Event()

    def next_ring(self) -> asyncio.Event:
        """What the next ring will set; take it before looking, so that no ring is missed."""
        return self._rung

    async def run(self) -> None:
        """Listen until cancelled, connecting again whenever the connection is lost."""
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("permit_bell_lost", error=type(error).__name__)
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self) -> None:
        connection = await self._db.listen_connection()
        try:
            await connection.add_listener(f"{CHANNEL}_{self._db.schema}", self._ring)
            while not connection.is_closed():
                await asyncio.sleep(_CHECK_S)
                await connection.execute("SELECT 1")
        finally:
            await connection.close(timeout=2)

    def _ring(self, *_: Any) -> None:
        """Wake everybody who waits now; later ones wait for the next ring."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()
