"""Calls by people: the message waits on a list, with what is to be said, until somebody called.

Nothing leaves here: a message on the list stays planned, so that a payment takes it off like any
other that was not sent. What came of the call settles it (`handlers/calls.py`).
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

import orjson

from dunning_common.events.contacts import Contacts
from notifier.channels import mime
from notifier.channels.addresses import phone_recipient
from notifier.channels.base import (
    Deadline,
    Deferred,
    Draft,
    Frozen,
    Outcome,
    Parcel,
    Recipient,
    Sent,
)

WAITING = "on_call_list"
"""The reason of a message that waits for a call."""

MEDIA_TYPE = "application/vnd.dunning.call+json"


class CallListChannel:
    """Tasks for people. The list is written anew after `renew_s`; a task is dropped at last."""

    def __init__(
        self, *, renew_s: float = 86_400.0, give_up_after_s: float = 14 * 86_400.0
    ) -> None:
        self.provider = "call_list"
        self._renew_s = renew_s
        self._give_up_after_s = give_up_after_s

    def addressee(self, contacts: Contacts, *, tenant: str, country: str) -> Recipient | None:
        """The first mobile number, else the first number."""
        return phone_recipient(contacts, tenant=tenant, country=country)

    def freeze(self, draft: Draft) -> Frozen:
        """Whom to call, and what to say: the notice's text."""
        task = {
            "name": mime.one_line(draft.recipient.name),
            "phone": draft.recipient.address,
            "on_behalf_of": draft.sender.name,
            "subject": mime.one_line(draft.rendered.subject or ""),
            "script": (draft.rendered.text or "").strip(),
        }
        return Frozen(media_type=MEDIA_TYPE, body=orjson.dumps(task))

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:  # noqa: ARG002
        """Leave it on the list."""
        return Deferred(
            reason=WAITING, delay_s=self._renew_s, give_up_after_s=self._give_up_after_s
        )

    async def find(self, *, tenant: str, message_id: UUID, on: date, sha256: str) -> Sent | None:  # noqa: ARG002
        """Never: whoever calls says so, and nothing else leaves."""
        return None

    async def close(self) -> None:
        """Nothing is open."""
