"""What every channel keeps, whoever carries its messages: at most once, and honest about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from dunning_common.events.contacts import Contacts
from notifier.carriers import make_channels
from notifier.channels.base import (
    Deferred,
    Late,
    Outcome,
    Provable,
    Recipient,
    Refused,
    Sent,
    Unknown,
)
from notifier.settings import Settings
from notifier.testing import Mode
from tests.integration.notifier.channel_rigs import (
    CONTACTS,
    ID,
    PROVABLE,
    REMOTE,
    RIGS,
    Rig,
    draft_for,
    in_time,
    nobody_at,
    parcel_of,
    too_late,
)

OTHER_ID = UUID("0190a000-0000-7000-8000-00000000000f")


@pytest.fixture(params=sorted(RIGS))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with RIGS[request.param](tmp_path) as made:
        yield made
        await made.channel.close()


@pytest.fixture(params=REMOTE)
async def remote(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with RIGS[request.param](tmp_path) as made:
        yield made
        await made.channel.close()


async def play(rig: Rig, mode: Mode) -> None:
    assert rig.play is not None
    rig.play(mode)


async def test_the_provider_has_the_name_of_its_rig(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for name, made in RIGS.items():
        async with made(tmp_path) as rig:
            assert rig.channel.provider == name
            await rig.channel.close()


async def test_every_channel_that_can_be_plugged_in_keeps_this_contract(tmp_path: Path) -> None:
    common = {
        "token_keys_file": tmp_path / "keys.json",
        "spool_folder": tmp_path / "spool",
        "twilio_account_sid": "AC1",
        "twilio_auth_token": "t",
        "sendgrid_api_key": "k",
        "pingen_organisation": "o",
        "pingen_client_id": "c",
        "pingen_client_secret": "s",
        **dict.fromkeys(("api_database_url", "worker_database_url"), "postgresql://x"),
        **dict.fromkeys(
            ("public_url", "ingest_url", "engine_url", "notifier_url", "kpi_url"), "http://x"
        ),
        "service_token": "t",
    }
    ways: tuple[dict[str, str], ...] = (
        {},
        {"email_via": "sendgrid", "letters_via": "pingen", "registered_letters_via": "pingen"},
    )
    channels = [
        channel
        for way in ways
        for channel in make_channels(Settings.model_validate(common | way)).values()
    ]

    assert {channel.provider for channel in channels} == set(RIGS)
    for channel in channels:
        await channel.close()


async def test_the_same_draft_is_frozen_into_the_same_bytes(rig: Rig) -> None:
    draft = draft_for(rig.channel)

    once, again = rig.channel.freeze(draft), rig.channel.freeze(draft)

    assert once == again
    assert once.body
    assert "/" in once.media_type


async def test_the_hash_of_an_address_is_stable_and_differs_between_tenants(rig: Rig) -> None:
    mine, again, theirs = (
        rig.channel.addressee(CONTACTS, tenant=tenant, country="FR")
        for tenant in ("acme", "acme", "other")
    )

    assert isinstance(mine, Recipient)
    assert isinstance(theirs, Recipient)
    assert mine == again
    assert mine.hash != theirs.hash


async def test_a_debtor_without_an_address_is_not_reached(rig: Rig) -> None:
    nowhere = rig.channel.addressee(Contacts(name="X", language="fr"), tenant="acme", country="FR")

    assert isinstance(nowhere, Recipient) == rig.always_reaches


async def test_a_message_that_can_go_is_taken_once(rig: Rig) -> None:
    outcome = await rig.channel.send(parcel_of(rig.channel, draft_for(rig.channel)), in_time())

    if rig.waits:
        assert isinstance(outcome, Deferred)
        assert rig.taken() == []
    else:
        assert isinstance(outcome, Sent)
        assert outcome.provider_ref
        assert rig.taken() == ([] if rig.inside else [str(ID)])


async def test_after_the_deadline_nothing_leaves(rig: Rig) -> None:
    before = rig.taken()

    outcome = await rig.channel.send(parcel_of(rig.channel, draft_for(rig.channel)), too_late())

    assert isinstance(outcome, Deferred if rig.waits else Late)
    assert rig.taken() == before


async def test_who_cannot_prove_that_a_message_was_sent_has_somebody_else_to_carry_it(
    tmp_path: Path,
) -> None:
    proving = set()
    for name, made in RIGS.items():
        async with made(tmp_path) as rig:
            if isinstance(rig.channel, Provable):
                proving.add(name)
            await rig.channel.close()

    assert proving == set(PROVABLE)
    assert set(RIGS) - proving == set(REMOTE)


@pytest.mark.parametrize("name", PROVABLE)
async def test_what_can_be_proved_is_found_once_it_was_sent_and_not_before(
    name: str, tmp_path: Path
) -> None:
    async with RIGS[name](tmp_path) as rig:
        sent = parcel_of(rig.channel, draft_for(rig.channel))

        async def find(message_id: UUID = ID, sha256: str = sent.sha256) -> Outcome | None:
            assert isinstance(rig.channel, Provable)
            return await rig.channel.find(
                tenant="acme", message_id=message_id, on=sent.on, sha256=sha256
            )

        before = await find()
        late = await rig.channel.send(sent, too_late())
        after_late = await find()
        outcome = await rig.channel.send(sent, in_time())
        await rig.channel.close()

        assert (before, after_late) == (None, None)
        assert isinstance(late, Late | Deferred)
        assert await find() == (None if rig.inside else outcome)
        assert await find(OTHER_ID) is None
        assert not isinstance(await find(sha256="0" * 64), Sent)


async def test_closing_twice_does_no_harm(rig: Rig) -> None:
    await rig.channel.close()


@pytest.mark.parametrize("mode", [Mode.BUSY, Mode.REFUSE])
async def test_what_the_provider_does_not_take_is_definitely_not_sent(
    remote: Rig, mode: Mode
) -> None:
    await play(remote, mode)

    outcome = await remote.channel.send(
        parcel_of(remote.channel, draft_for(remote.channel)), in_time()
    )

    assert isinstance(outcome, Refused)
    assert outcome.retry is (mode is Mode.BUSY)
    assert remote.taken() == []


@pytest.mark.parametrize("mode", [Mode.LOST, Mode.SLOW])
async def test_a_lost_answer_is_unknown_or_asked_for_again_and_never_a_second_message(
    remote: Rig, mode: Mode
) -> None:
    await play(remote, mode)

    outcome = await remote.channel.send(
        parcel_of(remote.channel, draft_for(remote.channel)), in_time(0.2)
    )

    assert isinstance(outcome, Unknown)
    assert remote.taken() == [str(ID)]


async def test_a_connection_cut_on_the_way_is_never_taken_for_sent(remote: Rig) -> None:
    await play(remote, Mode.CUT)

    outcome = await remote.channel.send(
        parcel_of(remote.channel, draft_for(remote.channel)), in_time()
    )

    assert isinstance(outcome, Refused | Unknown)
    assert remote.taken() == []


@pytest.mark.parametrize("name", REMOTE)
async def test_nobody_listening_is_definitely_not_sent_and_tried_again(name: str) -> None:
    async with nobody_at(name) as channel:
        outcome = await channel.send(parcel_of(channel, draft_for(channel)), in_time())

    assert isinstance(outcome, Refused)
    assert outcome.retry


async def test_trouble_says_no_address_and_no_number(remote: Rig) -> None:
    await play(remote, Mode.REFUSE)
    draft = draft_for(remote.channel)

    outcome = await remote.channel.send(parcel_of(remote.channel, draft), in_time())

    assert isinstance(outcome, Refused)
    assert "dupont.example" not in outcome.reason
    assert "612345678" not in outcome.reason


async def test_two_messages_one_after_the_other_are_both_taken(remote: Rig) -> None:
    draft = draft_for(remote.channel)
    other = replace(draft, message=replace(draft.message, message_id=OTHER_ID))

    outcomes = [
        await remote.channel.send(parcel_of(remote.channel, each), in_time())
        for each in (draft, other)
    ]

    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert remote.taken() == [str(ID), str(OTHER_ID)]
