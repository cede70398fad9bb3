"""Writes messages: open the contacts, choose the address, render, freeze the bytes, seal them.

Processor work, one message at a time, so that it can run in threads: no clock, no network, and no
database but for one question about a whole batch: which of its addresses must not be written to.
"""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

import structlog
from isal import isal_zlib

from dunning_common.events.contacts import Contacts
from dunning_common.events.dunning import Channel as Channels
from dunning_common.events.dunning import NoticeMessageV2, NoticeRequestedV2
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.vault import VaultError, open_contacts, seal, unseal
from notifier.channels.base import Channel, Draft, Parcel, Recipient, Sender
from notifier.content.model import Attachment, OwnText, Rendered, RenderRequest, TemplateError
from notifier.domain.message import Message, Settlement, fail, plan_again, suppress
from notifier.domain.quiet_hours import may_arrive_for_s, quiet_for_s
from notifier.domain.redaction import redact
from notifier.domain.suppression import Cause
from notifier.handlers.addressing import first_free, reachable
from notifier.handlers.portal_links import Pass
from notifier.ports.messages import FrozenMessage
from notifier.ports.suppressions import Place

_DEFLATE_LEVEL = 1
_TOLD_MAX = 10_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that is needed to write one message. `now` is real time; `key` is the debtor's.

    `enclosed` are documents that go with it, `remarks` say which do not.
    """

    message: Message
    notice: NoticeRequestedV2
    tenant: TenantRegisteredV1
    ciphertext: str
    key: bytes
    now: datetime
    age_s: float
    own: Mapping[tuple[str, str], OwnText] = field(default_factory=dict)
    enclosed: tuple[Attachment, ...] = ()
    remarks: tuple[str, ...] = ()
    entry: Pass = field(default_factory=Pass)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message with its final bytes: `parcel` to send, `frozen` to store."""

    job: Job
    parcel: Parcel
    frozen: FrozenMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A job whose contacts are open: `recipients` in the order in which they are tried."""

    job: Job
    channel: Channel
    contacts: Contacts
    recipients: Sequence[Recipient]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drafted:
    """A job with its message in words."""

    job: Job
    channel: Channel
    draft: Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """A job with its message in final bytes, not sealed yet."""

    job: Job
    parcel: Parcel
    template_version: int | None


class Listed(Protocol):
    """Asks the list of addresses that must not be written to, once for a whole batch."""

    async def __call__(self, places: Collection[Place]) -> Mapping[Place, frozenset[Cause]]:
        """Which of these are listed, and why."""
        ...


class Renders(Protocol):
    """Turns a request into the parts of a message (`notifier.content.render.Renderer`)."""

    def render(self, request: RenderRequest) -> Rendered:
        """Write the message.

        Raises:
            TemplateError: the template does not exist or cannot say this message.
        """
        ...


Item = TypeVar("Item")
Result = TypeVar("Result")
_Made = TypeVar("_Made", _Opened, _Drafted, _Packed)


class Pool(Protocol):
    """Runs processor work beside the event loop."""

    async def map(
        self, function: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]
    ) -> list[Result]:
        """The function's results for all items, in order; it is called with portions of them."""
        ...


