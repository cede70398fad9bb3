"""Each channel against servers that speak the real protocol and fail in every phase of it."""

from __future__ import annotations

import asyncio
import email
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from email.policy import default
from pathlib import Path
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from pydantic import SecretStr

from dunning_common.events.contacts import Contacts, PostalAddress
from notifier.channels.addresses import email_recipient, phone_recipient, postal_recipient
from notifier.channels.base import (
    Channel,
    Deadline,
    Draft,
    Late,
    Parcel,
    Recipient,
    Refused,
    Sender,
    Sent,
    Unknown,
)
from notifier.channels.http import provider_client
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.channels.mime import compose
from notifier.channels.sendgrid import SendGridChannel
from notifier.channels.smtp import SmtpChannel, SmtpServer
from notifier.channels.twilio import TwilioChannel
from notifier.content.model import Rendered
from notifier.domain.message import Message, State
from notifier.testing import FakeSendGrid, FakeSmtp, FakeTwilio, Mode

ID = UUID("0190a000-0000-7000-8000-000000000001")
MESSAGE = Message(
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
)
SENDER = Sender(name="Acme Fournitures", email="facturation@acme.example", phone="+33700000000")
RENDERED = Rendered(
    media_type="multipart/alternative",
    subject="Rappel : facture échue",
    text="Bonjour,\n.une ligne\n..deux\nà bientôt",
    html="<p>Bonjour, à bientôt</p>",
    pdf=b"%PDF-1.7 letter",
)


def draft(address: str = "compta@dupont.example") -> Draft:
    return Draft(
        message=MESSAGE,
        sender=SENDER,
        recipient=Recipient(
            name="Dupont, Père & Fils",
            hash="h",
            address=address,
            postal=PostalAddress(lines=("1 rue",), postcode="75002", city="Paris", country="FR"),
        ),
        rendered=RENDERED,
        dated=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        on=date(2026, 3, 2),
    )


def parcel(channel: Channel, of: Draft | None = None) -> Parcel:
    of = of or draft()
    frozen = channel.freeze(of)
    return Parcel(
        message=of.message,
        sender=of.sender,
        recipient=of.recipient,
        on=of.on,
        media_type=frozen.media_type,
        body=frozen.body,
        sha256="abc",
    )


def in_time(max_send_s: float = 2.0) -> Deadline:
    return Deadline(at=1.0, max_send_s=max_send_s, now=lambda: 0.0)


def passing_after(checks: int) -> Deadline:
    """A deadline that holds for so many looks at the clock and has passed then."""
    looks = iter(range(1000))
    return Deadline(at=1.0, max_send_s=2.0, now=lambda: 0.0 if next(looks) < checks else 2.0)


def smtp_at(port: int, **more: object) -> SmtpChannel:
    return SmtpChannel(
        SmtpServer(host="127.0.0.1", port=port, local_hostname="postman.test", **more)  # type: ignore[arg-type]
    )


@pytest.fixture(params=[True, False], ids=["pipelining", "in_turn"])
def smtp(smtp: FakeSmtp, request: pytest.FixtureRequest) -> FakeSmtp:
    """A relay that takes commands together, and one that wants each answered first."""
    smtp.pipelining = request.param
    return smtp


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


