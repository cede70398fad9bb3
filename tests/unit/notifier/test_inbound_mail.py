"""Mails that come back: bounces, complaints, answers and machines, in whatever form they come."""

from __future__ import annotations

from datetime import date
from email.message import EmailMessage
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.adapters.inbound_mail import read_mail
from notifier.adapters.mime_reading import UnreadableMailError
from notifier.domain.bounces import BounceClass
from notifier.domain.feedback import Stage
from notifier.domain.inbound import InboundMail, MailKind
from notifier.domain.proposals import propose
from notifier.testing import mails

OURS = uuid5(NAMESPACE_URL, "a message")
RAW = "message/rfc822"


def read(mail: bytes) -> InboundMail:
    """The mail alone and inside SendGrid's form, which must be the same."""
    alone = read_mail(RAW, mail)
    body, headers = mails.posted(mail)
    assert read_mail(headers["content-type"], body) == alone
    return alone


@pytest.mark.parametrize("name", ["default_data", "raw_data", "raw_data_with_attachments"])
def test_sendgrids_own_samples_are_answers(shared: Path, name: str) -> None:
    sample = (shared / "data" / "webhooks" / "sendgrid" / f"{name}.txt").read_bytes()

    for body in (sample, sample.replace(b"\n", b"\r\n")):
        mail = read_mail("multipart/form-data; boundary=xYzZY", body)
        assert mail.kind is MailKind.REPLY
        assert mail.text == "Hello Twilio SendGrid!"
        assert mail.sender == "test@example.com"
        assert mail.subject.startswith("Inbound Parse Test")
        files = [(file.name, file.media_type) for file in mail.attachments]
        assert files == ([("SendGrid.jpg", "image/jpeg")] if "attachments" in name else [])


def test_a_delivery_report_names_the_message_and_the_class() -> None:
    mail = read(mails.bounce(OURS))

    assert mail.kind is MailKind.BOUNCE
    assert mail.message_ids == (OURS,)
    assert mail.recipient == "compta@dupont.example"
    assert mail.report is not None
    assert (mail.report.stage, mail.report.bounce) == (Stage.BOUNCED, BounceClass.HARD)
    assert mail.report.reason == "550 5.1.1 user unknown"


@pytest.mark.parametrize(
    ("action", "status", "said", "stage", "bounce"),
    [
        ("failed", "5.2.2", "552 mailbox full", Stage.BOUNCED, BounceClass.SOFT),
        ("failed", "5.7.1", "550 spam", Stage.BOUNCED, BounceClass.BLOCKED),
        ("delayed", "4.4.1", "no answer from host", Stage.ACCEPTED, None),
        ("delivered", "2.1.5", "ok", Stage.DELIVERED, None),
        ("relayed", "2.0.0", "ok", Stage.ACCEPTED, None),
    ],
)
def test_only_a_failure_is_a_bounce(
    action: str, status: str, said: str, stage: Stage, bounce: BounceClass | None
) -> None:
    report = read(mails.bounce(OURS, action=action, status=status, said=said)).report

    assert report is not None
    assert (report.stage, report.bounce) == (stage, bounce)


def test_of_several_recipients_the_failed_one_counts() -> None:
    one = b"Action: delivered\r\nStatus: 2.0.0\r\nFinal-Recipient: rfc822; a@dupont.example\r\n\r\n"
    raw = mails.bounce(OURS).replace(b"Final-Recipient", one + b"Final-Recipient", 1)

    mail = read(raw)

    assert mail.report is not None
    assert mail.report.stage is Stage.BOUNCED
    assert mail.recipient == "compta@dupont.example"


def test_a_bounce_in_prose_is_read_by_its_code_and_the_id_inside() -> None:
    prose = EmailMessage()
    prose["From"] = "postmaster@old.example"
    prose["Subject"] = "failure notice"
    prose.set_content(
        "Hi. This is the qmail-send program.\n<compta@dupont.example>:\n"
        "550 5.1.1 no such user\n--- Below this line is a copy of the message.\n"
        f"Message-ID: <{OURS}@acme.example>\n"
    )

    mail = read(prose.as_bytes())

    assert (mail.kind, mail.message_ids) == (MailKind.BOUNCE, (OURS,))
    assert mail.recipient == "compta@dupont.example"
    assert mail.report is not None
    assert mail.report.bounce is BounceClass.HARD
    assert "dupont" not in mail.report.reason


@pytest.mark.parametrize(
    ("kind", "bounce"),
    [
        ("abuse", BounceClass.COMPLAINT),
        ("fraud", BounceClass.COMPLAINT),
        ("opt-out", BounceClass.UNSUBSCRIBE),
        ("not-spam", None),
    ],
)
def test_a_feedback_report_is_a_complaint(kind: str, bounce: BounceClass | None) -> None:
    mail = read(mails.complaint(OURS, kind=kind))

    assert (mail.kind, mail.message_ids) == (MailKind.COMPLAINT, (OURS,))
    assert mail.report is not None
    assert mail.report.bounce is bounce
    assert not mail.report.hard  # it was delivered


