"""Reading what was caught: whatever arrives is taken and summed up, nothing makes the catcher fail."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from standalone.catcher import caught
from standalone.catcher.caught import Caught, Summary

text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60)
header = st.sampled_from(
    [
        "Subject",
        "To",
        "Message-ID",
        "X-Dunning-Invoices",
        "Content-Type",
        "Content-Transfer-Encoding",
    ]
)
value = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "=?utf-8?q?=?=",
            "=?x?b?!!!?=",
            "text/plain; charset=no-such",
            "multipart/mixed",
            "base64",
            "<>",
            '"',
            "a@",
            ";=;",
        ]
    ),
)


@settings(max_examples=500)
@given(st.lists(st.tuples(header, value), max_size=6), st.binary(max_size=200))
@example([("Content-Type", "multipart/mixed; boundary=x")], b"--x\r\n\r\n\xff\r\n--x--")
def test_any_bytes_are_an_email_that_can_be_summed_up_and_shown(
    headers: list[tuple[str, str]], body: bytes
) -> None:
    raw = (
        b"".join(
            f"{name}: {content}\r\n".encode("utf-8", "surrogatepass") for name, content in headers
        )
        + b"\r\n"
        + body
    )

    summary = caught.of_email(raw, sender="a", recipients=["b"])

    assert summary.recipients == ("b",)
    assert isinstance(caught.preview("smtp", raw), str)
    assert isinstance(caught.plain_text(caught.parse_email(raw)), str)
    assert all(isinstance(content, str) for _, content in caught.headers(caught.parse_email(raw)))
    assert all(isinstance(name, str) for name, _ in caught.attachments(caught.parse_email(raw)))


@given(text, text)
def test_subject_and_text_come_back_as_they_were_written(subject: str, body: str) -> None:
    message = EmailMessage()
    message["Subject"] = subject
    message.set_content(body)
    message.add_alternative("<p>x</p>", subtype="html")

    summary = caught.of_email(message.as_bytes(), sender="a", recipients=["b"])

    assert summary.subject == " ".join(subject.split(" ")).strip()
    assert summary.text.replace("\r\n", "\n").removesuffix("\n") == body


def message(**about: object) -> Caught:
    known = {
        "via": "smtp",
        "sender": "a",
        "recipients": ("b@x.example",),
        "subject": "",
        "text": "",
    }
    return Caught(id=1, at="", size_bytes=0, summary=Summary(**(known | about)))


@pytest.mark.parametrize(
    ("invoice", "found"),
    [("INV-1", True), ("INV-12", False), ("INV", False), ("NV-1", False), ("inv-1", False)],
)
def test_an_invoice_is_found_in_the_text_as_a_word_of_its_own(invoice: str, found: bool) -> None:
    assert (
        message(text="la facture INV-1, échue").concerns(tenant=None, invoice=invoice, text=None)
        is found
    )


def test_all_filters_must_match() -> None:
    mail = message(tenant="acme", invoices=("INV-1",), subject="Rappel")

    assert mail.concerns(tenant="acme", invoice="INV-1", text="rappel")
    assert not mail.concerns(tenant="other", invoice="INV-1", text=None)
    assert not mail.concerns(tenant="acme", invoice="INV-2", text=None)
    assert not mail.concerns(tenant="acme", invoice=None, text="mahnung")


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_a_twilio_form_without_what_it_needs_is_refused_as_such(form: dict[str, str]) -> None:
    if "To" not in form or "Body" not in form:
        with pytest.raises(KeyError):
            caught.of_twilio(form)
