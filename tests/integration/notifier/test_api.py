"""The notifier's HTTP interface and webhooks, as a whole service on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr

from dunning_common.auth import make_key_pair, mint
from dunning_common.service import Service
from dunning_common.testing.bus import MemoryBus
from notifier.bootstrap import build
from notifier.schema import SCHEMA
from notifier.settings import Settings
from notifier.testing import FakeSendGrid, FakeSmtp, FakeTwilio, Mode
from tests.conftest import Databases
from tests.integration.notifier.conftest import (
    TENANT,
    Postman,
    message_id_of,
    notice,
)

Token = Callable[..., dict[str, str]]
PUBLIC = "https://mail.example.com"


@dataclass
class House:
    service: Service
    client: httpx.AsyncClient
    sendgrid: FakeSendGrid
    headers: Token


@pytest.fixture
async def house(
    databases: Databases, postman: Postman, smtp: FakeSmtp, tmp_path: Path
) -> AsyncIterator[House]:
    """The service on the postman's database; its loops do not run."""
    make_key_pair(tmp_path / "key.pem", tmp_path / "jwks.json")
    name = str(postman.db._api.url.database)
    sendgrid = FakeSendGrid()
    settings = Settings(
        api_database_url=SecretStr(databases.role_url(SCHEMA.api_role, name)),
        worker_database_url=SecretStr(databases.role_url(SCHEMA.worker_role, name)),
        public_url=PUBLIC,
        token_keys_file=tmp_path / "jwks.json",
        service_token=SecretStr("t"),
        ingest_url="http://127.0.0.1:1",
        engine_url="http://127.0.0.1:1",
        notifier_url="http://127.0.0.1:1",
        kpi_url="http://127.0.0.1:1",
        spool_folder=tmp_path / "spool",
        smtp_port=smtp.port,
        sendgrid_webhook_keys={TENANT: sendgrid.public_key},
        twilio_account_sid=FakeTwilio.account_sid,
        twilio_auth_token=SecretStr(FakeTwilio.auth_token),
    )
    service = await build(settings, bus=MemoryBus(), ledger=postman.ledger)

    def headers(*scopes: str, tenant: str = TENANT) -> dict[str, str]:
        token = mint(
            tmp_path / "key.pem",
            subject="jane",
            tenant=tenant,
            scopes=frozenset(scopes or ("notices:read", "notices:write")),
            now=datetime.now(UTC),
            lifetime=timedelta(minutes=5),
        )
        return {"authorization": f"Bearer {token}"}

    transport = httpx.ASGITransport(service.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://inside:8030") as client:
        yield House(service=service, client=client, sendgrid=sendgrid, headers=headers)
    await service.close()


async def unknown_message(postman: Postman) -> UUID:
    await postman.know()
    await postman.hear(notice("n1", invoices=("i1", "i2")))
    postman.smtp.script.append(Mode.LOST)
    await postman.send_all()
    return message_id_of(await postman.message())


async def test_messages_are_listed_by_notice_invoice_and_state_page_by_page(
    house: House, postman: Postman
) -> None:
    await postman.know("d1", "d2", "d3")
    notices = [notice(f"n{n}", debtor=f"d{n}", invoices=(f"i{n}", f"j{n}")) for n in (1, 2, 3)]
    await postman.hear(*notices)
    postman.smtp.script.append(Mode.REFUSE)
    await postman.send_all()

    async def listed(**query: Any) -> dict[str, Any]:
        answer = await house.client.get("/v1/messages", params=query, headers=house.headers())
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    first = await listed(limit=2)
    rest = await listed(limit=2, cursor=first["next_cursor"])

    assert [item["debtor_id"] for item in first["items"] + rest["items"]] == ["d1", "d2", "d3"]
    assert rest["next_cursor"] is None
    assert [i["debtor_id"] for i in (await listed(invoice_id="j2"))["items"]] == ["d2"]
    by_notice = await listed(notice_id=str(notices[2].notice_id))
    assert [i["debtor_id"] for i in by_notice["items"]] == ["d3"]
    (failed,) = (await listed(state="failed"))["items"]
    assert "Correct the address in the ERP" in failed["remedy"]
    assert len((await listed(state="sent"))["items"]) == 2


async def test_a_message_shows_its_history_and_its_exact_bytes(
    house: House, postman: Postman
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    await postman.send_all()
    url = f"/v1/messages/{message_id_of(await postman.message())}"

    shown = (await house.client.get(url, headers=house.headers())).json()
    content = await house.client.get(f"{url}/content", headers=house.headers())

    assert [line["phase"] for line in shown["history"]] == ["sending", "sent"]
    assert shown["state"] == "sent"
    assert content.content == postman.smtp.mails[0]
    assert content.headers["content-type"] == "message/rfc822"
    assert content.headers["etag"] == f'"{shown["sha256"]}"'


async def test_the_bytes_of_an_erased_debtor_are_gone(house: House, postman: Postman) -> None:
    message_id = await unknown_message(postman)
    postman.ledger.debtor_keys.clear()

    gone = await house.client.get(f"/v1/messages/{message_id}/content", headers=house.headers())
    postman.ledger.down = True
    silent = await house.client.get(f"/v1/messages/{message_id}/content", headers=house.headers())

    assert gone.status_code == 410
    assert silent.status_code == 503


async def test_a_person_resolves_an_unknown_message_once(house: House, postman: Postman) -> None:
    url = f"/v1/messages/{await unknown_message(postman)}/resolve"
    said = {"outcome": "sent", "note": "seen in the relay's log"}

    first = await house.client.post(url, json=said, headers=house.headers())
    again = await house.client.post(url, json=said, headers=house.headers())
    other = await house.client.post(
        url, json={**said, "outcome": "not_sent"}, headers=house.headers()
    )

    assert first.json()["state"] == again.json()["state"] == "sent"
    assert first.json()["reason"] == "resolved_by_person: seen in the relay's log"
    assert other.status_code == 409
    assert await postman.told_types() == ["NoticeUnknownV2", "NoticeSentV2"]


async def test_a_message_that_a_person_says_was_not_sent_has_failed(
    house: House, postman: Postman
) -> None:
    url = f"/v1/messages/{await unknown_message(postman)}/resolve"

    said = {"outcome": "not_sent", "note": "not in the log"}
    await house.client.post(url, json=said, headers=house.headers())
    await postman.send_all()

    assert await postman.states() == ["failed"]
    assert await postman.told_types() == ["NoticeUnknownV2", "NoticeFailedV2"]


async def test_bad_requests_are_problems_and_never_500(house: House, postman: Postman) -> None:
    message_id = await unknown_message(postman)
    get = house.client.get
    mine = house.headers()
    post = house.client.post
    resolve = f"/v1/messages/{message_id}/resolve"

    answers = {
        401: [await get("/v1/messages"), await get(f"/v1/messages/{message_id}")],
        403: [
            await get("/v1/messages", headers=house.headers("notices:write")),
            await post(resolve, json={}, headers=house.headers("notices:read")),
            await get("/v1/messages", headers={**mine, "x-tenant": "other"}),
        ],
        404: [
            await get(f"/v1/messages/{uuid4()}", headers=mine),
            await get(f"/v1/messages/{uuid4()}/content", headers=mine),
            await get(f"/v1/messages/{message_id}", headers=house.headers(tenant="other")),
            await post(
                f"/v1/messages/{uuid4()}/resolve",
                json={"outcome": "sent", "note": "why not"},
                headers=mine,
            ),
        ],
        422: [
            await get("/v1/messages/nonsense", headers=mine),
            await get("/v1/messages?state=happy", headers=mine),
            await get("/v1/messages?limit=0", headers=mine),
            await get("/v1/messages?cursor=%00", headers=mine),
            await get("/v1/messages?cursor=LTE=", headers=mine),
            await get("/v1/messages?notice_id=1", headers=mine),
            await post(resolve, json={"outcome": "maybe", "note": "abc"}, headers=mine),
            await post(resolve, json={"outcome": "sent"}, headers=mine),
            await post(resolve, json={"outcome": "sent", "note": "   "}, headers=mine),
        ],
        200: [
            await get("/v1/messages?invoice_id=%00", headers=mine),
            await get("/health/live"),
            await get("/health/ready"),
            await get("/metrics"),
        ],
    }

    for status, got in answers.items():
        assert [answer.status_code for answer in got] == [status] * len(got)
    assert all(
        answer.headers["content-type"] == "application/problem+json"
        for status, got in answers.items()
        if status >= 400
        for answer in got
    )


async def test_a_message_that_was_never_written_has_no_content(
    house: House, postman: Postman
) -> None:
    await postman.hear(notice("n1"))
    message_id = message_id_of(await postman.message())

    answer = await house.client.get(f"/v1/messages/{message_id}/content", headers=house.headers())

    assert answer.status_code == 404
    assert answer.json()["type"].endswith("no-content")


async def test_sendgrids_signed_events_are_taken_once_and_nothing_else_is(
    house: House, postman: Postman
) -> None:
    message_id = await unknown_message(postman)
    url = f"/webhooks/sendgrid/{TENANT}"
    events = [
        house.sendgrid.event(kind, tenant=TENANT, message_id=message_id)
        for kind in ("processed", "delivered")
    ]
    body, headers = house.sendgrid.signed(events)
    old_body, old_headers = house.sendgrid.signed(events, at=1_600_000_000)

    taken = await house.client.post(url, content=body, headers=headers)
    again = await house.client.post(url, content=body, headers=headers)
    forged = [
        await house.client.post(url, content=body + b" ", headers=headers),
        await house.client.post(url, content=body),
        await house.client.post(url, content=old_body, headers=old_headers),
        await house.client.post("/webhooks/sendgrid/other", content=body, headers=headers),
    ]
    await postman.feedback.read()

    assert (taken.status_code, again.status_code) == (204, 204)
    assert [answer.status_code for answer in forged] == [401] * 4
    assert await postman.told_types() == ["NoticeUnknownV2", "NoticeSentV2", "NoticeDeliveredV2"]


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"not json", b'["\\ud800"]', b"\xff"])
async def test_signed_nonsense_is_acknowledged_and_listed(house: House, body: bytes) -> None:
    import base64

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    _, headers = house.sendgrid.signed([])
    timestamp = headers["x-twilio-email-event-webhook-timestamp"]
    signature = house.sendgrid._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    headers["x-twilio-email-event-webhook-signature"] = base64.b64encode(signature).decode()

    answer = await house.client.post(f"/webhooks/sendgrid/{TENANT}", content=body, headers=headers)

    listed = await house.client.get("/v1/feedback-issues", headers=house.headers())

    assert answer.status_code == 204
    assert [item["kind"] for item in listed.json()["items"]] == ["unreadable"]


