"""Texts under their limits, counted in the database before they leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pydantic import SecretStr

from dunning_common.db import driver
from dunning_common.events.contacts import Contacts
from notifier.adapters.sql_allowance import SqlAllowance
from notifier.channels.base import Deferred, Recipient, Refused, Sent, Unreachable
from notifier.channels.http import provider_client
from notifier.channels.sms_rules import reach_of
from notifier.channels.twilio import SmsPolicy, TwilioChannel
from notifier.domain.sms_limits import SmsLimits
from notifier.ports.allowance import Allowance, AllowanceUnavailableError
from notifier.testing import FakeTwilio, Mode
from tests.integration.notifier.channel_rigs import draft_for, in_time, parcel_of
from tests.integration.notifier.conftest import TENANT, Postman, notice, tenant_event

COST = 8


class Noon:
    def now(self) -> datetime:
        return datetime(2026, 3, 2, 11, 0, tzinfo=UTC)


@asynccontextmanager
async def twilio(
    fake: FakeTwilio, *, allowance: Allowance | None = None, policy: SmsPolicy | None = None
) -> AsyncIterator[TwilioChannel]:
    channel = TwilioChannel(
        provider_client(connections=5),
        base_url=fake.url,
        account_sid=FakeTwilio.account_sid,
        auth_token=SecretStr(FakeTwilio.auth_token),
        callback_url="https://mail.example.com/webhooks/twilio",
        cost_minor=COST,
        policy=policy,
        allowance=allowance,
    )
    yield channel
    await channel.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeTwilio]:
    async with FakeTwilio() as made:
        yield made


def limited(postman: Postman, **limits: int) -> SqlAllowance:
    return SqlAllowance(postman.db, lambda _: SmsLimits(**limits))


async def text_all(postman: Postman, *debtors: str) -> None:
    await postman.know(*debtors)
    await postman.hear(*(notice(f"n-{d}", debtor=d, channels={"sms": ("i1",)}) for d in debtors))
    await postman.send_all(postman.sender(clock=Noon()))


async def test_a_tenant_that_spent_its_day_waits_for_the_next_one(
    postman: Postman, fake: FakeTwilio
) -> None:
    allowance = limited(postman, daily_cost_minor=2 * COST, per_number_daily=10)
    async with twilio(fake, allowance=allowance) as channel:
        postman.channels["sms"] = channel

        await text_all(postman, "d1", "d2", "d3")

    rows = await postman.messages()
    assert sorted(row["state"] for row in rows) == ["planned", "sent", "sent"]
    (waiting,) = [row for row in rows if row["state"] == "planned"]
    assert waiting["reason"] == "sms_daily_limit: 16 of 16 minor units"
    assert len(fake.texts) == 2


async def test_a_text_that_the_provider_lets_wait_does_not_arrive_at_night(
    postman: Postman, fake: FakeTwilio
) -> None:
    async with twilio(fake) as channel:
        postman.channels["sms"] = channel

        await text_all(postman, "d1")

    # Noon in Paris: nine hours until 21:00.
    assert fake.texts[0]["ValidityPeriod"] == str(9 * 3600)


async def test_one_number_gets_only_so_many_texts_a_day(postman: Postman, fake: FakeTwilio) -> None:
    allowance = limited(postman, per_number_daily=1)
    async with twilio(fake, allowance=allowance) as channel:
        postman.channels["sms"] = channel

        await text_all(postman, "d1", "d2")  # the same number

    assert sorted(await postman.states()) == ["planned", "sent"]
    assert len(fake.texts) == 1


async def test_a_text_that_is_tried_again_counts_once(postman: Postman, fake: FakeTwilio) -> None:
    fake.script.extend([Mode.BUSY, Mode.BUSY])
    allowance = limited(postman, daily_cost_minor=COST, per_number_daily=1)
    async with twilio(fake, allowance=allowance) as channel:
        postman.channels["sms"] = channel

        await text_all(postman, "d1")

    assert await postman.states() == ["sent"]
    async with postman.db.worker() as connection:
        day = await (await driver(connection)).fetchrow("SELECT * FROM sms_day")
    assert day is not None
    assert (day["spent_minor"], day["messages"]) == (COST, 1)


async def test_many_senders_at_once_never_spend_more_than_the_limit(postman: Postman) -> None:
    allowance = limited(postman, daily_cost_minor=5 * COST, per_number_daily=100)

    async def take() -> bool:
        return (
            await allowance.take(
                tenant=TENANT, message_id=uuid4(), number_hash="h", cost_minor=COST
            )
            is None
        )

    taken = await asyncio.gather(*(take() for _ in range(12)))

    assert sum(taken) == 5


async def test_the_limits_of_a_day_do_not_hold_for_a_clock_that_can_be_moved(
    postman: Postman, fake: FakeTwilio
) -> None:
    allowance = limited(postman, daily_cost_minor=0, per_number_daily=1)
    async with twilio(fake, allowance=allowance) as channel:
        draft = draft_for(channel)
        played = replace(draft, sender=replace(draft.sender, sandbox=True))
        stopped = await channel.send(parcel_of(channel, draft), in_time())
        sent = await channel.send(parcel_of(channel, played), in_time())

    assert isinstance(stopped, Deferred)
    assert isinstance(sent, Sent)


async def test_without_the_count_nothing_is_sent(fake: FakeTwilio) -> None:
    class Broken:
        async def take(self, **_: object) -> None:
            raise AllowanceUnavailableError("database")

    async with twilio(fake, allowance=Broken()) as channel:
        outcome = await channel.send(parcel_of(channel, draft_for(channel)), in_time())

    assert isinstance(outcome, Refused)
    assert outcome.retry
    assert fake.texts == []


async def test_a_landline_is_passed_over_and_alone_it_is_a_reason(
    postman: Postman, fake: FakeTwilio
) -> None:
    both = Contacts(name="X", language="fr", phones=("01 42 68 53 00", "06 12 34 56 78"))
    fixed = Contacts(name="X", language="fr", phones=("01 42 68 53 00",))
    async with twilio(fake, policy=SmsPolicy(reach=reach_of(["FR"]))) as channel:
        postman.channels["sms"] = channel
        reached = channel.addressee(both, tenant=TENANT, country="FR")
        unreached = channel.addressee(fixed, tenant=TENANT, country="FR")
        await postman.hear(tenant_event(), postman.contacts("d1", fixed))
        await postman.hear(notice("n1", channels={"sms": ("i1",)}))
        await postman.send_all(postman.sender(clock=Noon()))

    assert isinstance(reached, Recipient)
    assert reached.address == "+33612345678"
    assert unreached == Unreachable(reason="no_address: the number takes no texts (landline)")
    row = await postman.message()
    assert (row["state"], row["reason"]) == ("suppressed", unreached.reason)


async def test_a_tenant_may_have_countries_of_its_own(fake: FakeTwilio) -> None:
    abroad = Contacts(name="X", language="en", phones=("+1 212 555 1234",))
    policy = SmsPolicy(reach=reach_of(["FR"]), reach_of={"global": reach_of(["US"])})
    async with twilio(fake, policy=policy) as channel:
        found = [
            isinstance(channel.addressee(abroad, tenant=tenant, country="FR"), Recipient)
            for tenant in ("acme", "global")
        ]

    assert found == [False, True]


async def test_a_text_from_a_name_says_how_to_stop_and_one_too_long_is_not_sent(
    fake: FakeTwilio,
) -> None:
    async with twilio(fake) as channel:
        draft = draft_for(channel)
        named = replace(draft, sender=replace(draft.sender, phone="Acme"))
        text = channel.freeze(named).body.decode()
        with pytest.raises(ValueError, match="11 SMS parts"):
            channel.freeze(replace(draft, rendered=replace(draft.rendered, text="a" * 1600)))

    assert text.endswith("\nSTOP: facturation@acme.example")
    assert "STOP" not in channel.freeze(draft).body.decode()


async def test_a_name_is_not_sent_where_carriers_refuse_it(fake: FakeTwilio) -> None:
    async with twilio(fake) as channel:
        draft = draft_for(channel)
        abroad = replace(
            draft,
            sender=replace(draft.sender, phone="Acme"),
            recipient=replace(draft.recipient, address="+12125551234"),
        )
        outcome = await channel.send(parcel_of(channel, abroad), in_time())

    assert isinstance(outcome, Refused)
    assert outcome == Refused(
        reason="bad_sms_sender: US takes texts from numbers only; change sms_from", retry=False
    )
    assert fake.texts == []
