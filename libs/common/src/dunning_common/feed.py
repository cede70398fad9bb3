"""The feed: a producer's own answer to "which keys moved" and "replay this key from there".

Consumers compare with it, so that events heal which the broker lost. The router is for the services
only (scope `internal`); the client is what a consumer holds of each producer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol

import asyncpg
import httpx
import orjson
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from dunning_common import parking
from dunning_common.auth import require
from dunning_common.db import Database, driver
from dunning_common.inbox import Retried
from dunning_common.parking import ParkedRow
from dunning_common.problems import ProblemError

HEADS_PER_PAGE = 5_000
EVENTS_PER_PAGE = 2_000
_PARKED_PER_PAGE = 1_000
_BIGINT_MAX = 2**63 - 1
_TIMEOUT_S = 20.0


Name = Annotated[str, Field(max_length=1_000, pattern=r"^[^\x00]*$")]
"""A topic, tenant or key; PostgreSQL's text holds no NUL."""


class FeedError(RuntimeError):
    """The producer's feed did not answer, or not with what was asked for."""


class HeadsRequest(BaseModel):
    """Which streams moved, and how far.

    `since` is the `txid` of an earlier answer; `settled_s` leaves out what moved in the last so
    many seconds; `after_key` is the `next_key` of the page before.
    """

    model_config = ConfigDict(extra="forbid")

    topic: Name
    tenant: Name | None = None
    keys: list[Name] | None = Field(default=None, max_length=HEADS_PER_PAGE)
    since: int = Field(default=0, ge=0, le=_BIGINT_MAX)
    settled_s: float = Field(default=0.0, ge=0, le=86_400)
    after_key: Name = ""
    limit: int = Field(default=HEADS_PER_PAGE, ge=1, le=HEADS_PER_PAGE)


class ReplayRequest(BaseModel):
    """Events of some keys behind the given sequences."""

    model_config = ConfigDict(extra="forbid")

    topic: Name
    after: dict[Name, Annotated[int, Field(ge=0, le=_BIGINT_MAX)]] = Field(
        max_length=HEADS_PER_PAGE
    )
    limit: int = Field(default=EVENTS_PER_PAGE, ge=1, le=EVENTS_PER_PAGE)


class RetryRequest(BaseModel):
    """Which parked events to try again; all when nothing is named."""

    model_config = ConfigDict(extra="forbid")

    topic: Name | None = None
    key: Name | None = None


