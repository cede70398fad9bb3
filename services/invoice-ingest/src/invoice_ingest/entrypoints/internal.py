"""What other services ask of the ledger: permits, debtors' keys, documents. Scope `internal`."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter, Depends, Response

from dunning_common.auth import require
from invoice_ingest.domain.permit import PermitAnswer, PermitRequest
from invoice_ingest.entrypoints.answers import KeysAnswer, OriginalsAnswer, PermitsAnswer
from invoice_ingest.entrypoints.bodies import (
    DebtorKeysBody,
    OriginalsBody,
    PermitReturnBody,
    PermitsBody,
)
from invoice_ingest.entrypoints.direct import DirectRoute, json_answer
from invoice_ingest.entrypoints.edge import problems
from invoice_ingest.handlers.grant_permits import grant_permits, return_permits
from invoice_ingest.handlers.keep_original import read_originals
from invoice_ingest.handlers.ports import Desk


def internal_routes(desk: Desk) -> APIRouter:
    """`/internal/permits`, `/internal/debtor-keys` and `/internal/documents`.

    Every endpoint also takes its body as `direct` reads it: fields of the same names.
    """
    router = APIRouter(
        prefix="/internal",
        tags=["internal"],
        route_class=DirectRoute,
        dependencies=[Depends(require("internal"))],
        responses=problems(400, 422),
    )

    @router.post("/permits", summary="Ask before sending", response_model=PermitsAnswer)
    async def permits(body: PermitsBody) -> Response:
        """Grant each message whose invoices are all open and at the version it was made from."""
        requests = [
            PermitRequest(
                permit_id=request.permit_id,
                tenant=request.tenant,
                invoices=tuple([(i.invoice_id, i.version) for i in request.invoices]),
            )
            for request in body.requests
        ]
        answers = await grant_permits(desk, requests, lease_s=body.lease_s)
        return json_answer({"answers": [_view(given, body.lease_s) for given in answers]})

    @router.post("/permits/return", summary="Give permits back", status_code=204)
    async def give_back(body: PermitReturnBody) -> Response:
        """The messages are out, or will not go out: payments need not wait for them any more."""
        await return_permits(desk, body.permit_ids)
        return Response(status_code=204)

    @router.post("/debtor-keys", summary="Keys to open contacts with", response_model=KeysAnswer)
    async def debtor_keys(body: DebtorKeysBody) -> Response:
        """Keys of these debtors; erased ones have none any more."""
        async with desk.db.worker() as connection:
            keys = await desk.debtors.keys(
                connection, {(debtor.tenant, debtor.debtor_id) for debtor in body.debtors}
            )
        return json_answer(
            {
                "keys": [
                    {
                        "tenant": tenant,
                        "debtor_id": debtor_id,
                        "key_id": found.key_id,
                        "key": base64.b64encode(found.key).decode(),
                    }
                    for (tenant, debtor_id), found in sorted(keys.items())
                ]
            }
        )

    @router.post(
        "/documents", summary="Original documents of invoices", response_model=OriginalsAnswer
    )
    async def documents(body: OriginalsBody) -> Response:
        """Documents in the order asked for, until there is no more room."""
        asked = [(ref.tenant, ref.invoice_id) for ref in body.invoices]
        found, left_out = await read_originals(desk, asked, bytes_max=body.bytes_max)
        return json_answer(
            {
                "documents": [
                    {
                        "tenant": tenant,
                        "invoice_id": invoice_id,
                        "file_name": document.file_name,
                        "media_type": document.media_type,
                        "content": base64.b64encode(document.content).decode(),
                    }
                    for (tenant, invoice_id), document in found.items()
                ],
                "left_out": [invoice_id for _, invoice_id in left_out],
            }
        )

    return router


def _view(given: PermitAnswer, lease_s: float) -> dict[str, Any]:
    permit_id = given.request.permit_id
    if given.is_granted:
        return {"permit_id": permit_id, "granted": True, "expires_in_s": lease_s, "refused": []}
    refused = [{"invoice_id": i, "reason": reason} for i, reason in given.refused]
    return {"permit_id": permit_id, "granted": False, "refused": refused}
