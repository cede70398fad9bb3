"""Puts the notifier together: the only place where its parts meet."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import socket
from collections.abc import Callable, Mapping, Sequence

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
from notifier.adapters.evidence_key import EvidenceKey
from notifier.adapters.evidence_spool import SealedSpool
from notifier.adapters.http_ledger import HttpLedger
from notifier.adapters.http_records import HttpRecords
from notifier.adapters.sql_delivery import SqlDelivery
from notifier.adapters.sql_evidence import SqlEvidence, SqlMessageLinks
from notifier.adapters.sql_feedback import NEWS
from notifier.adapters.sql_inbox import WORK, SqlInbox
from notifier.adapters.sql_messages import SqlMessages
from notifier.adapters.sql_notices import SqlNotices
from notifier.adapters.sql_responses import SqlResponses
from notifier.adapters.sql_suppressions import Consult, SqlSuppressions
from notifier.adapters.sql_templates import SqlTemplates
from notifier.adapters.thread_pool import ThreadPool
from notifier.adapters.trial_process import TrialProcess
from notifier.carriers import make_allowance, make_carriers, make_channels
from notifier.content.render import Renderer
from notifier.domain.outcome import RetryPolicy
from notifier.entrypoints.evidence import evidence_routes
from notifier.entrypoints.loops import listen, turn
from notifier.entrypoints.template_editor import editing_routes
from notifier.entrypoints.templates import template_routes
from notifier.handlers.edit_templates import TemplateEditor
from notifier.handlers.gather_evidence import EvidenceMaker
from notifier.handlers.record_events import TOPICS, RecordEvents
from notifier.handlers.send import Sender, Timing
from notifier.handlers.send_trial import TrialSender
from notifier.handlers.settling import Settler
from notifier.handlers.suppressing import SuppressingVerdicts
from notifier.handlers.sweep import Sweeper
from notifier.handlers.write import Scribe
from notifier.listeners import make_listeners
from notifier.office import open_office
from notifier.ports.ledger import Ledger
from notifier.ports.portal import Accounts, Arrangements
from notifier.reception import make_reception
from notifier.schema import SCHEMA
from notifier.settings import Settings

__version__ = importlib.metadata.version("notifier")

_SEND_POLL_S = 1.0
_SWEEP_EVERY_S = 1.0


async def build(
    settings: Settings,
    *,
    bus: Bus,
    feeds: Mapping[str, FeedClient] | None = None,
    ledger: Ledger | None = None,
    clock: Clock | None = None,
    accounts: Accounts | None = None,
    arrangements: Arrangements | None = None,
    make_sender: Callable[..., Sender] = Sender,
    make_sweeper: Callable[..., Sweeper] = Sweeper,
) -> Service:
    """Build the service; nothing runs until `dunning_common.service.serve`.

    Args:
        settings: the environment.
        bus: the broker.
        feeds: of the producers, instead of those at the configured addresses.
        ledger: instead of the one at the configured address.
        clock: instead of the machine's.
        accounts: of debtors, instead of the ledger's at the configured address.
        arrangements: that tenants allow, instead of the engine's at the configured address.
        make_sender: instead of `Sender`: with points to crash at, or a bug on purpose.
        make_sweeper: instead of `Sweeper`.
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
    reception = make_reception(
        settings,
        db=db,
        ledger=ledger,
        clock=clock,
        client=peers,
        accounts=accounts,
        arrangements=arrangements,
    )
    channels = make_channels(settings, allowance=make_allowance(settings, db))
    renderer = await asyncio.to_thread(
        functools.partial(Renderer, fonts=settings.letter_fonts, windows=settings.letter_windows)
    )
    threads = ThreadPool(settings.writer_threads)
    scribe = Scribe(renderer, channels, threads, Consult(db))
    settler = Settler(
        SuppressingVerdicts(SqlMessages(), SqlSuppressions()),
        currency=settings.cost_currency,
        registry=registry,
    )
    feeds = feeds or _feeds(settings, peers)
    consumer = _consumer(settings, db, bus, RecordEvents(SqlInbox(), settler), feeds, registry)
    worker = f"{socket.gethostname()}:{settings.http_port}"
    async with db.worker() as connection:
        await SqlMessages().drop_claims(connection, worker=worker)
    senders = [
        make_sender(
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
            inviter=reception.inviter,
        )
        for number in range(settings.senders)
    ]
    sweeper = make_sweeper(db=db, messages=SqlMessages(), settler=settler, channels=channels)
    listeners = make_listeners(settings, db=db, ledger=ledger, settler=settler, clock=clock)
    app = create_app(
        title="notifier",
        version=__version__,
        verifier=Verifier.from_file(settings.token_keys_file),
        registry=registry,
        ready={"database": db.ping},
    )
    trial = TrialProcess(
        fonts=settings.letter_fonts,
        windows=settings.letter_windows,
        sms_parts_max=settings.sms_segments_max,
    )
    editor = TemplateEditor(
        db=db,
        shelf=SqlTemplates(),
        notices=SqlNotices(),
        ledger=ledger,
        renderer=renderer,
        trial=trial,
    )
    trials = TrialSender(editor=editor, channels=channels, clock=clock)
    app.include_router(template_routes(renderer, editor, trials))
    app.include_router(editing_routes(editor))
    app.include_router(evidence_routes(_evidence(settings, db, ledger, peers, clock)))
    carriers = make_carriers(
        settings, db=db, channels=channels, ledger=ledger, settler=settler, clock=clock
    )
    for router in (*carriers.routers, *listeners.routers, *reception.routers):
        app.include_router(router)
    app.include_router(feed_router(db, consumer))
    reception.pages.install(app)
    open_office(
        app,
        settings,
        db=db,
        ledger=ledger,
        settler=settler,
        clock=clock,
        renderer=renderer,
        editor=editor,
        trials=trials,
    )

    async def close() -> None:
        for channel in set(channels.values()):
            await channel.close()
        await trial.close()
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
            **carriers.loops,
            **listeners.loops,
            **reception.loops,
            **_loops(db, senders, sweeper, listeners.wakes),
        },
        close=close,
    )


