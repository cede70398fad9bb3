"""The sending protocol on PostgreSQL, with a mail server and a ledger that misbehave."""

from __future__ import annotations

import asyncio
import email
import hashlib
from dataclasses import replace

import pytest

from dunning_common.events.contacts import Contacts
from dunning_common.events.notifications import NoticeReturnedV2, NoticeSentV2
from notifier.adapters.sql_rows import message_of
from notifier.channels.smtp import SmtpChannel, SmtpServer
from notifier.domain.outcome import RetryPolicy
from notifier.handlers.send import Timing
from notifier.handlers.write import open_content
from notifier.testing import Mode
from tests.integration.notifier.conftest import (
    CONTACTS,
    DECIDED,
    TENANT,
    Killed,
    Postman,
    erased,
    killing_at,
    notice,
    revoked,
    tenant_event,
)


async def test_a_requested_notice_becomes_one_mail_and_one_event(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1", invoices=("i1", "i2")))

    await postman.send_all()

    row = await postman.message()
    mail = email.message_from_bytes(postman.smtp.mails[0])
    assert row["state"] == "sent"
    assert mail["Message-ID"] == f"<{row['message_id']}@acme.example>"
    assert mail["To"] == "Dupont SARL <compta@dupont.example>"
    (sent,) = await postman.told()
    assert isinstance(sent, NoticeSentV2)
    assert sent.invoice_ids == ("i1", "i2")
    assert sent.effective_at == DECIDED
    assert sent.sha256 == hashlib.sha256(postman.smtp.mails[0]).hexdigest()
    assert sent.recipient_hash == row["recipient_hash"]
    assert await postman.phases() == ["sending", "sent"]


async def test_the_stored_bytes_are_those_sent_and_open_only_with_the_debtors_key(
    postman: Postman,
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))

    await postman.send_all()

    row = await postman.message()
    key = postman.ledger.debtor_keys[TENANT, "d1"]
    assert open_content(key, row["content"], message_of(row)) == postman.smtp.mails[0]  # type: ignore[arg-type]
    assert b"dupont" not in row["content"].lower()


