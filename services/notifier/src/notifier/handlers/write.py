"""Writes messages: open the contacts, choose the address, render, freeze the bytes, seal them.

Processor work only, one message at a time, so that it can run in threads: no database, no
network, no clock.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

import structlog

from dunning_common.events.contacts import Contacts
from dunning_common.events.dunning import NoticeMessage, NoticeRequestedV1
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.vault import VaultError, open_contacts, seal, unseal
from notifier.channels.base import Channel, Draft, Parcel, Recipient, Sender
from notifier.content.model import Rendered, RenderRequest, TemplateError
from notifier.domain.message import Message, Settlement, fail, suppress
from notifier.domain.redaction import redact
from notifier.ports.messages import FrozenMessage

_DEFLATE_LEVEL = 3

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that is needed to write one message. `now` is real time; `key` is the debtor's."""

    message: Message
    notice: NoticeRequestedV1
    tenant: TenantRegisteredV1
    ciphertext: str
    key: bytes
    now: datetime
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message with its final bytes: `parcel` to send, `frozen` to store."""

    job: Job
    parcel: Parcel
    frozen: FrozenMessage


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


class Pool(Protocol):
    """Runs processor work beside the event loop."""

    async def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The function's result for each item, in order."""
        ...


class Scribe:
    """Writes messages for the channels it is given."""

    def __init__(self, renderer: Renders, channels: Mapping[str, Channel], pool: Pool) -> None:
        self._renderer = renderer
        self._channels = channels
        self._pool = pool

    async def write(self, jobs: Sequence[Job]) -> list[Written | Settlement]:
        """Each message in its final bytes, or the verdict why there is none; in order."""
        return await self._pool.map(self._write_safely, jobs)

    def _write_safely(self, job: Job) -> Written | Settlement:
        try:
            return self.write_one(job)
        except Exception as error:
            # One message that nobody can write must not hold up the others.
            log.exception("message_unwritable", message_id=str(job.message.message_id))
            return fail(f"content: {type(error).__name__}")

    def write_one(self, job: Job) -> Written | Settlement:
        """One message, or the verdict why there is none; safe to call from many threads."""
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
        recipient = channel.addressee(contacts, tenant=message.tenant, country=job.tenant.country)
        if recipient is None:
            return suppress("no_address")
        try:
            rendered = self._render(job, contacts)
            draft = _draft(job, recipient, rendered, provider=channel.provider)
            bytes_ = channel.freeze(draft)
        except (TemplateError, ValueError) as error:
            return fail(redact(f"content: {error}"))
        sha256 = hashlib.sha256(bytes_.body).hexdigest()
        parcel = Parcel(
            message=draft.message,
            sender=draft.sender,
            recipient=recipient,
            on=draft.on,
            media_type=bytes_.media_type,
            body=bytes_.body,
            sha256=sha256,
        )
        return Written(job=job, parcel=parcel, frozen=_frozen(job, parcel, channel.provider))

    def _render(self, job: Job, contacts: Contacts) -> Rendered:
        message = job.message
        return self._renderer.render(
            RenderRequest(
                channel=_asked(job).channel,
                template=message.template,
                language=contacts.language or job.tenant.language,
                notice=job.notice,
                message=_asked(job),
                tenant=job.tenant,
                contacts=contacts,
                message_id=message.message_id,
            )
        )


def seal_content(key: bytes, body: bytes, message: Message) -> bytes:
    """The bytes as they are stored: deflated, and sealed with the debtor's key."""
    return seal(key, zlib.compress(body, _DEFLATE_LEVEL), context=_context(message))


def open_content(key: bytes, content: bytes, message: Message) -> bytes:
    """The exact bytes again.

    Raises:
        VaultError: not this debtor's key, or tampered with.
    """
    return zlib.decompress(unseal(key, content, context=_context(message)))


def _context(message: Message) -> str:
    return f"{message.tenant}|{message.debtor_id}|{message.message_id}"


def _asked(job: Job) -> NoticeMessage:
    """The notice's own description of this message."""
    return next(asked for asked in job.notice.messages if asked.channel == job.message.channel)


def _draft(job: Job, recipient: Recipient, rendered: Rendered, *, provider: str) -> Draft:
    """A sandbox tenant's message bears the date of its own clock, a real one the date of today."""
    zone = ZoneInfo(job.notice.zone)
    decided = job.notice.decided_at.astimezone(zone)
    return Draft(
        message=replace(job.message, recipient_hash=recipient.hash, provider=provider),
        sender=Sender(name=job.tenant.name, email=job.tenant.email_from, phone=job.tenant.sms_from),
        recipient=recipient,
        rendered=rendered,
        dated=decided if job.tenant.sandbox else job.now.astimezone(zone),
        on=decided.date(),
    )


def _frozen(job: Job, parcel: Parcel, provider: str) -> FrozenMessage:
    return FrozenMessage(
        message=parcel.message,
        media_type=parcel.media_type,
        content=seal_content(job.key, parcel.body, job.message),
        sha256=parcel.sha256,
        size_bytes=len(parcel.body),
        provider=provider,
        recipient_hash=parcel.recipient.hash,
    )
