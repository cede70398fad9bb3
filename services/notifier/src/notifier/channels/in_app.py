"""Messages that the ERP shows to the debtor itself, in a customer area or an app.

The message is kept here and fetched over `GET /v1/in-app`; it counts as sent when it is kept, and
as delivered when the ERP says that it has it.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

import orjson

from dunning_common.events.contacts import Contacts
from dunning_common.ids import short_hash
from notifier.channels import mime
from notifier.channels.base import (
    Deadline,
    DeadlinePassedError,
    Draft,
    Frozen,
    Late,
    Outcome,
    Parcel,
    Recipient,
    Sent,
)

MEDIA_TYPE = "application/vnd.dunning.in-app+json"


class InAppChannel:
    """Messages for the ERP to fetch. Every debtor can be reached this way."""

    def __init__(self) -> None:
        self.provider = "in_app"

    def addressee(self, contacts: Contacts, *, tenant: str, country: str) -> Recipient | None:  # noqa: ARG002
        """The debtor, by name: the ERP knows where to show it."""
        return Recipient(name=contacts.name, hash=short_hash(tenant, "in_app", contacts.name))

    def freeze(self, draft: Draft) -> Frozen:
        """Subject, plain text and HTML."""
        shown = {
            "subject": mime.one_line(draft.rendered.subject or ""),
            "text": draft.rendered.text or "",
            "html": draft.rendered.html,
        }
        return Frozen(media_type=MEDIA_TYPE, body=orjson.dumps(shown))

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        """Nothing to do but to be in time: it is kept already, and shown once it is `sent`."""
        try:
            deadline.check()
        except DeadlinePassedError:
            return Late()
        return Sent(provider_ref=str(parcel.message.message_id))

    async def find(self, *, tenant: str, message_id: UUID, on: date, sha256: str) -> Sent | None:  # noqa: ARG002
        """Never: as long as it is not `sent`, nobody could fetch it."""
        return None

    async def close(self) -> None:
        """Nothing is open."""
