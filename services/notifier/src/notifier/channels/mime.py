"""E-mail as RFC 5322 bytes: deterministic `Message-ID`, plain text and HTML, no tracking.

Pure: nothing here sends.
"""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from uuid import UUID

from notifier.channels.base import Draft


def message_id_header(message_id: UUID, sender_email: str) -> str:
    """`<message id@sender's domain>`: the same for every attempt, so that bounces map back."""
    return f"<{message_id}@{sender_email.rpartition('@')[2].lower()}>"


def compose(draft: Draft) -> bytes:
    """The whole e-mail with CRLF line ends.

    Raises:
        ValueError: an address that cannot stand in a header.
    """
    mail = EmailMessage(policy=SMTP)
    mail["Message-ID"] = message_id_header(draft.message.message_id, draft.sender.email)
    mail["Date"] = format_datetime(draft.dated)
    mail["From"] = _mailbox(draft.sender.name, draft.sender.email)
    mail["To"] = _mailbox(draft.recipient.name, draft.recipient.address)
    mail["Subject"] = one_line(draft.rendered.subject or "")
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail["X-Dunning-Notice"] = str(draft.message.notice_id)
    mail["X-Dunning-Level"] = one_line(draft.message.level)
    mail.set_content(draft.rendered.text or "", cte="quoted-printable")
    if draft.rendered.html is not None:
        mail.add_alternative(draft.rendered.html, subtype="html", cte="quoted-printable")
        mail.set_boundary(f"=_{draft.message.message_id.hex}")
    return mail.as_bytes()


def one_line(text: str) -> str:
    """The text without line breaks: nothing can smuggle a header in."""
    return " ".join(text.split())


def _mailbox(name: str, address: str) -> Address:
    return Address(display_name=one_line(name), addr_spec=address)