async def test_asking_twice_is_asking_once(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"), notice("n1"))
    await postman.hear(notice("n1"))

    await postman.send_all()

    assert len(postman.smtp.mails) == 1


async def test_each_channel_of_a_notice_goes_its_own_way(postman: Postman) -> None:
    await postman.know()
    both = {"registered_letter": ("i1",), "email": ("i1", "i2"), "sms": ("i1",)}
    await postman.hear(notice("n1", invoices=("i1", "i2"), channels=both))

    await postman.send_all()

    rows = {row["channel"]: row for row in await postman.messages()}
    assert rows["email"]["state"] == rows["registered_letter"]["state"] == "sent"
    assert (rows["sms"]["state"], rows["sms"]["reason"]) == ("suppressed", "channel_not_configured")
    (letter,) = postman.letters()
    assert letter.parent == postman.spool / TENANT / "2026-03-02"
    assert rows["registered_letter"]["cost_minor"] == 600


async def test_a_batch_costs_one_key_call_and_one_permit_call_a_wave(postman: Postman) -> None:
    await postman.know("d1", "d2", "d3")
    await postman.hear(*(notice(f"n{n}", debtor=f"d{n}") for n in (1, 2, 3)))

    await postman.send_all()

    ledger = postman.ledger
    assert (ledger.key_calls, ledger.permit_calls, ledger.return_calls) == (1, 1, 1)
    assert not ledger.live


async def test_a_channel_without_an_address_is_suppressed_and_blocks_no_other(
    postman: Postman,
) -> None:
    await postman.hear(
        tenant_event(),
        postman.contacts(contacts=Contacts(name="X", language="fr", emails=("a@b.example",))),
    )
    await postman.hear(notice("n1", channels={"letter": ("i1",), "email": ("i1",)}))

    await postman.send_all()

    rows = {row["channel"]: row for row in await postman.messages()}
    assert (rows["letter"]["state"], rows["letter"]["reason"]) == ("suppressed", "no_address")
    assert rows["email"]["state"] == "sent"


async def test_a_refused_permit_gives_the_notice_back_and_sends_nothing(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1", invoices=("i1", "i2")))
    postman.ledger.closed["i2"] = "paid"

    await postman.send_all()

    (returned,) = await postman.told()
    assert isinstance(returned, NoticeReturnedV2)
    assert returned.refused_invoice_ids == ("i2",)
    assert returned.reason == "permit_refused: paid"
    assert not postman.smtp.mails


async def test_a_message_about_very_many_invoices_asks_for_several_permits(
    postman: Postman,
) -> None:
    many = [f"i{n}" for n in range(2500)]
    await postman.know("d1", "d2")
    await postman.hear(notice("n1", invoices=many))
    await postman.send_all()
    asked = [len(request.invoices) for request in postman.ledger.asked]
    postman.ledger.closed["i2400"] = "paid"

    await postman.hear(notice("n2", debtor="d2", invoices=many))
    await postman.send_all()

    assert asked == [1000, 1000, 500]
    assert await postman.states() == ["sent", "returned"]
    assert not postman.ledger.live


async def test_nothing_is_sent_while_the_ledger_is_silent(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.ledger.down = True

    await postman.sender().send_due()

    assert (await postman.message())["reason"] == "waiting_for_ledger"
    assert not postman.smtp.mails
    postman.ledger.down = False
    await postman.send_all()
    assert await postman.states() == ["sent"]


async def test_a_ledger_that_falls_silent_before_the_permit_stops_the_sending(
    postman: Postman,
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))

    def fall_silent(point: str) -> None:
        postman.ledger.down = point == "after_sending"

    await postman.sender(fall_silent).send_due()

    assert await postman.states() == ["planned"]
    assert not postman.smtp.mails


@pytest.mark.parametrize("mode", [Mode.BUSY, Mode.CUT])
async def test_a_definite_failure_is_tried_again(postman: Postman, mode: Mode) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.append(mode)

    await postman.send_all()

    row = await postman.message()
    assert (row["state"], row["attempts"]) == ("sent", 2)
    assert len(postman.smtp.mails) == 1
    assert await postman.phases() == ["sending", "planned", "sending", "sent"]


@pytest.mark.parametrize(("mode", "words"), [(Mode.REFUSE, "550"), (Mode.BROKEN, "554")])
async def test_a_final_refusal_fails_without_the_address_in_its_reason(
    postman: Postman, mode: Mode, words: str
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.append(mode)

    await postman.send_all()

    row = await postman.message()
    assert row["state"] == "failed"
    assert words in row["reason"]
    assert "dupont" not in row["reason"]
    assert await postman.told_types() == ["NoticeFailedV2"]


async def test_a_mail_server_that_is_down_is_tried_again_later_and_given_up_in_the_end(
    postman: Postman,
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.channels["email"] = SmtpChannel(
        SmtpServer(host="127.0.0.1", port=1, local_hostname="x")
    )

    await postman.sender(retry=RetryPolicy(base_s=60.0)).send_due()
    waiting = await postman.message()
    async with postman.db.worker() as connection:
        await connection.exec_driver_sql("UPDATE message SET not_before = clock_timestamp()")
    await postman.sender(retry=RetryPolicy(give_up_after_s=0.0)).send_due()

    assert waiting["state"] == "planned"
    assert waiting["not_before"] > waiting["claimed_at"]
    assert await postman.states() == ["failed"]


async def test_a_lost_answer_is_unknown_and_never_sent_again(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.append(Mode.LOST)

    await postman.send_all()
    await postman.recover()

    assert await postman.states() == ["unknown"]
    assert len(postman.smtp.log.message_ids) == 1
    assert await postman.told_types() == ["NoticeUnknownV2"]


async def test_an_answer_that_comes_too_late_is_unknown(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.append(Mode.SLOW)
    hasty = Timing(lease_s=2.0, max_send_s=0.1, margin_s=0.1)

    await postman.send_all(postman.sender(timing=hasty))

    assert await postman.states() == ["unknown"]
    assert len(postman.smtp.log.message_ids) == 1


@pytest.mark.parametrize(
    ("point", "accepted", "ends"),
    [
        ("after_render", 1, "sent"),
        ("after_sending", 0, "unknown"),
        ("after_permit", 0, "unknown"),
        ("before_bytes", 0, "unknown"),
        ("after_bytes", 1, "unknown"),
        ("before_record", 1, "unknown"),
    ],
)
async def test_a_kill_at_any_point_sends_at_most_once_and_loses_nothing(
    postman: Postman, point: str, accepted: int, ends: str
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))

    with pytest.raises(Killed):
        await postman.sender(killing_at(point)).send_due()
    await postman.recover()

    assert await postman.states() == [ends]
    assert len(postman.smtp.log.message_ids) == accepted


@pytest.mark.parametrize(
    "point",
    [
        "after_render",
        "after_sending",
        "after_permit",
        "before_bytes",
        "after_bytes",
        "before_record",
    ],
)
async def test_a_letter_survives_a_kill_at_any_point_and_is_posted_exactly_once(
    postman: Postman, point: str
) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"letter": ("i1",)}))

    with pytest.raises(Killed):
        await postman.sender(killing_at(point)).send_due()
    await postman.recover()

    assert await postman.states() == ["sent"]
    assert len(postman.letters()) == 1
    assert await postman.told_types() == ["NoticeSentV2"]


async def test_a_deadline_that_passed_before_the_first_byte_plans_the_message_again(
    postman: Postman,
) -> None:
    await postman.know()
    await postman.hear(notice("n1", channels={"email": ("i1",), "letter": ("i1",)}))
    clock = [0.0]
    late = postman.sender(now=lambda: clock[0])
    postman.ledger.on_permit = lambda: clock.__setitem__(0, 60.0)

    await late.send_due()

    assert await postman.states() == ["planned", "planned"]
    assert not postman.smtp.mails
    assert not postman.letters()
    assert not list(postman.spool.rglob("*.tmp"))
    postman.ledger.on_permit = lambda: None
    await asyncio.sleep(0.25)
    await postman.send_all()
    assert await postman.states() == ["sent", "sent"]


async def test_a_permit_shorter_than_the_lease_shortens_the_deadline(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.ledger.permit_s = 1.0

    await postman.sender().send_due()

    assert (await postman.message())["reason"] == "deadline_passed"
    assert not postman.smtp.mails


async def test_two_workers_never_send_the_same_message(postman: Postman) -> None:
    debtors = [f"d{n}" for n in range(40)]
    await postman.know(*debtors)
    await postman.hear(*(notice(f"n{d}", debtor=d) for d in debtors))
    small = replace(postman.timing, batch=3, parallel=2)
    workers = [postman.sender(timing=small, worker=f"w{n}") for n in range(3)]

    await asyncio.gather(*(postman.send_all(worker) for worker in workers))

    assert await postman.states() == ["sent"] * 40
    assert len(set(postman.smtp.log.message_ids)) == len(postman.smtp.log.message_ids) == 40


async def test_a_worker_paused_beyond_its_lease_changes_nothing_but_proves_its_own_success(
    postman: Postman,
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    swept = asyncio.Event()

    class Paused(SmtpChannel):
        async def send(self, parcel, deadline):  # type: ignore[no-untyped-def]
            outcome = await super().send(parcel, deadline)
            await postman.expire_leases()
            await postman.sweeper.sweep()
            swept.set()
            return outcome

    port = postman.smtp.port
    postman.channels["email"] = Paused(SmtpServer(host="127.0.0.1", port=port, local_hostname="x"))

    await postman.sender().send_due()

    assert swept.is_set()
    assert await postman.states() == ["sent"]
    assert await postman.told_types() == ["NoticeUnknownV2", "NoticeSentV2"]


async def test_a_worker_that_lost_its_claim_while_writing_does_not_send(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    other = postman.sender(worker="other")

    class SlowWriter:
        async def write(self, jobs):  # type: ignore[no-untyped-def]
            await postman.expire_leases()
            await postman.send_all(other)
            return await postman.writer.write(jobs)

    slow = postman.sender(worker="slow")
    slow._writer = SlowWriter()

    await slow.send_due()

    assert await postman.states() == ["sent"]
    assert len(postman.smtp.mails) == 1


async def test_a_payment_is_acknowledged_only_when_no_reminder_can_follow(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    order: list[str] = []
    postman.smtp.on_accept = lambda: order.append("mail")
    postman.smtp.mode = Mode.SLOW
    paying: list[asyncio.Task[None]] = []

    async def pay() -> None:
        await postman.ledger.pay("i1")
        order.append("acknowledged")

    postman.ledger.on_permit = lambda: paying.append(asyncio.ensure_future(pay()))

    await postman.send_all()
    await asyncio.gather(*paying)

    assert order == ["mail", "acknowledged"]


async def test_stopping_finishes_the_wave_and_lets_go_of_the_rest(postman: Postman) -> None:
    debtors = [f"d{n}" for n in range(6)]
    await postman.know(*debtors)
    await postman.hear(*(notice(f"n{d}", debtor=d) for d in debtors))
    sender = postman.sender(timing=replace(postman.timing, parallel=2))
    postman.ledger.on_permit = sender.stop

    await sender.send_due()

    assert sorted(await postman.states()) == ["planned"] * 4 + ["sent"] * 2
    await postman.send_all()
    assert len(set(postman.smtp.log.message_ids)) == 6


async def test_a_record_that_fails_for_a_moment_is_written_all_the_same(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    settle = postman.settler.settle
    failures = [OSError("connection lost")]

    class Flaky:
        async def settle(self, connection, verdicts):  # type: ignore[no-untyped-def]
            if failures:
                raise failures.pop()
            return await settle(connection, verdicts)

    sender = postman.sender()
    sender._settler = Flaky()

    await sender.send_due()

    assert await postman.states() == ["sent"]


@pytest.mark.parametrize("template", ["broken", "crash"])
async def test_a_message_that_cannot_be_rendered_fails_alone(
    postman: Postman, template: str
) -> None:
    await postman.know("d1", "d2")
    await postman.hear(notice("n1"), notice("n2", debtor="d2", template=template))

    await postman.send_all()

    assert await postman.states() == ["sent", "failed"]


async def test_revocations_that_race_with_the_sending_end_in_one_verdict_each(
    postman: Postman,
) -> None:
    debtors = [f"d{n}" for n in range(60)]
    await postman.know(*debtors)
    await postman.hear(*(notice(f"n{d}", debtor=d) for d in debtors))
    small = replace(postman.timing, batch=7, parallel=3)
    workers = [postman.sender(timing=small, worker=f"w{n}") for n in range(2)]

    async def revoke_all() -> None:
        for first in range(0, 60, 10):
            await postman.hear(
                *(revoked(f"n{d}", "i1", debtor=d) for d in reversed(debtors[first : first + 10]))
            )

    await asyncio.gather(revoke_all(), *(postman.send_all(worker) for worker in workers))

    states = await postman.states()
    assert set(states) <= {"sent", "suppressed"}
    assert states.count("sent") == len(set(postman.smtp.log.message_ids))
    assert len(await postman.told()) == 60


async def test_old_claims_of_a_killed_process_are_dropped_when_it_starts_again(
    postman: Postman,
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    with pytest.raises(Killed):
        await postman.sender(killing_at("after_render"), worker="host:1/0").send_due()
    await postman.send_all()
    assert await postman.states() == ["planned"]

    async with postman.db.worker() as connection:
        await postman.sender()._queue.drop_claims(connection, worker="host:1")  # type: ignore[attr-defined]
    await postman.send_all()

    assert await postman.states() == ["sent"]


async def test_contacts_that_come_late_are_asked_for_first(postman: Postman) -> None:
    await postman.hear(tenant_event())
    await postman.hear(notice("n1"))

    async def bring(topics: object) -> None:
        await postman.hear(postman.contacts())

    postman.on_catch_up = bring
    await postman.send_all()

    assert await postman.states() == ["sent"]
    assert postman.caught_up == [(("contacts.v1",), (f"{TENANT}:d1",))]


async def test_only_a_debtor_that_nobody_knows_has_no_address(postman: Postman) -> None:
    await postman.hear(tenant_event())
    await postman.hear(notice("n1"))
    postman.feeds_answer = False

    await postman.sender().send_due()
    before = await postman.message()
    postman.feeds_answer = True
    await postman.send_all()
    after = await postman.message()

    assert (before["state"], before["reason"]) == ("planned", "waiting_for_contacts")
    assert (after["state"], after["reason"]) == ("suppressed", "no_address")


async def test_an_unknown_tenant_is_asked_for_first(postman: Postman) -> None:
    await postman.hear(postman.contacts())
    await postman.hear(notice("n1"))

    async def bring(topics: object) -> None:
        await postman.hear(tenant_event())

    postman.on_catch_up = bring
    await postman.send_all()

    assert await postman.states() == ["sent"]
    assert postman.caught_up[0] == (("tenants.v1",), (TENANT,))


async def test_facts_that_arrive_hasten_the_messages_that_wait_for_them(postman: Postman) -> None:
    await postman.hear(tenant_event())
    await postman.hear(notice("n1"))
    postman.feeds_answer = False
    patient = replace(postman.timing, wait_s=3600.0)
    await postman.sender(timing=patient).send_due()

    await postman.hear(postman.contacts())
    await postman.send_all()

    assert await postman.states() == ["sent"]


async def test_an_erased_debtor_gets_nothing(postman: Postman) -> None:
    await postman.know("d1", "d2")
    await postman.hear(erased("d1"))
    del postman.ledger.debtor_keys[TENANT, "d2"]  # erased, and the tombstone is still on its way
    await postman.hear(notice("n1"), notice("n2", debtor="d2"))

    await postman.send_all()

    assert [row["reason"] for row in await postman.messages()] == ["erased", "erased"]
    assert not postman.smtp.mails


async def test_a_wrong_key_fails_instead_of_sending_garbage(postman: Postman) -> None:
    await postman.know()
    postman.ledger.debtor_keys[TENANT, "d1"] = bytes(32)
    await postman.hear(notice("n1"))

    await postman.send_all()

    assert (await postman.message())["state"] == "failed"


async def test_a_fully_revoked_notice_is_suppressed(postman: Postman) -> None:
    await postman.know()
    await postman.hear(
        notice("n1", invoices=("i1", "i2")), revoked("n1", "i1"), revoked("n1", "i2")
    )

    await postman.send_all()

    row = await postman.message()
    assert (row["state"], row["reason"]) == ("suppressed", "revoked")
    assert not postman.smtp.mails


async def test_a_partly_revoked_message_goes_back_and_the_untouched_one_goes_out(
    postman: Postman,
) -> None:
    await postman.know()
    channels = {"email": ("i1", "i2"), "letter": ("i1",)}
    await postman.hear(notice("n1", invoices=("i1", "i2"), channels=channels))
    await postman.hear(revoked("n1", "i2"))

    await postman.send_all()

    rows = {row["channel"]: row["state"] for row in await postman.messages()}
    assert rows == {"email": "returned", "letter": "sent"}
    returned = (await postman.told())[0]
    assert isinstance(returned, NoticeReturnedV2)
    assert returned.refused_invoice_ids == ("i2",)


async def test_a_revocation_during_the_sending_counts_when_the_message_comes_back(
    postman: Postman,
) -> None:
    await postman.know()
    await postman.hear(notice("n1"))
    postman.smtp.script.append(Mode.BUSY)

    class Revoking(SmtpChannel):
        async def send(self, parcel, deadline):  # type: ignore[no-untyped-def]
            await postman.hear(revoked("n1", "i1"))
            return await super().send(parcel, deadline)

    port = postman.smtp.port
    postman.channels["email"] = Revoking(
        SmtpServer(host="127.0.0.1", port=port, local_hostname="x")
    )
    await postman.send_all()

    row = await postman.message()
    assert (row["state"], row["reason"], row["attempts"]) == ("suppressed", "revoked", 1)


async def test_a_message_revoked_while_it_was_written_is_not_sent(postman: Postman) -> None:
    await postman.know()
    await postman.hear(notice("n1"))

    class Revoked:
        async def write(self, jobs):  # type: ignore[no-untyped-def]
            await postman.hear(revoked("n1", "i1"))
            return await postman.writer.write(jobs)

    sender = postman.sender()
    sender._writer = Revoked()

    await sender.send_due()

    assert await postman.states() == ["suppressed"]
    assert not postman.smtp.mails


async def test_new_contacts_replace_old_ones(postman: Postman) -> None:
    await postman.know()
    moved = CONTACTS.model_copy(update={"emails": ("neu@dupont.example",)})
    await postman.hear(postman.contacts(contacts=moved))
    await postman.hear(notice("n1"))

    await postman.send_all()

    assert postman.smtp.log.accepted[0].to == "neu@dupont.example"


def test_times_that_cannot_hold_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="must be less than"):
        Timing(lease_s=3.0, max_send_s=2.5, margin_s=0.5)
