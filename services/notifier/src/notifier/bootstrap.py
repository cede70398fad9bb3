"""Puts the notifier together: the only place where its parts meet."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import socket
from collections.abc import Mapping

import httpx
from prometheus_client import CollectorRegistry

from dunning_common.auth import Verifier
from dunning_common.bus import Bus
from dunning_common.clock import Clock, SystemClock
from dunning_common.consumer import Consumer
from dunning_common.db import Database
from dunning_common.feed import FeedClient, feed_router
from dunning_common.http import create_app
from dunning_common.relay import Relay
from dunning_common.service import Loop, Service
from notifier.adapters.http_ledger import HttpLedger
from notifier.adapters.sql_feedback import NEWS, SqlFeedback
from notifier.adapters.sql_inbox import WORK, SqlInbox
from notifier.adapters.sql_messages import SqlMessages
from notifier.adapters.sql_reading import SqlReading
from notifier.adapters.thread_pool import ThreadPool
from notifier.channels.base import Channel
from notifier.channels.http import provider_client
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.channels.sendgrid import SendGridChannel
from notifier.channels.smtp import SmtpChannel, SmtpServer
from notifier.channels.twilio import TwilioChannel
from notifier.content.render import Renderer
from notifier.domain.outcome import RetryPolicy
from notifier.entrypoints.api import message_routes, resolution_routes
from notifier.entrypoints.loops import listen, turn
from notifier.entrypoints.templates import template_routes
from notifier.entrypoints.webhooks import webhook_routes
from notifier.handlers.record_events import TOPICS, RecordEvents
from notifier.handlers.resolve import Resolver
from notifier.handlers.send import Sender, Timing
from notifier.handlers.settling import Settler
from notifier.handlers.sweep import Sweeper
from notifier.handlers.take_feedback import FeedbackReader
from notifier.handlers.write import Scribe
from notifier.ports.ledger import Ledger
from notifier.schema import SCHEMA
from notifier.settings import Settings

__version__ = importlib.metadata.version("notifier")

_SEND_POLL_S = 1.0
_SWEEP_EVERY_S = 1.0
_FEEDBACK_POLL_S = 1.0


async def build(
    settings: Settings,
    *,
    bus: Bus,
    feeds: Mapping[str, FeedClient] | None = None,
    ledger: Ledger | None = None,
    clock: Clock | None = None,
) -> Service:
    """Build the service; nothing runs until `dunning_common.service.serve`.

    Args:
        settings: the environment.
        bus: the broker.
        feeds: of the producers, instead of those at the configured addresses.
        ledger: instead of the one at the configured address.
        clock: instead of the machine's.
    """
    registry = CollectorRegistry()
    clock = clock or SystemClock()
    db = Database(
        api_url=settings.api_database_url.get_secret_value(),
        worker_url=settings.worker_database_url.get_secret_value(),
        schema=SCHEMA.schema,
        pool_size=settings.senders + 6,
        name="notifier",
    )
    peers = httpx.AsyncClient(limits=httpx.Limits(max_connections=50), trust_env=False)
    ledger = ledger or _ledger(settings, peers)
    channels = make_channels(settings)
    renderer = await asyncio.to_thread(Renderer)
    threads = ThreadPool(settings.writer_threads)
    scribe = Scribe(renderer, channels, threads)
    settler = Settler(SqlMessages(), currency=settings.cost_currency, registry=registry)
    consumer = Consumer(
        name="notifier",
        db=db,
        bus=bus,
        topics=TOPICS,
        apply=RecordEvents(SqlInbox(), settler),
        feeds=feeds or _feeds(settings, peers),
        anti_entropy_s=settings.anti_entropy_s,
        watchdog_s=settings.watchdog_s,
        registry=registry,
    )
    worker = f"{socket.gethostname()}:{settings.http_port}"
    async with db.worker() as connection:
        await SqlMessages().drop_claims(connection, worker=worker)
    senders = [
        Sender(
            db=db,
            queue=SqlMessages(),
            settler=settler,
            ledger=ledger,
            channels=channels,
            writer=scribe,
            catch_up=consumer.catch_up,
            timing=_timing(settings),
            retry=RetryPolicy(
                base_s=settings.retry_base_s,
                cap_s=settings.retry_cap_s,
                give_up_after_s=settings.give_up_after_s,
            ),
            clock=clock,
            worker=f"{worker}/{number}",
        )
        for number in range(settings.senders)
    ]
    sweeper = Sweeper(db=db, messages=SqlMessages(), settler=settler, channels=channels)
    feedback = FeedbackReader(db=db, feedback=SqlFeedback(), settler=settler)
    app = create_app(
        title="notifier",
        version=__version__,
        verifier=Verifier.from_file(settings.token_keys_file),
        registry=registry,
        ready={"database": db.ping},
    )
    app.include_router(message_routes(db=db, reading=SqlReading(), ledger=ledger))
    app.include_router(resolution_routes(Resolver(db=db, reading=SqlReading(), settler=settler)))
    app.include_router(
        webhook_routes(
            db=db,
            feedback=SqlFeedback(),
            sendgrid_key=settings.sendgrid_key_of,
            twilio_token=settings.twilio_token_of,
            public_url=settings.public_url,
            max_age_s=settings.webhook_max_age_s,
            clock=clock,
        )
    )
    app.include_router(template_routes(renderer))
    app.include_router(feed_router(db, consumer))

    async def close() -> None:
        for channel in set(channels.values()):
            await channel.close()
        threads.close()
        await peers.aclose()
        await db.close()

    return Service(
        name="notifier",
        app=app,
        host=settings.http_host,
        port=settings.http_port,
        loops={
            "relay": Relay(db=db, bus=bus, registry=registry).run,
            "consumer": consumer.run,
            **_loops(db, senders, sweeper, feedback),
        },
        close=close,
    )


def make_channels(settings: Settings) -> dict[str, Channel]:
    """The channels that the settings describe; SMS only where there is an account for it."""
    channels: dict[str, Channel] = {
        "email": _email(settings),
        "letter": LetterSpoolChannel(
            settings.spool_folder, kind="letter", cost_minor=settings.letter_cost_minor
        ),
        "registered_letter": LetterSpoolChannel(
            settings.spool_folder,
            kind="registered_letter",
            cost_minor=settings.registered_letter_cost_minor,
        ),
    }
    if settings.twilio_account_sid and settings.twilio_auth_token:
        channels["sms"] = TwilioChannel(
            provider_client(connections=settings.parallel_sends * settings.senders),
            base_url=settings.twilio_url,
            account_sid=settings.twilio_account_sid,
            auth_token=settings.twilio_auth_token,
            callback_url=f"{settings.public_url.rstrip('/')}/webhooks/twilio",
            default_from=settings.twilio_from,
            cost_minor=settings.sms_segment_cost_minor,
        )
    return channels


def _email(settings: Settings) -> Channel:
    if settings.email_via == "sendgrid" and settings.sendgrid_api_key:
        return SendGridChannel(
            provider_client(connections=settings.parallel_sends * settings.senders),
            base_url=settings.sendgrid_url,
            api_key=settings.sendgrid_api_key,
            cost_minor=settings.email_cost_minor,
        )
    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        tls=settings.smtp_tls,
        username=settings.smtp_username,
        password=settings.smtp_password,
        verify_certificates=settings.smtp_verify_certificates,
        local_hostname=settings.smtp_local_hostname,
    )
    return SmtpChannel(server, cost_minor=settings.email_cost_minor)


def _timing(settings: Settings) -> Timing:
    return Timing(
        lease_s=settings.lease_s,
        max_send_s=settings.max_send_s,
        margin_s=settings.margin_s,
        batch=settings.batch_size,
        parallel=settings.parallel_sends,
    )


def _ledger(settings: Settings, client: httpx.AsyncClient) -> HttpLedger:
    """Its timeout is what the lease leaves before a send must have begun."""
    return HttpLedger(
        client,
        base_url=settings.ingest_url,
        token=settings.service_token.get_secret_value(),
        timeout_s=settings.lease_s - settings.max_send_s - settings.margin_s,
    )


def _feeds(settings: Settings, client: httpx.AsyncClient) -> dict[str, FeedClient]:
    token = settings.service_token.get_secret_value()
    ingest = FeedClient(settings.ingest_url, token, client)
    engine = FeedClient(settings.engine_url, token, client)
    return {"dunning.v1": engine, "contacts.v1": ingest, "tenants.v1": ingest}


def _loops(
    db: Database, senders: list[Sender], sweeper: Sweeper, feedback: FeedbackReader
) -> dict[str, Loop]:
    woken = [asyncio.Event() for _ in senders]
    told = asyncio.Event()
    loops: dict[str, Loop] = {
        "listen": functools.partial(listen, db, {WORK: woken, NEWS: [told]}),
        "sweep": functools.partial(
            turn, "sweep", sweeper.sweep, wake=asyncio.Event(), poll_s=_SWEEP_EVERY_S
        ),
        "feedback": functools.partial(
            turn, "feedback", feedback.read, wake=told, poll_s=_FEEDBACK_POLL_S
        ),
    }
    for number, (sender, wake) in enumerate(zip(senders, woken, strict=True)):
        loops[f"send-{number}"] = functools.partial(
            turn,
            f"send-{number}",
            sender.send_due,
            wake=wake,
            poll_s=_SEND_POLL_S,
            on_stop=sender.stop,
        )
    return loops
