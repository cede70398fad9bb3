"""Days on which providers fail in their own ways: each has one outcome, and none is a guess."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from notifier.channels.base import Channel, Outcome, Refused, Sent
from notifier.channels.http import provider_client
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.channels.sendgrid import SendGridChannel
from notifier.channels.smtp import SmtpChannel, SmtpServer
from notifier.testing import FakeSmtp, Mode
from tests.integration.notifier.channel_rigs import ID, draft_for, in_time, parcel_of
from tests.integration.notifier.conftest import Postman, message_id_of, notice

Dialogue = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(dialogue: Dialogue) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await dialogue(reader, writer)
        except (OSError, ssl.SSLError):
            pass
        finally:
            writer.close()

    made = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        made.close()


def smtp_at(host: str, port: int, **more: object) -> SmtpChannel:
    return SmtpChannel(
        SmtpServer(host=host, port=port, local_hostname="postman.test", **more)  # type: ignore[arg-type]
    )


async def send(channel: Channel, max_send_s: float = 2.0) -> Outcome:
    outcome = await channel.send(parcel_of(channel, draft_for(channel)), in_time(max_send_s))
    await channel.close()
    return outcome


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake.test")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def offer_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 raw\r\n")
    await reader.readline()  # EHLO
    writer.write(b"250-raw\r\n250 STARTTLS\r\n")
    await reader.readline()  # STARTTLS
    writer.write(b"220 go ahead\r\n")


# --- e-mail


async def test_a_mail_server_whose_certificate_nobody_vouches_for_gets_nothing(
    tmp_path: Path,
) -> None:
    heard = bytearray()

    async def untrusted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await offer_tls(reader, writer)
        await writer.start_tls(self_signed(tmp_path))
        heard.extend(await reader.read())

    async with server(untrusted) as port:
        outcome = await send(smtp_at("127.0.0.1", port, tls="starttls"))

    assert isinstance(outcome, Refused)
    assert outcome.retry
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.reason
    assert bytes(heard) == b""


async def test_rubbish_instead_of_tls_is_definitely_not_sent() -> None:
    async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await offer_tls(reader, writer)
        writer.write(b"what is TLS?\r\n")
        await reader.read()

    async with server(rubbish) as port:
        outcome = await send(smtp_at("127.0.0.1", port, tls="starttls"))

    assert isinstance(outcome, Refused)
    assert outcome.retry


async def test_a_mail_server_without_an_address_is_definitely_not_sent() -> None:
    outcome = await send(smtp_at("mail.invalid", 25))

    assert isinstance(outcome, Refused)
    assert outcome.retry


@pytest.mark.parametrize(
    ("reply", "retry"),
    [
        ("450 4.2.0 greylisted, come back in 5 minutes", True),
        ("452 4.2.2 mailbox full", True),
        ("421 4.7.0 too many connections", True),
        ("550 5.1.1 no such user", False),
        ("553 5.1.3 bad address", False),
    ],
)
async def test_what_is_said_to_the_address_decides_whether_it_is_tried_again(
    reply: str, retry: bool
) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 raw\r\n")
        while not (line := await reader.readline()).upper().startswith(b"RCPT"):
            if not line:
                return
            writer.write(b"250 ok\r\n")
        writer.write(reply.encode() + b"\r\n")
        await reader.readline()
        writer.write(b"250 ok\r\n")
        await reader.read()

    async with server(say) as port:
        outcome = await send(smtp_at("127.0.0.1", port))

    assert isinstance(outcome, Refused)
    assert outcome.retry is retry
    assert outcome.reason.startswith(reply[:3])


async def test_a_wrong_password_for_the_relay_is_tried_again_because_it_is_ours_to_mend() -> None:
    async def refuse_login(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 raw\r\n")
        await reader.readline()
        writer.write(b"250-raw\r\n250 AUTH PLAIN LOGIN\r\n")
        while await reader.readline():
            writer.write(b"535 5.7.8 wrong\r\n")

    async with server(refuse_login) as port:
        outcome = await send(smtp_at("127.0.0.1", port, username="u", password=SecretStr("p")))

    assert isinstance(outcome, Refused)
    assert outcome.retry


async def test_greylisting_delays_a_mail_and_it_goes_out_once(
    postman: Postman, smtp: FakeSmtp
) -> None:
    await postman.know()
    smtp.script.extend([Mode.BUSY, Mode.CUT, Mode.BUSY])

    await postman.hear(notice("n1"))
    await postman.send_all()

    row = await postman.message()
    # A kept connection that is cut before the text costs no attempt: a new one takes its place.
    assert (row["state"], row["attempts"]) == ("sent", 3)
    assert len(smtp.mails) == 1


# --- HTTP providers


@pytest.mark.parametrize(("status", "retry"), [(429, True), (503, True), (413, False)])
async def test_a_provider_that_says_when_to_come_back_is_left_alone_until_then(
    status: int, retry: bool
) -> None:
    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\nretry-after: 33\r\n\r\n"
        writer.write(head.encode())
        await reader.read()

    async with server(busy) as port:
        channel = SendGridChannel(
            provider_client(connections=1),
            base_url=f"http://127.0.0.1:{port}",
            api_key=SecretStr("k"),
        )
        outcome = await send(channel)

    assert isinstance(outcome, Refused)
    assert (outcome.retry, outcome.retry_after_s) == (retry, 33.0)


async def test_a_provider_whose_certificate_nobody_vouches_for_gets_nothing(
    tmp_path: Path,
) -> None:
    context = self_signed(tmp_path)
    made = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    port = made.sockets[0].getsockname()[1]
    channel = SendGridChannel(
        provider_client(connections=1),
        base_url=f"https://127.0.0.1:{port}",
        api_key=SecretStr("k"),
    )

    outcome = await send(channel)
    made.close()

    assert isinstance(outcome, Refused)
    assert outcome.retry


# --- letters


def _full_disk(folder: Path, message_id: UUID, suffix: str) -> None:
    """The next file of that kind lies on a device without room."""
    day = folder / "acme" / "2026-03-02"
    day.mkdir(parents=True)
    (day / f"{message_id}.{suffix}").symlink_to("/dev/full")


def _files(folder: Path) -> list[str]:
    """All but the marks, which are nobody's to take."""
    return sorted(path.name for path in folder.glob("[!.]*/**/*") if not path.is_dir())


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="there is no /dev/full here")
@pytest.mark.parametrize("suffix", ["1.pdf.tmp", "1.json.tmp"])
async def test_a_spool_without_room_refuses_and_keeps_nothing_half_written(
    tmp_path: Path, suffix: str
) -> None:
    _full_disk(tmp_path, ID, suffix)
    channel = LetterSpoolChannel(tmp_path, kind="letter")

    full = await send(channel)
    left = _files(tmp_path)
    again = await send(channel)

    assert full == Refused(reason="spool: OSError No space left on device", retry=True)
    assert left == []
    assert isinstance(again, Sent)
    assert _files(tmp_path) == [f"{ID}.json", f"{ID}.pdf"]


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="there is no /dev/full here")
async def test_a_letter_without_room_is_listed_with_the_reason_and_goes_out_later(
    postman: Postman,
) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))
    _full_disk(postman.spool, message_id_of(await postman.message()), "1.pdf.tmp")

    await postman.sender().send_due()
    waiting = await postman.message()
    await postman.send_all()

    assert (waiting["state"], waiting["reason"]) == (
        "planned",
        "spool: OSError No space left on device",
    )
    assert await postman.states() == ["sent"]
    assert len(postman.letters()) == 1
