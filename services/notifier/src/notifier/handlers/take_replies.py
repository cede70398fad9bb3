"""Understands what came in by mail or text: bounces, complaints, stop words, words for a person.

Everything was stored and acknowledged before. One word to stop acts at once; other words never act,
they become an answer for a person, sealed with the debtor's key, with what they seem to say beside
them. A bounce or complaint becomes a report like any provider's and is applied like one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.db import Database
from dunning_common.events.dunning import AnyChannel
from dunning_common.events.responses import ReplyReceivedV1
from dunning_common.ids import name_id, short_hash
from dunning_common.outbox import Outgoing
from dunning_common.vault import seal
from notifier.domain.feedback import Stage
from notifier.domain.inbound import Attachment, InboundMail, InboundText, MailKind
from notifier.domain.issues import Issue, IssueKind
from notifier.domain.proposals import propose
from notifier.domain.redaction import redact
from notifier.domain.replies import Intent, intent_of
from notifier.domain.suppression import Cause, Suppression
from notifier.handlers.notifications import SOURCE
from notifier.handlers.suppressing import Suppressor
from notifier.handlers.take_response import file_context, note_context, outgoing
from notifier.ports.inbound import Arrived, InboundStore, Match, Understood, Wanted
from notifier.ports.issues import Issues
from notifier.ports.ledger import DebtorKey, Ledger, LedgerUnavailableError
from notifier.ports.messages import Feedback, ProviderEvent
from notifier.ports.responses import NewResponse, Responses, SealedFile
from notifier.ports.suppressions import Place, Suppressions

log = structlog.get_logger()

_BATCH = 20
_KEEP_STRANGERS_DAYS = 30
_OLDEST_MAIL = timedelta(days=14)
"""Servers try for days before they give up; beyond that, a clock is wrong."""

Came = InboundMail | InboundText
ReadInbound = Callable[[Arrived], "Came | str"]
"""Reads what came; a text says why it cannot be read."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One thing that came, what it is, and the message it is about."""

    arrived: Arrived
    came: Came | str
    match: Match | None

    @property
    def tenant(self) -> str:
        return self.arrived.item.tenant

    @property
    def debtor(self) -> DebtorKey | None:
        message = self.match.message if self.match else None
        return (message.tenant, message.debtor_id) if message else None

    @property
    def sender_hash(self) -> str | None:
        if isinstance(self.came, str) or not self.came.sender:
            return None
        kind = "email" if self.arrived.item.channel == "email" else "phone"
        return short_hash(self.tenant, kind, self.came.sender)


@dataclass(slots=True)
class _Effects:
    """What a batch comes to; only what nobody had understood before takes effect."""

    understood: list[Understood] = field(default_factory=list)
    reports: dict[UUID, ProviderEvent] = field(default_factory=dict)
    consents: dict[UUID, tuple[Place, Suppression | None]] = field(default_factory=dict)
    responses: dict[UUID, NewResponse] = field(default_factory=dict)
    issues: dict[UUID, Issue] = field(default_factory=dict)


