"""Plugs in those who listen: providers' webhooks, mail and texts that come in, and who reads them.

A part of `bootstrap`, and like it the only place that knows what is plugged in where.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass

from fastapi import APIRouter

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.service import Loop
from notifier.adapters.inbound_reading import read_inbound
from notifier.adapters.sql_delivery import SqlDelivery
from notifier.adapters.sql_feedback import SqlFeedback
from notifier.adapters.sql_inbound import SqlInbound
from notifier.adapters.sql_issues import SqlIssues
from notifier.adapters.sql_reading import SqlReading
from notifier.adapters.sql_responses import SqlResponses
from notifier.adapters.sql_suppressions import SqlSuppressions
from notifier.entrypoints.delivery_proof import delivery_proof_routes
from notifier.entrypoints.feedback import issue_routes, reply_routes
from notifier.entrypoints.inbound import inbound_routes
from notifier.entrypoints.loops import turn
from notifier.entrypoints.suppressions import suppression_list_routes, suppression_routes
from notifier.entrypoints.webhooks import webhook_routes
from notifier.handlers.settling import Settler
from notifier.handlers.strangers import Strangers
from notifier.handlers.suppressing import Suppressor
from notifier.handlers.take_feedback import FeedbackReader
from notifier.handlers.take_replies import InboundReader
from notifier.ports.ledger import Ledger
from notifier.settings import Settings

_POLL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """What `bootstrap` hangs into the service; `wakes` are set when something was stored."""

    suppressor: Suppressor
    routers: tuple[APIRouter, ...]
    loops: dict[str, Loop]
    wakes: tuple[asyncio.Event, ...]


def make_listeners(
    settings: Settings, *, db: Database, ledger: Ledger, settler: Settler, clock: Clock
) -> Listeners:
    """The listeners on one database."""
    suppressor = Suppressor(SqlSuppressions(), clock)
    feedback = FeedbackReader(
        db=db,
        feedback=SqlFeedback(),
        settler=settler,
        suppressor=suppressor,
        issues=SqlIssues(),
    )
    inbound = InboundReader(
        db=db,
        store=SqlInbound(),
        read=read_inbound,
        ledger=ledger,
        feedback=SqlFeedback(),
        responses=SqlResponses(),
        suppressor=suppressor,
        suppressions=SqlSuppressions(),
        issues=SqlIssues(),
    )
    reported, came = asyncio.Event(), asyncio.Event()
    return Listeners(
        suppressor=suppressor,
        routers=_routers(settings, db, ledger, suppressor, clock),
        loops={
            "feedback": functools.partial(
                turn, "feedback", feedback.read, wake=reported, poll_s=_POLL_S
            ),
            "inbound": functools.partial(turn, "inbound", inbound.read, wake=came, poll_s=_POLL_S),
        },
        wakes=(reported, came),
    )


def _routers(
    settings: Settings, db: Database, ledger: Ledger, suppressor: Suppressor, clock: Clock
) -> tuple[APIRouter, ...]:
    strangers = Strangers(
        db=db,
        store=SqlInbound(),
        read=read_inbound,
        ledger=ledger,
        responses=SqlResponses(),
        suppressions=SqlSuppressions(),
    )
    return (
        webhook_routes(
            db=db,
            feedback=SqlFeedback(),
            issues=SqlIssues(),
            sendgrid_key=settings.sendgrid_key_of,
            twilio_token=settings.twilio_token_of,
            public_url=settings.public_url,
            max_age_s=settings.webhook_max_age_s,
            clock=clock,
        ),
        inbound_routes(
            db=db,
            store=SqlInbound(),
            issues=SqlIssues(),
            parse_key=settings.parse_key_of,
            inbound_secret=settings.inbound_secret_of,
            twilio_token=settings.twilio_token_of,
            public_url=settings.public_url,
            max_age_s=settings.webhook_max_age_s,
            clock=clock,
        ),
        suppression_list_routes(db=db, suppressions=SqlSuppressions()),
        suppression_routes(db=db, suppressions=SqlSuppressions(), suppressor=suppressor),
        issue_routes(db=db, issues=SqlIssues()),
        reply_routes(db=db, store=SqlInbound(), strangers=strangers),
        delivery_proof_routes(db=db, reading=SqlReading(), delivery=SqlDelivery()),
    )
