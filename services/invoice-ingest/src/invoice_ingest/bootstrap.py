"""Puts the ledger together: the only place that knows which adapter is plugged in where."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from prometheus_client import CollectorRegistry

from dunning_common.auth import Verifier
from dunning_common.bus import Bus
from dunning_common.clock import Clock, SystemClock
from dunning_common.consumer import Consumer
from dunning_common.db import Database
from dunning_common.feed import FeedClient
from dunning_common.relay import Relay
from dunning_common.service import Service
from invoice_ingest.adapters.master_key import read_master_key
from invoice_ingest.adapters.permit_bell import PermitBell
from invoice_ingest.adapters.sql_books import SqlBooks
from invoice_ingest.adapters.sql_debtors import SqlDebtors
from invoice_ingest.adapters.sql_originals import SqlOriginals
from invoice_ingest.adapters.sql_permits import SqlPermits
from invoice_ingest.adapters.sql_tenants import SqlTenants
from invoice_ingest.entrypoints.api import make_app
from invoice_ingest.entrypoints.consumers import TOPICS, apply_events
from invoice_ingest.handlers.ports import SOURCE, Bell, Desk, PermitStore
from invoice_ingest.schema import SCHEMA
from invoice_ingest.settings import Settings


async def build(
    settings: Settings,
    *,
    bus: Bus,
    feeds: Mapping[str, FeedClient] | None = None,
    clock: Clock | None = None,
    permits: PermitStore | None = None,
) -> Service:
    """Build the service; nothing runs yet.

    Args:
        settings: from the environment, or a test's own.
        bus: the broker.
        feeds: the producers' feeds by topic; by default the engine's and the notifier's.
        clock: what "today" means where an order names no day; by default the machine's.
        permits: instead of `SqlPermits`: with a bug on purpose.

    Raises:
        MasterKeyError: the master key's file is missing or wrong.
    """
    db = Database(
        api_url=settings.api_database_url.get_secret_value(),
        worker_url=settings.worker_database_url.get_secret_value(),
        schema=SCHEMA.schema,
        pool_size=settings.pool_size,
        name=SOURCE,
    )
    bell = PermitBell(db)
    desk = make_desk(
        db,
        master_key=read_master_key(settings.master_key_file),
        bell=bell,
        clock=clock,
        permits=permits,
    )
    client = httpx.AsyncClient()
    token = settings.service_token.get_secret_value()
    engine = FeedClient(settings.engine_url, token, client)
    notifier = FeedClient(settings.notifier_url, token, client)
    registry = CollectorRegistry()
    consumer = Consumer(
        name=SOURCE,
        db=db,
        bus=bus,
        topics=TOPICS,
        apply=apply_events(desk),
        feeds=feeds or {"dunning.v1": engine, "responses.v1": notifier},
        anti_entropy_s=settings.anti_entropy_s,
        watchdog_s=settings.watchdog_s,
        registry=registry,
    )
    relay = Relay(db=db, bus=bus, registry=registry)

    async def close() -> None:
        await client.aclose()
        await db.close()

    return Service(
        name=SOURCE,
        app=make_app(
            desk,
            verifier=Verifier.from_file(settings.token_keys_file),
            registry=registry,
            consumer=consumer,
        ),
        host=settings.http_host,
        port=settings.http_port,
        loops={"relay": relay.run, "consumer": consumer.run, "permit-bell": bell.run},
        close=close,
    )


def make_desk(
    db: Database,
    *,
    master_key: bytes,
    bell: Bell,
    clock: Clock | None = None,
    permits: PermitStore | None = None,
) -> Desk:
    """The use cases' desk with the real adapters."""
    return Desk(
        db=db,
        books=SqlBooks(),
        tenants=SqlTenants(),
        debtors=SqlDebtors(master_key=master_key),
        permits=permits or SqlPermits(),
        originals=SqlOriginals(),
        bell=bell,
        clock=clock or SystemClock(),
    )
