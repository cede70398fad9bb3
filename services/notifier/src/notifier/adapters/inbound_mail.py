"""Understands a mail that came to the return address: a bounce, a complaint, or an answer.

Delivery reports are RFC 3464 (and 6533), complaints RFC 5965, automatic answers RFC 3834 and what
mail programs do instead. Comes as SendGrid Inbound Parse posts it, raw or parsed, or as a mail.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from uuid import UUID

from notifier.adapters.mime_reading import (
    UnreadableMailError,
    address,
    attachments_of,
    content_bytes,
    content_text,
    decoded,
    header,
    inside,
    message_of,
    own_parts,
    sent_at,
    text_of,
    without_tags,
)
from notifier.domain.bounces import BounceClass, of_status
from notifier.domain.feedback import Report, Stage
from notifier.domain.inbound import Attachment, InboundMail, MailKind
from notifier.domain.redaction import redact
from notifier.domain.replies import fresh_text

_OURS = re.compile(
    r"<?([0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})@", re.IGNORECASE
)
"""A message id of ours (a name-based UUID) in front of the sender's domain."""

_REPORTS = ("message/delivery-status", "message/global-delivery-status")
_HEADERS = ("text/rfc822-headers", "message/global-headers")
_ENCLOSED = ("message/rfc822", "message/global")
_AUTO_SUBJECT = re.compile(
    r"^(?:re: *)?(?:automatic reply|auto(?:matic)?[ -]?(?:reply|response)|ooo\b"
    r"|out of (?:the )?office|r[ée]ponse automatique|absen(?:ce|t)\b|abwesenheit"
    r"|automatische antwort|respuesta autom|fuera de la oficina|risposta automatica|fuori sede"
    r"|automatisch antwoord|afwezig|resposta autom|autoodpowied|odpowied[zź] automatyczna"
    r"|nieobecno)",
    re.IGNORECASE,
)
_BOUNCE_SUBJECT = re.compile(
    r"undeliver|delivery (?:status|failure|has failed)|returned mail|mail delivery|failure notice"
    r"|unzustellbar|non remis|échec de|no se (?:ha podido )?entreg|mancata consegna|onbestelbaar",
    re.IGNORECASE,
)
_LONGEST_REPORT = 100_000
_ROBOTS = ("mailer-daemon@", "postmaster@", "mail-daemon@")


def read_mail(content_type: str, raw: bytes) -> InboundMail:
    """The mail in a webhook's body.

    Args:
        content_type: of the request: `multipart/form-data` as SendGrid posts it, or
            `message/rfc822` for the mail itself.
        raw: the body.

    Raises:
        UnreadableMailError: it is neither.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _of_form(content_type, raw)
    if kind in ("message/rfc822", "message/global"):
        return _of_message(message_of(raw))
    raise UnreadableMailError(f"content type {kind[:50]!r} is not a mail's")


def _of_form(content_type: str, raw: bytes) -> InboundMail:
    """SendGrid's two forms; its own samples end lines by LF, so the e-mail package reads them."""
    if "\n" in content_type or "\r" in content_type or not content_type.isascii():
        raise UnreadableMailError("the content type is broken")
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + raw)
    fields: dict[str, Message] = {}
    for part in own_parts(form):
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str) and part is not form:
            fields.setdefault(name, part)
    if "email" in fields:
        return _of_message(message_of(content_bytes(fields["email"]).lstrip()))
    if "headers" not in fields:
        raise UnreadableMailError("neither `email` nor `headers` is among the fields")
    return _of_parsed(fields)


def _of_parsed(fields: dict[str, Message]) -> InboundMail:
    """SendGrid's parsed form: headers, texts in the charsets that it names, and files apart."""
    headers = message_of(content_bytes(fields["headers"]).lstrip())
    charsets = _charsets(fields)

    def text(name: str) -> str:
        part = fields.get(name)
        return "" if part is None else decoded(content_bytes(part), charsets.get(name, "utf-8"))

    # As files, the parts of a report are no longer parts of the mail.
    files = [part for name, part in fields.items() if re.fullmatch(r"attachment\d+", name)]
    plain = text("text")
    return _understood(
        headers,
        text=plain if plain.strip() else without_tags(text("html")),
        parts=files,
        files=tuple(
            Attachment(
                name=file.get_filename() or "",
                media_type=file.get_content_type(),
                content=content_bytes(file),
            )
            for file in files
            if not file.is_multipart()
        ),
    )


