"""The composition root: the only place that knows concrete adapters."""

from __future__ import annotations

from importlib.metadata import version

import httpx
from prometheus_client import CollectorRegistry

from dunning_common.auth import Verifier
from dunning_common.bus import Bus
from dunning_common.clock import Clock, SystemClock
from dunning_common.consumer import Consumer
from dunning_common.db import Database
from dunning_common.feed import FeedClient, feed_router
from dunning_common.http import create_app
from dunning_common.service import Service
from dunning_common.web import Links, Pages
from kpi.adapters.sql_facts import SqlFactStore
from kpi.entrypoints.api import api_router
from kpi.entrypoints.pages import pages_router
from kpi.handlers.fold import Fold
from kpi.schema import SCHEMA
from kpi.settings import Settings

NAME = "kpi"
TOPICS = ("tenants.v1", "receivables.v1", "dunning.v1", "notifications.v1")


async def build(
    settings: Settings,
    *,
    bus: Bus,
    clock: Clock | None = None,
    client: httpx.AsyncClient | None = None,
) -> Service:
    """Make the service; nothing runs yet.

    Args:
        settings: where everything is.
        bus: the broker.
        clock: the present, for tenants that follow real time.
        client: how the producers' feeds are reached.
    """
    db = Database(
        api_url=settings.api_database_url.get_secret_value(),
        worker_url=settings.worker_database_url.get_secret_value(),
        schema=SCHEMA.schema,
        name=NAME,
    )
    registry = CollectorRegistry()
    http = client or httpx.AsyncClient()
    fold = Fold(SqlFactStore)
    consumer = Consumer(
        name=NAME,
        db=db,
        bus=bus,
        topics=TOPICS,
        apply=fold.apply,
        feeds=_feeds(settings, http),
        anti_entropy_s=settings.anti_entropy_s,
        watchdog_s=settings.watchdog_s,
        registry=registry,
    )
    app = create_app(
        title=NAME,
        version=version(NAME),
        verifier=Verifier.from_file(settings.token_keys_file),
        registry=registry,
        ready={"database": db.ping},
    )
    now = clock or SystemClock()
    pages = Pages("kpi.dashboard", service=NAME, links=Links.from_settings(settings))
    pages.install(app)
    app.include_router(api_router(db, now, fold))
    app.include_router(pages_router(pages, db, now))
    app.include_router(feed_router(db, consumer))

    async def close() -> None:
        await http.aclose()
        await db.close()

    return Service(
        name=NAME,
        app=app,
        host=settings.http_host,
        port=settings.http_port,
        loops={"consumer": consumer.run},
        close=close,
    )


def _feeds(settings: Settings, client: httpx.AsyncClient) -> dict[str, FeedClient]:
    token = settings.service_token.get_secret_value()
    ledger = FeedClient(settings.ingest_url, token, client)
    return {
        "tenants.v1": ledger,
        "receivables.v1": ledger,
        "dunning.v1": FeedClient(settings.engine_url, token, client),
        "notifications.v1": FeedClient(settings.notifier_url, token, client),
    }
