"""Archives of evidence over HTTP: one invoice, or all of a debtor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from dunning_common.auth import COOKIE, Principal, require, tenant_of
from dunning_common.problems import FieldError, ProblemError
from notifier.handlers.gather_evidence import (
    Asker,
    EvidenceMaker,
    NothingKnownError,
    TooManyInvoicesError,
)
from notifier.ports.evidence import RecordsUnavailableError
from notifier.ports.ledger import LedgerUnavailableError

XTenant = Annotated[str | None, Header(alias="X-Tenant")]
_FORBIDDEN = frozenset({401, 403})

log = structlog.get_logger()


def evidence_routes(maker: EvidenceMaker | None) -> APIRouter:
    """`/v1/evidence`; without a maker the route says what is missing."""
    router = APIRouter(prefix="/v1/evidence", tags=["evidence"])

    @router.get("")
    async def get_evidence(
        request: Request,
        invoice_id: Annotated[str | None, Query(max_length=200)] = None,
        debtor_id: Annotated[str | None, Query(max_length=200)] = None,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> Response:
        """A ZIP with every message, decision, payment and answer, and a signed manifest.

        The token must also read the ledger (`ledger:read`) and the cases (`dunning:read`).
        """
        tenant = tenant_of(principal, x_tenant)
        if maker is None:
            raise ProblemError(
                501,
                "no-evidence-key",
                "Archives cannot be signed here.",
                detail="Set NOTIFIER_EVIDENCE_KEY_FILE to an Ed25519 key in PEM.",
            )
        if (invoice_id is None) == (debtor_id is None):
            raise ProblemError(
                422,
                "invalid-request",
                "Say which invoice, or which debtor.",
                errors=[FieldError(pointer="/invoice_id", detail="send this or debtor_id")],
            )
        asker = Asker(person=principal.subject, token=_token(request))
        with _refusals():
            if invoice_id is not None:
                archive = await maker.of_invoice(tenant, invoice_id, asker)
            else:
                archive = await maker.of_debtor(tenant, debtor_id or "", asker)
        log.info(
            "evidence_made",
            tenant=tenant,
            invoice_id=invoice_id,
            debtor_id=debtor_id,
            person=principal.subject,
            size_bytes=len(archive),
        )
        return Response(
            archive,
            media_type="application/zip",
            headers={
                "content-disposition": 'attachment; filename="evidence.zip"',
                "cache-control": "private, no-store",
            },
        )

    return router


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except NothingKnownError as error:
        raise ProblemError(404, "nothing-known", "There is no such invoice or debtor.") from error
    except TooManyInvoicesError as error:
        raise ProblemError(
            422, "too-many-invoices", "That is too much for one archive.", detail=str(error)
        ) from error
    except RecordsUnavailableError as error:
        if error.status in _FORBIDDEN:
            raise ProblemError(
                403,
                "missing-scope",
                "This token may not read all that belongs into the archive.",
                detail=f"{error}; use one with ledger:read, dunning:read and notices:read.",
            ) from error
        raise _unavailable(str(error)) from error
    except LedgerUnavailableError as error:
        raise _unavailable("The ledger holds the debtor's key and does not answer.") from error


def _unavailable(detail: str) -> ProblemError:
    return ProblemError(
        503,
        "records-unavailable",
        "Not all records can be had right now; ask again.",
        detail=detail,
        headers={"retry-after": "5"},
    )


def _token(request: Request) -> str:
    """The caller's own token, to ask the other services with."""
    header = request.headers.get("authorization", "")
    return header[7:] if header[:7].lower() == "bearer " else request.cookies.get(COOKIE, "")