def _charsets(fields: dict[str, Message]) -> dict[str, str]:
    try:
        named = json.loads(content_bytes(fields["charsets"]))
        return {str(name): str(charset) for name, charset in named.items()}
    except (KeyError, ValueError, AttributeError):
        return {}


def _of_message(message: Message) -> InboundMail:
    return _understood(
        message,
        text=text_of(message),
        parts=list(own_parts(message)),
        files=attachments_of(message),
    )


def _understood(
    message: Message, *, text: str, parts: list[Message], files: tuple[Attachment, ...]
) -> InboundMail:
    original = _enclosed(parts)
    found = InboundMail(
        kind=_kind(message),
        key=_key(message, text),
        message_ids=_ours(
            header(original, "Message-ID") if original else "",
            header(message, "In-Reply-To"),
            header(message, "References"),
            header(message, "X-Failed-Message-ID"),
        ),
        sender=address(message, "From"),
        subject=header(message, "Subject")[:300],
        text=fresh_text(text),
        attachments=files,
        sent_at=sent_at(message),
    )
    status = next((p for p in parts if p.get_content_type() in _REPORTS), None)
    if status is not None:
        return _delivery_report(found, status)
    complaint = next((p for p in parts if p.get_content_type() == "message/feedback-report"), None)
    if complaint is not None:
        return _complaint(found, complaint, original)
    if found.kind is MailKind.BOUNCE:
        return _plain_bounce(found, message, text)
    return found


