"""What debtors answered, in PostgreSQL: kept once, with notes and files sealed. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.ports.responses import (
    LogLine,
    NewResponse,
    ResponseFilter,
    ResponseState,
    ResponseView,
    SealedFile,
)

_KEEP = """
INSERT INTO response (tenant, response_id, debtor_id, notice_id, link_id, invoice_ids, kind, source,
                      channel, facts, note, state, effective_at)
SELECT tenant, response_id, debtor_id, notice_id, link_id, invoice_ids, kind, source, channel,
    facts, decode(note, 'hex'), state, effective_at
FROM jsonb_to_recordset($1::jsonb) AS x (
    tenant text, response_id uuid, debtor_id text, notice_id uuid, link_id uuid, invoice_ids text[],
    kind text, source text, channel text, facts jsonb, note text, state text,
    effective_at timestamptz)
ON CONFLICT (tenant, response_id) DO NOTHING
RETURNING response_id
"""
_KEEP_FILES = """
INSERT INTO response_file (tenant, response_id, file_no, media_type, size_bytes, content)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::text[], $5::integer[], $6::bytea[])
"""
_VIEW = """
SELECT seq, tenant, response_id, debtor_id, kind, source, state, invoice_ids, notice_id, link_id,
    channel, facts::text AS facts, note, effective_at, received_at,
    ARRAY(SELECT file_no::text FROM response_file AS f
        WHERE f.tenant = r.tenant AND f.response_id = r.response_id ORDER BY file_no) AS file_nos,
    ARRAY(SELECT media_type FROM response_file AS f
        WHERE f.tenant = r.tenant AND f.response_id = r.response_id ORDER BY file_no) AS file_types,
    ARRAY(SELECT size_bytes FROM response_file AS f
        WHERE f.tenant = r.tenant AND f.response_id = r.response_id ORDER BY file_no) AS file_sizes
