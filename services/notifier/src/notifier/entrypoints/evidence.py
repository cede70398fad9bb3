"""Archives of evidence over HTTP: one invoice, or all of a debtor, in volumes; and their key.

GET reads. POST makes the same archive for somebody outside of the house, and can end the links in
its messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from dunning_common.auth import COOKIE, Principal, require, tenant_of
from dunning_common.problems import FieldError, ProblemError
from notifier.domain.claim import NoSuchVolumeError
from notifier.handlers.gather_evidence import Archive, Asker, EvidenceMaker, NothingKnownError
from notifier.ports.evidence import RecordsUnavailableError
from notifier.ports.ledger import LedgerUnavailableError

XTenant = Annotated[str | None, Header(alias="X-Tenant")]
ExternalId = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Volume = Annotated[int, Query(ge=1, le=100_000)]
_FORBIDDEN = frozenset({401, 403})

log = structlog.get_logger()


def evidence_routes(maker: EvidenceMaker | None) -> APIRouter:
    """`/v1/evidence`; without a maker the routes say what is missing."""
    router = APIRouter(prefix="/v1/evidence", tags=["evidence"])

    @router.get("/key")
    async def get_key() -> dict[str, Any]:
        """The public key that checks the archives of this platform, for everybody; publish it.

        `sha256` is of its SubjectPublicKeyInfo in DER.
        """
        signer = _there(maker).signer
        return {
            "algorithm": "Ed25519",
            "public_key": signer.public_pem.decode(),
            "sha256": signer.fingerprint,
        }

    @router.get("", response_class=StreamingResponse)
    async def get_evidence(
        request: Request,
        invoice_id: ExternalId = None,
        debtor_id: ExternalId = None,
        volume: Volume = 1,
        revoke_links: bool = False,
        principal: Principal = Depends(require("notices:read")),
        x_tenant: XTenant = None,
    ) -> StreamingResponse:
        """A ZIP with every message, decision, payment and answer, and a signed manifest.

        The token must also read the ledger (`ledger:read`) and the cases (`dunning:read`). A debtor
        with more than 250 invoices gets several volumes: `Link: <...>; rel="next"` is the next.
        """
        if revoke_links:
            raise _invalid("revoke_links", "send this with POST: a GET changes nothing")
        asker = Asker(person=principal.subject, token=_token(request))
        tenant = tenant_of(principal, x_tenant)
        made = await _made(_there(maker), tenant, asker, invoice_id, debtor_id, volume)
        return _answer(made, request)

    @router.post("", response_class=StreamingResponse)
    async def hand_over(
        request: Request,
        invoice_id: ExternalId = None,
        debtor_id: ExternalId = None,
        volume: Volume = 1,
        revoke_links: bool = False,
        principal: Principal = Depends(require("notices:write")),
        x_tenant: XTenant = None,
    ) -> StreamingResponse:
        """The same archive; `revoke_links=true` ends the links of the messages in it.

        Whoever gets the archive could answer in the debtor's name through them. Each is written
        down (`/v1/audit?target=<message id>`). Again changes nothing.
        """
        asker = Asker(person=principal.subject, token=_token(request), revokes_links=revoke_links)
        tenant = tenant_of(principal, x_tenant)
        made = await _made(_there(maker), tenant, asker, invoice_id, debtor_id, volume)
        return _answer(made, request)

    return router


def _there(maker: EvidenceMaker | None) -> EvidenceMaker:
    if maker is None:
        raise ProblemError(
            501,
            "no-evidence-key",
            "Archives cannot be signed here.",
            detail="Set NOTIFIER_EVIDENCE_KEY_FILE to an Ed25519 key in PEM.",
        )
    return maker


async def _made(
    maker: EvidenceMaker,
    tenant: str,
    asker: Asker,
    invoice_id: str | None,
    debtor_id: str | None,
    volume: int,
) -> Archive:
    with _refusals():
        if invoice_id is not None and debtor_id is None:
            if volume > 1:
                raise NoSuchVolumeError("an invoice has one volume")
            return await maker.of_invoice(tenant, invoice_id, asker)
        if debtor_id is not None and invoice_id is None:
            return await maker.of_debtor(tenant, debtor_id, asker, volume=volume)
    raise _invalid("invoice_id", "send this or debtor_id")


def _answer(made: Archive, request: Request) -> StreamingResponse:
    claim, total = made.claim, len(made.claim.volumes)
    log.info(
        "evidence_made",
        tenant=claim.tenant,
        claim=claim.name,
        volume=claim.volume,
        volumes=total,
        files=made.files,
        links_revoked=made.links_revoked,
    )
    name = f"evidence-{claim.volume}-of-{total}.zip" if total > 1 else "evidence.zip"
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "private, no-store",
    }
    if claim.volume < total:
        asked = dict(request.query_params) | {"volume": str(claim.volume + 1)}
        headers["link"] = f'<{request.url.path}?{urlencode(asked)}>; rel="next"'
    return StreamingResponse(made.parts, media_type="application/zip", headers=headers)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except NothingKnownError as error:
        raise ProblemError(404, "nothing-known", "There is no such invoice or debtor.") from error
    except NoSuchVolumeError as error:
        raise ProblemError(
            404, "no-such-volume", "There is no such volume.", detail=str(error)
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


def _invalid(field: str, detail: str) -> ProblemError:
    return ProblemError(
        422,
        "invalid-request",
        "That cannot be asked for like this.",
        errors=[FieldError(pointer=f"/{field}", detail=detail)],
    )


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
