"""A level that fails for a cause of ours is never dead, and a person can have it tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from dunning_common.events.dunning import NoticeMessageV2, NoticeRequestedV2
from dunning_common.events.envelope import Envelope
from dunning_engine.testing import Bench, Ledger, Outcome, answer
from dunning_engine.testing.policies import level
from tests.integration.dunning_engine.test_bounces import _channels, _open, _walk
from tests.integration.dunning_engine.test_policy_language import DUE, START, policy

ONE_LEVEL = policy(level(1, 0), max_attempts=3)
LONG_AFTER = DUE + timedelta(days=10)


def failing(bench: Bench, reason: str, outcome: Outcome = "failed") -> None:
    """From here on nothing gets through, for that reason."""

    async def hand_over(*answers: Envelope) -> None:
        told = []
        for one in answers:
            if "reason" in one.data and one.type != "NoticeReturnedV2":
                one = one.model_copy(update={"data": one.data | {"reason": reason}})  # noqa: PLW2901
            told.append(one)
        await bench.feed(*told)

    bench.postman.hand_over = hand_over
    bench.postman.choose = lambda *_: outcome


async def work(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    found = await api.get("/v1/work")
    assert found.status_code == 200, found.text
    items: list[dict[str, Any]] = found.json()["items"]
    return items


@pytest.mark.parametrize(
    "reason",
    ["not_connected: ConnectionRefusedError", "http_401 bad key", "content: legal.form is missing"],
)
async def test_a_level_that_fails_for_a_cause_of_ours_goes_on_every_day(
    bench: Bench, api: httpx.AsyncClient, reason: str
) -> None:
    await _open(bench, ONE_LEVEL)
    failing(bench, reason)

    tries = await _walk(bench, LONG_AFTER)
    (item,) = await work(api)
    bench.postman.choose = lambda *_: "sent"
    after = await _walk(bench, LONG_AFTER + timedelta(days=1))

    assert [outcome for *_, outcome in tries] == ["failed"] * len(tries)
    assert len(tries) >= 9, "once a day, also after the third"
    assert (item["kind"], item["cause"], item["debtor_id"]) == ("delayed", reason, None)
    assert "every working day" in item["next_step"]
    assert after[-1][2] == "served"
    assert await work(api) == []


async def test_one_outage_is_one_item_for_all_that_it_delays(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _open(bench, ONE_LEVEL)
    await bench.feed(
        ledger.debtor("d2"), ledger.invoice("i2", debtor_id="d2", issued_on=START, due_on=DUE)
    )
    failing(bench, "not_connected: down")

    await _walk(bench, DUE + timedelta(days=2))

    (item,) = await work(api)
    assert (item["kind"], item["invoices"], item["amount"]) == ("delayed", 2, "200.00")


async def test_while_the_cause_is_ours_the_first_channel_and_the_fallback_take_turns(
    bench: Bench,
) -> None:
    await _open(bench, policy(level(1, 0, fallback=("letter",))))
    failing(bench, "not_connected: down")

    await _walk(bench, DUE + timedelta(days=4))

    assert (await _channels(bench))[:4] == [["email"], ["letter"], ["email"], ["letter"]]


async def test_an_address_that_fails_still_uses_up_the_attempts(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _open(bench, ONE_LEVEL)
    failing(bench, "no_address", "suppressed")

    tries = await _walk(bench, LONG_AFTER)

    (item,) = await work(api)
    assert len(tries) == 3
    assert (item["kind"], item["cause"]) == ("undeliverable", "no_address")


async def test_a_person_has_what_is_undeliverable_tried_again(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _open(bench, ONE_LEVEL)
    failing(bench, "no_address", "suppressed")
    await _walk(bench, LONG_AFTER)
    (item,) = await work(api)
    bench.postman.choose = lambda *_: "sent"

    said = await api.post(f"/v1/work/{item['item_id']}/retry")
    again = await api.post(f"/v1/work/{item['item_id']}/retry")
    tries = await _walk(bench, LONG_AFTER + timedelta(days=1))

    assert said.status_code == again.status_code == 200, said.text
    assert (said.json()["invoices"], said.json()["debtors"]) == (1, 1)
    assert again.json() == {"retry_id": None, "invoices": 0, "debtors": 0}, "asked once or twice"
    assert [outcome for *_, outcome in tries] == ["failed"] * 3 + ["served"]
    assert tries[-1][1] == LONG_AFTER.isoformat(), "at once, not the next day"
    attempts = {request.subject for request in await bench.sent(NoticeRequestedV2)}
    assert len(attempts) == 4, "each try has a notice of its own"
    audit = (await api.get("/v1/audit", params={"action": "retry.insert"})).json()["items"]
    assert [(entry["subject"], entry["debtor_id"]) for entry in audit] == [("tester", "d1")]
    assert audit[0]["after"]["cases"] == 1


async def test_what_bounced_is_sent_to_the_same_address_once_somebody_says_so(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _open(bench, ONE_LEVEL)
    bench.postman.choose = lambda *_: "bounced"
    await _walk(bench, LONG_AFTER)
    (item,) = await work(api)
    bench.postman.choose = lambda *_: "sent"

    await api.post(f"/v1/work/{item['item_id']}/retry")
    tries = await _walk(bench, LONG_AFTER + timedelta(days=1))

    assert [outcome for *_, outcome in tries] == ["failed", "served"]


async def _two_reasons(bench: Bench) -> Ledger:
    """Two debtors whose level is blocked: one has no address, the mailbox of the other is closed."""
    ledger = await _open(bench, ONE_LEVEL)
    await bench.feed(
        ledger.debtor("d2"), ledger.invoice("i2", debtor_id="d2", issued_on=START, due_on=DUE)
    )

    def told(request: Envelope, message: NoticeMessageV2) -> Envelope:
        reason = "no_address" if request.data["debtor_id"] == "d1" else "unusable_address: x"
        return answer(request, message, "failed", reason=reason)

    async def hand_over(*_: Envelope) -> None:
        requests = [request for request in bench.postman.letters if request.id not in heard]
        heard.update(request.id for request in requests)
        await bench.feed(
            *(
                told(request, NoticeMessageV2.model_validate(message))
                for request in requests
                for message in request.data["messages"]
            )
        )

    heard: set[Any] = set()
    bench.postman.hand_over = hand_over
    await _walk(bench, LONG_AFTER)
    return ledger


async def test_what_failed_is_tried_again_by_reason_or_all_of_it(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _two_reasons(bench)

    some = await api.post("/v1/work-retries", json={"reason": "unusable_address"})
    rest = await api.post("/v1/work-retries", json={"everything": True})
    nothing = await api.post("/v1/work-retries", json={})

    assert (some.json()["invoices"], rest.json()["invoices"]) == (1, 1)
    assert nothing.status_code == 422
    assert "say which" in nothing.text


async def test_an_item_without_failed_tries_cannot_be_retried(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _open(bench, policy(level(1, 0, needs_approval=True)))
    await _walk(bench, LONG_AFTER)
    (item,) = await work(api)

    said = await api.post(f"/v1/work/{item['item_id']}/retry")

    assert said.status_code == 409
    assert "only delayed and undeliverable ones have" in said.json()["detail"]
