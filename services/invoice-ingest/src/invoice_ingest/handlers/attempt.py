"""Runs a whole transaction again when it lost a race, and only then.

Writers lock accounts and invoices in one order, so this is rare; it is what makes two clients that
send the same new id at the same instant both get a proper answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from asyncpg.exceptions import (
    DeadlockDetectedError,
    SerializationError,
    UniqueViolationError,
)

T = TypeVar("T")
log = structlog.get_logger()

_RACES = (DeadlockDetectedError, SerializationError, UniqueViolationError)
_ATTEMPTS = 5


async def attempt(transaction: Callable[[], Awaitable[T]]) -> T:
    """The transaction's result, after at most a few tries.

    Raises:
        asyncpg.PostgresError: it lost every race, or failed for another reason.
    """
    for number in range(1, _ATTEMPTS):
        try:
            return await transaction()
        except _RACES as race:
            log.info("transaction_again", attempt=number, race=type(race).__name__)
            await asyncio.sleep(0.01 * number)
    return await transaction()
