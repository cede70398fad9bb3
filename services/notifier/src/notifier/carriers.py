"""Plugs in those who carry messages: the channels, batches of letters, calls, in-app messages.

A part of `bootstrap`, and like it the only place that knows which of them there are: a new carrier
is one file in `channels/`, one line in `make_channels`, and one in the tests' contract.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field

from fastapi import APIRouter

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.service import Loop
from notifier.adapters.batch_folder import FolderBinder, FolderHandOver
from notifier.adapters.letter_files import LocalLetterFiles
from notifier.adapters.sftp import SftpAccount, SftpHandOver
from notifier.adapters.sql_allowance import SqlAllowance
from notifier.adapters.sql_batches import SqlBatches
from notifier.adapters.sql_calls import SqlCalls
from notifier.adapters.sql_feedback import SqlFeedback
from notifier.adapters.sql_in_app import SqlInApp
from notifier.adapters.sql_inquiries import SqlInquiries
from notifier.adapters.sql_kept_files import SqlKeptFiles
from notifier.adapters.sql_proofs import SqlProofs
from notifier.adapters.sql_reading import SqlReading
from notifier.adapters.sql_responses import SqlResponses
from notifier.adapters.sql_suppressions import SqlSuppressions
from notifier.channels.base import Channel
from notifier.channels.call_list import CallListChannel
from notifier.channels.dkim_signing import DkimKey, DkimSigner
from notifier.channels.http import provider_client
from notifier.channels.in_app import InAppChannel
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.channels.pingen import PingenChannel
from notifier.channels.sendgrid import SendGridChannel
from notifier.channels.sms_rules import reach_of
from notifier.channels.smtp import SmtpChannel, SmtpServer
from notifier.channels.twilio import SmsPolicy, TwilioChannel
from notifier.domain.calls import CallRule
from notifier.domain.sms_limits import SmsLimits
from notifier.entrypoints.api import message_routes, resolution_routes
from notifier.entrypoints.audit import audit_routes
from notifier.entrypoints.calls import call_routes
from notifier.entrypoints.in_app import in_app_routes
from notifier.entrypoints.loops import turn
from notifier.entrypoints.post import batch_routes, proof_routes
from notifier.handlers.batch_letters import Batcher, BatchRule
from notifier.handlers.calls import CallDesk
from notifier.handlers.clear_post import ClearingRule, MarkClearer, PostClearer, Unbatcher
from notifier.handlers.inquire import Inquirer
from notifier.handlers.leave import Door, DoorRule
from notifier.handlers.proofs import ProofKeeper
from notifier.handlers.resolve import Resolver
from notifier.handlers.resolve_batch import BatchResolver
from notifier.handlers.settling import Settler
from notifier.ports.allowance import Allowance
from notifier.ports.ledger import Ledger
from notifier.settings import Settings

_POST_POLL_S = 5.0
_ASK_POLL_S = 15.0
_CLEAR_POLL_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """What `bootstrap` hangs into the service beside the channels."""

    routers: list[APIRouter] = field(default_factory=list)
    loops: dict[str, Loop] = field(default_factory=dict)


def make_channels(settings: Settings, *, allowance: Allowance | None = None) -> dict[str, Channel]:
    """The channels that the settings describe; SMS only where there is an account for it."""
    channels: dict[str, Channel | None] = {
        "email": _email(settings),
        "sms": _sms(settings, allowance),
        "letter": _letters(settings, "letter"),
        "registered_letter": _letters(settings, "registered_letter"),
        "call": _calls(settings),
        "in_app": InAppChannel() if settings.in_app else None,
    }
    return {name: channel for name, channel in channels.items() if channel is not None}


def make_allowance(settings: Settings, db: Database) -> Allowance:
    """The limits on texts, counted in the database."""

    def limits_of(tenant: str) -> SmsLimits:
        return SmsLimits(
            daily_cost_minor=settings.sms_cost_max_of(tenant),
            per_number_daily=settings.sms_per_number_daily,
        )

    return SqlAllowance(db, limits_of)


def make_carriers(
    settings: Settings,
    *,
    db: Database,
    channels: dict[str, Channel],
    ledger: Ledger,
    settler: Settler,
    clock: Clock,
) -> Carriers:
    """The routes and loops around the channels."""
    carriers = Carriers()
    feedback, reading, calls = SqlFeedback(), SqlReading(), SqlCalls()
    responses = SqlResponses()
    desk = CallDesk(
        db=db,
        calls=calls,
        feedback=feedback,
        responses=responses,
        settler=settler,
        rule=CallRule(tries=settings.calls_in_vain_max, pause_s=settings.call_pause_s),
        clock=clock,
    )
    carriers.routers.extend(
        [
            message_routes(db=db, reading=reading, ledger=ledger, responses=responses),
            resolution_routes(Resolver(db=db, reading=reading, settler=settler)),
            audit_routes(db=db, responses=responses),
            proof_routes(make_keeper(db, ledger), clock),
            call_routes(db=db, calls=calls, reading=reading, ledger=ledger, desk=desk),
            in_app_routes(db=db, shelf=SqlInApp(), feedback=feedback, ledger=ledger),
            batch_routes(
                db=db,
                batches=SqlBatches(),
                responses=responses,
                resolver=make_batch_resolver(settings, db=db, settler=settler),
                largest=settings.batch_letters_max,
            ),
        ]
    )
    inquirer = Inquirer(db=db, inquiries=SqlInquiries(), feedback=feedback, channels=channels)
    carriers.loops["inquire"] = functools.partial(
        turn, "inquire", inquirer.ask, wake=asyncio.Event(), poll_s=_ASK_POLL_S
    )
    files = LocalLetterFiles(spool=settings.spool_folder, out=settings.batch_folder)
    marks = MarkClearer(
        db=db, kept=SqlKeptFiles(), files=files, keep_days=settings.batch_keep_days, clock=clock
    )
    carriers.loops["clear_marks"] = functools.partial(
        turn, "clear_marks", marks.clear, wake=asyncio.Event(), poll_s=_CLEAR_POLL_S
    )
    batcher = make_batcher(settings, db=db, ledger=ledger, settler=settler, clock=clock)
    if batcher is None:
        unbatcher = Unbatcher(
            db=db, kept=SqlKeptFiles(), files=files, batches=SqlBatches(), settler=settler
        )
        carriers.loops["unbatch"] = functools.partial(
            turn, "unbatch", unbatcher.give_back, wake=asyncio.Event(), poll_s=_CLEAR_POLL_S
        )
        return carriers
    rule = ClearingRule(keep_days=settings.batch_keep_days, uploads=bool(settings.sftp_host))
    clearer = PostClearer(db=db, kept=SqlKeptFiles(), files=files, rule=rule)
    carriers.loops["post"] = functools.partial(
        turn, "post", batcher.work, wake=asyncio.Event(), poll_s=_POST_POLL_S
    )
    carriers.loops["clear_post"] = functools.partial(
        turn, "clear_post", clearer.clear, wake=asyncio.Event(), poll_s=_CLEAR_POLL_S
    )
    return carriers


def make_keeper(db: Database, ledger: Ledger) -> ProofKeeper:
    """What keeps the papers that prove what became of letters."""
    return ProofKeeper(
        db=db,
        reading=SqlReading(),
        proofs=SqlProofs(),
        feedback=SqlFeedback(),
        responses=SqlResponses(),
        ledger=ledger,
    )


def make_batcher(
    settings: Settings, *, db: Database, ledger: Ledger, settler: Settler, clock: Clock
) -> Batcher | None:
    """What binds letters in batches and lets them out; None when letters stay in the spool."""
    if settings.batch_folder is None:
        return None
    door = Door(
        db=db,
        batches=SqlBatches(),
        settler=settler,
        suppressions=SqlSuppressions(),
        ledger=ledger,
        rule=DoorRule(costs_minor=_costs(settings)),
    )
    return Batcher(
        db=db,
        batches=SqlBatches(),
        binder=FolderBinder(spool=settings.spool_folder, out=settings.batch_folder),
        door=door,
        over=_over(settings),
        beside=FolderHandOver(),
        rule=BatchRule(largest=settings.batch_letters_max, wait_s=settings.batch_after_s),
        clock=clock,
    )


def make_batch_resolver(settings: Settings, *, db: Database, settler: Settler) -> BatchResolver:
    """What lets a person say what became of a batch."""
    return BatchResolver(db=db, batches=SqlBatches(), settler=settler, costs_minor=_costs(settings))


def _costs(settings: Settings) -> dict[str, int]:
    """What a letter costs, by channel, in minor units."""
    return {
        "letter": settings.letter_cost_minor,
        "registered_letter": settings.registered_letter_cost_minor,
    }


def _over(settings: Settings) -> SftpHandOver | None:
    if not settings.sftp_host:
        return None
    return SftpHandOver(
        SftpAccount(
            host=settings.sftp_host,
            port=settings.sftp_port,
            username=settings.sftp_username,
            password=settings.sftp_password,
            key_file=settings.sftp_key_file,
            host_key=settings.sftp_host_key,
            folder=settings.sftp_folder,
        )
    )


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
    signer = DkimSigner(
        {
            domain: DkimKey(selector=key.selector, pem=key.key_file.read_bytes())
            for domain, key in settings.dkim_keys.items()
        }
    )
    return SmtpChannel(server, cost_minor=settings.email_cost_minor, signer=signer)


def _sms(settings: Settings, allowance: Allowance | None) -> Channel | None:
    if not (settings.twilio_account_sid and settings.twilio_auth_token):
        return None
    policy = SmsPolicy(
        reach=reach_of(settings.sms_countries),
        reach_of={
            tenant: reach_of(countries) for tenant, countries in settings.sms_countries_of.items()
        },
        segments_max=settings.sms_segments_max,
    )
    return TwilioChannel(
        provider_client(connections=settings.parallel_sends * settings.senders),
        base_url=settings.twilio_url,
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token,
        callback_url=f"{settings.public_url.rstrip('/')}/webhooks/twilio",
        default_from=settings.twilio_from,
        cost_minor=settings.sms_segment_cost_minor,
        policy=policy,
        allowance=allowance,
    )


def _letters(settings: Settings, kind: str) -> Channel:
    registered = kind == "registered_letter"
    via = settings.registered_letters_via if registered else settings.letters_via
    cost_minor = settings.registered_letter_cost_minor if registered else settings.letter_cost_minor
    if via == "spool" or settings.pingen_client_secret is None:
        return LetterSpoolChannel(
            settings.spool_folder,
            kind=kind,
            cost_minor=cost_minor,
            batched=settings.batch_folder is not None,
        )
    return PingenChannel(
        provider_client(connections=settings.parallel_sends),
        api_url=settings.pingen_url,
        identity_url=settings.pingen_identity_url,
        organisation=settings.pingen_organisation or "",
        client_id=settings.pingen_client_id,
        client_secret=settings.pingen_client_secret,
        product=settings.pingen_registered_product if registered else settings.pingen_product,
        address_position=settings.pingen_address_position,
        cost_minor=cost_minor,
    )


def _calls(settings: Settings) -> Channel | None:
    if not settings.calls:
        return None
    return CallListChannel(give_up_after_s=settings.call_give_up_after_s)
