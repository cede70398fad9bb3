"""Providers' webhooks over HTTP: forged, replayed, out of order, late, broken, packed: once or never.

And the proof of a notice, which shows what came of all that.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from dunning_common.events.notifications import NoticeBouncedV2
from notifier.testing import FakeSendGrid, FakeTwilio, Mode, mails, sid_of
from tests.integration.notifier.conftest import (
    TENANT,
    Postman,
    erased,
    message_id_of,
    notice,
)
from tests.integration.notifier.ear import PUBLIC, Ear, make_ear

URL = f"/webhooks/sendgrid/{TENANT}"


@pytest.fixture
async def ear(postman: Postman, tmp_path: Path) -> AsyncIterator[Ear]:
    made = make_ear(postman, tmp_path)
    async with made.client:
        yield made


async def mailed(postman: Postman, *script: Mode) -> UUID:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.extend(script)
    await postman.send_all()
    return message_id_of(await postman.message())


async def post(
    ear: Ear, body: bytes, more: dict[str, str] | None = None, *, at: int | None = None
) -> httpx.Response:
    """A body signed by SendGrid, whatever it is."""
    timestamp = str(int(datetime.now(UTC).timestamp()) if at is None else at)
    signature = ear.sendgrid._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": timestamp,
        **(more or {}),
    }
    return await ear.client.post(URL, content=body, headers=headers)


def events(message_id: UUID, *kinds: str, **more: Any) -> list[dict[str, Any]]:
    fake = FakeSendGrid()
    return [fake.event(kind, tenant=TENANT, message_id=message_id, **more) for kind in kinds]


async def test_a_batch_with_one_bad_event_loses_none_of_the_others(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman)
    rows: list[Any] = events(uuid4(), *["delivered"] * 998) + events(message_id, "delivered")
    rows.insert(500, {"nothing": "known"})

    answer = await post(ear, orjson.dumps(rows))
    again = await post(ear, orjson.dumps(rows))
    await ear.understand()

    assert (answer.status_code, again.status_code) == (204, 204)
    assert await postman.told_types() == ["NoticeSentV2", "NoticeDeliveredV2"]
    (stored,) = await ear.rows("SELECT count(*) AS n FROM provider_event")
    assert stored["n"] == 999
    assert len(await ear.rows("SELECT FROM feedback_issue WHERE kind = 'unreadable'")) == 1


async def test_the_vendors_own_vectors_are_taken_or_refused_and_strangers_are_listed(
    ear: Ear, shared: Path
) -> None:
    file = shared / "data" / "webhooks" / "sendgrid" / "vectors.json"
    statuses = {}
    for vector in json.loads(file.read_text())["vectors"]:
        ear_of_vector = make_ear(ear.postman, ear.folder, sendgrid_key=vector["public_key"])
        async with ear_of_vector.client as client:
            answer = await client.post(
                URL,
                content=base64.b64decode(vector["body_b64"]),
                headers={
                    "x-twilio-email-event-webhook-signature": vector["signature"],
                    "x-twilio-email-event-webhook-timestamp": vector["timestamp"],
                },
            )
        statuses[vector["name"]] = (answer.status_code == 204) is vector["valid"]
    await ear.understand()

    assert statuses == dict.fromkeys(statuses, True)
    items = (await ear.get("/v1/feedback-issues"))["items"]
    assert {item["kind"] for item in items} == {"stranger_event"}
    assert len(items) == 3  # one dropped, one processed, one bounced: each once
    assert "world.com" not in str(items)


async def test_an_event_of_a_week_ago_counts_and_a_signature_of_then_does_not(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman)
    week_ago = int((datetime.now(UTC) - timedelta(days=7, minutes=1)).timestamp())
    body = orjson.dumps(events(message_id, "delivered", timestamp=week_ago))

    replayed = await post(ear, body, at=week_ago)
    late = await post(ear, body)
    await ear.understand()

    assert (replayed.status_code, late.status_code) == (401, 204)
    assert await postman.told_types() == ["NoticeSentV2", "NoticeDeliveredV2"]


@pytest.mark.parametrize("kinds", [("bounce", "delivered", "processed"),
                                   ("processed", "delivered", "bounce")])  # fmt: skip
async def test_one_by_one_in_any_order_the_last_word_is_the_same(
    ear: Ear, postman: Postman, kinds: tuple[str, ...]
) -> None:
    message_id = await mailed(postman, Mode.LOST)
    for kind in kinds:
        await post(ear, orjson.dumps(events(message_id, kind, type="bounce", status="5.1.1")))
        await ear.understand()

    row = await postman.message()
    assert (row["state"], row["stage"]) == ("sent", 3)
    assert (await postman.told_types()).count("NoticeBouncedV2") == 1
    assert await ear.suppressed() == [("email", "hard_bounce")]


async def test_a_packed_or_recoded_body_counts_once(ear: Ear, postman: Postman) -> None:
    message_id = await mailed(postman)
    rows = events(message_id, "delivered")
    plain = orjson.dumps(rows)
    bodies: list[tuple[bytes, dict[str, str]]] = [
        (plain, {}),
        (gzip.compress(plain), {"content-encoding": "gzip"}),
        (json.dumps(rows).encode("utf-16"), {}),
        (plain, {"content-type": "application/x-www-form-urlencoded"}),
    ]

    answers = [await post(ear, body, more) for body, more in bodies]
    await ear.understand()

    assert [answer.status_code for answer in answers] == [204] * 4
    assert await postman.told_types() == ["NoticeSentV2", "NoticeDeliveredV2"]
    assert await ear.issues() == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"event=delivered&email=a%40b.example", {}),
        (b"\x1f\x8b broken", {"content-encoding": "gzip"}),
        (b"[]", {"content-encoding": "br"}),
        ('{"email": "a@b.example"'.encode("utf-16"), {}),
        (rb'{"email": "a\u0040b.example"', {}),
        (b"[" * 100_000, {}),
    ],
)
async def test_what_is_signed_and_unreadable_is_acknowledged_once_listed(
    ear: Ear, body: bytes, headers: dict[str, str]
) -> None:
    answers = [await post(ear, body, headers) for _ in range(2)]

    (item,) = (await ear.get("/v1/feedback-issues"))["items"]
    assert [answer.status_code for answer in answers] == [204] * 2
    assert item["kind"] == "unreadable"
    assert "b.example" not in str(item)


async def test_twilios_callback_may_be_json_and_counts_once_with_the_form(
    ear: Ear, postman: Postman
) -> None:
    message_id = await mailed(postman)
    path = f"/webhooks/twilio/{TENANT}/{message_id}"
    fields = {"MessageSid": sid_of(str(message_id)), "MessageStatus": "undelivered",
              "ErrorCode": "30006"}  # fmt: skip
    body = json.dumps(fields).encode()
    query = f"?bodySHA256={hashlib.sha256(body).hexdigest()}"
    mac = hmac.new(
        FakeTwilio.auth_token.encode(), (PUBLIC + path + query).encode(), hashlib.sha1
    ).digest()
    signed = {
        "content-type": "application/json",
        "x-twilio-signature": base64.b64encode(mac).decode(),
    }
    form, form_signed = FakeTwilio().callback(
        PUBLIC + path, message_id=message_id, status="undelivered", error_code="30006"
    )

    as_json = await ear.client.post(path + query, content=body, headers=signed)
    forged = await ear.client.post(path + query, content=body + b" ", headers=signed)
    as_form = await ear.client.post(path, content=form, headers=form_signed)
    await ear.understand()

    assert [a.status_code for a in (as_json, forged, as_form)] == [204, 401, 204]
    bounced = [e for e in await postman.told() if isinstance(e, NoticeBouncedV2)]
    assert [(e.hard, e.reason) for e in bounced] == [(True, "30006")]


async def test_a_signed_callback_without_a_status_is_listed(ear: Ear, postman: Postman) -> None:
    message_id = await mailed(postman)
    for path in (f"/webhooks/twilio/{TENANT}/{message_id}", f"/webhooks/twilio/{TENANT}/no-uuid"):
        body, headers = FakeTwilio().callback(PUBLIC + path, message_id=message_id, status="")
        answer = await ear.client.post(path, content=body, headers=headers)
        assert answer.status_code == 204

    assert set(await ear.issues()) == {"unreadable"}


async def test_an_event_for_another_tenants_message_changes_nothing_there(
    ear: Ear, postman: Postman
) -> None:
    await postman.know()
    await postman.hear(notice("n1"), tenant="other")
    message_id = message_id_of(await postman.message())

    await post(ear, orjson.dumps(events(message_id, "delivered")))
    await ear.understand()

    assert await postman.told() == []
    assert await ear.issues() == ["stranger_event"]


async def test_the_proof_of_a_notice_says_what_is_known_and_no_more(
    ear: Ear, postman: Postman
) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"registered_letter": ("i1",), "email": ("i1",)}))
    await postman.send_all()
    rows = {row["channel"]: row for row in await postman.messages()}
    message_id = message_id_of(rows["email"])
    url = f"/v1/notices/{notice('n1').notice_id}/proof"
    before = await ear.get(url)

    await post(ear, orjson.dumps(events(message_id, "delivered")))
    dead = events(message_id, "bounce", type="bounce", reason="550 5.1.1 <j@x.example> unknown")
    await post(ear, orjson.dumps(dead))
    await ear.mail(mails.reply("ooo", to=message_id, headers={"Auto-Submitted": "auto-replied"}))
    await ear.understand()
    proof = await ear.get(url)
    text = await ear.client.get(url, headers={**ear.headers(), "accept": "text/plain"})

    (early,) = (m for m in before["messages"] if m["channel"] == "email")
    (mail,) = (m for m in proof["messages"] if m["channel"] == "email")
    (letter,) = (m for m in proof["messages"] if m["channel"] == "registered_letter")
    assert early["says"].endswith("whether it arrived was not reported.")
    assert mail["sha256"] == hashlib.sha256(postman.smtp.mails[0]).hexdigest()
    assert (mail["delivery"], mail["bounce_class"]) == ("bounced", "hard")
    assert {h["kind"] for h in mail["heard"]} == {"delivered", "bounce", "auto_reply"}
    assert [a["phase"] for a in mail["attempts"]] == ["sending", "sent"]
    assert (letter["provider"], letter["heard"]) == ("spool", [])
    assert mail["sha256"] in text.text
    assert "could not deliver it: hard, 550 5.1.1 <<address>> unknown." in text.text
    assert max(len(line) for line in text.text.split("\n")) <= 120
    assert "dupont" not in str(proof) + text.text


async def test_a_proof_is_only_for_who_may_see_it_and_outlives_the_debtor(
    ear: Ear, postman: Postman
) -> None:
    await mailed(postman)
    await postman.hear(erased())
    postman.ledger.debtor_keys.clear()
    url = f"/v1/notices/{notice('n1').notice_id}/proof"
    get = ear.client.get

    assert (await ear.get(url))["messages"][0]["state"] == "sent"
    assert (await get(url)).status_code == 401
    assert (await get(url, headers=ear.headers(tenant="other"))).status_code == 404
    assert (await get(f"/v1/notices/{uuid4()}/proof", headers=ear.headers())).status_code == 404