class Scribe:
    """Writes messages for the channels it is given."""

    def __init__(
        self,
        renderer: Renders,
        channels: Mapping[str, Channel],
        pool: Pool,
        listed: Listed | None = None,
    ) -> None:
        """Make a writer; `listed` knows the addresses that must not be written to, if anybody."""
        self._renderer = renderer
        self._channels = channels
        self._ways = frozenset(channels)
        self._pool = pool
        self._listed = listed
        self._told: set[tuple[str, str]] = set()

    async def write(self, jobs: Sequence[Job]) -> list[Written | Settlement]:
        """Each message in its final bytes, or the verdict why there is none; in order."""
        opened = await self._pool.map(self._open_some, jobs)
        listed = await self._listed_among(opened) if self._listed else {}
        return await self._pool.map(functools.partial(self._write_some, listed), opened)

    def _write_some(
        self, listed: Mapping[Place, frozenset[Cause]], opened: Sequence[_Opened | Settlement]
    ) -> list[Written | Settlement]:
        """Each step for all of them before the next one.

        The code of a whole message is larger than a core's instruction cache: message by message
        all of it takes a third longer.
        """
        drafted = _each(functools.partial(self._draft, listed), opened)
        return _each(_sealed, _each(_packed, drafted))

    async def _listed_among(
        self, opened: Sequence[_Opened | Settlement]
    ) -> Mapping[Place, frozenset[Cause]]:
        places = {
            (each.job.message.tenant, each.job.message.channel, recipient.hash)
            for each in opened
            if isinstance(each, _Opened)
            for recipient in each.recipients
        }
        return await self._listed(places) if self._listed else {}

    def _open_some(self, jobs: Sequence[Job]) -> list[_Opened | Settlement]:
        return [self._open_safely(job) for job in jobs]

    def _open_safely(self, job: Job) -> _Opened | Settlement:
        try:
            return self._open(job)
        except Exception as error:
            # One message that nobody can write must not hold up the others.
            log.exception("message_unwritable", message_id=str(job.message.message_id))
            return fail(f"contacts: {type(error).__name__}")

    def _open(self, job: Job) -> _Opened | Settlement:
        """The debtor's addresses for a message, or the verdict why there is none."""
        message = job.message
        channel = self._channels.get(message.channel)
        if channel is None:
            return suppress("channel_not_configured")
        try:
            contacts = open_contacts(
                job.key, job.ciphertext, tenant=message.tenant, debtor_id=message.debtor_id
            )
        except (VaultError, ValueError):
            return fail("contacts_unreadable: the key does not open them")
        found = reachable(channel, contacts, tenant=message.tenant, country=job.tenant.country)
        if isinstance(found, Settlement):
            return found
        return _Opened(job=job, channel=channel, contacts=contacts, recipients=found)

    def _draft(
        self, listed: Mapping[Place, frozenset[Cause]], opened: _Opened
    ) -> _Drafted | Settlement:
        """The message's words and where it goes."""
        job, channel, message = opened.job, opened.channel, opened.job.message
        recipient = first_free(
            opened.recipients, listed, tenant=message.tenant, channel=message.channel
        )
        if isinstance(recipient, Settlement):
            return recipient
        wait_s = quiet_for_s(message.channel, ZoneInfo(job.notice.zone), job.now)
        if wait_s and not job.tenant.sandbox:
            return plan_again("quiet_hours", delay_s=wait_s)
        rendered = self._render(job, opened.contacts)
        if job.enclosed:
            rendered = replace(rendered, attachments=job.enclosed)
        self._tell(message, (*rendered.remarks, *job.remarks))
        draft = _draft(job, recipient, rendered, provider=channel.provider)
        return _Drafted(job=job, channel=channel, draft=draft)

    def _tell(self, message: Message, remarks: Sequence[str]) -> None:
        """Log what a tenant should mend: once, not with each of its thousand messages."""
        for remark in remarks:
            if (message.tenant, remark) not in self._told:
                if len(self._told) >= _TOLD_MAX:
                    self._told.clear()
                self._told.add((message.tenant, remark))
                log.warning(
                    "message_remark",
                    tenant=message.tenant,
                    message_id=str(message.message_id),
                    remark=remark,
                )

    def _render(self, job: Job, contacts: Contacts) -> Rendered:
        message = job.message
        return self._renderer.render(
            RenderRequest(
                channel=_words_of(message.channel),
                template=message.template,
                language=contacts.language or job.tenant.language,
                notice=job.notice,
                message=_asked(job),
                tenant=job.tenant,
                contacts=contacts,
                message_id=message.message_id,
                own=job.own,
                portal_url=job.entry.url,
                pay_url=job.entry.pay_url(job.notice, _asked(job), job.tenant),
                sms_parts_max=job.entry.settings.sms_parts_max,
                ways=self._ways,
            )
        )