Dialogue = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(dialogue: Dialogue) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await dialogue(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def greet(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, until: bytes
) -> None:
    """Answer 250 to everything up to and including the command `until`, which stays unanswered."""
    writer.write(b"220 raw\r\n")
    while not (line := await reader.readline()).upper().startswith(until):
        if not line:
            raise ConnectionError
        writer.write(b"250 ok\r\n")


# --- SMTP


async def test_smtp_delivers_the_frozen_bytes_unchanged(smtp: FakeSmtp) -> None:
    channel = smtp_at(smtp.port)
    sent = parcel(channel)

    outcome = await channel.send(sent, in_time())

    assert isinstance(outcome, Sent)
    assert "queued as" in outcome.provider_ref
    assert smtp.mails == [sent.body]
    await channel.close()


async def test_smtp_keeps_connections_and_replaces_dead_ones(smtp: FakeSmtp) -> None:
    channel = smtp_at(smtp.port)

    outcomes = [await channel.send(parcel(channel), in_time()) for _ in range(3)]
    kept = smtp.connections
    smtp.script.extend([Mode.REFUSE])
    refused = await channel.send(parcel(channel), in_time())
    after_refusal = await channel.send(parcel(channel), in_time())
    await hang_up_politely(channel)
    after_death = await channel.send(parcel(channel), in_time())

    assert all(isinstance(outcome, Sent) for outcome in [*outcomes, after_refusal, after_death])
    assert refused == Refused(reason="550 5.1.1 <<address>> user unknown", retry=False)
    assert kept == 1
    assert smtp.connections == 2
    await channel.close()


async def hang_up_politely(channel: SmtpChannel) -> None:
    line = channel._idle[0].line
    line.say(b"QUIT\r\n")
    assert (await line.reply()).code == 221


async def test_smtp_connection_that_the_server_dropped_meanwhile_is_not_a_failure() -> None:
    served = 0

    async def one_mail_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await greet(reader, writer, until=b"DATA")
        writer.write(b"354 go\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        served += 1
        writer.write(b"250 taken\r\n")
        await reader.readline()  # the next MAIL FROM
        writer.write(b"421 closing idle connection\r\n")

    async with raw_server(one_mail_each) as port:
        channel = smtp_at(port)
        first = await channel.send(parcel(channel), in_time())
        second = await channel.send(parcel(channel), in_time())
        await channel.close()

    assert isinstance(first, Sent)
    assert isinstance(second, Sent)
    assert served == 2


async def test_smtp_nobody_listening_is_definitely_not_sent() -> None:
    outcome = await (channel := smtp_at(free_port())).send(parcel(channel), in_time())

    assert isinstance(outcome, Refused)
    assert outcome.retry


@pytest.mark.parametrize("command", [b"EHLO", b"MAIL", b"RCPT", b"DATA"])
async def test_smtp_hanging_up_before_the_text_is_definitely_not_sent(command: bytes) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer, until=command)

    async with raw_server(hang_up) as port:
        outcome = await (channel := smtp_at(port)).send(parcel(channel), in_time())

    assert isinstance(outcome, Refused)
    assert outcome.retry


@pytest.mark.parametrize("command", [b"EHLO", b"RCPT", b"DATA"])
async def test_smtp_silence_before_the_text_is_definitely_not_sent(command: bytes) -> None:
    async def fall_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer, until=command)
        await reader.read()

    async with raw_server(fall_silent) as port:
        outcome = await (channel := smtp_at(port)).send(parcel(channel), in_time(0.2))

    assert isinstance(outcome, Refused)
    assert outcome.retry


async def test_smtp_losing_the_connection_within_the_text_is_definitely_not_sent() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer, until=b"DATA")
        writer.write(b"354 go\r\n")
        await reader.read(1000)
        writer.transport.abort()

    async with raw_server(cut) as port:
        channel = smtp_at(port)
        long = replace(parcel(channel), body=b"x" * 70 + b"\r\n" + b"y" * 20_000_000)
        outcome = await channel.send(long, in_time())

    assert isinstance(outcome, Refused)
    assert outcome.retry


