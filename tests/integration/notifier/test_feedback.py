"""What providers report: proof for the unknown, delivery, bounces; twice, late and out of order."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from dunning_common.events.notifications import NoticeBouncedV2, NoticeSentV2
from notifier.adapters.provider_events import sendgrid_events, twilio_event
from notifier.adapters.sql_feedback import SqlFeedback
from notifier.ports.messages import ProviderEvent
from notifier.testing import FakeSendGrid, Mode, sid_of
from tests.integration.notifier.conftest import (
    TENANT,
    Postman,
    killing_at,
    message_id_of,
    notice,
)


async def keep(postman: Postman, *events: ProviderEvent) -> int:
    async with postman.db.tenant(TENANT) as connection:
        return await SqlFeedback().keep(connection, events)


def event(kind: str, message_id: UUID, **more: Any) -> ProviderEvent:
    raw = FakeSendGrid().event(kind, tenant=TENANT, message_id=message_id, **more)
    (made,) = sendgrid_events(TENANT, orjson.dumps([raw]))
    return made


async def sent_mail(postman: Postman, *script: Mode) -> UUID:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.extend(script)
    await postman.send_all()
    return message_id_of(await postman.message())


async def test_a_report_resolves_an_unknown_message_to_sent(postman: Postman) -> None:
    message_id = await sent_mail(postman, Mode.LOST)

    await keep(postman, event("processed", message_id))
    await postman.feedback.read()

    row = await postman.message()
    assert (row["state"], row["reason"]) == ("sent", "proved_by_provider")
    proof = (await postman.told())[-1]
    assert isinstance(proof, NoticeSentV2)
    assert proof.provider_ref == f"sg-{str(message_id)[:8]}"
    assert proof.sha256 == row["sha256"]


async def test_delivery_and_bounce_are_told_once_whatever_the_order(postman: Postman) -> None:
    message_id = await sent_mail(postman)
    delivered = event("delivered", message_id)
    bounced = event("bounce", message_id, type="bounce", reason="550 <jane@x.example> unknown")

    await keep(postman, bounced, delivered)
    await keep(postman, delivered)
    await postman.feedback.read()
    await keep(postman, delivered, event("delivered", message_id))
    await postman.feedback.read()

    assert await postman.told_types() == ["NoticeSentV2", "NoticeDeliveredV2", "NoticeBouncedV2"]
    bounce = (await postman.told())[-1]
    assert isinstance(bounce, NoticeBouncedV2)
    assert bounce.hard
    assert bounce.reason == "550 <<address>> unknown"
    assert (await postman.message())["state"] == "sent"


async def test_a_full_mailbox_is_a_soft_bounce(postman: Postman) -> None:
    message_id = await sent_mail(postman)

    await keep(postman, event("bounce", message_id, type="blocked", reason="552 over quota"))
    await postman.feedback.read()

    bounce = (await postman.told())[-1]
    assert isinstance(bounce, NoticeBouncedV2)
    assert not bounce.hard


async def test_a_dropped_unknown_message_was_taken_and_bounced(postman: Postman) -> None:
    message_id = await sent_mail(postman, Mode.LOST)

    await keep(postman, event("dropped", message_id, reason="Bounced Address"))
    await postman.feedback.read()

    assert await postman.told_types() == ["NoticeUnknownV2", "NoticeSentV2", "NoticeBouncedV2"]


async def test_a_report_about_a_message_on_the_wire_waits_for_its_record(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    with pytest.raises(BaseException, match="before_record"):
        await postman.sender(killing_at("before_record")).send_due()
    message_id = message_id_of(await postman.message())

    await keep(postman, event("delivered", message_id))
    early = await postman.feedback.read()
    await postman.recover()
    await postman.feedback.read()

    assert early == 0
    assert await postman.told_types() == ["NoticeUnknownV2", "NoticeSentV2", "NoticeDeliveredV2"]


async def test_a_message_waiting_for_another_try_is_not_sent_again_once_proved(
    postman: Postman,
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.append(Mode.BUSY)
    await postman.sender().send_due()
    message_id = message_id_of(await postman.message())

    await keep(postman, event("delivered", message_id))
    await postman.feedback.read()
    await postman.send_all()

    assert await postman.states() == ["sent"]
    assert not postman.smtp.mails


async def test_a_report_about_a_message_never_tried_proves_nothing(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    message_id = message_id_of(await postman.message())

    await keep(postman, event("delivered", message_id))
    await postman.feedback.read()
    await postman.send_all()

    assert len(postman.smtp.mails) == 1
    assert await postman.told_types() == ["NoticeSentV2"]


async def test_a_report_about_nothing_of_ours_is_kept_and_harmless(postman: Postman) -> None:
    await keep(postman, event("delivered", uuid4()))
    (without_id,) = sendgrid_events(TENANT, b'[{"event":"delivered","sg_event_id":"x"}]')
    await keep(postman, without_id)

    assert await postman.feedback.read() == 0
    assert await postman.told() == []


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        ("delivered", "", "NoticeDeliveredV2"),
        ("undelivered", "30008", "NoticeBouncedV2"),
        ("failed", "30005", "NoticeBouncedV2"),
    ],
)
async def test_twilios_words_are_understood(
    postman: Postman, status: str, code: str, told: str
) -> None:
    message_id = await sent_mail(postman)
    sid = sid_of(str(message_id))
    for said in ("queued", "sent", status, "sent"):
        params = {"MessageSid": [sid], "MessageStatus": [said], "ErrorCode": [code]}
        await keep(postman, twilio_event(TENANT, message_id, params))

    await postman.feedback.read()

    assert await postman.told_types() == ["NoticeSentV2", told]
    last = (await postman.told())[-1]
    if isinstance(last, NoticeBouncedV2):
        assert last.hard == (code == "30005")


async def test_no_personal_data_of_a_report_is_kept(postman: Postman) -> None:
    raw = FakeSendGrid().event(
        "bounce", tenant=TENANT, message_id=uuid4(), reason="to jane@x.example at +33612345678"
    )

    (kept,) = sendgrid_events(TENANT, orjson.dumps([raw]))

    assert "example" not in str(kept)
    assert "3361" not in str(kept)
