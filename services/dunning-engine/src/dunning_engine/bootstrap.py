"""What is plugged in: the only place that knows all of the engine's concrete parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.auth import Verifier
from dunning_common.bus import Bus
from dunning_common.consumer import ApplyEvents, Consumed, Consumer
from dunning_common.db import Database
from dunning_common.feed import FeedClient, feed_router
from dunning_common.http import create_app
from dunning_common.relay import Relay
from dunning_common.service import Service
from dunning_common.web import Links, Pages
from dunning_engine.adapters.pg_signals import Signals
from dunning_engine.adapters.public_law import PublicLaw
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.entrypoints.api_activations import activation_routes
from dunning_engine.entrypoints.api_approvals import approval_routes
from dunning_engine.entrypoints.api_audit import audit_routes
from dunning_engine.entrypoints.api_bulk import bulk_routes
from dunning_engine.entrypoints.api_cases import case_routes
from dunning_engine.entrypoints.api_clock import clock_routes
from dunning_engine.entrypoints.api_disputes import dispute_routes
from dunning_engine.entrypoints.api_holds import hold_routes
from dunning_engine.entrypoints.api_plans import plan_routes
from dunning_engine.entrypoints.api_policies import policy_routes
from dunning_engine.entrypoints.api_promises import promise_routes
from dunning_engine.entrypoints.api_responses import response_routes
from dunning_engine.entrypoints.api_rules import rules_routes
from dunning_engine.entrypoints.api_simulations import simulation_routes
from dunning_engine.entrypoints.api_work import work_routes
from dunning_engine.entrypoints.desk_pages import desk_routes
from dunning_engine.entrypoints.loops import ClockWalker, FlightWatch, Metrics, Sweeper
from dunning_engine.entrypoints.policy_loop import PolicyWatch
from dunning_engine.handlers.notes import forget_erased
from dunning_engine.handlers.record_facts import record_facts
from dunning_engine.handlers.take_responses import TakeResponses
from dunning_engine.schema import SCHEMA
from dunning_engine.settings import Settings

NAME = "dunning-engine"
VERSION = "0.1.0"
TOPICS = ("tenants.v1", "receivables.v1", "contacts.v1", "notifications.v1", "responses.v1")


async def build(
    settings: Settings, *, bus: Bus, feeds: Mapping[str, FeedClient] | None = None
) -> Service:
    """Put the engine together.

    Args:
        settings: read once, passed down.
        bus: the broker.
        feeds: the producers' feeds by topic; tests bring their own.
    """
    db = _database(settings)
    client = httpx.AsyncClient(timeout=20.0)
    registry = CollectorRegistry()
    rooms = StoreRoom(db, patience_s=settings.ledger_patience_s, settle_s=settings.settle_s)
    law, signals, metrics = PublicLaw(), Signals(db), Metrics(registry)
    consumer = Consumer(
        name=NAME,
        db=db,
        bus=bus,
        topics=TOPICS,
        apply=recorder(rooms, law),
        feeds=feeds if feeds is not None else _feeds(settings, client),
        anti_entropy_s=settings.anti_entropy_s,
        watchdog_s=settings.watchdog_s,
        registry=registry,
    )
    relay = Relay(db=db, bus=bus, registry=registry)
    sweeper = Sweeper(
        rooms=rooms, law=law, signals=signals, catch_up=consumer.catch_up, settings=settings,
        metrics=metrics,
    )  # fmt: skip
    walker = ClockWalker(
        rooms=rooms, law=law, signals=signals, catch_up=consumer.catch_up, settings=settings,
        metrics=metrics,
    )  # fmt: skip
    watch = FlightWatch(rooms=rooms, catch_up=consumer.catch_up, settings=settings, metrics=metrics)
    policy_watch = PolicyWatch(rooms=rooms, signals=signals, settings=settings)
    app = create_app(
        title=NAME,
        version=VERSION,
        verifier=Verifier.from_file(settings.token_keys_file),
        registry=registry,
        ready={"database": db.ping},
    )
    app.include_router(case_routes(rooms, law, settings))
    app.include_router(policy_routes(rooms, law))
    app.include_router(rules_routes(rooms))
    app.include_router(activation_routes(rooms))
    app.include_router(hold_routes(rooms, consumer.catch_up))
    app.include_router(dispute_routes(rooms, consumer.catch_up))
    app.include_router(promise_routes(rooms, consumer.catch_up))
    app.include_router(plan_routes(rooms, consumer.catch_up))
    app.include_router(simulation_routes(rooms, settings))
    app.include_router(work_routes(rooms))
    app.include_router(response_routes(rooms))
    pages = Pages("dunning_engine.desk", service=NAME, links=Links.from_settings(settings))
    pages.install(app)
    app.include_router(desk_routes(pages, rooms, law))
    app.include_router(approval_routes(rooms, law))
    app.include_router(bulk_routes(rooms))
    app.include_router(audit_routes(rooms))
    app.include_router(clock_routes(rooms, signals, consumer.catch_up))
    app.include_router(feed_router(db, consumer))

    async def close() -> None:
        await client.aclose()
        await db.close()

    return Service(
        name=NAME,
        app=app,
        host=settings.http_host,
        port=settings.http_port,
        loops={
            "relay": relay.run,
            "consumer": consumer.run,
            "signals": signals.run,
            "sweeper": sweeper.run,
            "clock": walker.run,
            "flights": watch.run,
            "policies": policy_watch.run,
        },
        close=close,
    )


def build_sweeper(settings: Settings) -> Service:
    """A sweeper in a process of its own, beside the engine: one for each core that is to decide.

    It answers nothing but `/health` and `/metrics`, and leaves asking the ledger to the engine.
    """
    db = _database(settings)
    registry = CollectorRegistry()
    signals = Signals(db)
    sweeper = Sweeper(
        rooms=StoreRoom(db, patience_s=settings.ledger_patience_s, settle_s=settings.settle_s),
        law=PublicLaw(),
        signals=signals,
        catch_up=_left_to_the_engine,
        settings=settings,
        metrics=Metrics(registry),
    )
    app = create_app(
        title=f"{NAME} sweeper",
        version=VERSION,
        verifier=Verifier.from_file(settings.token_keys_file),
        registry=registry,
        ready={"database": db.ping},
    )
    return Service(
        name=f"{NAME}-sweeper",
        app=app,
        host=settings.http_host,
        port=settings.http_port,
        loops={"signals": signals.run, "sweeper": sweeper.run},
        close=db.close,
    )


async def _left_to_the_engine(
    topics: Sequence[str], *, tenant: str | None = None, keys: Sequence[str] | None = None
) -> bool:
    """Stands for the consumer's `catch_up` where there is no consumer: nobody answered."""
    del topics, tenant, keys
    return False


def _database(settings: Settings) -> Database:
    return Database(
        api_url=settings.api_database_url.get_secret_value(),
        worker_url=settings.worker_database_url.get_secret_value(),
        schema=SCHEMA.schema,
        name=NAME,
    )


def recorder(rooms: StoreRoom, law: PublicLaw) -> ApplyEvents:
    """The consumer's handler."""

    async def apply(connection: AsyncConnection, events: Sequence[Consumed]) -> None:
        stores = await rooms.bind(connection)
        await record_facts(stores.facts, stores.news, events)
        take = TakeResponses(stores.responses, stores.holds, stores.plan_rules, law)
        await take(events)
        await forget_erased(stores.notes, events)

    return apply


def _feeds(settings: Settings, client: httpx.AsyncClient) -> dict[str, FeedClient]:
    token = settings.service_token.get_secret_value()
    ledger = FeedClient(settings.ingest_url, token, client)
    notifier = FeedClient(settings.notifier_url, token, client)
    return {
        "tenants.v1": ledger,
        "receivables.v1": ledger,
        "contacts.v1": ledger,
        "notifications.v1": notifier,
        "responses.v1": notifier,
    }