class InboundReader:
    """Reads what came in."""

    def __init__(
        self,
        *,
        db: Database,
        store: InboundStore,
        read: ReadInbound,
        ledger: Ledger,
        feedback: Feedback,
        responses: Responses,
        suppressor: Suppressor,
        suppressions: Suppressions,
        issues: Issues,
    ) -> None:
        self._db = db
        self._store = store
        self._read = read
        self._ledger = ledger
        self._feedback = feedback
        self._responses = responses
        self._suppressor = suppressor
        self._suppressions = suppressions
        self._issues = issues

    async def read(self) -> int:
        """Understand what is new; returns how much was.

        What needs the debtor's key waits while the ledger is silent; all else does not wait for it.
        """
        async with self._db.worker() as connection:
            await self._store.forget(connection, after_days=_KEEP_STRANGERS_DAYS)
            arrived = await self._store.unread(connection, limit=_BATCH)
            if not arrived:
                return 0
        came = await asyncio.to_thread(lambda: [self._read(each) for each in arrived])
        async with self._db.worker() as connection:
            matches = await self._store.match(
                connection, [_wanted(a, c) for a, c in zip(arrived, came, strict=True)]
            )
            items = [_Item(*each) for each in zip(arrived, came, matches, strict=True)]
            clocks = await self._suppressions.moments(
                connection, sorted({item.debtor for item in items if item.debtor})
            )
        keys = await self._keys([item for item in items if _has_words(item)])
        effects = _Effects()
        for item in items:
            _understand(item, keys, clocks, effects)
        done = {each.inbound_id for each in effects.understood}
        waiting = [a.inbound_id for a in arrived if a.inbound_id not in done]
        async with self._db.worker() as connection:
            await self._store.postpone(connection, waiting)
            await self._carry_out(connection, effects)
        return len(effects.understood)

    async def _keys(self, items: Sequence[_Item]) -> Mapping[DebtorKey, bytes] | None:
        """The keys to seal words with; None when the ledger does not answer."""
        debtors = {item.debtor for item in items if item.debtor}
        if not debtors:
            return {}
        try:
            return await self._ledger.keys(debtors)
        except LedgerUnavailableError as error:
            log.warning("ledger_unavailable", error=str(error))
            return None

    async def _carry_out(self, connection: AsyncConnection, effects: _Effects) -> None:
        new = await self._store.finish(connection, effects.understood)
        await self._issues.note(connection, _of(effects.issues, new))
        await self._feedback.keep(connection, _of(effects.reports, new))
        responses = _of(effects.responses, new)
        await self._responses.keep(connection, responses)
        await self._apply_consents(connection, _of(effects.consents, new))
        await outbox.append(connection, [told(r) for r in responses], source=SOURCE)

    async def _apply_consents(
        self, connection: AsyncConnection, consents: Sequence[tuple[Place, Suppression | None]]
    ) -> None:
        """Of several words from one address the last counts; they are in the order they came."""
        last = dict(consents)
        await self._suppressor.add(connection, [stop for stop in last.values() if stop])
        await self._suppressor.lift(
            connection,
            [place for place, stop in last.items() if stop is None],
            causes={Cause.OPT_OUT},
            source="answer",
            note="the recipient wrote START",
        )


Effect = TypeVar("Effect")


def _of(effects: Mapping[UUID, Effect], new: frozenset[UUID]) -> list[Effect]:
    return [effect for inbound_id, effect in effects.items() if inbound_id in new]


def _wanted(arrived: Arrived, came: Came | str) -> Wanted:
    item = arrived.item
    if isinstance(came, str):
        return Wanted(tenant=item.tenant, channel=item.channel)
    if isinstance(came, InboundText):
        hashed = short_hash(item.tenant, "phone", came.sender)
        return Wanted(tenant=item.tenant, channel=item.channel, address_hash=hashed)
    address = came.recipient or came.sender
    return Wanted(
        tenant=item.tenant,
        channel=item.channel,
        message_ids=came.message_ids,
        address_hash=short_hash(item.tenant, "email", address) if address else None,
    )


def _intent(item: _Item) -> Intent:
    """What an answer asks for. By mail one word counts only from the address we wrote to."""
    came = item.came
    if isinstance(came, InboundText):
        said = intent_of(came.text)
        provider = intent_of(came.provider_intent) if came.provider_intent else Intent.WORDS
        return provider if said is Intent.WORDS else said
    if isinstance(came, InboundMail) and came.kind is MailKind.REPLY:
        # An opt-out in the subject line is how mailing lists are left.
        said = intent_of(came.text or came.subject)
        ours = item.match is not None and item.match.message.recipient_hash == item.sender_hash
        return said if ours else Intent.WORDS
    return Intent.WORDS


def _has_words(item: _Item) -> bool:
    """Whether a person must read it, so that it has to be sealed."""
    if item.match is None or isinstance(item.came, str):
        return False
    if isinstance(item.came, InboundMail) and item.came.kind is not MailKind.REPLY:
        return False
    return _intent(item) is Intent.WORDS