@pytest.mark.parametrize(
    ("headers", "subject"),
    [
        ({"Auto-Submitted": "auto-replied"}, "Re: Your invoice"),
        ({"Auto-Submitted": "auto-generated; owner-email=x"}, "Thank you"),
        ({"X-Autoreply": "yes"}, "Re: Your invoice"),
        ({"Precedence": "bulk"}, "News"),
        ({}, "Out of Office: Your invoice"),
        ({}, "Automatic reply: Your invoice"),
        ({}, "Réponse automatique : votre facture"),
        ({}, "Abwesenheitsnotiz: Ihre Rechnung"),
        ({}, "Risposta automatica: fattura"),
    ],
)
def test_a_machines_answer_is_no_answer(headers: dict[str, str], subject: str) -> None:
    mail = read(mails.reply("I have paid. STOP", to=OURS, headers=headers, subject=subject))

    assert mail.kind is MailKind.AUTO_REPLY


def test_a_persons_answer_says_that_it_is_one() -> None:
    raw = mails.reply("Payé hier", to=OURS, headers={"Auto-Submitted": "no"})

    mail = read(raw)

    assert (mail.kind, mail.text, mail.message_ids) == (MailKind.REPLY, "Payé hier", (OURS,))
    assert mail.sender == "compta@dupont.example"


def test_the_same_mail_has_the_same_key_however_it_is_packed() -> None:
    raw = mails.reply("hello", to=OURS)
    other, headers = mails.posted(raw, boundary="another")

    assert read(raw).key == read_mail(headers["content-type"], other).key
    assert read(raw).key != read(mails.reply("hello", to=OURS)).key


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "cp1252", "iso-8859-15"])
def test_a_mail_is_read_in_its_charset(charset: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "é <jean@dupont.example>", "Réglé"
    mail.set_content("Déjà réglé, cordialement", charset=charset)

    assert read(mail.as_bytes()).text == "Déjà réglé, cordialement"


def test_the_parsed_form_is_read_in_the_charsets_that_it_names() -> None:
    fields = {
        b"headers": b"From: jean@dupont.example\nSubject: hello\n",
        b"text": "Déjà réglé".encode("latin-1"),
        b"charsets": b'{"text":"iso-8859-1","from":"UTF-8"}',
    }
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % pair
        for pair in fields.items()
    )

    mail = read_mail("multipart/form-data; boundary=b", body + b"--b--\r\n")

    assert mail.text == "Déjà réglé"


def test_a_report_that_came_as_a_file_of_the_parsed_form_is_still_a_report() -> None:
    status = (
        b"Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; compta@dupont.example\r\n"
        b"Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 unknown\r\n"
    )
    own = f"Message-ID: <{OURS}@acme.example>\r\nTo: compta@dupont.example\r\n".encode()
    parts = [
        (
            b'name="headers"',
            b"From: MAILER-DAEMON@mx.example\r\nSubject: failure\r\n",
            b"text/plain",
        ),
        (b'name="text"', b"sorry", b"text/plain"),
        (b'name="attachment1"; filename="a"', status, b"message/delivery-status"),
        (b'name="attachment2"; filename="b"', own, b"text/rfc822-headers"),
    ]
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; %b\r\nContent-Type: %b\r\n\r\n%b\r\n"
        % (name, kind, content)
        for name, content, kind in parts
    )

    mail = read_mail("multipart/form-data; boundary=b", body + b"--b--\r\n")

    assert (mail.kind, mail.message_ids) == (MailKind.BOUNCE, (OURS,))
    assert mail.report is not None
    assert mail.report.bounce is BounceClass.HARD


def test_html_alone_is_read_without_its_tags_and_without_what_it_quotes() -> None:
    mail = EmailMessage()
    mail["From"] = "jean@dupont.example"
    mail.set_content(
        "<html><head><style>p{}</style></head><body><p>STOP</p>"
        '<div class="gmail_quote">On Monday Acme wrote</div></body></html>',
        subtype="html",
    )

    assert read(mail.as_bytes()).text == "STOP"


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        ("application/json", b"{}"),
        ("", b"hello"),
        (RAW, b""),
        (RAW, b"\r\n\r\nno header"),
        ("multipart/form-data; boundary=b", b"--b--"),
        ("multipart/form-data", b"hello"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="x"\r\n'),
    ],
)
def test_what_is_no_mail_is_said_to_be_none(content_type: str, raw: bytes) -> None:
    with pytest.raises(UnreadableMailError):
        read_mail(content_type, raw)


def test_a_mail_built_to_exhaust_its_reader_is_refused() -> None:
    nested = b"From: a@b.example\r\n"
    for depth in range(300):
        nested += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth)

    with pytest.raises(UnreadableMailError):
        read_mail(RAW, nested)


@pytest.mark.parametrize(
    "text",
    ["<", "<script", "<script>", "<a ", "a", "a ", "@", "&amp;", "> ", "\n", "On ", "i ",
     "5.1.1 ", "555 55 ", "address "],
)  # fmt: skip
@pytest.mark.parametrize("sender", ["jean@dupont.example", "MAILER-DAEMON@mx.example"])
def test_a_mail_written_to_keep_its_reader_busy_is_read_all_the_same(
    text: str, sender: str
) -> None:
    head = f"From: {sender}\r\nReferences: {text * 20_000}\r\nContent-Type: text/html\r\n\r\n"
    mail = read_mail(RAW, (head.replace("\n\n", "\n ") + text * (1_000_000 // len(text))).encode())

    propose(mail.text, today=date(2026, 3, 10))


@given(st.binary(max_size=300), st.sampled_from([RAW, "multipart/form-data; boundary=b"]))
def test_no_bytes_make_it_raise_anything_else(raw: bytes, content_type: str) -> None:
    for body in (raw, mails.bounce(OURS) + raw, b"From: x\r\nContent-Type: " + raw):
        try:
            read_mail(content_type, body)
        except UnreadableMailError:
            continue
