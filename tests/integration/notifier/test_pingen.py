"""Letters over Pingen: login, upload, idempotency key, and asking what became of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from dunning_common.db import driver
from notifier.adapters.sql_feedback import SqlFeedback
from notifier.adapters.sql_inquiries import SqlInquiries
from notifier.channels.base import Refused, Sent, Unknown
from notifier.channels.pingen import PingenChannel
from notifier.domain.feedback import Stage
from notifier.handlers.inquire import Inquirer
from notifier.testing import FakePingen, Mode
from tests.integration.notifier.channel_rigs import ID, draft_for, in_time, parcel_of, pingen_at
from tests.integration.notifier.conftest import Killed, Postman, killing_at, notice


@pytest.fixture
async def pingen() -> AsyncIterator[FakePingen]:
    async with FakePingen() as fake:
        yield fake


@pytest.fixture
async def channel(pingen: FakePingen) -> AsyncIterator[PingenChannel]:
    made = pingen_at(pingen.url)
    yield made
    await made.close()


def creates(pingen: FakePingen) -> list[Any]:
    return [heard for heard in pingen.heard if heard.path.endswith("/letters")]


async def test_a_letter_is_uploaded_and_created_with_our_id_as_its_key(
    pingen: FakePingen, channel: PingenChannel
) -> None:
    outcome = await channel.send(parcel_of(channel, draft_for(channel)), in_time())

    (letter_id,) = pingen.letters
    assert outcome == Sent(provider_ref=letter_id, cost_minor=120)
    (heard,) = creates(pingen)
    assert heard.path == f"/organisations/{FakePingen.organisation}/letters"
    assert heard.headers["idempotency-key"] == str(ID)
    assert heard.headers["content-type"] == "application/vnd.api+json"
    attributes = json.loads(heard.body)["data"]["attributes"]
    assert attributes.pop("file_url").startswith(f"{pingen.url}/upload/")
    assert attributes.pop("file_url_signature") == "$2y$10$x"
    assert attributes == {
        "file_original_name": f"{ID}.pdf",
        "address_position": "right",
        "auto_send": True,
        "delivery_product": "cheap",
        "print_mode": "duplex",
        "print_spectrum": "grayscale",
    }
    assert list(pingen.uploads.values()) == [b"%PDF-1.7 letter"]


async def test_a_letter_of_a_sandbox_is_left_at_pingen_as_a_draft(
    pingen: FakePingen, channel: PingenChannel
) -> None:
    draft = draft_for(channel)
    played = replace(draft, sender=replace(draft.sender, sandbox=True))

    outcome = await channel.send(parcel_of(channel, played), in_time())

    (letter,) = pingen.letters.values()
    assert isinstance(outcome, Sent)
    assert letter["attributes"]["auto_send"] is False


async def test_one_login_serves_many_letters_and_a_lost_one_is_made_anew(
    pingen: FakePingen, channel: PingenChannel
) -> None:
    sent = parcel_of(channel, draft_for(channel))
    await channel.send(sent, in_time())
    await channel.send(sent, in_time())
    before = pingen.logins
    pingen.token = "token-2"

    refused = await channel.send(sent, in_time())
    again = await channel.send(sent, in_time())

    assert before == 1
    assert isinstance(refused, Refused)
    assert refused.retry
    assert isinstance(again, Sent)
    assert pingen.log.message_ids == [str(ID)]  # the key is the same: it is one letter


@pytest.mark.parametrize("mode", [Mode.LOST, Mode.BROKEN])
async def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    pingen: FakePingen, channel: PingenChannel, mode: Mode
) -> None:
    pingen.script.append(mode)

    outcome = await channel.send(parcel_of(channel, draft_for(channel)), in_time())

    assert isinstance(outcome, Sent)
    assert len(creates(pingen)) == 2
    assert pingen.log.message_ids == [str(ID)]


async def test_an_answer_that_is_lost_twice_stays_unknown(
    pingen: FakePingen, channel: PingenChannel
) -> None:
    pingen.script.extend([Mode.LOST, Mode.LOST])

    outcome = await channel.send(parcel_of(channel, draft_for(channel)), in_time())

    assert isinstance(outcome, Unknown)
    assert len(creates(pingen)) == 2


async def test_trouble_before_the_letter_exists_is_definitely_not_sent(
    pingen: FakePingen, channel: PingenChannel
) -> None:
    pingen.down = True

    outcome = await channel.send(parcel_of(channel, draft_for(channel)), in_time())

    assert isinstance(outcome, Refused)
    assert (outcome.retry, outcome.retry_after_s) == (True, 7.0)
    assert creates(pingen) == []


async def test_a_wrong_secret_is_definitely_not_sent_and_may_be_mended(
    pingen: FakePingen, channel: PingenChannel
) -> None:
    pingen.client_secret = "changed at Pingen"

    outcome = await channel.send(parcel_of(channel, draft_for(channel)), in_time())

    assert isinstance(outcome, Refused)
    assert outcome.retry
    assert outcome.reason.startswith("http_401")
    assert pingen.letters == {}


# --- asking what became of it


def inquirer(postman: Postman) -> Inquirer:
    return Inquirer(
        db=postman.db,
        inquiries=SqlInquiries(),
        feedback=SqlFeedback(),
        channels=postman.channels,
    )


async def ask(postman: Postman) -> int:
    answers = await inquirer(postman).ask()
    while await postman.feedback.read():
        pass
    return answers


async def let_it_be_asked_again(postman: Postman) -> None:
    async with postman.db.worker() as connection:
        await (await driver(connection)).execute("UPDATE inquiry SET next_at = now()")


@pytest.fixture
def by_pingen(postman: Postman, channel: PingenChannel) -> Postman:
    postman.channels["letter"] = channel
    return postman


async def ask_for_a_letter(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))


async def test_a_letter_of_a_process_that_died_is_found_again(
    by_pingen: Postman, pingen: FakePingen
) -> None:
    await ask_for_a_letter(by_pingen)
    with pytest.raises(Killed):
        await by_pingen.sender(killing_at("after_bytes")).send_due()
    await by_pingen.recover()
    unknown = await by_pingen.states()

    answers = await ask(by_pingen)

    row = await by_pingen.message()
    assert (unknown, answers) == (["unknown"], 1)
    assert (row["state"], row["provider_ref"]) == ("sent", next(iter(pingen.letters)))
    assert await by_pingen.told_types() == ["NoticeUnknownV2", "NoticeSentV2"]
    assert len(pingen.letters) == 1


async def test_a_letter_that_pingen_does_not_know_stays_unknown_and_is_asked_for_later(
    by_pingen: Postman, pingen: FakePingen
) -> None:
    await ask_for_a_letter(by_pingen)
    with pytest.raises(Killed):
        await by_pingen.sender(killing_at("before_bytes")).send_due()
    await by_pingen.recover()

    first, second = await ask(by_pingen), await ask(by_pingen)

    async with by_pingen.db.worker() as connection:
        asked = await (await driver(connection)).fetchrow(
            "SELECT times, next_at > now() AS later FROM inquiry"
        )
    assert (first, second) == (0, 0)
    assert await by_pingen.states() == ["unknown"]
    assert asked is not None
    assert (asked["times"], asked["later"]) == (1, True)


@pytest.mark.parametrize(
    ("status", "event", "stage"),
    [
        ("delivered", "NoticeDeliveredV2", Stage.DELIVERED),
        ("undeliverable", "NoticeBouncedV2", Stage.BOUNCED),
        ("invalid", "NoticeBouncedV2", Stage.BOUNCED),
    ],
)
async def test_a_letter_taken_and_then_delivered_or_failed_is_told(
    by_pingen: Postman, pingen: FakePingen, status: str, event: str, stage: Stage
) -> None:
    await ask_for_a_letter(by_pingen)
    await by_pingen.send_all()
    await ask(by_pingen)
    told_on_the_way = await by_pingen.told_types()
    pingen.set_status(next(iter(pingen.letters)), status, tracking_number="98.1")
    await let_it_be_asked_again(by_pingen)

    await ask(by_pingen)
    await let_it_be_asked_again(by_pingen)
    await ask(by_pingen)

    row = await by_pingen.message()
    assert told_on_the_way == ["NoticeSentV2"]
    assert await by_pingen.told_types() == ["NoticeSentV2", event]
    assert row["stage"] == stage
    async with by_pingen.db.worker() as connection:
        kept = await (await driver(connection)).fetchval(
            "SELECT body->>'tracking_number' FROM provider_event WHERE kind = $1", status
        )
    assert kept == "98.1"


async def test_a_provider_that_does_not_answer_proves_nothing(
    by_pingen: Postman, pingen: FakePingen
) -> None:
    await ask_for_a_letter(by_pingen)
    await by_pingen.send_all()
    pingen.down = True

    answers = await ask(by_pingen)

    assert answers == 0
    assert await by_pingen.told_types() == ["NoticeSentV2"]
