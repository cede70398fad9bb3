"""The HTTP interface of the post: batches of letters, and papers that prove what became of them."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Header, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from dunning_common.auth import Principal, require, tenant_of
from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.problems import ProblemError
from dunning_common.vault import VaultError
from notifier.domain.post import remedy
from notifier.entrypoints.paging import after, cursor_of
from notifier.handlers.proofs import (
    LARGEST_BYTES,
    ErasedError,
    Paper,
    ProofKeeper,
    ProofRefusedError,
)
from notifier.handlers.resolve import NoSuchMessageError, Resolution
from notifier.handlers.resolve_batch import BatchNotUnknownError, BatchResolver, NoSuchBatchError
from notifier.ports.ledger import LedgerUnavailableError
from notifier.ports.post import Batch, Batches
from notifier.ports.proofs import ProofKind, ProofView
from notifier.ports.responses import COVER_READ, Responses

XTenant = Annotated[str | None, Header(alias="X-Tenant")]
COVER = "cover.pdf"


class ResolveBatchBody(BaseModel):
    """What the printer says of a batch, and who said so."""

    model_config = ConfigDict(extra="forbid")

    outcome: Resolution
    note: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")


def batch_routes(
    *,
    db: Database,
    batches: Batches,
    responses: Responses,
    resolver: BatchResolver,
    largest: int,
) -> APIRouter:
    """The routes under `/v1/letter-batches`."""
    router = APIRouter(prefix="/v1/letter-batches", tags=["post"])
    _add_lists(router, db, batches)
    _add_cover(router, db, batches, responses)
    _add_actions(router, db, batches, resolver, largest=largest)
    return router


def _add_lists(router: APIRouter, db: Database, batches: Batches) -> None:
    @router.get("")
    async def list_batches(
        cursor: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        newest_first: bool = False,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Batches of letters, oldest first or `newest_first`; `next_cursor` leads on."""
        seq = after(cursor)
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            found = await batches.page(
                connection, after=seq, limit=limit, newest_first=newest_first
            )
        more = cursor_of(found[-1].seq) if len(found) == limit else None
        return {"items": [_batch_json(batch) for batch in found], "next_cursor": more}

    @router.get("/{batch_id}")
    async def get_batch(
        batch_id: UUID,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """One batch with its letters."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            batch = await batches.one(connection, batch_id)
            if batch is None:
                raise _no_batch()
            letters = (await batches.letters(connection, [batch.key])).get(batch.key, ())
        listed = [
            {
                "place": letter.place,
                "reference": letter.reference(batch),
                "message_id": letter.message_id,
                "debtor_id": letter.debtor_id,
                "state": letter.message.state,
                "reason": letter.reason,
                "sha256": letter.sha256,
            }
            for letter in letters
        ]
        return _batch_json(batch) | {"items": listed}


def _add_cover(router: APIRouter, db: Database, batches: Batches, responses: Responses) -> None:
    @router.get("/{batch_id}/cover")
    async def get_cover(
        batch_id: UUID,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> Response:
        """The cover sheet; of registered letters the posting list for the counter.

        Who takes it is written down first.
        """
        tenant, person = tenant_of(principal, x_tenant), principal.subject
        async with db.tenant(tenant) as connection:
            batch = await batches.one(connection, batch_id)
            if batch is not None and batch.folder is not None:
                await responses.log(connection, tenant, str(batch_id), COVER_READ, person)
        if batch is None:
            raise _no_batch()
        if batch.folder is None:
            raise ProblemError(
                409, "batch-not-ready", "The batch has no cover sheet yet.", detail=batch.error
            )
        try:
            pdf = await asyncio.to_thread((Path(batch.folder) / COVER).read_bytes)
        except FileNotFoundError:
            raise ProblemError(
                410,
                "batch-gone",
                "The batch's folder was taken away.",
                detail="the letters themselves are kept with their messages",
            ) from None
        headers = {"cache-control": "private, no-store"}
        return Response(pdf, media_type="application/pdf", headers=headers)


def _add_actions(
    router: APIRouter, db: Database, batches: Batches, resolver: BatchResolver, *, largest: int
) -> None:
    @router.post("")
    async def cut_batches(
        principal: Principal = Depends(require("notices:write")), x_tenant: XTenant = None
    ) -> dict[str, int]:
        """Make batches of all letters that wait, now; they are bound and handed over at once."""
        async with db.tenant(tenant_of(principal, x_tenant)) as connection:
            return {"cut": await batches.cut(connection, largest=largest, wait_s=0.0)}

    @router.post("/{batch_id}/resolve")
    async def resolve_batch(
        batch_id: UUID,
        body: ResolveBatchBody,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Say what became of an unknown batch: all its unknown letters were sent, or not."""
        try:
            batch = await resolver.resolve(
                tenant_of(principal, x_tenant),
                batch_id,
                outcome=body.outcome,
                note=body.note,
                person=principal.subject,
            )
        except NoSuchBatchError:
            raise _no_batch() from None
        except BatchNotUnknownError as error:
            raise ProblemError(
                409,
                "batch-not-unknown",
                "The batch's fate is known.",
                detail=f"it is {error.state}; only an unknown batch can be resolved",
            ) from None
        return _batch_json(batch)


def proof_routes(keeper: ProofKeeper, clock: Clock) -> APIRouter:
    """The routes under `/v1/messages/{message_id}/proofs`."""
    router = APIRouter(prefix="/v1/messages/{message_id}/proofs", tags=["post"])

    @router.post("", status_code=201)
    async def add_proof(
        message_id: UUID,
        file: Annotated[UploadFile, File()],
        kind: Annotated[ProofKind, Form()],
        date: Annotated[date, Form()],
        reference: Annotated[str, Form(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = "",
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """Keep a paper that proves that a letter was deposited, received, or came back."""
        paper = Paper(
            kind=kind,
            happened_on=date,
            reference=reference,
            file_name=_printable(file.filename or "proof"),
            content=await file.read(LARGEST_BYTES + 1),
        )
        tenant = tenant_of(principal, x_tenant)
        try:
            kept = await keeper.keep(
                tenant, message_id, paper, person=principal.subject, today=clock.now().date()
            )
        except NoSuchMessageError:
            raise _no_message() from None
        except ProofRefusedError as error:
            raise ProblemError(
                422, "proof-refused", "The paper cannot be kept.", detail=str(error)
            ) from None
        except (ErasedError, LedgerUnavailableError) as error:
            raise _sealed(error) from None
        return _proof_json(kept)

    @router.get("")
    async def list_proofs(
        message_id: UUID,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> dict[str, Any]:
        """A letter's papers, oldest first."""
        papers = await keeper.papers(tenant_of(principal, x_tenant), message_id)
        return {"items": [_proof_json(kept) for kept in papers]}

    @router.get("/{proof_id}/content")
    async def get_proof(
        message_id: UUID,
        proof_id: UUID,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> Response:
        """The file itself; who takes it is written down first."""
        try:
            kept, content = await keeper.file(
                tenant_of(principal, x_tenant), message_id, proof_id, person=principal.subject
            )
        except NoSuchMessageError:
            raise _no_message() from None
        except (ErasedError, VaultError, LedgerUnavailableError) as error:
            raise _sealed(error) from None
        return Response(
            content,
            media_type=kept.media_type,
            headers={
                "etag": f'"{kept.sha256}"',
                "cache-control": "private, no-store",
                "content-disposition": "attachment",
                "x-content-type-options": "nosniff",
            },
        )

    return router


def _sealed(error: Exception) -> ProblemError:
    if isinstance(error, LedgerUnavailableError):
        return ProblemError(
            503,
            "ledger-unavailable",
            "The ledger holds the debtor's key and does not answer.",
            headers={"retry-after": "5"},
        )
    return ProblemError(410, "erased", "The debtor was erased; nothing about it is kept.")


def _no_batch() -> ProblemError:
    return ProblemError(404, "batch-not-found", "There is no batch of that id.")


def _no_message() -> ProblemError:
    return ProblemError(404, "message-not-found", "There is no such message or paper.")


def _printable(name: str) -> str:
    return "".join(char for char in name if char.isprintable())[-200:]


def _batch_json(batch: Batch) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "reference": batch.reference,
        "channel": batch.channel,
        "state": batch.state,
        "letters": batch.letters,
        "withdrawn": batch.withdrawn,
        "pages": batch.pages,
        "size_bytes": batch.size_bytes,
        "checksum": batch.checksum,
        "place": batch.place,
        "tries": batch.tries,
        "error": batch.error,
        "remedy": remedy(state=batch.state, error=batch.error),
        "cut_at": batch.cut_at,
        "ready_at": batch.ready_at,
        "handed_over_at": batch.handed_over_at,
        "cleared_at": batch.cleared_at,
    }


def _proof_json(kept: ProofView) -> dict[str, Any]:
    return {
        "proof_id": kept.proof_id,
        "message_id": kept.message_id,
        "kind": kept.kind,
        "date": kept.happened_on,
        "reference": kept.reference,
        "file_name": kept.file_name,
        "media_type": kept.media_type,
        "sha256": kept.sha256,
        "size_bytes": kept.size_bytes,
        "given_by": kept.given_by,
        "given_at": kept.given_at,
    }
