"""Plugs in the operators' pages: the desk under `/desk`, on the same handlers as the API.

A part of `bootstrap`, and like it the only place that knows what is plugged in where.
"""

from __future__ import annotations

from fastapi import FastAPI

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.web import Links, Pages
from notifier.adapters.inbound_reading import read_inbound
from notifier.adapters.sql_attention import SqlAttention
from notifier.adapters.sql_batches import SqlBatches
from notifier.adapters.sql_calls import SqlCalls
from notifier.adapters.sql_feedback import SqlFeedback
from notifier.adapters.sql_inbound import SqlInbound
from notifier.adapters.sql_issues import SqlIssues
from notifier.adapters.sql_portal import SqlPortalReading
from notifier.adapters.sql_reading import SqlReading
from notifier.adapters.sql_responses import SqlResponses
from notifier.adapters.sql_suppressions import SqlSuppressions
from notifier.carriers import make_batch_resolver, make_keeper
from notifier.content.render import Renderer
from notifier.domain.calls import CallRule
from notifier.entrypoints.attention import attention_routes
from notifier.entrypoints.desk.answers import answer_pages
from notifier.entrypoints.desk.calls import CallPages, call_pages
from notifier.entrypoints.desk.frame import Frame
from notifier.entrypoints.desk.home import home_pages
from notifier.entrypoints.desk.issues import IssueDesk, issue_pages
from notifier.entrypoints.desk.looks import look_pages
from notifier.entrypoints.desk.messages import MessageDesk, message_pages
from notifier.entrypoints.desk.post import PostDesk, post_pages
from notifier.entrypoints.desk.suppressions import SuppressionDesk, suppression_pages
from notifier.entrypoints.desk.texts import TextDesk, text_pages
from notifier.handlers.calls import CallDesk
from notifier.handlers.edit_templates import TemplateEditor
from notifier.handlers.judge_response import ResponseDesk
from notifier.handlers.resolve import Resolver
from notifier.handlers.send_trial import TrialSender
from notifier.handlers.settling import Settler
from notifier.handlers.strangers import Strangers
from notifier.handlers.suppressing import Suppressor
from notifier.ports.ledger import Ledger
from notifier.settings import Settings


def open_office(
    app: FastAPI,
    settings: Settings,
    *,
    db: Database,
    ledger: Ledger,
    settler: Settler,
    clock: Clock,
    renderer: Renderer,
    editor: TemplateEditor,
    trials: TrialSender,
) -> None:
    """Add the pages, their sign-in and the figures behind the first of them to the service."""
    frame = Frame(Pages("notifier.desk", service="notifier", links=Links.from_settings(settings)))
    frame.install(app)
    reading, responses = SqlReading(), SqlResponses()
    messages = MessageDesk(
        frame,
        db=db,
        reading=reading,
        ledger=ledger,
        resolver=Resolver(db=db, reading=reading, settler=settler),
        keeper=make_keeper(db, ledger),
        responses=responses,
        clock=clock,
    )
    answers = ResponseDesk(db=db, responses=responses, reading=SqlPortalReading(), ledger=ledger)
    issues = IssueDesk(
        frame,
        db=db,
        issues=SqlIssues(),
        strangers=Strangers(
            db=db,
            store=SqlInbound(),
            read=read_inbound,
            ledger=ledger,
            responses=responses,
            suppressions=SqlSuppressions(),
        ),
    )
    calls = CallPages(
        frame,
        db=db,
        calls=SqlCalls(),
        reading=reading,
        ledger=ledger,
        desk=CallDesk(
            db=db,
            calls=SqlCalls(),
            feedback=SqlFeedback(),
            responses=responses,
            settler=settler,
            rule=CallRule(tries=settings.calls_in_vain_max, pause_s=settings.call_pause_s),
            clock=clock,
        ),
    )
    suppressions = SuppressionDesk(
        frame,
        db=db,
        suppressions=SqlSuppressions(),
        suppressor=Suppressor(SqlSuppressions(), clock),
    )
    post = PostDesk(
        frame,
        db=db,
        batches=SqlBatches(),
        responses=responses,
        resolver=make_batch_resolver(settings, db=db, settler=settler),
        largest=settings.batch_letters_max,
    )
    texts = TextDesk(frame, editor=editor, renderer=renderer, trials=trials)
    for router in (
        attention_routes(db=db, reading=SqlAttention()),
        home_pages(frame, db=db, attention=SqlAttention()),
        message_pages(frame, messages),
        answer_pages(frame, answers),
        issue_pages(frame, issues),
        look_pages(frame, editor),
        text_pages(frame, texts),
        call_pages(frame, calls),
        suppression_pages(frame, suppressions),
        post_pages(frame, post),
    ):
        app.include_router(router)
