"""The notifier's loops: send what is due, sweep what expired, read what providers reported.

They sleep until PostgreSQL wakes them (LISTEN), and look by themselves once in a while. A loop that
meets trouble logs it and goes on; what is in flight when the process stops is finished first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from dunning_common.db import Database
from dunning_common.waiting import wait_for_event

log = structlog.get_logger()

_AFTER_TROUBLE_S = 1.0
_LISTEN_CHECK_S = 5.0


async def turn(
    name: str,
    work: Callable[[], Awaitable[int]],
    *,
    wake: asyncio.Event,
    poll_s: float,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Do `work` again and again until cancelled; rest when it returns 0.

    Args:
        name: for the log.
        work: one batch; returns how much there was.
        wake: set when there may be work.
        poll_s: longest rest, in seconds.
        on_stop: called on cancellation; the batch in hand is then finished.
    """
    while True:
        wake.clear()
        batch = asyncio.ensure_future(work())
        try:
            done = await asyncio.shield(batch)
        except asyncio.CancelledError:
            on_stop()
            with suppress(Exception):
                await batch
            raise
        except Exception:
            log.exception("batch_failed", loop=name)
            await asyncio.sleep(_AFTER_TROUBLE_S)
            continue
        if done == 0:
            await wait_for_event(wake, poll_s)


async def listen(db: Database, wakes: Mapping[str, Sequence[asyncio.Event]]) -> None:
    """Set the events of a channel whenever PostgreSQL notifies it; connects again when it must."""

    def notified(_: Any, __: int, channel: str, ___: object) -> None:
        for event in wakes[channel]:
            event.set()

    while True:
        connection: asyncpg.Connection[Any] | None = None
        try:
            connection = await db.listen_connection()
            for channel in wakes:
                await connection.add_listener(channel, notified)
            for events in wakes.values():
                for event in events:
                    event.set()  # something may have come while nobody listened
            while True:
                await asyncio.sleep(_LISTEN_CHECK_S)
                await connection.fetchval("SELECT 1", timeout=_LISTEN_CHECK_S)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("listen_broken", error=repr(error))
            await asyncio.sleep(_AFTER_TROUBLE_S)
        finally:
            if connection is not None:
                connection.terminate()
