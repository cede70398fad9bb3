"""What OpenAPI cannot see by itself: bulk items are read by hand, so their schemas are added."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from invoice_ingest.entrypoints.bodies import (
    CreditNoteItem,
    DebtorItem,
    InvoiceItem,
    PaymentItem,
)

_INTRODUCTION = """
The ledger: every amount, over REST.

* Every **PUT** may be sent again: the answer says `created`, `updated`, `unchanged` or `stale`.
* Amounts are decimal strings, dates are `YYYY-MM-DD`, errors are RFC 9457 problems with pointers.
* **Bulk** endpoints answer one result per item, in order; good items are taken beside bad ones.
* The tenant comes from the token; tokens that act for all tenants name one in `X-Tenant`.
"""


def describe(app: FastAPI) -> None:
    """Complete the OpenAPI document when it is first asked for."""
    app.description = _INTRODUCTION
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            _, definitions = models_json_schema(
                [(m, "validation") for m in (DebtorItem, InvoiceItem, PaymentItem, CreditNoteItem)],
                ref_template="#/components/schemas/{model}",
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name, schema in definitions["$defs"].items():
                schemas.setdefault(name, schema)
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]
