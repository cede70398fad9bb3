"""Sends a look at a template to the person who edits it: one message, marked, outside of dunning.

It belongs to no notice: no permit is needed, nothing is recorded of a debtor, no event is told.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import structlog

from dunning_common.clock import Clock, monotonic
from dunning_common.events.contacts import Contacts
from dunning_common.ids import new_id
from notifier.channels.base import Channel, Deadline, Draft, Outcome, Parcel, Recipient, Sender
from notifier.content.model import Rendered, RenderRequest
from notifier.domain.message import Message, State
from notifier.handlers.edit_templates import Look, TemplateEditor

TRIAL_CHANNELS = ("email", "sms")
MARK = "[Test] "
_MAY_TAKE = timedelta(seconds=30)

log = structlog.get_logger()


class NoTrialError(ValueError):
    """A trial cannot go there; `pointer` names the field, `detail` the remedy."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.detail = detail


class TrialSender:
    """Sends looks to editors."""

    def __init__(
        self,
        *,
        editor: TemplateEditor,
        channels: Mapping[str, Channel],
        clock: Clock,
    ) -> None:
        self._editor = editor
        self._channels = channels
        self._clock = clock

    async def send(self, tenant: str, look: Look, *, to: str, person: str) -> Outcome:
        """Send it once, to this address alone; the answer is what the provider said.

        Raises:
            NoTrialError: not by that channel, or not to that address.
            ValueError: what cannot be sent this way.
            TemplateError: it cannot be written; see also `TemplateEditor.look`.
        """
        channel = self._channels.get(look.channel) if look.channel in TRIAL_CHANNELS else None
        if channel is None:
            raise NoTrialError("/channel", f"a trial goes by {' or '.join(self._ways())}")
        request = await self._editor.request(tenant, look)
        rendered = _marked(await self._editor.write(request))
        parcel = await asyncio.to_thread(self._parcel, channel, request, rendered, to)
        seconds = _MAY_TAKE.total_seconds()
        outcome = await channel.send(parcel, Deadline(at=monotonic() + seconds, max_send_s=seconds))
        log.info(
            "trial_sent",
            tenant=tenant,
            template=look.family,
            channel=look.channel,
            person=person,
            outcome=type(outcome).__name__.lower(),
        )
        return outcome

    def _ways(self) -> list[str]:
        return [name for name in TRIAL_CHANNELS if name in self._channels] or ["no channel here"]

    def _parcel(
        self, channel: Channel, request: RenderRequest, rendered: Rendered, to: str
    ) -> Parcel:
        tenant, now = request.tenant, self._clock.now()
        contacts = Contacts(
            name=request.contacts.name, language=request.language, emails=(to,), phones=(to,)
        )
        recipient = channel.addressee(contacts, tenant=tenant.tenant_id, country=tenant.country)
        if not isinstance(recipient, Recipient):
            why = recipient.reason if recipient else "no address of that channel"
            raise NoTrialError("/to", f"{why}; write another")
        trial = new_id()
        draft = Draft(
            message=Message(
                tenant=tenant.tenant_id,
                message_id=trial,
                notice_id=trial,
                debtor_id="trial",
                channel=request.channel,
                template=request.template,
                level=request.message.level,
                level_no=request.message.level_no,
                invoice_ids=request.message.invoice_ids,
                effective_at=now,
                state=State.SENDING,
                fence=0,
                attempts=1,
                recipient_hash=recipient.hash,
                provider=channel.provider,
            ),
            sender=Sender(name=tenant.name, email=tenant.email_from, phone=tenant.sms_from),
            recipient=recipient,
            rendered=rendered,
            dated=now.astimezone(ZoneInfo(tenant.zone)),
            on=now.astimezone(ZoneInfo(tenant.zone)).date(),
        )
        frozen = channel.freeze(draft)
        return Parcel(
            message=draft.message,
            sender=draft.sender,
            recipient=recipient,
            on=draft.on,
            media_type=frozen.media_type,
            body=frozen.body,
            sha256=hashlib.sha256(frozen.body).hexdigest(),
        )


def _marked(rendered: Rendered) -> Rendered:
    """The same, and nobody can take it for a reminder."""
    if rendered.subject is not None:
        return replace(rendered, subject=MARK + rendered.subject)
    return replace(rendered, text=MARK + (rendered.text or ""))