FROM response AS r
"""
_WANTED = """($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR state = $3)
  AND ($4::text IS NULL OR source = $4) AND ($5::text IS NULL OR debtor_id = $5)
  AND ($6::text IS NULL OR $6 = ANY(invoice_ids))"""
_PAGE = f"{_VIEW} WHERE seq > $1 AND {_WANTED} ORDER BY seq LIMIT $7"
_NEWEST = f"""
{_VIEW} WHERE ($1::bigint = 0 OR seq < $1) AND {_WANTED} ORDER BY seq DESC LIMIT $7
"""
_OF_DEBTOR = f"{_VIEW} WHERE debtor_id = $1 ORDER BY seq DESC LIMIT $2"
_ONE = f"{_VIEW} WHERE response_id = $1"
_COUNT = """
SELECT count(*) FROM response
WHERE link_id = $1 AND received_at > statement_timestamp() - interval '1 day'
"""


class SqlResponses:
    """See `notifier.ports.responses.Responses`."""

    async def keep(
        self, connection: AsyncConnection, responses: Sequence[NewResponse]
    ) -> frozenset[UUID]:
        """Store answers with their files; returns the ids of those that were not there before."""
        if not responses:
            return frozenset()
        raw = await driver(connection)
        rows = [
            {
                "tenant": r.tenant,
                "response_id": r.response_id,
                "debtor_id": r.debtor_id,
                "notice_id": r.notice_id,
                "link_id": r.link_id,
                "invoice_ids": r.invoice_ids,
                "kind": r.kind,
                "source": r.source,
                "channel": r.channel,
                "facts": dict(r.facts),
                "note": None if r.note is None else r.note.hex(),
                "state": r.state,
                "effective_at": r.effective_at,
            }
            for r in responses
        ]
        kept = await raw.fetch(_KEEP, orjson.dumps(rows).decode())
        new = frozenset(_plain(row["response_id"]) for row in kept)
        files = [
            (r, number, file)
            for r in responses
            if r.response_id in new
            for number, file in enumerate(r.files, start=1)
        ]
        if files:
            await raw.execute(
                _KEEP_FILES,
                [r.tenant for r, _, _ in files],
                [r.response_id for r, _, _ in files],
                [number for _, number, _ in files],
                [file.media_type for _, _, file in files],
                [file.size_bytes for _, _, file in files],
                [file.content for _, _, file in files],
            )
        return new

    async def count_of_link(self, connection: AsyncConnection, link_id: UUID) -> int:
        """How many answers came through a link within a day."""
        return int(await (await driver(connection)).fetchval(_COUNT, link_id))

    async def of_debtor(
        self, connection: AsyncConnection, debtor_id: str, *, limit: int
    ) -> list[ResponseView]:
        """A debtor's answers, the latest first."""
        rows = await (await driver(connection)).fetch(_OF_DEBTOR, debtor_id, limit)
        return [_view(row) for row in rows]

    async def page(self, connection: AsyncConnection, wanted: ResponseFilter) -> list[ResponseView]:
        """Answers in the order in which they came, or the other way round."""
        rows = await (await driver(connection)).fetch(
            _NEWEST if wanted.newest_first else _PAGE,
            wanted.after,
            wanted.kind,
            wanted.state,
            wanted.source,
            wanted.debtor_id,
            wanted.invoice_id,
            wanted.limit,
        )
        return [_view(row) for row in rows]

    async def one(
        self, connection: AsyncConnection, response_id: UUID, *, lock: bool = False
    ) -> ResponseView | None:
        """One answer, locked on request."""
        raw = await driver(connection)
        row = await raw.fetchrow(_ONE + (" FOR UPDATE OF r" if lock else ""), response_id)
        return None if row is None else _view(row)

    async def file(
        self, connection: AsyncConnection, response_id: UUID, file_no: int
    ) -> SealedFile | None:
        """A file of an answer."""
        row = await (await driver(connection)).fetchrow(
            "SELECT media_type, size_bytes, content FROM response_file "
            "WHERE response_id = $1 AND file_no = $2",
            response_id,
            file_no,
        )
        return None if row is None else SealedFile(**dict(row))

    async def decide(
        self, connection: AsyncConnection, response_id: UUID, state: ResponseState
    ) -> None:
        """Write what a person decided about a proposal."""
        await (await driver(connection)).execute(
            "UPDATE response SET state = $2 WHERE response_id = $1", response_id, state
        )

    async def log(
        self, connection: AsyncConnection, tenant: str, target: str, action: str, actor: str
    ) -> None:
        """Write down who did what."""
        await (await driver(connection)).execute(
            "INSERT INTO response_log (tenant, target, action, actor) VALUES ($1, $2, $3, $4)",
            tenant,
            target,
            action,
            actor,
        )

    async def history(self, connection: AsyncConnection, target: str) -> list[LogLine]:
        """Who did what to this, oldest first."""
        rows = await (await driver(connection)).fetch(
            "SELECT at, action, actor FROM response_log WHERE target = $1 ORDER BY n", target
        )
        return [LogLine(**dict(row)) for row in rows]


def _view(row: asyncpg.Record) -> ResponseView:
    return ResponseView(
        seq=row["seq"],
        tenant=row["tenant"],
        response_id=_plain(row["response_id"]),
        debtor_id=row["debtor_id"],
        kind=row["kind"],
        source=row["source"],
        state=row["state"],
        invoice_ids=tuple(row["invoice_ids"]),
        notice_id=_known(row["notice_id"]),
        link_id=_known(row["link_id"]),
        channel=row["channel"],
        facts=orjson.loads(row["facts"]),
        note=row["note"],
        effective_at=row["effective_at"],
        received_at=row["received_at"],
        files=tuple(
            (int(number), kind, size)
            for number, kind, size in zip(
                row["file_nos"], row["file_types"], row["file_sizes"], strict=True
            )
        ),
    )


def _plain(own: UUID) -> UUID:
    """The driver's own kind of UUID as the standard one, which orjson takes."""
    return UUID(bytes=own.bytes)


def _known(own: UUID | None) -> UUID | None:
    return None if own is None else _plain(own)
