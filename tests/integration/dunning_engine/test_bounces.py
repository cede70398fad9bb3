"""A level of which nothing arrived does not count as served: what follows, at once and late."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from dunning_common.events.dunning import (
    ChargeAssessedV1,
    LevelServedV1,
    LevelUndeliveredV1,
    NoticeMessageV2,
    NoticeRequestedV2,
)
from dunning_common.events.envelope import Envelope
from dunning_common.values import replace
from dunning_engine.domain.fees import Fee
from dunning_engine.domain.policy import ContactBudget, Policy
from dunning_engine.domain.record import recompute
from dunning_engine.testing import Bench, Ledger, Outcome, Running, answer
from dunning_engine.testing.policies import level
from tests.integration.dunning_engine.test_policy_language import DUE, START, policy, sandbox

SOON = DUE + timedelta(days=1)
TWO_LEVELS = policy(level(1, 0, fallback=("letter",)), level(2, 10, gap_days=10))


async def _open(bench: Bench, own: Policy = TWO_LEVELS) -> Ledger:
    """A sandbox tenant under the policy, with one invoice that is not due yet."""
    ledger = await sandbox(bench, own)
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    return ledger


async def _walk(bench: Bench, to: date) -> list[tuple[str, str, str]]:
    """Walk there; tells (level, day, outcome) of every try."""
    async with Running(bench):
        await bench.advance("acme", to)
    return await _tries(bench)


async def _tries(bench: Bench) -> list[tuple[str, str, str]]:
    return [(name, on.isoformat(), outcome) for _, name, on, outcome in await bench.levels()]


async def _later(bench: Bench, outcome: Outcome, *, notice: int = 0, reason: str = "550") -> None:
    """What a provider reports afterwards about every message of a notice."""
    request = (await bench.sent(NoticeRequestedV2))[notice]
    await bench.feed(*(_reports(request, outcome, reason)))


def _reports(request: Envelope, outcome: Outcome, reason: str) -> list[Envelope]:
    messages = [NoticeMessageV2.model_validate(one) for one in request.data["messages"]]
    return [answer(request, message, outcome, reason=reason) for message in messages]


async def _channels(bench: Bench) -> list[list[str]]:
    """The channels of every notice, in order."""
    requests = await bench.sent(NoticeRequestedV2)
    return [[message["channel"] for message in request.data["messages"]] for request in requests]


async def _case(bench: Bench) -> dict[str, Any]:
    (case,) = await bench.rows("SELECT state, state_reason, failures, tries FROM dunning_case")
    return case


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("suppressed", "no_address"),
        ("suppressed", "opted_out"),
        ("failed", "refused"),
        ("bounced", "550 no such user"),
    ],
)
async def test_whatever_keeps_a_message_from_arriving_the_next_try_goes_by_the_fallback(
    bench: Bench, outcome: Outcome, reason: str
) -> None:
    await _open(bench)
    bench.postman.choose = lambda _, message: outcome if message.channel == "email" else "sent"

    tries = await _walk(bench, DUE + timedelta(days=3))

    assert await _channels(bench) == [["email"], ["letter"]]
    assert tries == [
        ("level_1", "2026-03-10", "failed"),
        ("level_1", "2026-03-11", "served"),
    ]


async def test_a_late_bounce_makes_the_level_the_next_one_again_by_its_fallback(
    bench: Bench,
) -> None:
    await _open(bench)
    await _walk(bench, DUE + timedelta(days=4))

    await _later(bench, "bounced")
    undelivered = await bench.sent(LevelUndeliveredV1)
    tries = await _walk(bench, DUE + timedelta(days=20))

    assert [(event.data["level"], event.data["reason"]) for event in undelivered] == [
        ("level_1", "bounced")
    ]
    assert await _channels(bench) == [["email"], ["letter"], ["email"]]
    assert tries == [
        ("level_1", "2026-03-10", "failed"),
        ("level_1", "2026-03-14", "served"),
        ("level_2", "2026-03-24", "served"),
    ], "the next level keeps its distance from the try that arrived"
    assert (await _case(bench))["tries"] == 3


async def test_without_a_fallback_what_bounced_is_listed_and_not_sent_again(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _open(bench, policy(level(1, 0), level(2, 30, gap_days=30)))
    await _walk(bench, SOON)
    await _later(bench, "bounced")

    await _walk(bench, DUE + timedelta(days=20))
    (item,) = (await api.get("/v1/work")).json()["items"]
    told = await _case(bench)
    await bench.feed(ledger.contacts())
    tries = await _walk(bench, DUE + timedelta(days=21))

    assert (item["kind"], item["cause"]) == ("undeliverable", "bounced")
    assert item["words"] == "What was sent came back."
    assert told == {"state": "blocked", "state_reason": "bounced", "failures": 1, "tries": 1}
    assert tries[1:] == [("level_1", "2026-03-30", "served")], "new contacts: it is tried again"
    assert (await api.get("/v1/work")).json()["items"] == []


async def test_when_the_fallback_bounces_too_a_person_is_asked(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _open(bench)
    bench.postman.choose = lambda *_: "bounced"

    tries = await _walk(bench, DUE + timedelta(days=40))
    (item,) = (await api.get("/v1/work")).json()["items"]

    assert [outcome for *_, outcome in tries] == ["failed", "failed"]
    assert item["kind"] == "undeliverable"
    assert await bench.sent(LevelServedV1) == []


async def test_a_bounce_after_the_next_level_went_out_changes_nothing_of_the_ladder(
    bench: Bench,
) -> None:
    await _open(bench)
    before = await _walk(bench, DUE + timedelta(days=11))

    await _later(bench, "bounced", notice=0)
    after = await _walk(bench, DUE + timedelta(days=30))

    assert (
        after
        == before
        == [
            ("level_1", "2026-03-10", "served"),
            ("level_2", "2026-03-20", "served"),
        ]
    )
    (first, _) = await bench.rows("SELECT channels::text FROM case_level ORDER BY decided_at")
    assert '"bounced"' in first["channels"]
    assert await bench.sent(LevelUndeliveredV1) == []


async def test_a_bounce_while_the_next_level_is_on_its_way_changes_nothing_of_the_ladder(
    bench: Bench,
) -> None:
    await _open(bench)
    await _walk(bench, DUE + timedelta(days=9))
    bench.postman.choose = lambda *_: "silence"
    async with Running(bench):
        with pytest.raises(TimeoutError):
            await bench.advance("acme", DUE + timedelta(days=12), timeout_s=1)

    await _later(bench, "bounced", notice=0)
    await _later(bench, "sent", notice=1)

    assert [outcome for *_, outcome in await _tries(bench)] == ["served", "served"]


async def test_one_message_that_arrived_is_enough(bench: Bench) -> None:
    both = policy(level(1, 0, channels=("email", "letter")))
    await _open(bench, both)
    await _walk(bench, SOON)
    (request,) = await bench.sent(NoticeRequestedV2)
    email, letter = _reports(request, "bounced", "550")

    await bench.feed(email)
    after_one = await _tries(bench)
    await bench.feed(letter)

    assert after_one == [("level_1", "2026-03-10", "served")]
    assert await _tries(bench) == [("level_1", "2026-03-10", "failed")]


async def test_what_was_unknown_and_turns_out_not_to_have_been_sent_is_tried_again(
    bench: Bench,
) -> None:
    await _open(bench)
    bench.postman.choose = lambda *_: "unknown"
    await _walk(bench, SOON)
    bench.postman.choose = lambda *_: "sent"

    await _later(bench, "failed", reason="not_sent")
    tries = await _walk(bench, DUE + timedelta(days=2))

    assert [outcome for *_, outcome in tries] == ["failed", "served"]


async def test_a_bounce_is_heard_once_however_often_it_is_told(bench: Bench) -> None:
    await _open(bench)
    await _walk(bench, SOON)

    for outcome in ("bounced", "bounced", "delivered", "sent", "bounced"):
        await _later(bench, outcome)  # type: ignore[arg-type]

    assert len(await bench.sent(LevelUndeliveredV1)) == 1
    assert (await _case(bench))["failures"] == 1


async def test_a_contact_that_did_not_happen_goes_back_into_the_budget(bench: Bench) -> None:
    own = replace(TWO_LEVELS, budget=ContactBudget(max_contacts=1, days=90))
    await _open(bench, own)
    await _walk(bench, SOON)
    await _later(bench, "bounced")

    tries = await _walk(bench, DUE + timedelta(days=3))

    assert [outcome for *_, outcome in tries] == ["failed", "served"]


async def test_a_fee_is_charged_once_though_its_level_is_tried_again(bench: Bench) -> None:
    own = policy(level(1, 0, fallback=("letter",), fee=Fee(fixed_minor=(("EUR", 12_00),))))
    ledger = await _open(bench, own)
    async with Running(bench):
        await bench.advance("acme", SOON)
        (charge,) = await bench.sent(ChargeAssessedV1)
        await bench.feed(ledger.charged(charge.data["charge_id"]))
    await _later(bench, "bounced")

    tries = await _walk(bench, DUE + timedelta(days=5))

    assert [outcome for *_, outcome in tries] == ["failed", "served"]
    assert len(await bench.sent(ChargeAssessedV1)) == 1
    first, second = await bench.sent(NoticeRequestedV2)
    assert first.data["items"][0]["fee_minor"] == 12_00
    assert second.data["items"][0]["fee_minor"] == 0


async def test_what_was_decided_after_a_bounce_computes_to_the_same_bytes(bench: Bench) -> None:
    await _open(bench, replace(TWO_LEVELS, served_when="delivered", delivery_days=30))
    await _walk(bench, SOON)
    await _later(bench, "bounced")
    await _walk(bench, DUE + timedelta(days=3))
    await _later(bench, "delivered", notice=1)
    await _walk(bench, DUE + timedelta(days=40))

    async with bench.rooms.tenant("acme") as stores:
        ids = [row["decision_id"] for row in await bench.rows("SELECT decision_id FROM decision")]
        records = await stores.cases.records("acme", ids)

    assert len(records) >= 3
    assert all(recompute(record) == record for record in records.values())
    assert any(b'"undelivered"' in record for record in records.values())
    assert any(b'"delivered"' in record for record in records.values())


async def test_the_ladder_waits_for_the_report_of_delivery_but_not_for_ever(bench: Bench) -> None:
    own = replace(TWO_LEVELS, served_when="delivered", delivery_days=25)
    await _open(bench, own)

    tries = await _walk(bench, DUE + timedelta(days=60))

    assert tries == [
        ("level_1", "2026-03-10", "served"),
        ("level_2", "2026-04-04", "served"),
    ]


async def test_a_report_of_delivery_lets_the_ladder_go_on(bench: Bench) -> None:
    own = replace(TWO_LEVELS, served_when="delivered", delivery_days=25)
    await _open(bench, own)
    bench.postman.choose = lambda *_: "delivered"

    tries = await _walk(bench, DUE + timedelta(days=60))

    assert tries[1] == ("level_2", "2026-03-20", "served")
