"""Mails as they come to a return address: bounces, complaints, answers, answers of machines."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import make_msgid
from uuid import UUID

_OWN_HEADERS = (
    "Message-ID: <{message_id}@acme.example>\r\n"
    "From: Acme <facturation@acme.example>\r\n"
    "To: {to}\r\n"
    "Subject: Your invoice\r\n"
)


def reply(
    text: str,
    *,
    to: UUID | None = None,
    sender: str = "compta@dupont.example",
    subject: str = "Re: Your invoice",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """An answer, to a message or to nothing."""
    mail = EmailMessage()
    mail["Message-ID"] = make_msgid(domain="dupont.example")
    mail["From"] = f"Dupont <{sender}>"
    mail["To"] = "facturation@acme.example"
    mail["Subject"] = subject
    mail["Date"] = "Tue, 10 Mar 2026 09:00:00 +0100"
    if to is not None:
        mail["In-Reply-To"] = f"<{to}@acme.example>"
        mail["References"] = f"<{to}@acme.example>"
    for name, value in (headers or {}).items():
        mail[name] = value
    mail.set_content(text)
    return mail.as_bytes()


def bounce(
    about: UUID | None,
    *,
    to: str = "compta@dupont.example",
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "550 5.1.1 user unknown",
    date: str = "Tue, 10 Mar 2026 09:00:00 +0100",
) -> bytes:
    """A delivery report by RFC 3464."""
    own = _OWN_HEADERS.format(message_id=about, to=to) if about else f"To: {to}\r\n"
    return (
        "Return-Path: <>\r\n"
        f"Message-ID: {make_msgid(domain='mx.dupont.example')}\r\n"
        f"Date: {date}\r\n"
        "From: Mail Delivery System <MAILER-DAEMON@mx.dupont.example>\r\n"
        "To: bounces@acme.example\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=b"\r\n'
        "\r\n"
        "--=b\r\nContent-Type: text/plain\r\n\r\nI am sorry to inform you.\r\n"
        "--=b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.dupont.example\r\n"
        "\r\n"
        f"Final-Recipient: rfc822; {to}\r\n"
        f"Action: {action}\r\n"
        f"Status: {status}\r\n"
        f"Diagnostic-Code: smtp; {said}\r\n"
        "\r\n"
        f"--=b\r\nContent-Type: text/rfc822-headers\r\n\r\n{own}\r\n"
        "--=b--\r\n"
    ).encode()


def complaint(about: UUID, *, kind: str = "abuse", to: str = "compta@dupont.example") -> bytes:
    """A feedback report by RFC 5965."""
    return (
        f"Message-ID: {make_msgid(domain='fbl.example')}\r\n"
        "Date: Tue, 10 Mar 2026 09:00:00 +0100\r\n"
        "From: <feedback@fbl.example>\r\n"
        "To: abuse@acme.example\r\n"
        "Subject: FW: Your invoice\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="=c"\r\n'
        "\r\n"
        "--=c\r\nContent-Type: text/plain\r\n\r\nThis is an e-mail abuse report.\r\n"
        "--=c\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: Fbl/1.0\r\nVersion: 1\r\n"
        "\r\n"
        "--=c\r\nContent-Type: message/rfc822\r\n\r\n"
        f"{_OWN_HEADERS.format(message_id=about, to=to)}\r\nPlease pay.\r\n"
        "--=c--\r\n"
    ).encode()


def posted(mail: bytes, *, boundary: str = "xYzZY") -> tuple[bytes, dict[str, str]]:
    """A mail as SendGrid's Inbound Parse posts it in its raw form: body and headers."""
    body = b"".join(
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="email"\r\n\r\n'.encode(),
            mail,
            f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="SPF"\r\n\r\n'.encode(),
            f"pass\r\n--{boundary}--\r\n".encode(),
        )
    )
    return body, {"content-type": f"multipart/form-data; boundary={boundary}"}