@pytest.mark.parametrize("ending", ["hang_up", "silence", "rubbish", "odd_code"])
async def test_smtp_anything_but_a_reply_after_the_dot_is_unknown(ending: str) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer, until=b"DATA")
        writer.write(b"354 go\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        match ending:
            case "silence":
                await reader.read()
            case "rubbish":
                writer.write(b"what?\r\n")
            case "odd_code":
                writer.write(b"354 go on\r\n")
            case _:
                return
        await reader.read()

    async with raw_server(take) as port:
        channel = smtp_at(port)
        outcome = await channel.send(parcel(channel), in_time(0.3))
        await channel.close()

    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize(("reply", "retry"), [("450 4.2.0 greylisted", True), ("554 no", False)])
async def test_smtp_an_error_reply_after_the_dot_is_a_definite_no(reply: str, retry: bool) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer, until=b"DATA")
        writer.write(b"354 go\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(reply.encode() + b"\r\n")
        await reader.read()

    async with raw_server(refuse) as port:
        channel = smtp_at(port)
        outcome = await channel.send(parcel(channel), in_time())
        await channel.close()

    assert outcome == Refused(reason=reply, retry=retry)


@pytest.mark.parametrize("looks", [0, 1])
async def test_smtp_a_deadline_that_passes_before_the_dot_stops_it(
    smtp: FakeSmtp, looks: int
) -> None:
    channel = smtp_at(smtp.port)

    outcome = await channel.send(parcel(channel), passing_after(looks))
    again = await channel.send(parcel(channel), in_time())

    assert outcome == Late()
    assert isinstance(again, Sent)
    assert len(smtp.mails) == 1
    await channel.close()


def pipelining(*answers: bytes, then: bytes = b"") -> Dialogue:
    """A relay that answers MAIL, RCPT and DATA with these, and the text with `then`."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay.example.com\r\n")
        await reader.readline()
        writer.write(b"250-relay.example.com\r\n250 PIPELINING\r\n")
        while await reader.readline():
            for number, answer in enumerate(answers):
                if number:
                    await reader.readline()
                writer.write(answer + b"\r\n")
            if not then:
                await reader.read()
                return
            await reader.readuntil(b"\r\n.\r\n")
            writer.write(then + b"\r\n")

    return converse


@pytest.mark.parametrize(
    ("answers", "reason", "retry"),
    [
        ((b"550 no", b"503 no sender", b"503 no recipient"), "550 no", False),
        ((b"250 ok", b"450 greylisted", b"503 no recipient"), "450 greylisted", True),
        ((b"250 ok", b"550 unknown", b"354 go on"), "550 unknown", False),
        ((b"250 ok", b"250 ok", b"451 not now"), "451 not now", True),
    ],
)
async def test_smtp_each_of_the_commands_said_together_may_be_refused(
    answers: tuple[bytes, ...], reason: str, retry: bool
) -> None:
    async with raw_server(pipelining(*answers)) as port:
        channel = smtp_at(port)
        outcome = await channel.send(parcel(channel), in_time(0.5))
        await channel.close()

    assert outcome == Refused(reason=reason, retry=retry)


async def test_smtp_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    served = 0

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        said = pipelining(b"250 ok", b"250 ok", b"354 go", then=b"250 taken\r\n250 and again")
        await said(reader, writer)

    async with raw_server(talkative) as port:
        channel = smtp_at(port)
        outcomes = [await channel.send(parcel(channel), in_time()) for _ in range(2)]
        await channel.close()

    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert served == 2


async def test_smtp_a_relay_that_lost_count_is_not_talked_to_again() -> None:
    served = 0

    async def confused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        answers = (b"250 ok", b"250 ok", b"250 what was that?" if served == 1 else b"354 go")
        await pipelining(*answers, then=b"250 taken")(reader, writer)

    async with raw_server(confused) as port:
        channel = smtp_at(port)
        first = await channel.send(parcel(channel), in_time(0.5))
        second = await channel.send(parcel(channel), in_time(0.5))
        await channel.close()

    assert isinstance(first, Refused)
    assert isinstance(second, Sent)
    assert served == 2


@pytest.mark.parametrize("rubbish", [b"what?\r\n", b"250-and\r\n" * 9_000, b"x" * 40_000])
async def test_smtp_a_relay_that_talks_rubbish_gets_no_text(rubbish: bytes) -> None:
    async with raw_server(pipelining(b"250 ok", rubbish)) as port:
        channel = smtp_at(port)
        outcome = await channel.send(parcel(channel), in_time(0.5))
        await channel.close()

    assert isinstance(outcome, Refused)
    assert outcome.retry


@pytest.mark.parametrize("address", ["a@b.example> X", "a@b.example\r\nRSET", "é@b.example"])
async def test_smtp_an_address_cannot_bring_a_command_with_it(smtp: FakeSmtp, address: str) -> None:
    channel = smtp_at(smtp.port)
    sly = parcel(channel)
    sly = replace(sly, recipient=replace(sly.recipient, address=address))

    outcome = await channel.send(sly, in_time())

    assert outcome == Refused(
        reason="unusable_address: ValueError the address cannot stand in an SMTP command",
        retry=False,
    )
    assert not smtp.mails


async def test_smtp_without_the_encryption_asked_for_sends_nothing(smtp: FakeSmtp) -> None:
    channel = smtp_at(smtp.port, tls="starttls")

    outcome = await channel.send(parcel(channel), in_time())

    assert isinstance(outcome, Refused)
    assert not smtp.mails


def test_a_mail_is_deterministic_and_carries_nothing_smuggled() -> None:
    sly = replace(draft(), sender=replace(SENDER, name="Acme\r\nBcc: all@example.com"))

    once, twice = compose(sly), compose(sly)
    mail = email.message_from_bytes(once, policy=default)

    assert once == twice
    assert mail["Bcc"] is None
    assert mail["Message-ID"] == f"<{ID}@acme.example>"
    assert mail["Subject"] == "Rappel : facture échue"
    assert mail["Auto-Submitted"] == "auto-generated"
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().splitlines() == (RENDERED.text or "").splitlines()
    assert once.isascii()
    assert max(map(len, once.split(b"\r\n"))) <= 998


# --- HTTP providers


@asynccontextmanager
async def sendgrid_to(url: str) -> AsyncIterator[SendGridChannel]:
    client = provider_client(connections=5)
    channel = SendGridChannel(client, base_url=url, api_key=SecretStr("SG.key"), cost_minor=1)
    yield channel
    await channel.close()


@asynccontextmanager
async def twilio_to(url: str) -> AsyncIterator[TwilioChannel]:
    channel = TwilioChannel(
        provider_client(connections=5),
        base_url=url,
        account_sid=FakeTwilio.account_sid,
        auth_token=SecretStr(FakeTwilio.auth_token),
        callback_url="https://mail.example.com/webhooks/twilio",
        cost_minor=8,
    )
    yield channel
    await channel.close()


async def test_sendgrid_takes_a_mail_with_our_id_in_it() -> None:
    async with FakeSendGrid() as fake, sendgrid_to(fake.url) as channel:
        outcome = await channel.send(parcel(channel), in_time())

        assert outcome == Sent(provider_ref=f"sg-{str(ID)[:8]}", cost_minor=1)
        (heard,) = fake.heard
        assert (heard.method, heard.path) == ("POST", "/v3/mail/send")
        assert heard.headers["authorization"] == "Bearer SG.key"
        mail = json.loads(heard.body)
        assert mail["personalizations"][0]["custom_args"] == {
            "message_id": str(ID),
            "tenant": "acme",
        }
        assert [part["type"] for part in mail["content"]] == ["text/plain", "text/html"]


async def test_sendgrid_is_told_to_add_and_to_watch_nothing_whatever_the_account_says() -> None:
    async with FakeSendGrid() as fake, sendgrid_to(fake.url) as channel:
        await channel.send(parcel(channel), in_time())

        mail = json.loads(fake.heard[0].body)
        off = {"enable": False}
        assert mail["tracking_settings"] == {
            "click_tracking": off,
            "open_tracking": off,
            "subscription_tracking": off,
            "ganalytics": off,
        }
        assert mail["mail_settings"] == {"footer": off}


@pytest.mark.parametrize("subject", [None, "", " \r\n "])
async def test_sendgrid_gets_no_mail_without_a_subject(subject: str | None) -> None:
    async with FakeSendGrid() as fake, sendgrid_to(fake.url) as channel:
        mute = replace(draft(), rendered=replace(RENDERED, subject=subject))

        with pytest.raises(ValueError, match="without a subject: give the text one"):
            channel.freeze(mute)
        assert fake.heard == []


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.OK, Sent),
        (Mode.BUSY, Refused(reason="http_429 no (429)", retry=True)),
        (Mode.REFUSE, Refused(reason="http_400 no (400)", retry=False)),
        (Mode.LOST, Unknown),
        (Mode.CUT, Unknown),
        (Mode.BROKEN, Unknown(reason="http_502")),
        (Mode.SLOW, Unknown),
    ],
)
async def test_sendgrid_outcomes_are_what_they_can_honestly_be(
    mode: Mode, expected: object
) -> None:
    async with FakeSendGrid() as fake, sendgrid_to(fake.url) as channel:
        fake.mode = mode
        fake.delay_s = 1.0

        outcome = await channel.send(parcel(channel), in_time(0.5))

        if isinstance(expected, type):
            assert isinstance(outcome, expected)
        else:
            assert outcome == expected
        assert len(fake.heard) == 1


@pytest.mark.parametrize("status", [301, 307, 401, 503])
async def test_http_answers_that_mean_not_taken_are_tried_again(status: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\nlocation: /elsewhere\r\n\r\n"
        writer.write(head.encode())
        await reader.read()

    async with raw_server(answer) as port, sendgrid_to(f"http://127.0.0.1:{port}") as channel:
        outcome = await channel.send(parcel(channel), in_time())

    assert isinstance(outcome, Refused)
    assert outcome.retry


async def test_http_nobody_listening_is_definitely_not_sent() -> None:
    async with sendgrid_to(f"http://127.0.0.1:{free_port()}") as channel:
        outcome = await channel.send(parcel(channel), in_time())

    assert isinstance(outcome, Refused)
    assert outcome.retry


@pytest.mark.parametrize("looks", [0, 1])
async def test_http_the_deadline_is_checked_when_the_connection_stands(looks: int) -> None:
    async with FakeSendGrid() as fake, sendgrid_to(fake.url) as channel:
        outcome = await channel.send(parcel(channel), passing_after(looks))

        assert outcome == Late()
        assert not fake.heard


async def test_twilio_takes_a_text_and_will_report_to_the_messages_own_url() -> None:
    async with FakeTwilio() as fake, twilio_to(fake.url) as channel:
        to_phone = draft("+33612345678")
        outcome = await channel.send(parcel(channel, to_phone), in_time())

        assert isinstance(outcome, Sent)
        assert outcome.provider_ref.startswith("SM")
        assert outcome.cost_minor == 8
        (heard,) = fake.heard
        assert heard.path == f"/2010-04-01/Accounts/{FakeTwilio.account_sid}/Messages.json"
        form = dict(parse_qsl(heard.body.decode()))
        assert form["StatusCallback"] == f"https://mail.example.com/webhooks/twilio/acme/{ID}"
        assert (form["To"], form["From"]) == ("+33612345678", "+33700000000")
        assert form["Body"] == (RENDERED.text or "").strip()


async def test_twilio_costs_count_segments_and_a_service_id_is_not_a_number() -> None:
    service = "MG" + "a" * 32
    long = replace(
        draft("+33612345678"),
        rendered=replace(RENDERED, text="a" * 161),
        sender=replace(SENDER, phone=service),
    )
    async with FakeTwilio() as fake, twilio_to(fake.url) as channel:
        outcome = await channel.send(parcel(channel, long), in_time())

        assert isinstance(outcome, Sent)
        assert outcome.cost_minor == 16
        assert fake.texts[0]["MessagingServiceSid"] == service


@pytest.mark.parametrize(
    ("keeps_s", "validity"),
    [(None, None), (0.0, "1"), (59.9, "59"), (36_000.0, "36000"), (46_800.0, "36000")],
)
async def test_twilio_may_keep_a_text_only_as_long_as_it_may_arrive(
    keeps_s: float | None, validity: str | None
) -> None:
    async with FakeTwilio() as fake, twilio_to(fake.url) as channel:
        await channel.send(
            replace(parcel(channel, draft("+33612345678")), keeps_s=keeps_s), in_time()
        )

        assert fake.texts[0].get("ValidityPeriod") == validity


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.BUSY, Refused(reason="http_429 20429 no", retry=True)),
        (Mode.REFUSE, Refused(reason="http_400 21211 no", retry=False)),
        (Mode.LOST, Unknown),
        (Mode.BROKEN, Unknown(reason="http_502")),
    ],
)
async def test_twilio_outcomes_are_what_they_can_honestly_be(mode: Mode, expected: object) -> None:
    async with FakeTwilio() as fake, twilio_to(fake.url) as channel:
        fake.mode = mode

        outcome = await channel.send(parcel(channel, draft("+33612345678")), in_time())

        if isinstance(expected, type):
            assert isinstance(outcome, expected)
        else:
            assert outcome == expected


async def test_twilio_without_a_sender_is_refused_with_the_remedy() -> None:
    nobody = replace(draft("+33612345678"), sender=replace(SENDER, phone=""))
    async with FakeTwilio() as fake, twilio_to(fake.url) as channel:
        outcome = await channel.send(parcel(channel, nobody), in_time())

        assert outcome == Refused(reason="no_sms_sender: set sms_from of the tenant", retry=False)
        assert not fake.heard


# --- letters


def letter(
    channel: LetterSpoolChannel, *, sha256: str | None = None, tenant: str = "acme"
) -> Parcel:
    body = RENDERED.pdf or b""
    return replace(
        parcel(channel, replace(draft(), message=replace(MESSAGE, tenant=tenant))),
        sha256=sha256 or hashlib.sha256(body).hexdigest(),
    )


def files(folder: Path) -> list[Path]:
    """All but the marks of what was posted, which stay."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and ".posted" not in path.parts
    )


