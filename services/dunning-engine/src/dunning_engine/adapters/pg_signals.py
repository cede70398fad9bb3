"""Wake-up calls between transactions and loops, by LISTEN/NOTIFY.

A call only shortens a wait: whoever waits also looks by itself now and then, so a lost call costs
time and nothing else. No state lives here.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg
import structlog

from dunning_common.db import Database

CHANNEL = "engine_wake"
PRODUCTION = "due"
"""The call for accounts that follow the real clock."""
CLOCKS = "clocks"
"""The call for any sandbox clock: one was given a target."""

log = structlog.get_logger()


def sandbox(tenant: str) -> str:
    """The call for whoever walks a sandbox tenant's clock: something happened to the tenant."""
    return f"sandbox:{tenant}"


def settled(tenant: str) -> str:
    """The call for whoever waits until a sandbox clock has arrived."""
    return f"settled:{tenant}"


async def signal(connection: asyncpg.Connection[Any], calls: Iterable[str]) -> None:
    """Send calls when the transaction commits."""
    wanted = sorted(set(calls))
    if wanted:
        await connection.execute(
            f"SELECT pg_notify('{CHANNEL}', call) FROM unnest($1::text[]) AS call", wanted
        )


async def signal_accounts(
    connection: asyncpg.Connection[Any], accounts: Iterable[Mapping[str, Any]]
) -> None:
    """Call whoever decides about these accounts (rows with `tenant` and `time_source`)."""
    calls = {
        PRODUCTION if row["time_source"] == "real" else sandbox(row["tenant"])
        for row in accounts
        if row["time_source"] != "unknown"
    }
    await signal(connection, calls)


class Signals:
    """The listening end: one connection, any number of waiters."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def run(self) -> None:
        """Listen until cancelled; a broken connection is made again."""
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("signals_lost", error=type(error).__name__)
                await asyncio.sleep(0.5)

    @contextmanager
    def subscribe(self, call: str) -> Iterator[asyncio.Event]:
        """An event that is set by every call of that name."""
        event = asyncio.Event()
        self._waiting[call].add(event)
        try:
            yield event
        finally:
            self._waiting[call].discard(event)
            if not self._waiting[call]:
                del self._waiting[call]

    async def _listen(self) -> None:
        closed = asyncio.Event()
        connection = await self._db.listen_connection()
        try:
            connection.add_termination_listener(lambda _: closed.set())
            await connection.add_listener(CHANNEL, self._hear)
            self._wake_all()  # what was called while nobody listened
            await closed.wait()
            raise ConnectionResetError("the listening connection was closed")
        finally:
            with suppress(Exception):
                await connection.close(timeout=2)

    def _hear(self, _: object, __: int, ___: str, call: object) -> None:
        for event in tuple(self._waiting.get(str(call), ())):
            event.set()

    def _wake_all(self) -> None:
        for events in tuple(self._waiting.values()):
            for event in tuple(events):
                event.set()


async def wait_for(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for a call at most so long; clears it. Returns whether it came."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
