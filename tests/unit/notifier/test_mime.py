"""E-mails: whatever the words, the standard library reads back what was put in."""

from __future__ import annotations

import email
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.header import decode_header, make_header
from email.message import MIMEPart
from email.policy import compat32, default
from email.utils import parseaddr
from html import unescape
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.channels.base import Draft, Recipient, Sender
from notifier.channels.mime import compose, one_line
from notifier.content.model import Rendered
from notifier.domain.message import Message, State

ID = UUID("0190a000-0000-7000-8000-000000000001")
DRAFT = Draft(
    message=Message(
        tenant="acme",
        message_id=ID,
        notice_id=UUID("0190a000-0000-7000-8000-000000000002"),
        debtor_id="d1",
        channel="email",
        template="courtesy",
        level="courtesy",
        level_no=1,
        invoice_ids=("i1",),
        effective_at=datetime(2026, 3, 2, tzinfo=UTC),
        state=State.SENDING,
        fence=1,
        attempts=0,
    ),
    sender=Sender(name="Acme Fournitures", email="facturation@Acme.example"),
    recipient=Recipient(name="Dupont, Père & Fils", hash="h", address="compta@dupont.example"),
    rendered=Rendered(
        media_type="multipart/alternative",
        subject="Rappel : facture échue",
        text="Bonjour,\n.\n..deux\nà bientôt  \nFrom here",
        html="<p>Bonjour</p>",
        pdf=None,
    ),
    dated=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    on=date(2026, 3, 2),
)
words = st.text(st.characters(blacklist_categories=["Cs"]), max_size=200)
pages = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\r\n\t&#;"),
    max_size=200,
)
# Spaces other than the plain one are folding white space to some readers.
names = st.text(
    st.characters(categories=["L", "N", "P", "S"], include_characters=" "), max_size=120
)


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


def _parts(raw: bytes) -> list[MIMEPart]:
    mail = email.message_from_bytes(raw, policy=default)
    assert not mail.defects
    return [*mail.iter_parts()]


def _bytes(part: MIMEPart) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def _decoded(value: str) -> str:
    """Encoded words read by the letter: the newer parser puts spaces between those of a name."""
    return str(make_header(decode_header(value.replace("\r\n", ""))))


@given(words, pages)
def test_both_texts_are_read_back_exactly(text: str, html: str) -> None:
    raw = compose(replace(DRAFT, rendered=replace(DRAFT.rendered, text=text, html=html)))

    plain, page = _parts(raw)
    assert not {*b"\r\n"} & {*raw.replace(b"\r\n", b"")}
    assert _lines(_bytes(plain).decode()) == _lines(text)
    assert _lines(unescape(_bytes(page).decode())) == _lines(unescape(html).rstrip("\n"))


def test_a_page_travels_as_it_is_with_references_for_signs_beyond_ascii() -> None:
    html = '<p style="margin:0">Échéance : 1\u202f240,50 €</p>\n<p>😀</p>\n'

    raw = compose(replace(DRAFT, rendered=replace(DRAFT.rendered, html=html)))

    _, page = _parts(raw)
    assert page["Content-Transfer-Encoding"] == "7bit"
    assert _bytes(page) == (
        b'<p style="margin:0">&#201;ch&#233;ance : 1&#8239;240,50 &#8364;</p>\r\n'
        b"<p>&#128512;</p>\r\n"
    )


@pytest.mark.parametrize(
    "html",
    ["x" * 991, "a\n" + "x" * 991, "x" * 991 + "\na", "é" * 200, "a\x00b", "a\x7fb", "a\x85b"],
)
def test_a_page_that_cannot_travel_as_it_is_is_read_back_exactly(html: str) -> None:
    raw = compose(replace(DRAFT, rendered=replace(DRAFT.rendered, html=html)))

    _, page = _parts(raw)
    assert page["Content-Transfer-Encoding"] == "quoted-printable"
    assert _lines(_bytes(page).decode()) == html.split("\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(st.lists(st.integers(0, 2_000), max_size=6))
def test_no_line_of_a_page_is_longer_than_servers_take(lengths: list[int]) -> None:
    html = "\n".join("x" * length for length in lengths)

    raw = compose(replace(DRAFT, rendered=replace(DRAFT.rendered, html=html)))

    _, page = _parts(raw)
    as_is = page["Content-Transfer-Encoding"] == "7bit"
    assert as_is == (max(map(len, html.rstrip("\n").split("\n"))) <= 990)


@given(names, names, names)
def test_subject_and_names_are_read_back_exactly(subject: str, sender: str, name: str) -> None:
    raw = compose(
        replace(
            DRAFT,
            rendered=replace(DRAFT.rendered, subject=subject),
            sender=replace(DRAFT.sender, name=sender),
            recipient=replace(DRAFT.recipient, name=name),
        )
    )

    mail = email.message_from_bytes(raw, policy=compat32)
    assert _decoded(mail["Subject"]) == one_line(subject)
    sender_name, sender_address = parseaddr(mail["From"])
    recipient_name, recipient_address = parseaddr(mail["To"])
    assert _decoded(sender_name) == one_line(sender)
    assert _decoded(recipient_name) == one_line(name)
    assert sender_address == "facturation@Acme.example"
    assert recipient_address == "compta@dupont.example"


@given(words, words, words, words)
def test_nothing_can_smuggle_a_header_or_a_long_line_in(
    subject: str, sender: str, text: str, level: str
) -> None:
    raw = compose(
        replace(
            DRAFT,
            message=replace(DRAFT.message, level=level + "\r\nBcc: x@example.com"),
            rendered=replace(DRAFT.rendered, subject=subject + "\nBcc: x@example.com", text=text),
            sender=replace(DRAFT.sender, name=sender + "\rBcc: x@example.com"),
        )
    )

    mail = email.message_from_bytes(raw, policy=default)
    assert mail["Bcc"] is None
    assert len(mail.keys()) == 13
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")


def test_a_mail_is_the_same_every_time_and_names_its_message() -> None:
    raw = compose(DRAFT)

    mail = email.message_from_bytes(raw, policy=default)
    assert raw == compose(DRAFT)
    assert mail["Message-ID"] == f"<{ID}@acme.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == DRAFT.dated
    assert mail["X-Dunning-Level"] == "courtesy"
    assert mail["X-Dunning-Invoices"] == "i1"


def test_a_mail_bears_the_time_of_its_own_place() -> None:
    winter = datetime(2026, 3, 2, 10, 0, 0, 250, tzinfo=ZoneInfo("Europe/Paris"))
    dated = [winter, winter.astimezone(UTC), winter + timedelta(days=60)]

    said = [
        email.message_from_bytes(compose(replace(DRAFT, dated=at)), policy=compat32)["Date"]
        for at in dated
    ]

    assert said == [
        "Mon, 02 Mar 2026 10:00:00 +0100",
        "Mon, 02 Mar 2026 09:00:00 +0000",
        "Fri, 01 May 2026 10:00:00 +0200",
    ]


def test_a_mail_without_html_is_plain() -> None:
    raw = compose(replace(DRAFT, rendered=replace(DRAFT.rendered, html=None)))

    mail = email.message_from_bytes(raw, policy=default)
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines()[0] == "Bonjour,"


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b\r\nBcc: c@d", "a b@c", "<a@b>", "é@b", "a,b@c"]
)
def test_an_address_that_cannot_stand_in_a_header_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="To has no address"):
        compose(replace(DRAFT, recipient=replace(DRAFT.recipient, address=address)))
