"""The question and the answer of the renderer: what to say to whom, and the finished parts.

Plain values only: nothing here reads a clock, a file or a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from dunning_common.events.contacts import Contacts
from dunning_common.events.dunning import Channel, NoticeMessageV2, NoticeRequestedV2
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


class NoSuchTextError(TemplateError):
    """There is no such family, or it is in no such language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnText:
    """A tenant's own texts of a family in a language; `source` is YAML as in the family's file."""

    family: str
    language: str
    version: int
    source: str

    @property
    def key(self) -> tuple[str, str]:
        """Family and language."""
        return self.family, self.language

    @property
    def name(self) -> str:
        """What errors call it: `first_reminder/fr version 3`; a draft has no version (0)."""
        version = f"version {self.version}" if self.version else "draft"
        return f"{self.family}/{self.language} {version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """One message to be written. `language` is the debtor's (`fr`, `fr-CA`); English stands in.

    `own` are the tenant's own texts by family and language; they go before the built-in ones.
    `portal_url` opens the debtor's own page and `pay_url` a page to pay on; empty where there is
    none. A text takes the former along while it has at most `sms_parts_max` parts with it.
    `ways` are the channels by which anything is sent from here; None: by all.
    """

    channel: Channel
    template: str
    language: str
    notice: NoticeRequestedV2
    message: NoticeMessageV2
    tenant: TenantRegisteredV1
    contacts: Contacts
    message_id: UUID
    own: Mapping[tuple[str, str], OwnText] = field(default_factory=dict)
    portal_url: str = ""
    pay_url: str = ""
    sms_parts_max: int = 2
    ways: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with an e-mail, such as the invoice itself."""

    file_name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The finished message.

    E-mail fills `subject`, `text` and `html`; an SMS `text`; a letter `subject` (its subject line)
    and `pdf`. `remarks` say what had to be left out of it, and why.
    `media_type` is `multipart/alternative`, `text/plain` or `application/pdf`.
    `template_version` is of the tenant's own text; None: the built-in one.
    """

    media_type: str
    subject: str | None
    text: str | None
    html: str | None
    pdf: bytes | None
    template_version: int | None = None
    attachments: tuple[Attachment, ...] = ()
    remarks: tuple[str, ...] = ()
