"""What other services ask of the ledger: permits, debtors' keys, documents. Scope `internal`."""

from __future__ import annotations

import base64

from fastapi import APIRouter, Depends

from dunning_common.auth import require
from invoice_ingest.domain.permit import PermitAnswer, PermitRequest
from invoice_ingest.entrypoints.answers import (
    KeysAnswer,
    KeyView,
    OriginalsAnswer,
    OriginalView,
    PermitRefusal,
    PermitsAnswer,
    PermitView,
)
from invoice_ingest.entrypoints.bodies import (
    DebtorKeysBody,
    OriginalsBody,
    PermitReturnBody,
    PermitsBody,
)
from invoice_ingest.entrypoints.edge import StrictRoute, problems
from invoice_ingest.handlers.grant_permits import grant_permits, return_permits
from invoice_ingest.handlers.keep_original import read_originals
from invoice_ingest.handlers.ports import Desk


def internal_routes(desk: Desk) -> APIRouter:
    """`/internal/permits`, `/internal/debtor-keys` and `/internal/documents`."""
    router = APIRouter(
        prefix="/internal",
        tags=["internal"],
        route_class=StrictRoute,
        dependencies=[Depends(require("internal"))],
        responses=problems(400, 422),
    )

    @router.post("/permits", summary="Ask before sending", response_model_exclude_none=True)
    async def permits(body: PermitsBody) -> PermitsAnswer:
        """Grant each message whose invoices are all open and at the version it was made from."""
        requests = [
            PermitRequest(
                permit_id=request.permit_id,
                tenant=request.tenant,
                invoices=tuple((i.invoice_id, i.version) for i in request.invoices),
            )
            for request in body.requests
        ]
        answers = await grant_permits(desk, requests, lease_s=body.lease_s)
        return PermitsAnswer(answers=[_view(given, body.lease_s) for given in answers])

    @router.post("/permits/return", summary="Give permits back", status_code=204)
    async def give_back(body: PermitReturnBody) -> None:
        """The messages are out, or will not go out: payments need not wait for them any more."""
        await return_permits(desk, body.permit_ids)

    @router.post("/debtor-keys", summary="Keys to open contacts with")
    async def debtor_keys(body: DebtorKeysBody) -> KeysAnswer:
        """Keys of these debtors; erased ones have none any more."""
        async with desk.db.worker() as connection:
            keys = await desk.debtors.keys(
                connection, {(debtor.tenant, debtor.debtor_id) for debtor in body.debtors}
            )
        return KeysAnswer(
            keys=[
                KeyView(
                    tenant=tenant,
                    debtor_id=debtor_id,
                    key_id=found.key_id,
                    key=base64.b64encode(found.key).decode(),
                )
                for (tenant, debtor_id), found in sorted(keys.items())
            ]
        )

    @router.post("/documents", summary="Original documents of invoices")
    async def documents(body: OriginalsBody) -> OriginalsAnswer:
        """Documents in the order asked for, until there is no more room."""
        asked = [(ref.tenant, ref.invoice_id) for ref in body.invoices]
        found, left_out = await read_originals(desk, asked, bytes_max=body.bytes_max)
        return OriginalsAnswer(
            documents=[
                OriginalView(
                    tenant=tenant,
                    invoice_id=invoice_id,
                    file_name=document.file_name,
                    media_type=document.media_type,
                    content=base64.b64encode(document.content).decode(),
                )
                for (tenant, invoice_id), document in found.items()
            ],
            left_out=[invoice_id for _, invoice_id in left_out],
        )

    return router


def _view(given: PermitAnswer, lease_s: float) -> PermitView:
    return PermitView(
        permit_id=given.request.permit_id,
        granted=given.is_granted,
        expires_in_s=lease_s if given.is_granted else None,
        refused=[PermitRefusal(invoice_id=i, reason=reason) for i, reason in given.refused],
    )