def _each(
    step: Callable[[_Made], Result], items: Sequence[_Made | Settlement]
) -> list[Result | Settlement]:
    """A step for all messages that have no verdict yet; one that fails gets its own."""
    return [
        item if isinstance(item, Settlement) else _safely(step, item, item.job.message)
        for item in items
    ]


def _safely(step: Callable[[Item], Result], item: Item, message: Message) -> Result | Settlement:
    try:
        return step(item)
    except (TemplateError, ValueError) as error:
        return fail(redact(f"content: {error}"))
    except Exception as error:
        log.exception("message_unwritable", message_id=str(message.message_id))
        return fail(f"content: {type(error).__name__}")


def _packed(drafted: _Drafted) -> _Packed:
    """The final bytes."""
    draft = drafted.draft
    frozen = drafted.channel.freeze(draft)
    parcel = Parcel(
        message=draft.message,
        sender=draft.sender,
        recipient=draft.recipient,
        on=draft.on,
        media_type=frozen.media_type,
        body=frozen.body,
        sha256=hashlib.sha256(frozen.body).hexdigest(),
        keeps_s=_keeps_s(drafted.job),
    )
    return _Packed(job=drafted.job, parcel=parcel, template_version=draft.rendered.template_version)


def _keeps_s(job: Job) -> float | None:
    """How long the message is worth delivering; a sandbox's clock says nothing of the night."""
    if job.tenant.sandbox:
        return None
    return may_arrive_for_s(job.message.channel, ZoneInfo(job.notice.zone), job.now)


def _sealed(packed: _Packed) -> Written:
    """The final bytes once more, as they are stored."""
    job, parcel = packed.job, packed.parcel
    frozen = FrozenMessage(
        message=parcel.message,
        media_type=parcel.media_type,
        content=seal_content(job.key, parcel.body, job.message),
        sha256=parcel.sha256,
        size_bytes=len(parcel.body),
        provider=parcel.message.provider or "",
        recipient_hash=parcel.recipient.hash,
        template_version=packed.template_version,
    )
    return Written(job=job, parcel=parcel, frozen=frozen)


def seal_content(key: bytes, body: bytes, message: Message) -> bytes:
    """The bytes as they are stored: deflated, and sealed with the debtor's key."""
    return seal(key, isal_zlib.compress(body, _DEFLATE_LEVEL), context=_context(message))


def open_content(key: bytes, content: bytes, message: Message) -> bytes:
    """The exact bytes again.

    Raises:
        VaultError: not this debtor's key, or tampered with.
    """
    return zlib.decompress(unseal(key, content, context=_context(message)))


def _context(message: Message) -> str:
    return f"{message.tenant}|{message.debtor_id}|{message.message_id}"


def _words_of(channel: str) -> Channels:
    """Whose words a message is written with: a channel without words of its own reads as e-mail."""
    match channel:
        case "sms" | "letter" | "registered_letter":
            return channel
        case _:
            return "email"


def _asked(job: Job) -> NoticeMessageV2:
    """The notice's own description of this message."""
    return next(asked for asked in job.notice.messages if asked.channel == job.message.channel)


def _draft(job: Job, recipient: Recipient, rendered: Rendered, *, provider: str) -> Draft:
    """A sandbox tenant's message bears the date of its own clock, a real one the date of today."""
    zone = ZoneInfo(job.notice.zone)
    decided = job.notice.decided_at.astimezone(zone)
    return Draft(
        message=replace(job.message, recipient_hash=recipient.hash, provider=provider),
        sender=Sender(
            name=job.tenant.name,
            email=job.tenant.email_from,
            phone=job.tenant.sms_from,
            sandbox=job.tenant.sandbox,
        ),
        recipient=recipient,
        rendered=rendered,
        dated=decided if job.tenant.sandbox else job.now.astimezone(zone),
        on=decided.date(),
    )