def _consumer(
    settings: Settings,
    db: Database,
    bus: Bus,
    apply: RecordEvents,
    feeds: Mapping[str, FeedClient],
    registry: CollectorRegistry,
) -> Consumer:
    return Consumer(
        name="notifier",
        db=db,
        bus=bus,
        topics=TOPICS,
        apply=apply,
        feeds=feeds,
        anti_entropy_s=settings.anti_entropy_s,
        watchdog_s=settings.watchdog_s,
        registry=registry,
    )


def _evidence(
    settings: Settings, db: Database, ledger: Ledger, client: httpx.AsyncClient, clock: Clock
) -> EvidenceMaker | None:
    """Makes archives where there is a key to sign them with."""
    if settings.evidence_key_file is None:
        return None
    return EvidenceMaker(
        db=db,
        shelf=SqlEvidence(),
        links=SqlMessageLinks(),
        responses=SqlResponses(),
        delivery=SqlDelivery(),
        ledger=ledger,
        records=HttpRecords(
            client,
            ledger_url=settings.ingest_url,
            engine_url=settings.engine_url,
            timeout_s=settings.evidence_timeout_s,
        ),
        signer=EvidenceKey(settings.evidence_key_file),
        clock=clock,
        spool=SealedSpool,
    )


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
    db: Database, senders: list[Sender], sweeper: Sweeper, told: Sequence[asyncio.Event]
) -> dict[str, Loop]:
    woken = [asyncio.Event() for _ in senders]
    loops: dict[str, Loop] = {
        "listen": functools.partial(listen, db, {WORK: woken, NEWS: told}),
        "sweep": functools.partial(
            turn, "sweep", sweeper.sweep, wake=asyncio.Event(), poll_s=_SWEEP_EVERY_S
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