async def test_a_letter_lies_in_the_spool_with_its_slip(tmp_path: Path) -> None:
    channel = LetterSpoolChannel(tmp_path, kind="registered_letter", cost_minor=600)

    outcome = await channel.send(letter(channel), in_time())

    path = tmp_path / "acme" / "2026-03-02" / f"{ID}.pdf"
    assert outcome == Sent(provider_ref=f"acme/2026-03-02/{ID}.pdf", cost_minor=600)
    assert path.read_bytes() == RENDERED.pdf
    slip = json.loads(path.with_suffix(".json").read_text())
    assert slip["kind"] == "registered_letter"
    assert slip["to"]["city"] == "Paris"
    assert sorted(p.name for p in path.parent.iterdir()) == [f"{ID}.json", f"{ID}.pdf"]


async def test_a_letter_posted_by_five_at_once_is_one_letter_and_each_says_what_it_saw(
    tmp_path: Path,
) -> None:
    channel = LetterSpoolChannel(tmp_path, kind="letter")

    outcomes = await asyncio.gather(
        *(
            channel.send(replace(letter(channel), message=replace(MESSAGE, fence=fence)), in_time())
            for fence in range(5)
        )
    )

    afterwards = await channel.send(letter(channel), in_time())
    assert {type(outcome) for outcome in outcomes} <= {Sent, Unknown}
    assert any(isinstance(outcome, Sent) for outcome in outcomes)
    assert isinstance(afterwards, Sent)
    assert len(files(tmp_path)) == 2


