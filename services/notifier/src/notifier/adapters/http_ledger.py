"""The ledger over HTTP: debtor keys and send permits, one call a batch.

Never retries: a failed call means that nothing is sent now. Keys are kept nowhere.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx
import orjson
import structlog

from notifier.content.model import Attachment
from notifier.ports.ledger import (
    DebtorKey,
    Denied,
    Granted,
    InvoiceRef,
    LedgerUnavailableError,
    PermitRequest,
)

_DOCUMENT_BYTES_MAX = 32 * 1024 * 1024
"""Of all documents for one batch of messages."""

log = structlog.get_logger()


class HttpLedger:
    """The internal interface of invoice-ingest."""

    def __init__(
        self, client: httpx.AsyncClient, *, base_url: str, token: str, timeout_s: float
    ) -> None:
        """Args: timeout_s of one call; it eats into the lease."""
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
        }
        self._timeout_s = timeout_s

    async def keys(self, debtors: Collection[DebtorKey]) -> Mapping[DebtorKey, bytes]:
        """The debtors' keys; those of erased debtors are missing.

        Raises:
            LedgerUnavailableError: no answer.
        """
        wanted = [{"tenant": tenant, "debtor_id": debtor} for tenant, debtor in sorted(debtors)]
        body = await self._post("debtor-keys", {"debtors": wanted})
        try:
            return {
                (row["tenant"], row["debtor_id"]): base64.b64decode(row["key"])
                for row in body["keys"]
            }
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerUnavailableError(f"debtor-keys: unusable answer: {error!r}") from error

    async def documents(self, invoices: Collection[InvoiceRef]) -> Mapping[InvoiceRef, Attachment]:
        """The original documents of invoices, as far as the company sent them.

        Raises:
            LedgerUnavailableError: no answer.
        """
        wanted = [{"tenant": tenant, "invoice_id": invoice} for tenant, invoice in invoices]
        body = await self._post("documents", {"invoices": wanted, "bytes_max": _DOCUMENT_BYTES_MAX})
        try:
            if body["left_out"]:
                log.warning("documents_left_out", invoices=body["left_out"])
            return {
                (row["tenant"], row["invoice_id"]): Attachment(
                    file_name=row["file_name"],
                    media_type=row["media_type"],
                    content=base64.b64decode(row["content"]),
                )
                for row in body["documents"]
            }
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerUnavailableError(f"documents: unusable answer: {error!r}") from error

    async def permits(
        self, requests: Sequence[PermitRequest], *, lease_s: float
    ) -> Mapping[UUID, Granted | Denied]:
        """Ask for permission to send, in one call.

        Raises:
            LedgerUnavailableError: no answer; permits may have been granted all the same.
        """
        wanted = [
            {
                "permit_id": request.permit_id,
                "tenant": request.tenant,
                "invoices": [
                    {"invoice_id": invoice_id, "version": version}
                    for invoice_id, version in request.invoices
                ],
            }
            for request in requests
        ]
        body = await self._post("permits", {"lease_s": lease_s, "requests": wanted})
        try:
            return {UUID(row["permit_id"]): _answer(row, lease_s) for row in body["answers"]}
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerUnavailableError(f"permits: unusable answer: {error!r}") from error

    async def return_permits(self, permit_ids: Collection[UUID]) -> None:
        """Give permits back, so that payments need not wait; failing that they expire."""
        try:
            await self._post("permits/return", {"permit_ids": list(permit_ids)})
        except LedgerUnavailableError as error:
            log.warning("permits_not_returned", count=len(permit_ids), error=str(error))

    async def _post(self, what: str, body: dict[str, Any]) -> Any:
        try:
            response = await self._client.post(
                f"{self._base_url}/internal/{what}",
                content=orjson.dumps(body),
                headers=self._headers,
                timeout=self._timeout_s,
            )
            response.raise_for_status()
            return orjson.loads(response.content) if response.content else {}
        except (httpx.HTTPError, ValueError) as error:
            raise LedgerUnavailableError(f"{what}: {error!r}") from error


def _answer(row: dict[str, Any], lease_s: float) -> Granted | Denied:
    if row["granted"]:
        return Granted(expires_in_s=float(row.get("expires_in_s") or lease_s))
    refused = row.get("refused") or ()
    return Denied(refused=tuple((str(r["invoice_id"]), str(r["reason"])) for r in refused))
