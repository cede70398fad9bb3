"""The question and the answer of the renderer: what to say to whom, and the finished parts.

Plain values only: nothing here reads a clock, a file or a database.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from dunning_common.events.contacts import Contacts
from dunning_common.events.dunning import Channel, NoticeMessage, NoticeRequestedV1
from dunning_common.events.tenants import TenantRegisteredV1


class TemplateError(ValueError):
    """A template that is missing, refused or does not render; names the template and the place.

    Args:
        template: the file below `templates/`, or `family/channel/language`.
        place: the line (`line 12`), or the part of the message, where it happened.
        reason: what is wrong and what to write instead.
    """

    def __init__(self, template: str, place: str, reason: str) -> None:
        super().__init__(f"{template}, {place}: {reason}")
        self.template = template
        self.place = place
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """One message to be written. `language` is the debtor's (`fr`, `fr-CA`); English stands in."""

    channel: Channel
    template: str
    language: str
    notice: NoticeRequestedV1
    message: NoticeMessage
    tenant: TenantRegisteredV1
    contacts: Contacts
    message_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The finished message.

    E-mail fills `subject`, `text` and `html`; an SMS `text`; a letter `subject` (its subject line)
    and `pdf`. `media_type` is `multipart/alternative`, `text/plain` or `application/pdf`.
    """

    media_type: str
    subject: str | None
    text: str | None
    html: str | None
    pdf: bytes | None
