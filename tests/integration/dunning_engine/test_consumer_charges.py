"""A debtor that was billed as a business and is a consumer: what it may not owe is withdrawn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from dunning_common.events.dunning import (
    ChargeAssessedV1,
    ChargeWithdrawnV1,
    NoticeMessageV2,
    NoticeRequestedV2,
    NoticeRevokedV1,
)
from dunning_common.events.envelope import Payload
from dunning_engine.adapters.sql_sweep import unpack
from dunning_engine.domain.fees import Fee
from dunning_engine.domain.record import recompute
from dunning_engine.handlers.set_clock import set_clock
from dunning_engine.testing import Bench, Ledger, answer
from dunning_engine.testing.policies import level
from tests.integration.dunning_engine.test_bounces import _open, _walk
from tests.integration.dunning_engine.test_policy_language import DUE, policy

CHARGED = level(
    1, 10, charges=frozenset({"interest", "compensation"}), fee=Fee(fixed_minor=(("EUR", 5_00),))
)
LADDER = policy(CHARGED, level(2, 20, charges=frozenset({"interest", "compensation"})))
CHARGED_ON = DUE + timedelta(days=11)


async def charged(bench: Bench) -> Ledger:
    """An invoice to what passes for a business, with all that the first level charged booked."""
    ledger = await _open(bench, LADDER)
    await _walk(bench, CHARGED_ON)
    charges = await bench.sent(ChargeAssessedV1)
    assert {charge.data["kind"] for charge in charges} == {"interest", "compensation", "fee"}
    await bench.feed(*(ledger.booked(charge.data) for charge in charges))
    return ledger


async def notices(bench: Bench) -> list[dict[str, Any]]:
    """The first item of every notice."""
    return [request.data["items"][0] for request in await bench.sent(NoticeRequestedV2)]


async def test_what_a_consumer_does_not_owe_is_withdrawn_once_and_asked_for_no_more(
    bench: Bench,
) -> None:
    ledger = await charged(bench)

    await bench.feed(ledger.debtor(kind="consumer"))
    await _walk(bench, DUE + timedelta(days=25))

    gone = await bench.sent(ChargeWithdrawnV1)
    assert sorted((event.data["kind"], event.data["basis"]) for event in gone) == [
        ("compensation", "C. com. L441-10 II, D441-5"),
        ("interest", "C. com. L441-10 II"),
    ]
    second = (await notices(bench))[1]
    assert second["charges_open_minor"] == 5_00, "the policy's own fee, and nothing of the law's"
    assert (second["compensation_minor"], second["interest_minor"]) == (0, 0)


async def test_once_the_ledger_gave_it_up_nothing_is_subtracted_twice(bench: Bench) -> None:
    ledger = await charged(bench)
    amounts = {
        c.data["charge_id"]: c.data["amount_minor"] for c in await bench.sent(ChargeAssessedV1)
    }
    await bench.feed(ledger.debtor(kind="consumer"))
    await _walk(bench, CHARGED_ON + timedelta(days=1))

    for event in await bench.sent(ChargeWithdrawnV1):
        amount = amounts[event.data["charge_id"]]
        await bench.feed(ledger.gave_up(event.data, amount_minor=amount, on=CHARGED_ON))
    await _walk(bench, DUE + timedelta(days=25))

    assert (await notices(bench))[1]["charges_open_minor"] == 5_00
    assert len(await bench.sent(ChargeWithdrawnV1)) == 2


async def test_who_turns_out_to_be_a_business_after_all_is_charged_anew(bench: Bench) -> None:
    ledger = await charged(bench)
    await bench.feed(ledger.debtor(kind="consumer"))
    await _walk(bench, CHARGED_ON + timedelta(days=1))

    await bench.feed(ledger.debtor(kind="business"))
    await _walk(bench, DUE + timedelta(days=25))

    second = (await notices(bench))[1]
    assert second["compensation_minor"] == 40_00
    assert second["interest_minor"] > 0
    ids = [charge.data["charge_id"] for charge in await bench.sent(ChargeAssessedV1)]
    assert len(ids) == len(set(ids))


async def test_the_decision_says_why_and_recomputes(bench: Bench, api: httpx.AsyncClient) -> None:
    ledger = await charged(bench)

    await bench.feed(ledger.debtor(kind="consumer"))
    await _walk(bench, DUE + timedelta(days=25))

    records = [unpack(row["record"]) for row in await bench.rows("SELECT record FROM decision")]
    assert any(b'"withdrawals":[{' in record and b'"withdrawn"' in record for record in records)
    assert all(recompute(record) == record for record in records)


async def test_a_business_keeps_what_it_was_charged(bench: Bench) -> None:
    await charged(bench)

    await _walk(bench, DUE + timedelta(days=25))

    assert await bench.sent(ChargeWithdrawnV1) == []
    assert (await notices(bench))[1]["charges_open_minor"] > 45_00


async def test_a_notice_on_its_way_that_charges_as_between_businesses_is_called_back(
    bench: Bench,
) -> None:
    ledger = await _open(bench, LADDER)
    bench.postman.choose = lambda *_: "silence"
    async with bench.rooms.tenant("acme") as stores:
        await set_clock(stores.clock, "acme", CHARGED_ON)
    await _walk_until(bench, NoticeRequestedV2)

    await bench.feed(ledger.debtor(kind="consumer"))
    await _walk_until(bench, NoticeRevokedV1)
    (revoked,) = await bench.sent(NoticeRevokedV1)
    (request,) = await bench.sent(NoticeRequestedV2)
    (message,) = [NoticeMessageV2.model_validate(one) for one in request.data["messages"]]
    bench.postman.choose = lambda *_: "sent"
    await bench.feed(answer(request, message, "returned"))
    await _walk(bench, CHARGED_ON + timedelta(days=1))

    assert revoked.data["reason"] == "consumer"
    assert (await notices(bench))[-1]["compensation_minor"] == 0
    assert len(await notices(bench)) == 2


async def _walk_until(bench: Bench, said: type[Payload]) -> None:
    """Walk until the engine has said that; nobody answers it."""
    for _ in range(40):
        await bench.walk_for("acme", 0.5)
        if await bench.sent(said):
            return
