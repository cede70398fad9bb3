"""Reads the notifier's own records of a claim; row-level security keeps it to one tenant."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_proofs import view_of_proof
from notifier.adapters.sql_reading import VIEW, view_of
from notifier.adapters.sql_responses import SqlResponses
from notifier.ports.evidence import KeptMessage, KeptPaper
from notifier.ports.responses import ResponseFilter, ResponseView

_MESSAGES = (
    VIEW.replace("SELECT ", "SELECT n.body::text AS notice, m.content, ", 1)
    + """
WHERE m.debtor_id = $1 AND ($2::text[] IS NULL OR m.invoice_ids && $2)
ORDER BY m.seq
"""
)
_PAPERS = """
SELECT proof_id, message_id, kind, happened_on, reference, file_name, media_type, sha256,
    size_bytes, given_by, given_at, content
FROM message_proof WHERE message_id = ANY($1) ORDER BY given_at
"""
_PAGE = 500


class SqlEvidence:
    """See `notifier.ports.evidence.EvidenceShelf`."""

    async def messages(
        self, connection: AsyncConnection, debtor_id: str, invoice_ids: Sequence[str] | None
    ) -> list[KeptMessage]:
        """Messages to a debtor, about these invoices or all."""
        raw = await driver(connection)
        asked = None if invoice_ids is None else list(invoice_ids)
        return [
            KeptMessage(
                view=view_of(row), notice=orjson.loads(row["notice"]), content=row["content"]
            )
            for row in await raw.fetch(_MESSAGES, debtor_id, asked)
        ]

    async def papers(
        self, connection: AsyncConnection, messages: Sequence[KeptMessage]
    ) -> list[KeptPaper]:
        """Papers that prove what became of letters."""
        raw = await driver(connection)
        by_id = {kept.message.message_id: kept.message for kept in messages}
        return [
            KeptPaper(
                message=by_id[row["message_id"]], view=view_of_proof(row), content=row["content"]
            )
            for row in await raw.fetch(_PAPERS, list(by_id))
        ]

    async def responses(
        self, connection: AsyncConnection, debtor_id: str, invoice_ids: Sequence[str] | None
    ) -> list[ResponseView]:
        """What the debtor answered, about these invoices or at all."""
        found: list[ResponseView] = []
        after = 0
        while page := await SqlResponses().page(
            connection, ResponseFilter(debtor_id=debtor_id, after=after, limit=_PAGE)
        ):
            found += page
            after = page[-1].seq
        asked = None if invoice_ids is None else set(invoice_ids)
        return [
            each
            for each in found
            if asked is None or not each.invoice_ids or asked & set(each.invoice_ids)
        ]
