"""Files that go with e-mails, and signatures: receivers read back what was put in."""

from __future__ import annotations

import email
import json
from dataclasses import replace
from email.policy import default

import dkim
import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from notifier.channels.dkim_signing import DkimKey, DkimSigner
from notifier.channels.mime import ATTACHED_BYTES_MAX, compose
from notifier.channels.sendgrid import SendGridChannel
from notifier.channels.smtp import SmtpChannel, SmtpServer
from notifier.content.model import Attachment
from tests.unit.notifier.test_mime import DRAFT

INVOICE = Attachment(
    file_name="Facture n° 42.pdf", media_type="application/pdf", content=b"%PDF-1.7\n" + b"x" * 200
)
WITH_INVOICE = replace(DRAFT, rendered=replace(DRAFT.rendered, attachments=(INVOICE,)))
names = st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" "), max_size=60)


@given(name=names, content=st.binary(max_size=2000))
def test_a_file_arrives_as_it_was_under_its_own_name(name: str, content: bytes) -> None:
    file = Attachment(file_name=name, media_type="application/pdf", content=content)

    mail = compose(replace(DRAFT, rendered=replace(DRAFT.rendered, attachments=(file, INVOICE))))

    read = email.message_from_bytes(mail, policy=default)
    first, second = read.iter_attachments()
    assert first.get_content() == content
    assert first.get_filename(failobj="") == " ".join(name.split())
    assert second.get_filename() == INVOICE.file_name
    body = read.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == (DRAFT.rendered.text or "").splitlines()
    assert read.get_body(("html",)) is not None
    assert mail.isascii()
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    assert read.defects == []


def test_a_file_name_cannot_smuggle_a_header_in() -> None:
    sly = replace(INVOICE, file_name='x"\r\nBcc: all@example.com', media_type="x\r\nBcc: y/z")
    mail = compose(replace(DRAFT, rendered=replace(DRAFT.rendered, attachments=(sly,))))

    read = email.message_from_bytes(mail, policy=default)
    (file,) = read.iter_attachments()

    assert read["Bcc"] is None
    assert file["Bcc"] is None
    assert file.get_content_type() == "application/octet-stream"


def test_attachments_that_no_mailbox_takes_are_refused_with_the_limit() -> None:
    large = replace(INVOICE, content=b"x" * (ATTACHED_BYTES_MAX + 1))
    draft = replace(DRAFT, rendered=replace(DRAFT.rendered, attachments=(large,)))

    with pytest.raises(ValueError, match=str(ATTACHED_BYTES_MAX)):
        compose(draft)
    with pytest.raises(ValueError, match=str(ATTACHED_BYTES_MAX)):
        sendgrid().freeze(draft)


def sendgrid() -> SendGridChannel:
    return SendGridChannel(httpx.AsyncClient(), base_url="http://x", api_key=SecretStr("k"))


def test_sendgrid_gets_the_same_files() -> None:
    body = json.loads(sendgrid().freeze(WITH_INVOICE).body)

    (file,) = body["attachments"]
    assert (file["filename"], file["type"]) == ("Facture n° 42.pdf", "application/pdf")
    assert file["disposition"] == "attachment"
    assert "attachments" not in json.loads(sendgrid().freeze(DRAFT).body)


# --- signatures


def key_pair() -> tuple[bytes, bytes]:
    """A private key as PEM, and the DNS record of the public one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    encoded = b"".join(public.splitlines()[1:-1])
    return pem, b"v=DKIM1; k=rsa; p=" + encoded


def test_a_mail_is_signed_by_the_domain_of_its_sender_and_survives_a_relay() -> None:
    pem, record = key_pair()
    signer = DkimSigner({"acme.example": DkimKey(selector="s1", pem=pem)})
    channel = SmtpChannel(SmtpServer(host="x", port=25), signer=signer)
    asked: list[bytes] = []

    def dns(name: bytes, **_: object) -> bytes:
        asked.append(name)
        return record

    mail = channel.freeze(WITH_INVOICE).body
    relayed = b"Received: by relay\r\n" + mail.replace(b"Subject: ", b"Subject:  ", 1)
    forged = mail.replace(b"Bonjour", b"Bonsoir", 1)

    assert dkim.verify(mail, dnsfunc=dns)
    assert dkim.verify(relayed, dnsfunc=dns)
    assert not dkim.verify(forged, dnsfunc=dns)
    assert set(asked) == {b"s1._domainkey.acme.example."}
    signature = email.message_from_bytes(mail, policy=default)["DKIM-Signature"]
    assert {"from", "to", "subject", "date", "message-id"} <= {
        name.strip() for name in str(signature).split("h=")[1].split(";")[0].split(":")
    }


def test_a_domain_without_a_key_is_not_signed_and_a_bad_key_is_named() -> None:
    mail = compose(DRAFT)
    bad = DkimSigner({"acme.example": DkimKey(selector="s1", pem=b"no key")})

    assert DkimSigner({}).sign(mail, sender="a@acme.example") == mail
    with pytest.raises(ValueError, match=r"acme\.example"):
        bad.sign(mail, sender="a@ACME.example")
