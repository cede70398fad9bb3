"""Addresses that must not be written to: how they come on the list, and what the list does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dunning_common.events.contacts import Contacts
from dunning_common.events.notifications import NoticeBouncedV2, NoticeSuppressedV2
from dunning_common.events.responses import ChannelOptedInV1, ChannelOptedOutV1
from dunning_common.ids import short_hash
from notifier.adapters.sql_suppressions import SqlSuppressions
from notifier.channels.addresses import phone_recipient
from notifier.channels.base import Deadline, Draft, Frozen, Parcel, Recipient, Sent
from notifier.domain.suppression import Cause, Suppression
from notifier.testing import Mode
from tests.integration.notifier.conftest import (
    CONTACTS,
    TENANT,
    Postman,
    message_id_of,
    notice,
    tenant_event,
)
from tests.integration.notifier.ear import Ear, make_ear

FIRST, SECOND = "compta@dupont.example", "direction@dupont.example"
TWO = CONTACTS.model_copy(update={"emails": (FIRST, SECOND)})


@pytest.fixture
async def ear(postman: Postman, tmp_path: Path) -> AsyncIterator[Ear]:
    made = make_ear(postman, tmp_path)
    async with made.client:
        yield made


def hashed(email: str) -> str:
    return short_hash(TENANT, "email", email)


async def know(postman: Postman, contacts: Contacts = TWO, **tenant: Any) -> None:
    event = tenant_event().model_copy(update=tenant)
    await postman.hear(event, postman.contacts(contacts=contacts))


async def suppress(postman: Postman, email: str, cause: Cause = Cause.OPT_OUT) -> None:
    async with postman.db.worker() as connection:
        await SqlSuppressions().add(
            connection,
            [
                Suppression(
                    tenant=TENANT,
                    channel="email",
                    recipient_hash=hashed(email),
                    cause=cause,
                    source="test",
                )
            ],
        )


async def report(ear: Ear, kind: str, message_id: UUID, **more: Any) -> None:
    event = ear.sendgrid.event(kind, tenant=TENANT, message_id=message_id, email=FIRST, **more)
    body, headers = ear.sendgrid.signed([event])
    answer = await ear.client.post(f"/webhooks/sendgrid/{TENANT}", content=body, headers=headers)
    assert answer.status_code == 204
    await ear.understand()


def to_of(mail: bytes) -> str:
    return next(line for line in mail.decode().split("\r\n") if line.startswith("To:"))


async def test_a_message_goes_to_the_next_address_when_the_first_is_listed(
    postman: Postman,
) -> None:
    await know(postman)
    await suppress(postman, FIRST)

    await postman.hear(notice("n1"))
    await postman.send_all()

    assert SECOND in to_of(postman.smtp.mails[0])
    assert (await postman.message())["recipient_hash"] == hashed(SECOND)


@pytest.mark.parametrize(
    ("causes", "reason"),
    [
        ((Cause.HARD_BOUNCE, Cause.HARD_BOUNCE), "address_bounced"),
        ((Cause.HARD_BOUNCE, Cause.OPT_OUT), "opted_out"),
        ((Cause.COMPLAINT, Cause.PERSON), "opted_out"),
    ],
)
async def test_with_every_address_listed_the_message_is_suppressed_and_says_why(
    postman: Postman, causes: tuple[Cause, Cause], reason: str
) -> None:
    await know(postman)
    await suppress(postman, FIRST, causes[0])
    await suppress(postman, SECOND, causes[1])

    await postman.hear(notice("n1"))
    await postman.send_all()

    (told,) = await postman.told()
    assert isinstance(told, NoticeSuppressedV2)
    assert told.reason == reason
    assert not postman.smtp.mails


async def test_a_listed_mail_address_never_stops_a_letter(postman: Postman) -> None:
    await know(postman, CONTACTS)
    await suppress(postman, FIRST, Cause.COMPLAINT)

    await postman.hear(notice("n1", channels={"registered_letter": ("i1",), "email": ("i1",)}))
    await postman.send_all()

    states = {row["channel"]: row["state"] for row in await postman.messages()}
    assert states == {"registered_letter": "sent", "email": "suppressed"}
    assert len(postman.letters()) == 1


async def test_a_hard_bounce_lists_the_address_and_the_next_notice_takes_another(
    ear: Ear, postman: Postman
) -> None:
    await know(postman)
    await postman.hear(notice("n1"))
    await postman.send_all()

    await report(
        ear, "bounce", message_id_of(await postman.message()),
        type="bounce", status="5.1.1", reason="550 5.1.1 unknown",
    )  # fmt: skip
    await postman.hear(notice("n2"))
    await postman.send_all()

    assert await ear.suppressed() == [("email", "hard_bounce")]
    assert [to_of(mail).partition("<")[2] for mail in postman.smtp.mails] == [
        f"{FIRST}>", f"{SECOND}>",
    ]  # fmt: skip
    bounced = (await postman.told())[1]
    assert isinstance(bounced, NoticeBouncedV2)
    assert bounced.hard


@pytest.mark.parametrize(
    "more",
    [
        {"type": "blocked", "reason": "552 5.2.2 full", "status": "5.2.2"},
        {"type": "bounce", "reason": "550 5.7.1 policy", "status": "5.7.1"},
    ],
)
async def test_what_may_pass_lists_no_address(
    ear: Ear, postman: Postman, more: dict[str, str]
) -> None:
    await know(postman)
    await postman.hear(notice("n1"))
    await postman.send_all()

    await report(ear, "bounce", message_id_of(await postman.message()), **more)

    assert await ear.suppressed() == []
    bounced = (await postman.told())[-1]
    assert isinstance(bounced, NoticeBouncedV2)
    assert not bounced.hard


async def test_an_address_refused_while_sending_is_listed(ear: Ear, postman: Postman) -> None:
    await know(postman)
    postman.smtp.script.append(Mode.REFUSE)

    await postman.hear(notice("n1"))
    await postman.send_all()
    await postman.hear(notice("n2"))
    await postman.send_all()

    assert await ear.suppressed() == [("email", "hard_bounce")]
    assert await postman.states() == ["failed", "sent"]
    assert SECOND in to_of(postman.smtp.mails[0])


async def test_who_complains_or_unsubscribes_is_listed_and_the_world_is_told_once(
    ear: Ear, postman: Postman
) -> None:
    await know(postman)
    await postman.hear(notice("n1"))
    await postman.send_all()
    message_id = message_id_of(await postman.message())

    await report(ear, "spamreport", message_id)
    await report(ear, "spamreport", message_id)
    await report(ear, "group_unsubscribe", message_id)

    assert await ear.suppressed() == [("email", "complaint"), ("email", "opt_out")]
    told = [e for e in await postman.told() if isinstance(e, ChannelOptedOutV1)]
    assert [(e.channel, e.recipient_hash, e.debtor_id) for e in told] == [
        ("email", hashed(FIRST), "d1")
    ] * 2


async def test_who_subscribes_again_after_a_complaint_stays_listed_for_the_complaint(
    ear: Ear, postman: Postman
) -> None:
    await know(postman)
    await postman.hear(notice("n1"))
    await postman.send_all()
    message_id = message_id_of(await postman.message())
    for kind in ("spamreport", "group_unsubscribe", "group_resubscribe"):
        await report(ear, kind, message_id)

    assert await ear.suppressed() == [("email", "complaint")]
    assert ChannelOptedInV1 not in [type(event) for event in await postman.told()]


async def test_an_old_report_does_not_undo_what_a_person_lifted_since(
    ear: Ear, postman: Postman
) -> None:
    await know(postman)
    await postman.hear(notice("n1"))
    await postman.send_all()
    message_id = message_id_of(await postman.message())
    dead = {"type": "bounce", "status": "5.1.1"}
    week_ago = int((datetime.now(UTC) - timedelta(days=7)).timestamp())

    await report(ear, "bounce", message_id, **dead)
    url = f"/v1/suppressions/email/{hashed(FIRST)}"
    lifted = await ear.client.delete(
        url, params={"note": "the debtor says it works again"}, headers=ear.headers()
    )
    await report(ear, "bounce", message_id, timestamp=week_ago, **dead)
    late = await ear.suppressed()
    await report(
        ear, "bounce", message_id, timestamp=int(datetime.now(UTC).timestamp()) + 60, **dead
    )

    assert lifted.json() == {"lifted": ["hard_bounce"]}
    assert late == []
    assert await ear.suppressed() == [("email", "hard_bounce")]
    history = (await ear.get(url))["history"]
    assert [(line["action"], line["source"]) for line in history] == [
        ("added", "sendgrid"), ("lifted", "person:jane"), ("added", "sendgrid"),
    ]  # fmt: skip


async def test_who_opts_out_between_writing_and_sending_gets_nothing(postman: Postman) -> None:
    await know(postman, CONTACTS)
    await postman.hear(notice("n1"))

    class HastyWriter:
        async def write(self, jobs: Any) -> Any:
            written = await postman.writer.write(jobs)
            await suppress(postman, FIRST)
            return written

    sender = postman.sender()
    sender._writer = HastyWriter()
    await sender.send_due()
    held = await postman.states()
    await postman.expire_leases()
    await postman.send_all()

    assert held == ["planned"]
    assert await postman.states() == ["suppressed"]
    assert not postman.smtp.mails


async def test_a_person_lists_looks_and_lifts_and_all_of_it_is_written_down(ear: Ear) -> None:
    said = {"channel": "email", "address": " Compta@Dupont.example", "note": "by telephone",
            "debtor_id": "d1"}  # fmt: skip
    post = ear.client.post

    first = await post("/v1/suppressions", json=said, headers=ear.headers())
    again = await post("/v1/suppressions", json=said, headers=ear.headers())
    phone = {"channel": "sms", "address": "+33 6 12 34 56 78", "note": "wants letters"}
    await post("/v1/suppressions", json=phone, headers=ear.headers())
    page = await ear.get("/v1/suppressions", limit=1)
    rest = await ear.get("/v1/suppressions", after=page["next_after"])
    lifted = await ear.client.delete(
        f"/v1/suppressions/email/{hashed(FIRST)}", params={"note": "again"}, headers=ear.headers()
    )

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["recipient_hash"] == hashed(FIRST)
    assert first.json()["source"] == "person:jane"
    assert [item["channel"] for item in page["items"] + rest["items"]] == ["email", "sms"]
    assert lifted.json() == {"lifted": ["person"]}
    kinds = [type(event) for event in await ear.postman.told()]
    assert kinds == [ChannelOptedOutV1, ChannelOptedInV1]


async def test_the_list_of_one_tenant_is_nobody_elses(ear: Ear) -> None:
    said = {"channel": "email", "address": FIRST, "note": "by telephone"}
    await ear.client.post("/v1/suppressions", json=said, headers=ear.headers())

    other = ear.headers(tenant="other")
    seen = await ear.client.get("/v1/suppressions", headers=other)
    lifted = await ear.client.delete(
        f"/v1/suppressions/email/{hashed(FIRST)}", params={"note": "mine now"}, headers=other
    )

    assert seen.json()["items"] == []
    assert lifted.json() == {"lifted": []}
    assert await ear.suppressed() == [("email", "person")]


async def test_what_cannot_be_listed_is_a_problem_that_says_how(ear: Ear) -> None:
    good = {"channel": "email", "address": FIRST, "note": "abc"}
    hash_ = hashed(FIRST)
    for bad in (
        {**good, "address": "nobody"},
        {**good, "channel": "sms", "address": "0612345678"},
        {**good, "recipient_hash": hash_},
        {**good, "channel": "letter"},
        {"channel": "email", "note": "abc"},
        {**good, "note": "  "},
        {**good, "channel": "pigeon"},
        {"channel": "email", "recipient_hash": "../../etc", "note": "abc"},
    ):
        answer = await ear.client.post("/v1/suppressions", json=bad, headers=ear.headers())
        assert answer.status_code == 422, bad
        assert answer.headers["content-type"] == "application/problem+json"
    read = ear.headers("notices:read")
    denied = await ear.client.post("/v1/suppressions", json=good, headers=read)
    assert denied.status_code == 403
    unsaid = await ear.client.delete(f"/v1/suppressions/email/{hash_}", headers=ear.headers())
    assert unsaid.status_code == 422


class SilentSms:
    """Texts into a list."""

    provider = "fake"

    def __init__(self) -> None:
        self.sent: list[str] = []

    def addressee(self, contacts: Contacts, *, tenant: str, country: str) -> Recipient | None:
        return phone_recipient(contacts, tenant=tenant, country=country)

    def freeze(self, draft: Draft) -> Frozen:
        return Frozen(media_type="text/plain", body=(draft.rendered.text or "").encode())

    async def send(self, parcel: Parcel, deadline: Deadline) -> Sent:
        deadline.check()
        self.sent.append(parcel.recipient.address)
        return Sent(provider_ref="1")

    async def close(self) -> None:
        """Nothing is open."""


class FixedClock:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


NIGHT = FixedClock(datetime(2026, 3, 3, 4, 30, tzinfo=UTC))  # 05:30 in Paris
DAY = FixedClock(datetime(2026, 3, 3, 9, 30, tzinfo=UTC))


async def test_a_text_waits_for_the_debtors_morning_and_a_mail_does_not(postman: Postman) -> None:
    sms = postman.channels["sms"] = SilentSms()
    await know(postman, CONTACTS)
    await postman.hear(notice("n1", channels={"sms": ("i1",), "email": ("i1",)}))

    await postman.sender(clock=NIGHT).send_due()

    rows = {row["channel"]: row for row in await postman.messages()}
    assert (rows["sms"]["state"], rows["sms"]["reason"]) == ("planned", "quiet_hours")
    wait = rows["sms"]["not_before"] - datetime.now(UTC)
    assert timedelta(hours=2, minutes=25) < wait <= timedelta(hours=2, minutes=30)
    assert rows["email"]["state"] == "sent"
    assert sms.sent == []


async def test_by_day_a_text_goes_at_once(postman: Postman) -> None:
    sms = postman.channels["sms"] = SilentSms()
    await know(postman, CONTACTS)
    await postman.hear(notice("n1", channels={"sms": ("i1",)}))

    await postman.sender(clock=DAY).send_due()

    assert sms.sent == ["+33612345678"]


async def test_a_sandbox_text_does_not_wait_for_a_real_morning(postman: Postman) -> None:
    sms = postman.channels["sms"] = SilentSms()
    await know(postman, CONTACTS, sandbox=True)
    await postman.hear(notice("n1", channels={"sms": ("i1",)}))

    await postman.sender(clock=NIGHT).send_due()

    assert sms.sent == ["+33612345678"]


async def test_who_opted_out_is_told_so_at_night_too_for_another_channel_to_be_found(
    postman: Postman,
) -> None:
    postman.channels["sms"] = SilentSms()
    await know(postman, CONTACTS)
    await postman.hear(notice("n1", channels={"sms": ("i1",)}))
    async with postman.db.worker() as connection:
        phone = short_hash(TENANT, "phone", "+33612345678")
        await SqlSuppressions().add(
            connection,
            [Suppression(tenant=TENANT, channel="sms", recipient_hash=phone,
                         cause=Cause.OPT_OUT, source="sms")],
        )  # fmt: skip

    await postman.sender(clock=NIGHT).send_due()

    row = await postman.message()
    assert (row["state"], row["reason"]) == ("suppressed", "opted_out")


async def test_of_several_numbers_the_first_free_one_is_taken(postman: Postman) -> None:
    sms = postman.channels["sms"] = SilentSms()
    numbers = ("06 12 34 56 78", "+33 6 12 34 56 78", "+33 7 98 76 54 32")
    await know(postman, CONTACTS.model_copy(update={"phones": numbers}))
    async with postman.db.worker() as connection:
        phone = short_hash(TENANT, "phone", "+33612345678")
        await SqlSuppressions().add(
            connection,
            [Suppression(tenant=TENANT, channel="sms", recipient_hash=phone,
                         cause=Cause.HARD_BOUNCE, source="twilio")],
        )  # fmt: skip
    await postman.hear(notice("n1", channels={"sms": ("i1",)}))

    await postman.sender(clock=DAY).send_due()

    assert sms.sent == ["+33798765432"]
