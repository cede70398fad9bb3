"""What passes by itself is tried again; what an event brings with it is parked."""

from __future__ import annotations

import asyncpg
import httpx
import pytest
import sqlalchemy.exc

from dunning_common.bus import BusError
from dunning_common.failures import RetryLaterError, is_transient


def wrapped(error: Exception) -> Exception:
    """As SQLAlchemy hands on what the driver raised."""
    outer = sqlalchemy.exc.DBAPIError("INSERT", {}, error)
    outer.__cause__ = error
    return outer


PASSING = [
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.SerializationError("could not serialize"),
    asyncpg.AdminShutdownError("terminating connection"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.ConnectionDoesNotExistError("gone"),
    asyncpg.TooManyConnectionsError("full"),
    asyncpg.DiskFullError("full"),
    asyncpg.LockNotAvailableError("lock timeout"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.ReadOnlySQLTransactionError("a standby"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
]
POISON = [
    asyncpg.UniqueViolationError("twice"),
    asyncpg.CheckViolationError("refused"),
    asyncpg.NumericValueOutOfRangeError("too large"),
    asyncpg.UndefinedColumnError("no such column"),
    asyncpg.DataError("invalid input for query argument"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_a_database_that_is_away_or_busy_passes(error: Exception) -> None:
    assert is_transient(error)
    assert is_transient(wrapped(error))


@pytest.mark.parametrize("error", POISON, ids=lambda error: type(error).__name__)
def test_a_row_that_the_database_refuses_is_poison(error: Exception) -> None:
    assert not is_transient(error)
    assert not is_transient(wrapped(error))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        OSError("Multiple exceptions: [Errno 111] Connect call failed"),
        BusError("away"),
        RetryLaterError("not now"),
        httpx.ConnectError("refused"),
        sqlalchemy.exc.TimeoutError("the pool is exhausted"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_connection_that_fails_passes(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), KeyError("x"), AssertionError(), FileNotFoundError("template"), TypeError()],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_program_is_poison(error: Exception) -> None:
    assert not is_transient(error)


def test_the_cause_of_an_error_counts() -> None:
    error = RuntimeError("could not look it up")
    assert not is_transient(error)

    error.__cause__ = ConnectionResetError()

    assert is_transient(error)
