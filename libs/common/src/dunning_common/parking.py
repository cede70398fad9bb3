"""The parking lot: events that could not be applied, and whatever of their stream came after them.

A parked event counts as received, so its stream stays in order while it waits for a person or a
fix. SQL only; deciding what is poison is the inbox's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from dunning_common.problems import json_pointer
from dunning_common.sequencing import Stream

_ERROR_CHARS = 2_000

_PARKED_OF = """
SELECT DISTINCT parked.topic, parked.key
FROM unnest($1::text[], $2::text[]) AS wanted (topic, key)
JOIN parked_event AS parked ON parked.topic = wanted.topic AND parked.key = wanted.key
"""
_PARK = """
INSERT INTO parked_event (topic, key, tenant, sequence, envelope, error)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::text[])
ON CONFLICT (topic, key, sequence) DO UPDATE SET error = excluded.error
"""
_TAKE_OUT = """
DELETE FROM parked_event AS parked
USING unnest($1::text[], $2::text[], $3::bigint[]) AS done (topic, key, sequence)
WHERE parked.topic = done.topic AND parked.key = done.key AND parked.sequence = done.sequence
"""
_STREAMS = """
SELECT DISTINCT topic, key, tenant FROM parked_event
WHERE ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR key = $2)
  AND (topic, key) > ($3, $4)
ORDER BY topic, key LIMIT $5
"""
_EVENTS = """
SELECT parked.topic, parked.key, parked.sequence, parked.envelope
FROM unnest($1::text[], $2::text[]) AS wanted (topic, key)
CROSS JOIN LATERAL (
    SELECT * FROM parked_event AS event
    WHERE event.topic = wanted.topic AND event.key = wanted.key
    ORDER BY event.sequence LIMIT $3
) AS parked
ORDER BY parked.topic, parked.key, parked.sequence
"""
_LIST = """
SELECT topic, key, tenant, sequence, error, parked_at,
       convert_from(envelope, 'UTF8')::jsonb ->> 'type' AS type
FROM parked_event
WHERE ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR key = $2)
  AND (topic, key, sequence) > ($3, $4, $5)
ORDER BY topic, key, sequence LIMIT $6
"""
_DISCARD = """
DELETE FROM parked_event WHERE topic = $1 AND key = $2 AND sequence = $3 RETURNING tenant
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedEvent:
    """An event in the lot. `error` is None for one that only waits behind its stream's poison."""

    stream: Stream
    tenant: str
    sequence: int
    envelope: bytes
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRow:
    """An event in the lot as it is listed: without its data, which may be personal."""

    topic: str
    key: str
    tenant: str
    sequence: int
    type: str
    error: str | None
    parked_at: datetime


def describe(error: BaseException) -> str:
    """The error as it is kept beside the event: what is wrong, without the values.

    Those may be personal: PostgreSQL's first line names the constraint, its further lines the row;
    pydantic echoes its input.
    """
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        words = "; ".join(f"{json_pointer(fault['loc'])}: {fault['msg']}" for fault in faults)
    else:
        words = str(error).split("\n", 1)[0]
    return f"{type(error).__name__}: {words}"[:_ERROR_CHARS]


async def streams_parked(
    connection: asyncpg.Connection[Any], streams: Sequence[Stream]
) -> frozenset[Stream]:
    """Which of the streams have events in the lot."""
    rows = await connection.fetch(_PARKED_OF, *_columns(streams))
    return frozenset(Stream(row["topic"], row["key"]) for row in rows)


async def park(connection: asyncpg.Connection[Any], events: Sequence[ParkedEvent]) -> None:
    """Put events into the lot, or renew the error of those that are there."""
    if events:
        await connection.execute(
            _PARK,
            *_columns([event.stream for event in events]),
            [event.tenant for event in events],
            [event.sequence for event in events],
            [event.envelope for event in events],
            [event.error for event in events],
        )


async def take_out(
    connection: asyncpg.Connection[Any], events: Sequence[tuple[Stream, int]]
) -> None:
    """Remove events that were applied after all."""
    if events:
        await connection.execute(
            _TAKE_OUT,
            *_columns([stream for stream, _ in events]),
            [sequence for _, sequence in events],
        )


async def discard(connection: asyncpg.Connection[Any], stream: Stream, sequence: int) -> bool:
    """Remove one event for good; False when it is not there."""
    return await connection.fetchval(_DISCARD, *stream, sequence) is not None


async def list_streams(
    connection: asyncpg.Connection[Any],
    *,
    topic: str | None,
    key: str | None,
    after: Stream,
    limit: int,
) -> dict[Stream, str]:
    """Some streams that have parked events, in order, each with its tenant."""
    rows = await connection.fetch(_STREAMS, topic, key, *after, limit)
    return {Stream(row["topic"], row["key"]): row["tenant"] for row in rows}


async def first_events(
    connection: asyncpg.Connection[Any], streams: Sequence[Stream], *, per_stream: int
) -> list[tuple[Stream, int, bytes]]:
    """The first parked events of each stream, in order: stream, sequence, envelope."""
    rows = await connection.fetch(_EVENTS, *_columns(streams), per_stream)
    return [(Stream(row["topic"], row["key"]), row["sequence"], row["envelope"]) for row in rows]


async def list_rows(
    connection: asyncpg.Connection[Any],
    *,
    topic: str | None,
    key: str | None,
    after: tuple[str, str, int],
    limit: int,
) -> list[ParkedRow]:
    """A page of the lot."""
    rows = await connection.fetch(_LIST, topic, key, *after, limit)
    return [ParkedRow(**dict(row)) for row in rows]


async def count(connection: asyncpg.Connection[Any]) -> int:
    """How many events wait in the lot."""
    found: int = await connection.fetchval("SELECT count(*) FROM parked_event")
    return found


def _columns(streams: Sequence[Stream]) -> tuple[list[str], list[str]]:
    return [stream.topic for stream in streams], [stream.key for stream in streams]