def _understand(
    item: _Item,
    keys: Mapping[DebtorKey, bytes] | None,
    clocks: Mapping[DebtorKey, datetime],
    effects: _Effects,
) -> None:
    if isinstance(item.came, str):
        _unreadable(item, item.came, effects)
    elif isinstance(item.came, InboundMail) and item.came.report is not None:
        _report(item, item.came, effects)
    elif isinstance(item.came, InboundMail) and item.came.kind is MailKind.AUTO_REPLY:
        _note(effects, item, kind="auto_reply", verdict="no_answer" if item.match else "stranger")
    else:
        _answer(item, keys, clocks, effects)


def _unreadable(item: _Item, why: str, effects: _Effects) -> None:
    raw = item.arrived.item.raw
    digest = hashlib.sha256(raw).hexdigest()
    _note(effects, item, kind="unreadable", verdict="unreadable", key=digest)
    effects.issues[item.arrived.inbound_id] = Issue(
        tenant=item.tenant,
        kind=IssueKind.UNREADABLE,
        source=f"inbound {item.arrived.item.channel}",
        ref=digest,
        detail=redact(f"{len(raw)} bytes of {item.arrived.item.content_type}: {why}"),
    )


def _report(item: _Item, mail: InboundMail, effects: _Effects) -> None:
    inbound_id, report = item.arrived.inbound_id, mail.report
    if report is None or (item.match is None and report.stage is Stage.NONE):
        _note(effects, item, kind=mail.kind, verdict="nothing_said")
        return
    if item.match is None:
        _note(effects, item, kind=mail.kind, verdict="unmatched")
        effects.issues[inbound_id] = Issue(
            tenant=item.tenant,
            kind=IssueKind.UNMATCHED_BOUNCE,
            source="email",
            ref=mail.key,
            detail=f"{report.bounce or report.stage.name.lower()}: {report.reason}"[:300],
            excerpt=(
                f"recipient hash {short_hash(item.tenant, 'email', mail.recipient)}"
                if mail.recipient
                else ""
            ),
        )
        return
    _note(effects, item, kind=mail.kind, verdict="reported")
    effects.reports[inbound_id] = ProviderEvent(
        tenant=item.tenant,
        provider="email",
        event_id=mail.key,
        message_id=item.match.message.message_id,
        kind=mail.kind,
        # Anybody can write a bounce about an address; only who had the message knows its id.
        report=replace(
            report,
            trusted=item.match.by_id,
            occurred_at=_believed(report.occurred_at, item.arrived.received_at),
        ),
        body={"matched_by": "message_id" if item.match.by_id else "address"},
    )


def _believed(said: datetime | None, received_at: datetime) -> datetime:
    """When it happened: as the mail says where that can be, else when it came."""
    if said is not None and timedelta(0) <= received_at - said <= _OLDEST_MAIL:
        return said
    return received_at


def _answer(
    item: _Item,
    keys: Mapping[DebtorKey, bytes] | None,
    clocks: Mapping[DebtorKey, datetime],
    effects: _Effects,
) -> None:
    inbound_id, channel = item.arrived.inbound_id, item.arrived.item.channel
    intent, address = _intent(item), item.sender_hash
    debtor_id = item.debtor[1] if item.debtor else None
    match intent:
        case Intent.STOP if address is not None:
            _note(effects, item, kind="stop", verdict="opted_out")
            stop = Suppression(
                tenant=item.tenant,
                channel=channel,
                recipient_hash=address,
                cause=Cause.OPT_OUT,
                source=channel,
                debtor_id=debtor_id,
            )
            effects.consents[inbound_id] = ((item.tenant, channel, address), stop)
        case Intent.START if address is not None:
            _note(effects, item, kind="start", verdict="opted_in")
            effects.consents[inbound_id] = ((item.tenant, channel, address), None)
        case Intent.HELP:
            _note(effects, item, kind="help", verdict="listed")
            effects.issues[inbound_id] = Issue(
                tenant=item.tenant,
                kind=IssueKind.HELP_ASKED,
                source=channel,
                ref=str(inbound_id),
                detail=f"debtor {debtor_id or 'unknown'}; address hash {address or 'unknown'}",
            )
        case _ if item.match is None:
            _note(effects, item, kind="reply", verdict="stranger", keep_raw=True)
            effects.issues[inbound_id] = Issue(
                tenant=item.tenant,
                kind=IssueKind.UNMATCHED_REPLY,
                source=channel,
                ref=str(inbound_id),
                detail=f"address hash {address or 'unknown'}",
            )
        case _:
            _words(item, keys, clocks, effects)


