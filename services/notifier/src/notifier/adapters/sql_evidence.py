"""Reads the notifier's own records of a claim; row-level security keeps it to one tenant.

Never commits. Writes nothing but the end of links.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_proofs import view_of_proof
from notifier.adapters.sql_reading import VIEW, view_of
from notifier.adapters.sql_responses import SqlResponses
from notifier.ports.evidence import KeptFile, KeptMessage, KeptPaper, LiveLinks, Shelved
from notifier.ports.proofs import ProofView
from notifier.ports.reading import MessageView
from notifier.ports.responses import ResponseFilter, ResponseView

_OWN_CLOCK = "SELECT coalesce(bool_or((body->>'sandbox')::boolean), false) FROM tenant"
_OF_DEBTOR = f"{VIEW} WHERE n.debtor_id = $1 ORDER BY m.seq"
_MESSAGES = """
SELECT m.message_id, n.body::text AS notice, m.content
FROM message AS m JOIN notice AS n USING (tenant, notice_id) WHERE m.message_id = ANY($1)
"""
_PAPERS = """
SELECT proof_id, message_id, kind, happened_on, reference, file_name, media_type, sha256,
    size_bytes, given_by, given_at
FROM message_proof WHERE message_id = ANY($1) ORDER BY given_at, proof_id
"""
_SCANS = "SELECT proof_id, content FROM message_proof WHERE proof_id = ANY($1)"
_FILES = """
SELECT response_id, file_no, media_type, content FROM response_file
WHERE response_id = ANY($1) ORDER BY response_id, file_no
"""
# A message's link has the message's own id.
_LIVE = """
SELECT link_id, expires_at FROM portal_link
WHERE link_id = ANY($1) AND message_id = link_id
  AND revoked_at IS NULL AND expires_at > statement_timestamp()
ORDER BY link_id
"""
_REVOKE = """
WITH gone AS (
    UPDATE portal_link SET revoked_at = clock_timestamp(), revoked_by = 'person:' || $2::text
    WHERE link_id = ANY($1) AND message_id = link_id
      AND revoked_at IS NULL AND expires_at > statement_timestamp()
    RETURNING tenant, link_id
), logged AS (
    INSERT INTO response_log (tenant, target, action, actor)
    SELECT tenant, link_id::text, 'link_revoked', $2::text FROM gone ORDER BY link_id
)
SELECT link_id FROM gone ORDER BY link_id
"""
_PAGE = 500


class SqlEvidence:
    """See `notifier.ports.evidence.EvidenceShelf`."""

    async def of_debtor(self, connection: AsyncConnection, debtor_id: str) -> Shelved:
        """All messages to a debtor and all its answers, in the order in which they came."""
        raw = await driver(connection)
        return Shelved(
            has_own_clock=bool(await raw.fetchval(_OWN_CLOCK)),
            messages=[view_of(row) for row in await raw.fetch(_OF_DEBTOR, debtor_id)],
            responses=await _responses(connection, debtor_id),
        )

    async def messages(
        self, connection: AsyncConnection, views: Sequence[MessageView]
    ) -> list[KeptMessage]:
        """These messages with what was kept of them."""
        raw = await driver(connection)
        by_id = {view.message.message_id: view for view in views}
        return [
            KeptMessage(
                view=by_id[row["message_id"]],
                notice=orjson.loads(row["notice"]),
                content=row["content"],
            )
            for row in await raw.fetch(_MESSAGES, list(by_id))
        ]

    async def papers(
        self, connection: AsyncConnection, message_ids: Sequence[UUID]
    ) -> list[ProofView]:
        """Papers that prove what became of letters, oldest first."""
        raw = await driver(connection)
        return [view_of_proof(row) for row in await raw.fetch(_PAPERS, list(message_ids))]

    async def scans(
        self, connection: AsyncConnection, papers: Sequence[ProofView]
    ) -> list[KeptPaper]:
        """These papers with their files."""
        raw = await driver(connection)
        by_id = {paper.proof_id: paper for paper in papers}
        return [
            KeptPaper(view=by_id[row["proof_id"]], content=row["content"])
            for row in await raw.fetch(_SCANS, list(by_id))
        ]

    async def files(
        self, connection: AsyncConnection, responses: Sequence[ResponseView]
    ) -> list[KeptFile]:
        """The files of these answers."""
        raw = await driver(connection)
        by_id = {response.response_id: response for response in responses}
        return [
            KeptFile(
                response=by_id[row["response_id"]],
                file_no=row["file_no"],
                media_type=row["media_type"],
                content=row["content"],
            )
            for row in await raw.fetch(_FILES, list(by_id))
        ]


class SqlMessageLinks:
    """See `notifier.ports.evidence.MessageLinks`."""

    async def live(self, connection: AsyncConnection, message_ids: Sequence[UUID]) -> LiveLinks:
        """Those of these messages' links that still work."""
        rows = await (await driver(connection)).fetch(_LIVE, list(message_ids))
        return LiveLinks(
            message_ids=tuple(UUID(bytes=row["link_id"].bytes) for row in rows),
            until=max((row["expires_at"] for row in rows), default=None),
        )

    async def revoke(
        self, connection: AsyncConnection, message_ids: Sequence[UUID], *, person: str
    ) -> tuple[UUID, ...]:
        """Let these messages' links stop working, and write down who did it, for each of them."""
        rows = await (await driver(connection)).fetch(_REVOKE, list(message_ids), person)
        return tuple(UUID(bytes=row["link_id"].bytes) for row in rows)


async def _responses(connection: AsyncConnection, debtor_id: str) -> list[ResponseView]:
    """All answers of a debtor, a page at a time."""
    found: list[ResponseView] = []
    after = 0
    while page := await SqlResponses().page(
        connection, ResponseFilter(debtor_id=debtor_id, after=after, limit=_PAGE)
    ):
        found += page
        after = page[-1].seq
    return found
