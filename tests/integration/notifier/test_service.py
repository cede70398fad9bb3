"""The notifier as a whole, between a broker, a ledger and a mail server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from dunning_common.auth import make_key_pair
from dunning_common.bus import Record
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.notifications import NoticeSentV2
from dunning_common.events.registry import parse_payload
from dunning_common.feed import FeedClient
from dunning_common.ids import account_key
from dunning_common.testing.bus import MemoryBus
from notifier.bootstrap import build
from notifier.carriers import make_channels
from notifier.schema import SCHEMA
from notifier.settings import Settings
from notifier.testing import FakeSmtp
from tests.conftest import Databases
from tests.integration.notifier.conftest import TENANT, Postman, notice, tenant_event


def settings(folder: Path, **more: object) -> Settings:
    return Settings(
        **{
            "api_database_url": SecretStr("postgresql+asyncpg://x"),
            "worker_database_url": SecretStr("postgresql+asyncpg://x"),
            "public_url": "https://mail.example.com",
            "token_keys_file": folder / "jwks.json",
            "service_token": SecretStr("t"),
            "ingest_url": "http://ingest",
            "engine_url": "http://engine",
            "notifier_url": "http://notifier",
            "kpi_url": "http://kpi",
            "spool_folder": folder / "spool",
            **more,
        }  # type: ignore[arg-type]
    )


@pytest.fixture
async def silent_feeds() -> AsyncIterator[dict[str, FeedClient]]:
    """Producers that answer, and have nothing that is missing."""

    def nothing(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"heads": {}, "txid": 1, "next_key": None})

    async with httpx.AsyncClient(transport=httpx.MockTransport(nothing)) as client:
        feed = FeedClient("http://feed", "t", client)
        yield dict.fromkeys(("dunning.v1", "contacts.v1", "tenants.v1"), feed)


async def test_a_notice_from_the_broker_goes_out_and_its_event_comes_back(
    databases: Databases,
    postman: Postman,
    smtp: FakeSmtp,
    silent_feeds: dict[str, FeedClient],
    tmp_path: Path,
) -> None:
    make_key_pair(tmp_path / "key.pem", tmp_path / "jwks.json")
    name = str(postman.db._api.url.database)
    bus = MemoryBus()
    service = await build(
        settings(
            tmp_path,
            api_database_url=SecretStr(databases.role_url(SCHEMA.api_role, name)),
            worker_database_url=SecretStr(databases.role_url(SCHEMA.worker_role, name)),
            smtp_port=smtp.port,
            smtp_local_hostname="postman.test",
        ),
        bus=bus,
        feeds=silent_feeds,
        ledger=postman.ledger,
    )
    loops = [asyncio.ensure_future(loop()) for loop in service.loops.values()]
    watcher = await bus.subscribe(["notifications.v1"], group="watcher", partitions=range(6))

    await publish(bus, tenant_event(), key=TENANT)
    await publish(bus, postman.contacts(), key=account_key(TENANT, "d1"))
    asked = await publish(bus, notice("n1"), key=account_key(TENANT, "d1"))
    heard: list[Envelope] = []
    while not heard:
        records = await watcher.fetch(max_records=10, timeout_s=0.1)
        heard = [Envelope.from_bytes(record.value or b"") for record in records]
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await service.close()

    (envelope,) = heard
    sent = parse_payload(envelope)
    assert isinstance(sent, NoticeSentV2)
    assert sent.notice_id == notice("n1").notice_id
    assert envelope.key == account_key(TENANT, "d1")
    assert envelope.causation == asked.id
    assert len(smtp.mails) == 1


async def publish(bus: MemoryBus, payload: Payload, *, key: str) -> Envelope:
    envelope = Envelope(
        type=type(payload).__name__,
        source="test",
        subject="test",
        tenant=TENANT,
        key=key,
        sequence=1,
        data=payload.model_dump(mode="json"),
    )
    publisher = await bus.publisher()
    await publisher.publish(payload.topic, [Record(key=key, value=envelope.to_bytes())])
    await publisher.close()
    return envelope


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"lease_s": 3.0, "max_send_s": 2.6, "margin_s": 0.5}, "NOTIFIER_LEASE_S"),
        ({"email_via": "sendgrid"}, "NOTIFIER_SENDGRID_API_KEY"),
        ({"twilio_account_sid": "AC1"}, "NOTIFIER_TWILIO_AUTH_TOKEN"),
        ({"letters_via": "pingen"}, "NOTIFIER_PINGEN_ORGANISATION"),
        ({"sftp_host": "printer.example"}, "NOTIFIER_SFTP_HOST_KEY"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_their_remedy(
    tmp_path: Path, more: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(tmp_path, **more)


async def test_the_channels_are_those_the_settings_describe(tmp_path: Path) -> None:
    plain = make_channels(settings(tmp_path))
    full = make_channels(
        settings(
            tmp_path,
            email_via="sendgrid",
            sendgrid_api_key=SecretStr("k"),
            twilio_account_sid="AC1",
            twilio_auth_token=SecretStr("t"),
        )
    )

    assert {name: channel.provider for name, channel in plain.items()} == {
        "email": "smtp",
        "letter": "spool",
        "registered_letter": "spool",
        "call": "call_list",
        "in_app": "in_app",
    }
    assert (full["email"].provider, full["sms"].provider) == ("sendgrid", "twilio")
    for channel in (*plain.values(), *full.values()):
        await channel.close()


def test_each_tenant_may_have_its_own_webhook_keys(tmp_path: Path) -> None:
    made = settings(
        tmp_path,
        sendgrid_webhook_key="common",
        sendgrid_webhook_keys={"acme": "own"},
        twilio_account_sid="AC1",
        twilio_auth_token=SecretStr("common"),
        twilio_auth_tokens={"acme": SecretStr("own")},
    )

    assert (made.sendgrid_key_of("acme"), made.sendgrid_key_of("x")) == ("own", "common")
    assert made.twilio_token_of("acme") == SecretStr("own")
    assert made.twilio_token_of("x") == SecretStr("common")
