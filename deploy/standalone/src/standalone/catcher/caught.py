"""What was caught: an accepted message, and how its searchable parts are read out of its bytes.

Pure: no files, no clock, no network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from typing import Any, Literal
from urllib.parse import urlsplit

Via = Literal["smtp", "sendgrid", "twilio"]
_EXCERPT_CHARACTERS = 4_000
_STATUS_CALLBACK = re.compile(r"/webhooks/twilio/([^/]+)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The searchable part of a message; `invoices` are the ids it names in its headers."""

    via: Via
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    tenant: str = ""
    notice: str = ""
    level: str = ""
    message_id: str = ""
    invoices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """An accepted message: `id` counts up for ever, `at` is when it was accepted (ISO, UTC)."""

    id: int
    at: str
    size_bytes: int
    summary: Summary

    def as_dict(self) -> dict[str, Any]:
        """As the JSON API shows it."""
        fields = asdict(self.summary)
        return {"id": self.id, "at": self.at, "size_bytes": self.size_bytes, **fields}

    def concerns(self, *, tenant: str | None, invoice: str | None, text: str | None) -> bool:
        """Whether the message matches all filters that are given."""
        known = self.summary
        if tenant and known.tenant != tenant:
            return False
        if invoice and not (invoice in known.invoices or _names(invoice, known)):
            return False
        wanted = (text or "").casefold()
        places = (known.subject, known.text, *known.recipients)
        return not wanted or any(wanted in place.casefold() for place in places)


def of_email(raw: bytes, *, sender: str, recipients: Sequence[str]) -> Summary:
    """The summary of an e-mail as it came over SMTP."""
    message = parse_email(raw)
    return Summary(
        via="smtp",
        sender=sender,
        recipients=tuple(recipients),
        subject=_header(message, "subject"),
        text=plain_text(message)[:_EXCERPT_CHARACTERS],
        tenant=_header(message, "x-dunning-tenant"),
        notice=_header(message, "x-dunning-notice"),
        level=_header(message, "x-dunning-level"),
        message_id=_header(message, "message-id"),
        invoices=_listed(_header(message, "x-dunning-invoices")),
    )


def of_sendgrid(body: Mapping[str, Any]) -> Summary:
    """The summary of a `v3/mail/send` request.

    Raises:
        KeyError, TypeError, IndexError, AttributeError: the request lacks a required part.
    """
    people = [person["email"] for item in body["personalizations"] for person in item["to"]]
    arguments = dict(body.get("custom_args") or {})
    for item in body["personalizations"]:
        arguments |= item.get("custom_args") or {}
    headers = {key.lower(): str(value) for key, value in (body.get("headers") or {}).items()}
    plain = [part["value"] for part in body["content"] if part["type"] == "text/plain"]
    return Summary(
        via="sendgrid",
        sender=body["from"]["email"],
        recipients=tuple(people),
        subject=body.get("subject") or body["personalizations"][0]["subject"],
        text="\n".join(plain)[:_EXCERPT_CHARACTERS],
        tenant=str(arguments.get("tenant", headers.get("x-dunning-tenant", ""))),
        notice=str(arguments.get("notice", headers.get("x-dunning-notice", ""))),
        level=headers.get("x-dunning-level", ""),
        message_id=str(arguments.get("message_id", headers.get("message-id", ""))),
        invoices=_listed(headers.get("x-dunning-invoices", "")),
    )


def of_twilio(form: Mapping[str, str]) -> Summary:
    """The summary of a text message.

    Raises:
        KeyError: `To` or `Body` is missing.
    """
    callback = urlsplit(form.get("StatusCallback", "")).path
    found = _STATUS_CALLBACK.search(callback)
    return Summary(
        via="twilio",
        sender=form.get("From") or form.get("MessagingServiceSid", ""),
        recipients=(form["To"],),
        subject="",
        text=form["Body"][:_EXCERPT_CHARACTERS],
        tenant=found[1] if found else "",
        message_id=callback.rsplit("/", 1)[-1],
    )


def parse_email(raw: bytes) -> Message:
    """The message as a tree of parts.

    By the old, lazy rules: the newer ones of the standard library decode everything at once, and
    raise on some malformed headers.
    """
    return BytesParser(policy=policy.compat32).parsebytes(raw)


def headers(message: Message) -> list[tuple[str, str]]:
    """All headers, decoded."""
    return [(name, _decoded_header(value)) for name, value in message.items()]


def plain_text(message: Message) -> str:
    """The plain text of an e-mail, empty when it has none."""
    return _body(message, "text/plain")


def html_text(message: Message) -> str:
    """The HTML of an e-mail, empty when it has none."""
    return _body(message, "text/html")


def attachments(message: Message) -> list[tuple[str, bytes]]:
    """Names and contents of the attached files."""
    return [(part.get_filename() or "attachment", _bytes(part)) for part in _attached(message)]


def preview(via: Via, raw: bytes) -> str:
    """The HTML to preview, empty when the message has none."""
    match via:
        case "smtp":
            return html_text(parse_email(raw))
        case "sendgrid":
            parts = json.loads(raw)["content"]
            return "\n".join(part["value"] for part in parts if part["type"] == "text/html")
        case "twilio":
            return ""


def _body(message: Message, media_type: str) -> str:
    for part in message.walk():
        if part.get_content_type() == media_type and not _is_attached(part):
            return _decoded(_bytes(part), part.get_content_charset() or "utf-8")
    return ""


def _attached(message: Message) -> Iterator[Message]:
    return (part for part in message.walk() if not part.is_multipart() and _is_attached(part))


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or part.get_filename() is not None


def _bytes(part: Message) -> bytes:
    content: Any = part.get_payload(decode=True)
    return bytes(content or b"")


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except (LookupError, ValueError):  # an unknown charset: show what can be shown
        return content.decode("utf-8", "replace")


def _header(message: Message, name: str) -> str:
    return _decoded_header(message.get(name, ""))


def _decoded_header(value: Any) -> str:
    """Encoded words as text; what cannot be decoded as it stands."""
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", str(value))
    try:
        return str(make_header(decode_header(unfolded))).strip()
    except (HeaderParseError, LookupError, ValueError):
        return unfolded.strip()


def _listed(value: str) -> tuple[str, ...]:
    """The ids in a header such as `INV-1, INV 2`: commas part them, spaces may belong to them."""
    return tuple(part for part in map(str.strip, value.split(",")) if part)


def _names(invoice: str, summary: Summary) -> bool:
    """Whether subject or text holds the id as a word of its own."""
    pattern = rf"(?<![\w-]){re.escape(invoice)}(?![\w-])"
    return re.search(pattern, f"{summary.subject}\n{summary.text}") is not None
