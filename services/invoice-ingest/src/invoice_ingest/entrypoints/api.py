"""The ledger's HTTP application: all routes, in the order of the documentation."""

from __future__ import annotations

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from dunning_common.auth import Verifier
from dunning_common.consumer import Consumer
from dunning_common.feed import feed_router
from dunning_common.http import create_app
from invoice_ingest.entrypoints import edge
from invoice_ingest.entrypoints.bulk import bulk_routes
from invoice_ingest.entrypoints.imports import import_routes
from invoice_ingest.entrypoints.internal import internal_routes
from invoice_ingest.entrypoints.openapi import describe
from invoice_ingest.entrypoints.routes_credits import credit_routes
from invoice_ingest.entrypoints.routes_debtors import debtor_routes
from invoice_ingest.entrypoints.routes_invoices import invoice_routes
from invoice_ingest.entrypoints.routes_originals import original_routes
from invoice_ingest.entrypoints.routes_tenants import tenant_routes
from invoice_ingest.handlers.ports import Desk

VERSION = "0.1.0"


def make_app(
    desk: Desk,
    *,
    verifier: Verifier,
    registry: CollectorRegistry,
    consumer: Consumer | None = None,
) -> FastAPI:
    """The application, ready to serve.

    Args:
        desk: what the use cases work with.
        verifier: checks tokens.
        registry: takes the metrics.
        consumer: retries parked events on demand; None where there is no broker.
    """
    app = create_app(
        title="invoice-ingest",
        version=VERSION,
        verifier=verifier,
        registry=registry,
        ready={"database": desk.db.ping},
    )
    edge.install(app)
    for router in (
        tenant_routes(desk),
        debtor_routes(desk),
        invoice_routes(desk),
        original_routes(desk),
        credit_routes(desk),
        bulk_routes(desk),
        import_routes(desk),
        internal_routes(desk),
        feed_router(desk.db, consumer),
    ):
        app.include_router(router)
    describe(app)
    return app