def _kind(message: Message) -> MailKind:
    sender = address(message, "From")
    null = header(message, "Return-Path") == "<>"
    if sender.startswith(_ROBOTS) or (null and _BOUNCE_SUBJECT.search(header(message, "Subject"))):
        return MailKind.BOUNCE
    automatic = header(message, "Auto-Submitted").lower().partition(";")[0].strip()
    if automatic not in ("", "no") or null:
        return MailKind.AUTO_REPLY
    if any(header(message, name) for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply")):
        return MailKind.AUTO_REPLY
    if header(message, "Precedence").lower() in ("bulk", "junk", "list", "auto_reply"):
        return MailKind.AUTO_REPLY
    if _AUTO_SUBJECT.search(header(message, "Subject")):
        return MailKind.AUTO_REPLY
    return MailKind.REPLY


def _key(message: Message, text: str) -> str:
    """The same for the same mail, however it was packed and however often it comes."""
    named = header(message, "Message-ID")
    if not named:
        dated = (header(message, name) for name in ("From", "Date", "Subject"))
        named = "\x1f".join((*dated, " ".join(text.split())))
    return hashlib.sha256(named.encode()).hexdigest()


def _enclosed(parts: list[Message]) -> Message | None:
    """The mail that a report returns: whole, or its headers."""
    for part in parts:
        kind = part.get_content_type()
        if kind in _ENCLOSED:
            return next(iter(inside(part)), None)
        if kind in _HEADERS:
            blocks = inside(part)
            return blocks[0] if blocks else message_from_bytes(content_bytes(part).lstrip())
    return None


def _ours(*texts: str) -> tuple[UUID, ...]:
    found = (UUID(match) for text in texts for match in _OURS.findall(text))
    return tuple(dict.fromkeys(found))


_STAGES = {
    "failed": Stage.BOUNCED,
    "delayed": Stage.ACCEPTED,
    "relayed": Stage.ACCEPTED,
    "expanded": Stage.ACCEPTED,
    "delivered": Stage.DELIVERED,
}


def _delivery_report(found: InboundMail, status: Message) -> InboundMail:
    """RFC 3464: a block about the message, then one for each recipient; failure counts most."""
    blocks = [block for block in inside(status) if block.get("Action")]
    if not blocks:
        blocks = [b for b in _blocks(content_text(status)) if b.get("Action")]
    stages = [
        (_STAGES.get(header(block, "Action").lower().split(" ")[0], Stage.NONE), block)
        for block in blocks
    ]
    if not stages:
        return _with_report(found, Report(stage=Stage.NONE), recipient="")
    stage, block = max(stages, key=lambda pair: pair[0])
    code = header(block, "Status").partition(" ")[0]
    said = header(block, "Diagnostic-Code").partition(";")[2].strip()
    bounce = of_status(code, said) if stage is Stage.BOUNCED else None
    # Whoever forwards mail is returned the address that it was forwarded to.
    named = header(block, "Original-Recipient") or header(block, "Final-Recipient")
    return _with_report(
        found,
        Report(
            stage=stage,
            reason=redact(said if code in said else f"{code} {said}".strip()),
            hard=bounce is not None and bounce.is_dead,
            bounce=bounce,
            occurred_at=found.sent_at,
        ),
        recipient=named.partition(";")[2].strip().strip("<>").lower(),
    )


def _blocks(text: str) -> Iterable[Message]:
    """The blocks of a report that some server wrote as plain text."""
    return (
        message_from_bytes(block.strip().encode())
        for block in re.split(r"\n[ \t]*\n", text[:_LONGEST_REPORT].replace("\r\n", "\n"))
    )


def _complaint(found: InboundMail, part: Message, original: Message | None) -> InboundMail:
    """RFC 5965: `abuse` and `fraud` are complaints, `opt-out` is one, `not-spam` is none."""
    blocks = inside(part) or list(_blocks(content_text(part)))
    told = blocks[0] if blocks else Message()
    kind = header(told, "Feedback-Type").lower()
    bounce: BounceClass | None
    match kind:
        case "abuse" | "fraud" | "virus":
            bounce = BounceClass.COMPLAINT
        case "opt-out" | "opt-out-list":
            bounce = BounceClass.UNSUBSCRIBE
        case _:
            bounce = None
    recipient = header(told, "Original-Rcpt-To").strip("<>").lower()
    if not recipient and original is not None:
        recipient = address(original, "To")
    report = Report(
        stage=Stage.DELIVERED if bounce else Stage.NONE,
        reason=redact(f"feedback report: {kind or 'of no type'}"),
        bounce=bounce,
        occurred_at=found.sent_at,
    )
    return _with_report(found, report, recipient=recipient, kind=MailKind.COMPLAINT)


_ADDRESS = re.compile(r"[\w.+=-]{1,64}@[\w-]+(?:\.[\w-]+)+")


def _plain_bounce(found: InboundMail, message: Message, text: str) -> InboundMail:
    """A bounce in prose, as some servers still write it: codes and addresses out of the text."""
    recipient = address(message, "X-Failed-Recipients")
    if not recipient:
        named = _ADDRESS.search(text)
        recipient = named[0].lower() if named else ""
    bounce = of_status("", text[:5000])
    report = Report(
        stage=Stage.BOUNCED,
        reason=redact(text),
        hard=bounce.is_dead,
        bounce=bounce,
        occurred_at=found.sent_at,
    )
    with_ids = InboundMail(
        kind=found.kind,
        key=found.key,
        message_ids=found.message_ids or _ours(text),
        sender=found.sender,
        subject=found.subject,
        sent_at=found.sent_at,
    )
    return _with_report(with_ids, report, recipient=recipient)


def _with_report(
    found: InboundMail, report: Report, *, recipient: str, kind: MailKind = MailKind.BOUNCE
) -> InboundMail:
    return InboundMail(
        kind=kind,
        key=found.key,
        message_ids=found.message_ids,
        sender=found.sender,
        recipient=recipient,
        subject=found.subject,
        report=report,
        sent_at=found.sent_at,
    )
