"""Original documents of invoices over REST: the PDF itself is the body."""

from __future__ import annotations

from email.message import Message
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from dunning_common.problems import FieldError, ProblemError
from invoice_ingest.domain.original import ORIGINAL_BYTES_MAX, Original, OriginalError, original
from invoice_ingest.entrypoints.answers import KeptOriginal
from invoice_ingest.entrypoints.edge import problems, tenant_with
from invoice_ingest.entrypoints.fields import Id
from invoice_ingest.handlers.keep_original import (
    DebtorErasedError,
    NoSuchInvoiceError,
    drop_original,
    keep_original,
    read_originals,
)
from invoice_ingest.handlers.ports import Desk

Reader = Annotated[str, Depends(tenant_with("ledger:read"))]
Writer = Annotated[str, Depends(tenant_with("ledger:write"))]
_PDF_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def original_routes(desk: Desk) -> APIRouter:
    """`/v1/invoices/{invoice_id}/document`."""
    router = APIRouter(prefix="/v1/invoices/{invoice_id}/document", tags=["invoices"])

    @router.put(
        "",
        summary="Send the original document",
        responses=problems(404, 410, 413, 422),
        openapi_extra=_PDF_BODY,
    )
    async def put(
        invoice_id: Id,
        request: Request,
        tenant: Writer,
        content_disposition: Annotated[str, Header()] = "",
    ) -> KeptOriginal:
        """Keep the PDF of an invoice; reminders of it carry it, and the debtor's page shows it.

        `Content-Disposition: attachment; filename="..."` names the file.
        """
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            document = original(
                await _bounded(request),
                media_type=media_type,
                file_name=_file_name(content_disposition) or f"{invoice_id}.pdf",
            )
        except OriginalError as error:
            raise ProblemError(
                413 if error.too_large else 422,
                "no-document",
                "This cannot be kept as the document of an invoice.",
                errors=[FieldError(pointer="", detail=error.detail)],
            ) from error
        try:
            status = await keep_original(desk, tenant, invoice_id, document)
        except NoSuchInvoiceError as error:
            raise _unknown() from error
        except DebtorErasedError as error:
            raise ProblemError(410, "erased", "The debtor of this invoice was erased.") from error
        return KeptOriginal(
            id=invoice_id,
            status=status,
            file_name=document.file_name,
            sha256=document.sha256,
            size_bytes=len(document.content),
        )

    @router.get("", summary="Get the original document", responses=problems(404))
    async def get(invoice_id: Id, tenant: Reader) -> Response:
        """The document as it was sent; an instalment has that of its document."""
        asked = (tenant, invoice_id)
        found, _ = await read_originals(desk, [asked], bytes_max=ORIGINAL_BYTES_MAX)
        if (document := found.get(asked)) is None:
            raise ProblemError(404, "no-document", "No document is kept for this invoice.")
        return Response(
            document.content, media_type=document.media_type, headers=_headers(document)
        )

    @router.delete(
        "", summary="Forget the original document", status_code=204, responses=problems(404)
    )
    async def delete(invoice_id: Id, tenant: Writer) -> None:
        """Forget it; messages that went out with it keep their copy."""
        try:
            await drop_original(desk, tenant, invoice_id)
        except NoSuchInvoiceError as error:
            raise _unknown() from error

    return router


def _unknown() -> ProblemError:
    return ProblemError(404, "unknown-invoice", "There is no such invoice.")


def _headers(document: Original) -> dict[str, str]:
    return {
        "etag": f'"{document.sha256}"',
        "cache-control": "private, no-store",
        "content-disposition": f'attachment; filename="{document.file_name}"'.encode(
            "ascii", "replace"
        ).decode(),
        "x-content-type-options": "nosniff",
    }


def _file_name(disposition: str) -> str:
    """The file's name in a Content-Disposition (RFC 6266), or nothing."""
    header = Message()
    header["content-disposition"] = disposition
    name = header.get_filename()
    return name or ""


async def _bounded(request: Request) -> bytes:
    """The body, read no further than a document may be long."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > ORIGINAL_BYTES_MAX:
            break
    return b"".join(parts)
