"""Every channel with its surroundings, for the contract that all of them keep.

A new channel gets a rig here, and with it the whole contract (`test_channel_contract.py`).
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from pydantic import SecretStr

from dunning_common.events.contacts import Contacts, PostalAddress
from notifier.channels.base import Channel, Deadline, Draft, Parcel, Recipient, Sender
from notifier.channels.call_list import CallListChannel
from notifier.channels.http import provider_client
from notifier.channels.in_app import InAppChannel
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.channels.pingen import PingenChannel
from notifier.channels.sendgrid import SendGridChannel
from notifier.channels.smtp import SmtpChannel, SmtpServer
from notifier.channels.twilio import TwilioChannel
from notifier.content.model import Rendered
from notifier.domain.message import Message, State
from notifier.testing import FakePingen, FakeSendGrid, FakeSmtp, FakeTwilio, Mode

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
CONTACTS = Contacts(
    name="Dupont SARL",
    language="fr",
    emails=("compta@dupont.example",),
    phones=("+33 6 12 34 56 78",),
    address=PostalAddress(lines=("1 rue",), postcode="75002", city="Paris", country="FR"),
)
RENDERED = Rendered(
    media_type="multipart/alternative",
    subject="Rappel : facture échue",
    text="Bonjour,\nà bientôt",
    html="<p>Bonjour, à bientôt</p>",
    pdf=b"%PDF-1.7 letter",
)


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A channel and what is around it.

    `taken` are the ids of messages that the provider took; `play` sets how it behaves, and is None
    where nobody outside can misbehave. A channel that `waits` leaves the message to people; one
    that keeps it `inside` gives it to nobody before it is recorded as sent, so that sending it
    alone is no evidence; one that `always_reaches` needs no address.
    """

    channel: Channel
    taken: Callable[[], list[str]]
    play: Callable[[Mode], None] | None = None
    waits: bool = False
    inside: bool = False
    always_reaches: bool = False


def draft_for(channel: Channel) -> Draft:
    """A draft to the address that the channel itself chose."""
    recipient = channel.addressee(CONTACTS, tenant="acme", country="FR")
    assert isinstance(recipient, Recipient)
    return Draft(
        message=MESSAGE,
        sender=SENDER,
        recipient=recipient,
        rendered=RENDERED,
        dated=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        on=date(2026, 3, 2),
    )


def parcel_of(channel: Channel, draft: Draft) -> Parcel:
    frozen = channel.freeze(draft)
    return Parcel(
        message=draft.message,
        sender=draft.sender,
        recipient=draft.recipient,
        on=draft.on,
        media_type=frozen.media_type,
        body=frozen.body,
        sha256=hashlib.sha256(frozen.body).hexdigest(),
    )


def in_time(max_send_s: float = 2.0) -> Deadline:
    return Deadline(at=1.0, max_send_s=max_send_s, now=lambda: 0.0)


def too_late() -> Deadline:
    return Deadline(at=1.0, max_send_s=2.0, now=lambda: 2.0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def player(fake: FakeSmtp | FakeSendGrid | FakeTwilio | FakePingen) -> Callable[[Mode], None]:
    def play(mode: Mode) -> None:
        fake.mode = mode

    return play


def pingen_at(url: str) -> PingenChannel:
    return PingenChannel(
        provider_client(connections=5),
        api_url=url,
        identity_url=url,
        organisation=FakePingen.organisation,
        client_id=FakePingen.client_id,
        client_secret=SecretStr(FakePingen.client_secret),
        product="cheap",
        address_position="right",
        cost_minor=120,
    )


@asynccontextmanager
async def smtp(_: Path) -> AsyncIterator[Rig]:
    async with FakeSmtp() as fake:
        server = SmtpServer(host="127.0.0.1", port=fake.port, local_hostname="postman.test")
        yield Rig(
            channel=SmtpChannel(server, cost_minor=1),
            taken=lambda: fake.log.message_ids,
            play=player(fake),
        )


@asynccontextmanager
async def sendgrid(_: Path) -> AsyncIterator[Rig]:
    async with FakeSendGrid() as fake:
        channel = SendGridChannel(
            provider_client(connections=5), base_url=fake.url, api_key=SecretStr("k"), cost_minor=1
        )
        yield Rig(channel=channel, taken=lambda: fake.log.message_ids, play=player(fake))


@asynccontextmanager
async def twilio(_: Path) -> AsyncIterator[Rig]:
    async with FakeTwilio() as fake:
        channel = TwilioChannel(
            provider_client(connections=5),
            base_url=fake.url,
            account_sid=FakeTwilio.account_sid,
            auth_token=SecretStr(FakeTwilio.auth_token),
            callback_url="https://mail.example.com/webhooks/twilio",
            cost_minor=8,
        )
        yield Rig(channel=channel, taken=lambda: fake.log.message_ids, play=player(fake))


@asynccontextmanager
async def pingen(_: Path) -> AsyncIterator[Rig]:
    async with FakePingen() as fake:
        yield Rig(
            channel=pingen_at(fake.url),
            taken=lambda: fake.log.message_ids,
            play=player(fake),
        )


@asynccontextmanager
async def spool(folder: Path) -> AsyncIterator[Rig]:
    yield Rig(
        channel=LetterSpoolChannel(folder, kind="letter", cost_minor=150),
        taken=lambda: [path.stem for path in folder.rglob("*.pdf")],
    )


@asynccontextmanager
async def call_list(_: Path) -> AsyncIterator[Rig]:
    yield Rig(channel=CallListChannel(), taken=list, waits=True, inside=True)


@asynccontextmanager
async def in_app(_: Path) -> AsyncIterator[Rig]:
    yield Rig(channel=InAppChannel(), taken=list, inside=True, always_reaches=True)


@asynccontextmanager
async def nobody_at(name: str) -> AsyncIterator[Channel]:
    """The channel with nobody at the provider's address."""
    url = f"http://127.0.0.1:{free_port()}"
    made: dict[str, Callable[[], Channel]] = {
        "smtp": lambda: SmtpChannel(
            SmtpServer(host="127.0.0.1", port=free_port(), local_hostname="postman.test")
        ),
        "sendgrid": lambda: SendGridChannel(
            provider_client(connections=5), base_url=url, api_key=SecretStr("k")
        ),
        "twilio": lambda: TwilioChannel(
            provider_client(connections=5),
            base_url=url,
            account_sid="AC1",
            auth_token=SecretStr("t"),
            callback_url="https://mail.example.com",
        ),
        "pingen": lambda: pingen_at(url),
    }
    channel = made[name]()
    yield channel
    await channel.close()


RIGS = {
    "smtp": smtp,
    "sendgrid": sendgrid,
    "twilio": twilio,
    "pingen": pingen,
    "spool": spool,
    "call_list": call_list,
    "in_app": in_app,
}
"""By the name of the provider."""

REMOTE = ("smtp", "sendgrid", "twilio", "pingen")
"""Those that hand a message to somebody else, who alone knows afterwards whether they have it."""

PROVABLE = ("spool", "call_list", "in_app")
"""Those that can tell it themselves."""