class DiscardRequest(BaseModel):
    """Which parked event to drop."""

    model_config = ConfigDict(extra="forbid")

    topic: Name
    key: Name
    sequence: int = Field(ge=1, le=_BIGINT_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """One page of a feed's heads: last sequence per key.

    `txid` is what to ask for next time (`since`); `next_key` is None on the last page.
    """

    sequences: Mapping[str, int]
    txid: int
    next_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Raw envelopes, in order per key; `more` says that the limit cut the answer short."""

    envelopes: Sequence[bytes]
    more: bool


# The order is an index's; until ANALYZE has seen a bulk load, the planner would rather sort.
_BY_INDEX = "SET LOCAL enable_sort = off"
# A page goes on behind (txid, key); a stream that moves meanwhile comes again, further on.
_HEADS = """
SELECT key, sequence, txid::text AS place FROM stream_head
WHERE topic = $1 AND (txid, key) > ($2::text::xid8, $3)
  AND moved_at <= clock_timestamp() - make_interval(secs => $4)
ORDER BY txid, key LIMIT $5
"""
_HEADS_OF_TENANT = """
SELECT key, sequence, txid::text AS place FROM stream_head
WHERE topic = $1 AND (txid, key) > ($2::text::xid8, $3)
  AND moved_at <= clock_timestamp() - make_interval(secs => $4) AND tenant = $6
ORDER BY txid, key LIMIT $5
"""
_HEADS_OF_KEYS = """
SELECT head.key, head.sequence FROM unnest($2::text[]) AS wanted (key)
CROSS JOIN LATERAL (
    SELECT * FROM stream_head WHERE topic = $1 AND key = wanted.key LIMIT 1
) AS head
WHERE ($3::text IS NULL OR tenant = $3)
  AND moved_at <= clock_timestamp() - make_interval(secs => $4)
"""
# Whoever is not finished now, or not settled, has this txid or a greater one: from here next time.
# Without the cast `$3 > 0` makes the parameter an integer, and asyncpg cuts its fraction off.
_NEXT_SINCE = """
SELECT least(pg_snapshot_xmin(pg_current_snapshot()),
    (SELECT min(txid) FROM stream_head WHERE topic = $1 AND txid >= $2::text::xid8
        AND $3::float8 > 0
        AND moved_at > clock_timestamp() - make_interval(secs => $3::float8)))::text
"""
_BEGIN_AGAIN = "SELECT $1::text::xid8 > pg_snapshot_xmax(pg_current_snapshot())"
# LATERAL: a walk along the index per key, whatever the planner believes about the table.
_REPLAY = """
SELECT event.envelope
FROM unnest($2::text[], $3::bigint[]) AS wanted (key, after)
CROSS JOIN LATERAL (
    SELECT envelope FROM outbox
    WHERE topic = $1 AND key = wanted.key AND sequence > wanted.after
    ORDER BY sequence LIMIT $4
) AS event
LIMIT $4
"""


class Retrier(Protocol):
    """Who can apply parked events after all: the service's consumer."""

    async def retry_parked(self, *, topic: str | None = None, key: str | None = None) -> Retried:
        """Try parked events again."""
        ...

    async def discard_parked(self, *, topic: str, key: str, sequence: int) -> bool:
        """Drop one for good and try those behind it; False when it is not parked."""
        ...


def feed_router(db: Database, consumer: Retrier | None = None) -> APIRouter:
    """The routes under `/internal/feed` and `/internal/parked`, for tokens with scope `internal`.

    Args:
        db: the service's database.
        consumer: the service's consumer, which retries parked events; without one there are none.
    """
    router = APIRouter(
        prefix="/internal", tags=["internal"], dependencies=[Depends(require("internal"))]
    )
    _feed_routes(router, db)
    _parked_routes(router, db)
    if consumer is not None:
        _retry_routes(router, consumer)
    return router


def _feed_routes(router: APIRouter, db: Database) -> None:
    @router.post("/feed/heads")
    async def heads(request: HeadsRequest) -> dict[str, Any]:
        """Which streams moved, and up to which sequence."""
        return await _heads(db, request)

    @router.post("/feed/replay")
    async def replay(request: ReplayRequest) -> Response:
        """The events of some streams behind the given sequences."""
        return Response(await _replay(db, request), media_type="application/json")


def _parked_routes(router: APIRouter, db: Database) -> None:
    @router.get("/parked")
    async def parked(
        topic: Name | None = None, key: Name | None = None, cursor: str = "", limit: int = 100
    ) -> dict[str, Any]:
        """Events that could not be applied, and those that wait behind them."""
        limit = max(1, min(limit, _PARKED_PER_PAGE))
        async with db.worker() as connection:
            rows = await parking.list_rows(
                await driver(connection), topic=topic, key=key, after=_from_cursor(cursor),
                limit=limit,
            )  # fmt: skip
            total = await parking.count(await driver(connection))
        full = len(rows) == limit
        return {
            "items": [asdict(row) for row in rows],
            "total": total,
            "next_cursor": _to_cursor(rows[-1]) if full else None,
        }


def _retry_routes(router: APIRouter, consumer: Retrier) -> None:
    @router.post("/parked/retry")
    async def retry(request: RetryRequest) -> dict[str, int]:
        """Try parked events again, in order."""
        return asdict(await consumer.retry_parked(topic=request.topic, key=request.key))

    @router.post("/parked/discard")
    async def discard(request: DiscardRequest) -> dict[str, bool]:
        """Drop one parked event for good, and try those behind it."""
        found = await consumer.discard_parked(
            topic=request.topic, key=request.key, sequence=request.sequence
        )
        if not found:
            raise ProblemError(404, "not-parked", "That event is not in the parking lot.")
        return {"discarded": True}


def _to_cursor(row: ParkedRow) -> str:
    return orjson.dumps([row.topic, row.key, row.sequence]).hex()


def _from_cursor(cursor: str) -> tuple[str, str, int]:
    if not cursor:
        return "", "", 0
    try:
        topic, key, sequence = orjson.loads(bytes.fromhex(cursor))
        place = DiscardRequest(topic=topic, key=key, sequence=sequence)
    except (ValueError, TypeError):
        raise ProblemError(
            400, "invalid-cursor", "The cursor is not one of ours.",
            detail="Send next_cursor of the page before, unchanged.",
        ) from None  # fmt: skip
    return place.topic, place.key, place.sequence


async def _heads(db: Database, request: HeadsRequest) -> dict[str, Any]:
    async with db.worker() as connection:
        raw = await driver(connection)
        since = str(request.since)
        if await raw.fetchval(_BEGIN_AGAIN, since):
            since = "0"  # the cursor is of another cluster: compare everything
        txid = await raw.fetchval(_NEXT_SINCE, request.topic, since, request.settled_s)
        if request.keys is not None:
            rows = await raw.fetch(
                _HEADS_OF_KEYS, request.topic, request.keys, request.tenant, request.settled_s,
            )  # fmt: skip
            full = False
        else:
            rows = await _page(raw, request, since)
            full = len(rows) == request.limit
    return {
        "heads": {row["key"]: row["sequence"] for row in rows},
        "txid": int(txid),
        "next_key": f"{rows[-1]['place']}:{rows[-1]['key']}" if full else None,
    }


async def _page(
    raw: asyncpg.Connection[Any], request: HeadsRequest, since: str
) -> list[asyncpg.Record]:
    txid, key = _from_place(request.after_key) if request.after_key else (since, "")
    await raw.execute(_BY_INDEX)
    values = [request.topic, txid, key, request.settled_s, request.limit]
    if request.tenant is None:
        return list(await raw.fetch(_HEADS, *values))
    return list(await raw.fetch(_HEADS_OF_TENANT, *values, request.tenant))


def _from_place(place: str) -> tuple[str, str]:
    txid, colon, key = place.partition(":")
    if not colon or not txid.isascii() or not txid.isdigit() or int(txid) > _BIGINT_MAX:
        raise ProblemError(
            400, "invalid-cursor", "after_key is not one of ours.",
            detail="Send next_key of the page before, unchanged.",
        )  # fmt: skip
    return txid, key


async def _replay(db: Database, request: ReplayRequest) -> bytes:
    async with db.worker() as connection:
        raw = await driver(connection)
        rows = await raw.fetch(
            _REPLAY, request.topic, list(request.after), list(request.after.values()),
            request.limit,
        )  # fmt: skip
    events = b",".join(row["envelope"] for row in rows)
    more = b"true" if len(rows) == request.limit else b"false"
    return b'{"events":[' + events + b'],"more":' + more + b"}"


class FeedClient:
    """A consumer's view of one producer's feed."""

    def __init__(self, base_url: str, token: str, client: httpx.AsyncClient) -> None:
        """Args: the producer's address, a token with scope `internal`, and who sends."""
        self._base_url = base_url.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"}
        self._client = client

    async def heads(
        self,
        topic: str,
        *,
        tenant: str | None = None,
        keys: Sequence[str] | None = None,
        since: int = 0,
        settled_s: float = 0.0,
        after_key: str = "",
    ) -> Heads:
        """One page of the streams that moved.

        Raises:
            FeedError: no answer, or a refusal.
        """
        request = HeadsRequest(
            topic=topic, tenant=tenant, keys=None if keys is None else list(keys), since=since,
            settled_s=settled_s, after_key=after_key,
        )  # fmt: skip
        body = await self._post("heads", request)
        return Heads(sequences=body["heads"], txid=body["txid"], next_key=body["next_key"])

    async def replay(self, topic: str, after: Mapping[str, int]) -> Replayed:
        """Events behind the given sequences, as many as one answer takes.

        Raises:
            FeedError: no answer, or a refusal.
        """
        body = await self._post("replay", ReplayRequest(topic=topic, after=dict(after)))
        return Replayed(
            envelopes=[orjson.dumps(event) for event in body["events"]], more=body["more"]
        )

    async def _post(self, what: str, request: BaseModel) -> dict[str, Any]:
        try:
            response = await self._client.post(
                f"{self._base_url}/internal/feed/{what}",
                content=request.model_dump_json(),
                headers=self._headers | {"content-type": "application/json"},
                timeout=_TIMEOUT_S,
            )
            response.raise_for_status()
            body: dict[str, Any] = orjson.loads(response.content)
        except (httpx.HTTPError, ValueError) as error:
            raise FeedError(f"{self._base_url} {what}: {error!r}") from error
        return body
