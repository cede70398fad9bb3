"""What becomes of a notice: served, failed, returned, revoked, unheard of."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import uuid4

import pytest

from dunning_common.events.dunning import (
    HoldPlacedV1,
    HoldReleasedV1,
    LevelServedV1,
    NoticeMessageV2,
    NoticeRequestedV2,
    NoticeRevokedV1,
)
from dunning_common.events.envelope import Envelope
from dunning_common.events.notifications import NoticeBouncedV2, NoticeDeliveredV2
from dunning_engine.adapters.sql_news import channels_from_json
from dunning_engine.handlers.place_hold import place_hold, release_hold
from dunning_engine.testing import Bench, Ledger, Outcome, Running, always_open, answer

START = date(2026, 3, 1)
DUE = date(2026, 4, 1)
LATE = date(2026, 4, 8)  # the first reminder of the French policy


async def _in_flight(bench: Bench, *, invoices: int = 1) -> Ledger:
    """A sandbox tenant whose clock stands at a courtesy e-mail that is in flight."""
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await bench.feed(
        *(ledger.invoice(f"i{n + 1}", issued_on=START, due_on=DUE) for n in range(invoices))
    )
    await _stand_at(bench, date(2026, 3, 28))
    assert len(await bench.sent(NoticeRequestedV2)) == 1
    return ledger


async def _stand_at(bench: Bench, to: date) -> None:
    """Walk until the clock waits for the notifier, who says nothing."""
    for _ in range(40):  # a machine that has much to do takes longer to come there
        with pytest.raises(TimeoutError):
            await bench.advance("acme", to, timeout_s=0.5)
        if await bench.sent(NoticeRequestedV2):
            return


async def _walk_a_little(bench: Bench) -> None:
    await bench.walk_for("acme", 0.5)


def _channels(row: dict[str, str]) -> dict[str, str]:
    return {name: news.state for name, news in channels_from_json(row["channels"]).items()}


async def test_a_payment_revokes_the_notice_that_is_in_flight(bench: Bench) -> None:
    ledger = await _in_flight(bench)

    await bench.feed(ledger.paid(on=date(2026, 3, 27)))
    await _walk_a_little(bench)

    (request,) = await bench.sent(NoticeRequestedV2)
    (revoked,) = await bench.sent(NoticeRevokedV1)
    assert revoked.data["notice_id"] == request.data["notice_id"]
    assert revoked.data["invoice_ids"] == ["i1"]
    assert revoked.data["reason"] == "paid"


async def test_only_the_paid_invoice_is_taken_out_of_a_notice(bench: Bench) -> None:
    ledger = await _in_flight(bench, invoices=3)

    await bench.feed(ledger.paid("i2", on=date(2026, 3, 27)))
    await _walk_a_little(bench)

    (revoked,) = await bench.sent(NoticeRevokedV1)
    assert revoked.data["invoice_ids"] == ["i2"]


async def test_a_notice_that_was_revoked_too_late_counts_as_served(bench: Bench) -> None:
    ledger = await _in_flight(bench)
    await bench.feed(ledger.paid(on=date(2026, 3, 27)))
    await _walk_a_little(bench)

    await bench.postman.deliver()

    assert [outcome for *_, outcome in await bench.levels()] == ["served"]
    assert len(await bench.sent(LevelServedV1)) == 1


async def test_a_revoked_notice_that_was_not_sent_is_no_failed_try(bench: Bench) -> None:
    ledger = await _in_flight(bench)
    await bench.feed(ledger.paid(on=date(2026, 3, 27)))
    await _walk_a_little(bench)
    (request,) = await bench.sent(NoticeRequestedV2)
    message = NoticeMessageV2.model_validate(request.data["messages"][0])

    await bench.feed(answer(request, message, "suppressed", reason="revoked"))

    (case,) = await bench.rows("SELECT failures, flight_notice, closed FROM dunning_case")
    assert case == {"failures": 0, "flight_notice": None, "closed": "paid"}
    assert [outcome for *_, outcome in await bench.levels()] == ["returned"]


async def test_an_item_that_was_left_out_of_a_sent_message_is_not_served(bench: Bench) -> None:
    ledger = await _in_flight(bench, invoices=2)
    await bench.feed(ledger.paid("i2", on=date(2026, 3, 27)))
    await _walk_a_little(bench)
    (request,) = await bench.sent(NoticeRequestedV2)
    message = NoticeMessageV2.model_validate(request.data["messages"][0])

    await bench.feed(answer(request, message.model_copy(update={"invoice_ids": ("i1",)}), "sent"))

    assert [(i, outcome) for i, _, _, outcome in await bench.levels()] == [
        ("i1", "served"),
        ("i2", "returned"),
    ]


async def test_a_returned_notice_is_decided_again_after_the_ledger_was_asked(
    bench: Bench,
) -> None:
    ledger = await _in_flight(bench)
    bench.pending = [ledger.paid(on=date(2026, 3, 27), amount_minor=10_00)]
    outcomes: list[Outcome] = ["returned", "sent"]
    bench.postman.choose = lambda _request, _message: outcomes.pop(0)

    async with Running(bench):
        await bench.walker.walk("acme")

    first, second = await bench.sent(NoticeRequestedV2)
    assert (("receivables.v1",), None, ("acme:d1",)) in bench.asked
    assert first.data["notice_id"] != second.data["notice_id"]
    assert first.data["items"][0]["open_minor"] == 100_00
    assert second.data["items"][0]["open_minor"] == 90_00
    assert await bench.levels() == [
        ("i1", "courtesy", date(2026, 3, 27), "returned"),
        ("i1", "courtesy", date(2026, 3, 27), "served"),
    ]


async def test_a_notice_that_the_ledger_refuses_for_ever_counts_as_failed(bench: Bench) -> None:
    await _in_flight(bench)
    bench.postman.choose = lambda _request, _message: "returned"

    async with Running(bench):
        await bench.walker.walk("acme")

    levels = [outcome for *_, outcome in await bench.levels()]
    assert levels == ["returned"] * 4 + ["failed"]


async def test_a_level_is_served_when_one_channel_got_through(bench: Bench) -> None:
    await _in_flight(bench)

    def choose(_request: Envelope, message: NoticeMessageV2) -> Outcome:
        return "suppressed" if message.channel == "sms" else "sent"

    bench.postman.choose = choose
    async with Running(bench):
        await bench.walker.walk("acme")
        await bench.advance("acme", date(2026, 4, 23))

    assert ("i1", "second_reminder", date(2026, 4, 22), "served") in await bench.levels()
    (row,) = await bench.rows(
        "SELECT channels::text FROM case_level WHERE level = 'second_reminder'"
    )
    assert _channels(row) == {"email": "sent", "sms": "suppressed"}


async def test_an_unknown_outcome_counts_as_sent(bench: Bench) -> None:
    await _in_flight(bench)
    bench.postman.choose = lambda _request, _message: "unknown"

    async with Running(bench):
        await bench.walker.walk("acme")

    assert await bench.levels() == [("i1", "courtesy", date(2026, 3, 27), "served")]


async def test_three_failed_tries_block_the_case_until_contacts_change(bench: Bench) -> None:
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=START, due_on=START + timedelta(days=1)))
    bench.postman.choose = lambda _request, _message: "suppressed"

    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 30))
        blocked = await bench.levels()
        (case,) = await bench.rows("SELECT state, state_reason, failures FROM dunning_case")
        bench.postman.choose = lambda _request, _message: "sent"
        await bench.feed(ledger.contacts())
        await bench.advance("acme", date(2026, 5, 5))

    assert [(level, day, outcome) for _, level, day, outcome in blocked] == [
        ("courtesy", date(2026, 3, 2), "failed"),
        ("courtesy", date(2026, 3, 2), "lapsed"),
        ("first_reminder", date(2026, 3, 9), "failed"),
        ("first_reminder", date(2026, 3, 10), "failed"),
        ("first_reminder", date(2026, 3, 11), "failed"),
    ]
    assert case == {"state": "blocked", "state_reason": "no_address", "failures": 3}
    assert (await bench.levels())[-1] == ("i1", "first_reminder", date(2026, 4, 30), "served")
    notices = [e.data["notice_id"] for e in await bench.sent(NoticeRequestedV2)]
    assert len(notices) == len(set(notices))


async def test_news_that_arrive_twice_change_nothing(bench: Bench) -> None:
    await _in_flight(bench)
    (request,) = await bench.sent(NoticeRequestedV2)
    message = NoticeMessageV2.model_validate(request.data["messages"][0])
    news = answer(request, message, "sent")

    await bench.feed(news)
    await bench.feed(news, news)

    assert len(await bench.sent(LevelServedV1)) == 1
    assert [outcome for *_, outcome in await bench.levels()] == ["served"]


async def test_what_a_provider_reports_late_is_kept_on_the_level(bench: Bench) -> None:
    await _in_flight(bench)
    await bench.postman.deliver()
    (request,) = await bench.sent(NoticeRequestedV2)
    message = NoticeMessageV2.model_validate(request.data["messages"][0])
    sent = answer(request, message, "sent")
    common = {
        name: value
        for name, value in sent.data.items()
        if name not in ("provider_ref", "sha256", "cost_minor", "cost_currency")
    }
    delivered = NoticeDeliveredV2(**common)
    bounced = NoticeBouncedV2(**common, reason="no such mailbox", hard=True)

    for payload, channel, outcome in (
        (delivered, "delivered", "served"),
        (bounced, "bounced", "failed"),
    ):
        await bench.feed(
            sent.model_copy(
                update={
                    "id": uuid4(),
                    "type": type(payload).__name__,
                    "data": payload.model_dump(mode="json"),
                }
            )
        )
        (row,) = await bench.rows("SELECT outcome, channels::text FROM case_level")
        assert row["outcome"] == outcome
        assert _channels(row) == {"email": channel}


async def test_news_of_a_notice_that_nobody_asked_for_are_kept(bench: Bench) -> None:
    await _in_flight(bench)
    (request,) = await bench.sent(NoticeRequestedV2)
    stranger = request.model_copy(update={"data": {**request.data, "notice_id": str(uuid4())}})
    message = NoticeMessageV2.model_validate(request.data["messages"][0])

    await bench.feed(answer(stranger, message, "sent"))

    (row,) = await bench.rows("SELECT type, debtor_id FROM stray_notification")
    assert row == {"type": "NoticeSentV2", "debtor_id": "d1"}
    assert [outcome for *_, outcome in await bench.levels()] == ["in_flight"]


async def test_a_hold_revokes_what_is_in_flight_and_keeps_the_ladder_still(bench: Bench) -> None:
    await _in_flight(bench)

    async with bench.rooms.tenant("acme") as stores:
        hold, _ = await place_hold(
            stores.holds, tenant="acme", debtor_id="d1", reason="talks",
            until=None, placed_by="me",
        )  # fmt: skip
    (request,) = await bench.sent(NoticeRequestedV2)
    message = NoticeMessageV2.model_validate(request.data["messages"][0])
    await bench.feed(answer(request, message, "suppressed", reason="revoked"))
    async with Running(bench):
        await bench.advance("acme", date(2026, 5, 1))
        held = await bench.levels()
        async with bench.rooms.tenant("acme") as stores:
            await release_hold(
                stores.holds, stores.policies, tenant="acme", hold_id=hold.hold_id,
                released_by="me",
            )  # fmt: skip
        await bench.advance("acme", date(2026, 5, 5))

    assert [e.type for e in await bench.sent(HoldPlacedV1, NoticeRevokedV1)] == [
        "HoldPlacedV1",
        "NoticeRevokedV1",
    ]
    assert [outcome for *_, outcome in held] == ["returned"]
    assert (await bench.levels())[1:] == [
        ("i1", "courtesy", date(2026, 5, 1), "lapsed"),
        ("i1", "first_reminder", date(2026, 5, 4), "served"),
    ]
    assert len(await bench.sent(HoldReleasedV1)) == 1


async def test_a_hold_with_an_end_is_released_by_the_clock(bench: Bench) -> None:
    await _in_flight(bench)
    await bench.postman.deliver()

    async with bench.rooms.tenant("acme") as stores:
        now = await bench.clock("acme")
        await place_hold(
            stores.holds, tenant="acme", debtor_id="d1", invoice_ids=["i1"], reason="promised",
            until=now + timedelta(days=20), placed_by="me",
        )  # fmt: skip
    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 30))

    (released,) = await bench.sent(HoldReleasedV1)
    assert released.data["effective_at"] == "2026-04-16T07:00:00Z"
    assert (await bench.levels())[1:] == [("i1", "first_reminder", date(2026, 4, 16), "served")]
    assert await bench.rows("SELECT 1 FROM hold WHERE released_at IS NULL") == []


async def test_silent_notices_of_real_tenants_are_asked_for(bench: Bench) -> None:
    ledger = Ledger()
    today = (await bench.rows("SELECT clock_timestamp()::date AS today"))[0]["today"]
    await bench.feed(ledger.registered(), ledger.debtor(zone="UTC"))
    policy = {"policy_id": "always"}
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", always_open("always"), source="", stored_by="me")
    await bench.feed(ledger.invoice(issued_on=today, due_on=today - timedelta(days=9), **policy))
    await bench.sweep()
    await bench.watch.look()
    patient = list(bench.asked)

    await bench.rows("UPDATE notice SET heard_at = heard_at - interval '1 hour'")
    await bench.watch.look()

    assert patient == []
    assert bench.asked == [(("notifications.v1",), None, ("acme:d1",))]
