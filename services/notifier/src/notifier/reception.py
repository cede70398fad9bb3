"""Plugs in the debtors' portal: links for messages, the pages, and what people do with answers.

A part of `bootstrap`, and like it the only place that knows what is plugged in where.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass

import httpx
from fastapi import APIRouter

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.service import Loop
from notifier.adapters.http_accounts import HttpAccounts
from notifier.adapters.http_arrangements import HttpArrangements
from notifier.adapters.sql_portal import SqlLinks, SqlPortalReading
from notifier.adapters.sql_responses import SqlResponses
from notifier.adapters.sql_suppressions import SqlSuppressions
from notifier.adapters.sql_visits import SqlVisits
from notifier.entrypoints.loops import turn
from notifier.entrypoints.portal import Limits, PortalPages
from notifier.entrypoints.responses import portal_routes, response_routes
from notifier.handlers.judge_response import ResponseDesk
from notifier.handlers.portal_links import Inviter, LinkDesk
from notifier.handlers.portal_settings import SettingsDesk
from notifier.handlers.purge_portal import PortalPurge
from notifier.handlers.suppressing import Suppressor
from notifier.handlers.take_response import ResponseTaker
from notifier.handlers.visit_portal import Doorkeeper
from notifier.portal.throttle import Rate, Throttle
from notifier.portal.words import Dictionary
from notifier.ports.ledger import Ledger
from notifier.ports.portal import Accounts, Arrangements
from notifier.settings import Settings

_ACCOUNT_TIMEOUT_S = 5.0
_RULES_TIMEOUT_S = 1.5
_PURGE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What `bootstrap` hangs into the service. `inviter` gives messages their links."""

    inviter: Inviter
    pages: PortalPages
    routers: tuple[APIRouter, ...]
    loops: dict[str, Loop]


def make_reception(
    settings: Settings,
    *,
    db: Database,
    ledger: Ledger,
    clock: Clock,
    client: httpx.AsyncClient,
    accounts: Accounts | None = None,
    arrangements: Arrangements | None = None,
) -> Reception:
    """The portal on one database; `accounts` and `arrangements` instead of those over HTTP."""
    accounts = accounts or HttpAccounts(
        client,
        base_url=settings.ingest_url,
        token=settings.service_token.get_secret_value(),
        timeout_s=_ACCOUNT_TIMEOUT_S,
    )
    arrangements = arrangements or HttpArrangements(
        client,
        base_url=settings.engine_url,
        token=settings.service_token.get_secret_value(),
        timeout_s=_RULES_TIMEOUT_S,
    )
    public_url = settings.portal_url or settings.public_url
    suppressor = Suppressor(SqlSuppressions(), clock)
    responses, reading, visits = SqlResponses(), SqlPortalReading(), SqlVisits()
    purge = PortalPurge(db=db, links=SqlLinks(), visits=visits)
    pages = PortalPages(
        doorkeeper=Doorkeeper(
            db=db,
            links=SqlLinks(),
            reading=reading,
            responses=responses,
            accounts=accounts,
            arrangements=arrangements,
            visits=visits,
        ),
        taker=ResponseTaker(db=db, responses=responses, ledger=ledger, suppressor=suppressor),
        dictionary=Dictionary.load(),
        limits=Limits(
            of_link=Throttle(Rate(burst=60, per_minute=60)),
            of_address=Throttle(
                Rate(
                    burst=settings.portal_requests_a_minute,
                    per_minute=settings.portal_requests_a_minute,
                )
            ),
            proxies=settings.portal_proxies,
        ),
        public_url=public_url,
    )
    desk = ResponseDesk(db=db, responses=responses, reading=reading, ledger=ledger)
    links = LinkDesk(
        db=db, links=SqlLinks(), responses=responses, accounts=accounts, public_url=public_url
    )
    return Reception(
        inviter=Inviter(SqlLinks(), public_url=public_url),
        pages=pages,
        routers=(
            response_routes(desk),
            portal_routes(links, SettingsDesk(db=db, reading=reading, responses=responses)),
        ),
        loops={
            "portal-purge": functools.partial(
                turn, "portal-purge", purge.purge, wake=asyncio.Event(), poll_s=_PURGE_EVERY_S
            )
        },
    )
