"""Tells a failure that passes by itself from one that a certain event brings with it.

The first is tried again as it is; the second is poison, and is parked. Pure judgement over
exceptions.
"""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
import httpx
import sqlalchemy.exc

from dunning_common.bus import BusError


class RetryLaterError(RuntimeError):
    """A handler cannot apply the events now, and it is not the events' fault: try them again."""


# SQLSTATE classes: connection, rollback (deadlock, serialization), resources, operator, system.
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
_TRANSIENT_STATES = frozenset({"25006", "55P03", "55006"})
_TRANSIENT_TYPES = (
    RetryLaterError,
    BusError,
    TimeoutError,
    httpx.TransportError,
    sqlalchemy.exc.TimeoutError,
    sqlalchemy.exc.DisconnectionError,
)
_OF_THE_PROGRAM = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: lost connections, deadlocks, a full disk."""
    return any(_is_transient(cause) for cause in _causes(error))


def _is_transient(error: BaseException) -> bool:
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES
    match error:
        case sqlalchemy.exc.DBAPIError():
            return error.connection_invalidated
        case asyncpg.InternalClientError():
            return True  # a connection that was cut at the wrong moment leaves its client confused
        case asyncpg.InterfaceError():
            return not isinstance(error, ValueError)  # a value that PostgreSQL's type cannot hold
        case OSError():
            return not isinstance(error, _OF_THE_PROGRAM)
        case _:
            return isinstance(error, _TRANSIENT_TYPES)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__