async def test_twilios_callback_is_checked_against_the_public_url(
    house: House, postman: Postman
) -> None:
    message_id = await unknown_message(postman)
    path = f"/webhooks/twilio/{TENANT}/{message_id}"
    body, headers = FakeTwilio().callback(PUBLIC + path, message_id=message_id, status="delivered")
    inside, wrong = FakeTwilio().callback(
        f"http://inside:8030{path}", message_id=message_id, status="delivered"
    )

    taken = await house.client.post(path, content=body, headers=headers)
    lured = await house.client.post(
        path, content=inside, headers={**wrong, "x-forwarded-host": "inside:8030"}
    )
    elsewhere = await house.client.post(
        f"/webhooks/twilio/{TENANT}/{uuid4()}", content=body, headers=headers
    )
    await postman.feedback.read()

    assert (taken.status_code, lured.status_code, elsewhere.status_code) == (204, 401, 401)
    assert await postman.states() == ["sent"]


async def test_a_webhook_that_is_too_large_is_refused(house: House) -> None:
    body = b"x" * (5 * 1024 * 1024 + 1)

    answer = await house.client.post(f"/webhooks/sendgrid/{TENANT}", content=body)

    assert answer.status_code == 413


async def test_templates_are_listed_and_can_be_looked_at(house: House) -> None:
    listed = (await house.client.get("/v1/templates", headers=house.headers())).json()["items"]
    family = listed[0]["template"]
    letter = {"template": family, "channel": "letter", "language": "de"}
    url, mine = "/v1/templates/preview", house.headers()

    shown = await house.client.post(url, json={**letter, "channel": "email"}, headers=mine)
    as_pdf = await house.client.post(
        url, json=letter, headers={**mine, "accept": "application/pdf"}
    )
    missing = await house.client.post(url, json={**letter, "template": "nope"}, headers=mine)
    strange = await house.client.post(url, json={**letter, "language": "xx"}, headers=mine)

    assert {item["template"] for item in listed} >= {"courtesy", "formal_notice"}
    assert shown.json()["subject"]
    assert as_pdf.content.startswith(b"%PDF")
    assert [missing.status_code, strange.status_code] == [422, 422]
    assert (await house.client.get("/v1/templates")).status_code == 401


async def test_the_loops_send_what_arrives_and_stop_cleanly(
    house: House, postman: Postman, smtp: FakeSmtp
) -> None:
    await postman.know()
    service = house.service
    loops = {
        name: asyncio.ensure_future(loop())
        for name, loop in service.loops.items()
        if name not in ("relay", "consumer")
    }

    await postman.hear(notice("n1", channels={"letter": ("i1",)}))
    await until_sent(postman)
    for task in loops.values():
        task.cancel()
    await asyncio.gather(*loops.values(), return_exceptions=True)

    assert all(task.cancelled() for task in loops.values())
    assert {"send-0", "send-1", "sweep", "feedback", "listen"} <= loops.keys()


async def until_sent(postman: Postman) -> None:
    while True:
        if await postman.states() == ["sent"]:
            return
        await asyncio.sleep(0.01)
