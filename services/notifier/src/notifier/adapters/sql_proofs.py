"""Papers about letters, in PostgreSQL, sealed with the debtor's key. Never commits."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.ports.proofs import NewProof, ProofKind, ProofView

_COLUMNS = """proof_id, message_id, kind, happened_on, reference, file_name, media_type, sha256,
    size_bytes, given_by, given_at"""
_KEEP = """
INSERT INTO message_proof (tenant, proof_id, message_id, debtor_id, kind, happened_on, reference,
    file_name, media_type, content, sha256, size_bytes, given_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant, message_id, kind, sha256) DO NOTHING
"""
_SAME = f"""
SELECT {_COLUMNS} FROM message_proof
WHERE tenant = $1 AND message_id = $2 AND kind = $3 AND sha256 = $4
"""
_OF_MESSAGE = f"SELECT {_COLUMNS} FROM message_proof WHERE message_id = $1 ORDER BY given_at"
_CONTENT = f"""
SELECT {_COLUMNS}, content FROM message_proof WHERE message_id = $1 AND proof_id = $2
"""


class SqlProofs:
    """Papers; see `notifier.ports.proofs.Proofs`."""

    async def keep(self, connection: AsyncConnection, proof: NewProof) -> ProofView:
        """Store a paper; the same file for the same purpose again is the one that is there."""
        raw = await driver(connection)
        message = proof.message
        await raw.execute(
            _KEEP,
            message.tenant,
            proof.proof_id,
            message.message_id,
            message.debtor_id,
            str(proof.kind),
            proof.happened_on,
            proof.reference,
            proof.file_name,
            proof.media_type,
            proof.content,
            proof.sha256,
            proof.size_bytes,
            proof.given_by,
        )
        row = await raw.fetchrow(
            _SAME, message.tenant, message.message_id, str(proof.kind), proof.sha256
        )
        if row is None:
            raise LookupError("a proof that was stored is not there")
        return view_of_proof(row)

    async def of_message(self, connection: AsyncConnection, message_id: UUID) -> list[ProofView]:
        """A message's papers, oldest first."""
        raw = await driver(connection)
        return [view_of_proof(row) for row in await raw.fetch(_OF_MESSAGE, message_id)]

    async def content(
        self, connection: AsyncConnection, message_id: UUID, proof_id: UUID
    ) -> tuple[ProofView, bytes] | None:
        """A paper with its sealed file."""
        raw = await driver(connection)
        row = await raw.fetchrow(_CONTENT, message_id, proof_id)
        return (view_of_proof(row), row["content"]) if row else None


def view_of_proof(row: asyncpg.Record) -> ProofView:
    """The paper in a row."""
    return ProofView(
        proof_id=UUID(bytes=row["proof_id"].bytes),
        message_id=UUID(bytes=row["message_id"].bytes),
        kind=ProofKind(row["kind"]),
        happened_on=row["happened_on"],
        reference=row["reference"],
        file_name=row["file_name"],
        media_type=row["media_type"],
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        given_by=row["given_by"],
        given_at=row["given_at"],
    )