def _words(
    item: _Item,
    keys: Mapping[DebtorKey, bytes] | None,
    clocks: Mapping[DebtorKey, datetime],
    effects: _Effects,
) -> None:
    if keys is None or item.match is None or item.debtor is None or isinstance(item.came, str):
        return  # the ledger is silent: left unread, and read again
    key = keys.get(item.debtor)
    if key is None:
        _note(effects, item, kind="reply", verdict="erased")
        return
    _note(effects, item, kind="reply", verdict="for_a_person")
    message = item.match.message
    effects.responses[item.arrived.inbound_id] = response_of(
        item.arrived,
        item.came,
        debtor=item.debtor,
        key=key,
        at=clocks.get(item.debtor, item.arrived.received_at),
        notice_id=message.notice_id,
        invoice_ids=message.invoice_ids,
    )


def _note(
    effects: _Effects,
    item: _Item,
    *,
    kind: str,
    verdict: str,
    key: str | None = None,
    keep_raw: bool = False,
) -> None:
    effects.understood.append(
        Understood(
            tenant=item.tenant,
            inbound_id=item.arrived.inbound_id,
            key=key or ("" if isinstance(item.came, str) else item.came.key),
            kind=kind,
            verdict=verdict,
            message=item.match.message if item.match else None,
            sender_hash=item.sender_hash,
            keep_raw=keep_raw,
        )
    )


def response_of(
    arrived: Arrived,
    came: Came,
    *,
    debtor: DebtorKey,
    key: bytes,
    at: datetime,
    notice_id: UUID | None = None,
    invoice_ids: tuple[str, ...] = (),
) -> NewResponse:
    """Somebody's words as an answer of the debtor, sealed; what they seem to say stands beside.

    Args:
        arrived: how they came.
        came: what they are.
        debtor: whose they are.
        key: the debtor's.
        at: the tenant's clock.
        notice_id: the notice they answer, if known.
        invoice_ids: the invoices of the message they answer.
    """
    tenant, debtor_id = debtor
    response_id = name_id("response", tenant, "inbound", str(arrived.inbound_id))
    channel = arrived.item.channel
    proposal = propose(came.text, today=at.date())
    words: dict[str, Any] = {"text": came.text, "from": came.sender}
    files: tuple[Attachment, ...] = ()
    if isinstance(came, InboundMail):
        words["subject"] = came.subject
        files = came.attachments
    if files:
        words["file_name"] = files[0].name
        words["file_names"] = [file.name for file in files]
    facts: dict[str, Any] = {"inbound_id": str(arrived.inbound_id)}
    if proposal is not None:
        facts["seems_to_say"] = proposal.kind.value
        facts["on"] = proposal.on.isoformat() if proposal.on else None
    response = NewResponse(
        tenant=tenant,
        response_id=response_id,
        debtor_id=debtor_id,
        kind="message",
        source=channel,
        effective_at=at,
        invoice_ids=invoice_ids,
        notice_id=notice_id,
        channel=channel,
        facts=facts,
    )
    return replace(
        response,
        note=seal(key, orjson.dumps(words), context=note_context(response, response_id)),
        files=tuple(
            SealedFile(
                media_type=file.media_type,
                size_bytes=len(file.content),
                content=seal(key, file.content, context=file_context(response, response_id, no)),
            )
            for no, file in enumerate(files, start=1)
        ),
    )


def told(response: NewResponse) -> Outgoing:
    """The event that tells of an answer which a person has to read."""
    return outgoing(
        response,
        ReplyReceivedV1(
            response_id=response.response_id,
            debtor_id=response.debtor_id,
            invoice_ids=response.invoice_ids,
            notice_id=response.notice_id,
            source=response.source,
            effective_at=response.effective_at,
            channel=cast("AnyChannel", response.channel or "email"),
        ),
    )