async def test_another_text_of_a_posted_letter_is_unknown_and_does_not_replace_it(
    tmp_path: Path,
) -> None:
    channel = LetterSpoolChannel(tmp_path, kind="letter")
    await channel.send(letter(channel), in_time())

    outcome = await channel.send(replace(letter(channel), body=b"other", sha256="other"), in_time())

    assert isinstance(outcome, Unknown)
    (_, path) = files(tmp_path)
    assert path.read_bytes() == RENDERED.pdf


async def test_a_letter_can_be_proved(tmp_path: Path) -> None:
    channel = LetterSpoolChannel(tmp_path, kind="letter", cost_minor=150)
    mine = letter(channel)
    about = {"tenant": "acme", "message_id": ID, "on": mine.on, "sha256": mine.sha256}

    before = await channel.find(**about)  # type: ignore[arg-type]
    await channel.send(mine, in_time())
    after = await channel.find(**about)  # type: ignore[arg-type]

    assert before is None
    assert after == Sent(provider_ref=f"acme/2026-03-02/{ID}.pdf", cost_minor=150)


async def test_no_tenant_can_write_outside_its_own_folder(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    channel = LetterSpoolChannel(spool, kind="letter")
    names = ["../up", "..", ".", "a/b", "a_b", "/etc", "a\x00b", "A~b"]

    for name in names:
        assert isinstance(await channel.send(letter(channel, tenant=name), in_time()), Sent)

    found = files(tmp_path)
    assert all(path.is_relative_to(spool) for path in found)
    assert len({path.relative_to(spool).parts[0] for path in found}) == len(names)
    assert len(found) == 2 * len(names)


async def test_a_spool_that_cannot_be_written_is_definitely_not_sent(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    channel = LetterSpoolChannel(blocked, kind="letter")

    outcome = await channel.send(letter(channel), in_time())

    assert isinstance(outcome, Refused)
    assert outcome.retry


# --- addresses


def test_the_first_usable_address_of_each_kind_is_chosen() -> None:
    contacts = Contacts(
        name="X",
        language="fr",
        emails=("not an address", "a@b@c", " Compta@Bücher.example "),
        phones=("12", "01 42 68 53 00", "06 12 34 56 78"),
        address=PostalAddress(lines=("1 rue",), city="Paris", country="FR"),
    )

    mail = email_recipient(contacts, tenant="acme")
    phone = phone_recipient(contacts, tenant="acme", country="DE")
    post = postal_recipient(contacts, tenant="acme")

    assert mail is not None
    assert mail.address == "Compta@xn--bcher-kva.example"
    assert phone is not None
    assert phone.address == "+33612345678"
    assert post is not None
    assert post.postal == contacts.address
    assert len({mail.hash, phone.hash, post.hash}) == 3


def test_a_landline_is_better_than_nothing_and_the_tenants_country_fills_in() -> None:
    contacts = Contacts(name="X", language="de", phones=("030 901820",))

    phone = phone_recipient(contacts, tenant="acme", country="DE")

    assert phone is not None
    assert phone.address == "+4930901820"


def test_contacts_without_a_usable_address_give_none() -> None:
    empty = Contacts(
        name="X",
        language="fr",
        emails=("é@exemple.example",),
        phones=("?",),
        address=PostalAddress(lines=(" ",), city="Paris", country="FR"),
    )

    assert email_recipient(empty, tenant="acme") is None
    assert phone_recipient(empty, tenant="acme", country="FR") is None
    assert postal_recipient(empty, tenant="acme") is None


def test_the_same_address_has_another_hash_at_another_tenant() -> None:
    contacts = Contacts(name="X", language="fr", emails=("A@b.example",))
    one = email_recipient(contacts, tenant="acme")
    other = email_recipient(contacts, tenant="other")
    lower = email_recipient(contacts.model_copy(update={"emails": ("a@b.example",)}), tenant="acme")

    assert one is not None
    assert other is not None
    assert lower is not None
    assert one.hash == lower.hash != other.hash
