"""What debtors answer: holds within the tenant's rules, work for people, nothing lost or twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from dunning_common.events import responses as said
from dunning_common.events.dunning import HoldInstalment, HoldPlacedV1, HoldReleasedV1
from dunning_common.events.envelope import Envelope
from dunning_common.ids import account_key
from dunning_engine.testing import Bench, Ledger, Running, answered
from dunning_engine.testing.policies import level
from tests.integration.dunning_engine.test_policy_language import DUE, START, policy, sandbox

NOW = DUE + timedelta(days=2)  # Thursday 12 March 2026
OWN = policy(level(1, 0), level(2, 10, gap_days=10))


async def _reminded(bench: Bench, *invoices: str) -> Ledger:
    """A sandbox tenant on 12 March: its invoices were due on the 10th, and a reminder went out."""
    ledger = await sandbox(bench, OWN)
    await bench.feed(
        *(
            ledger.invoice(name, issued_on=START, due_on=DUE, amount_minor=100_00)
            for name in invoices or ("i1",)
        )
    )
    await _walk(bench, NOW)
    return ledger


async def _walk(bench: Bench, to: date) -> list[tuple[str, str, str]]:
    """Walk there; tells (invoice, level, day) of what was served."""
    async with Running(bench):
        await bench.advance("acme", to)
    return [
        (invoice, name, on.isoformat())
        for invoice, name, on, outcome in await bench.levels()
        if outcome == "served"
    ]


def promised(*invoices: str, on: date, amount_minor: int = 100_00, **more: Any) -> Envelope:
    return answered(
        said.DebtorPromisedV1, *invoices, currency="EUR", amount_minor=amount_minor, on=on, **more
    )


def disputed(*invoices: str, **more: Any) -> Envelope:
    return answered(said.DebtorDisputedV1, *invoices, **{"reason_code": "quality", **more})


def plan(*invoices: str, days: tuple[date, ...], each_minor: int, **more: Any) -> Envelope:
    parts = tuple(HoldInstalment(on=on, amount_minor=each_minor) for on in days)
    return answered(said.PlanRequestedV1, *invoices, currency="EUR", instalments=parts, **more)


def claimed(*invoices: str, paid_on: date, **more: Any) -> Envelope:
    return answered(
        said.PaymentClaimedV1, *invoices, currency="EUR", amount_minor=100_00, paid_on=paid_on,
        **more,
    )  # fmt: skip


async def _work(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await api.get("/v1/work")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def _states(bench: Bench) -> list[tuple[str, str, str | None]]:
    rows = await bench.rows("SELECT kind, state, reason FROM response ORDER BY recorded_at")
    return [(row["kind"], row["state"], row["reason"]) for row in rows]


async def test_a_promise_rests_until_its_day_and_ends_by_itself(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await _reminded(bench)

    await bench.feed(promised("i1", on=date(2026, 4, 2)))
    quiet = await _walk(bench, date(2026, 4, 2))
    await bench.feed(ledger.paid(on=date(2026, 4, 2)))
    await _walk(bench, date(2026, 4, 10))

    (placed,) = await bench.sent(HoldPlacedV1)
    assert placed.data["kind"] == "promise"
    assert placed.data["instalments"] == [{"on": "2026-04-02", "amount_minor": 100_00}]
    assert quiet == [("i1", "level_1", "2026-03-10")]
    (ended,) = await bench.sent(HoldReleasedV1)
    assert ended.data["outcome"] == "kept"
    assert await _states(bench) == [("promise", "applied", None)]
    assert await _work(api) == []


async def test_a_promise_beyond_the_rules_is_for_a_person(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _reminded(bench)
    answer = promised("i1", on=NOW + timedelta(days=31))

    await bench.feed(answer)
    (item,) = await _work(api)

    assert item["kind"] == "response"
    assert item["response_id"] == answer.data["response_id"]
    assert item["invoice_ids"] == ["i1"]
    assert "is too far ahead: at most 30 days" in item["words"]
    assert await bench.sent(HoldPlacedV1) == []
    done = await api.post(f"/v1/work/{item['item_id']}/done")
    assert done.status_code == 200
    assert await _work(api) == []


async def test_a_promise_of_more_than_is_owed_is_one_of_what_is_owed(bench: Bench) -> None:
    ledger = await _reminded(bench)
    await bench.feed(ledger.paid(on=NOW, amount_minor=60_00))

    await bench.feed(promised("i1", on=NOW + timedelta(days=5)))

    (placed,) = await bench.sent(HoldPlacedV1)
    assert placed.data["instalments"][0]["amount_minor"] == 40_00


async def test_a_second_promise_does_not_replace_the_first(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _reminded(bench)

    await bench.feed(promised("i1", on=NOW + timedelta(days=5)))
    await bench.feed(promised("i1", on=NOW + timedelta(days=25)))

    assert len(await bench.sent(HoldPlacedV1)) == 1
    assert [item["cause"] for item in await _work(api)] == ["promised_before"]


async def test_a_dispute_stops_its_invoice_and_waits_for_a_decision(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _reminded(bench, "i1", "i2")

    await bench.feed(disputed("i1"))
    after = await _walk(bench, NOW + timedelta(days=30))
    (item,) = [item for item in await _work(api) if item["kind"] == "response"]
    resolved = await api.post(
        f"/v1/disputes/{item['hold_id']}/resolve", json={"resolution": "rejected", "note": "no"}
    )

    assert ("i1", "level_2", "2026-03-20") not in after
    assert ("i2", "level_2", "2026-03-20") in after
    assert item["cause"] == "disputed"
    assert resolved.status_code == 200, resolved.text
    assert [item for item in await _work(api) if item["kind"] == "response"] == []


async def test_a_dispute_of_a_part_leaves_the_rest_to_be_asked_for(bench: Bench) -> None:
    await _reminded(bench)

    await bench.feed(disputed("i1", currency="EUR", disputed_minor=30_00))
    await _walk(bench, NOW + timedelta(days=30))

    requests = [e for e in await bench.sent() if e.type == "NoticeRequestedV2"]
    assert requests[-1].data["items"][0]["disputed_minor"] == 30_00


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (disputed("i1", currency="JPY", disputed_minor=30), "JPY was said, and EUR is owed"),
        (disputed("i1", disputed_minor=30), "no currency was said, and EUR is owed"),
        (disputed("i1", "i2", currency="EUR", disputed_minor=30), "of one invoice only"),
        (disputed("i1", currency="EUR", disputed_minor=100_01), "at most 100.00"),
        (promised("i1", on=NOW, amount_minor=0), "must be more than nothing"),
        (promised("i1", on=NOW - timedelta(days=1)), "lies in the past"),
        (plan("i1", days=(), each_minor=1), "instalments: none was named"),
        (plan("i1", days=(NOW,), each_minor=1), "instalments"),
        (claimed("i1", paid_on=NOW + timedelta(days=60)), "is after"),
    ],
)
async def test_what_makes_no_sense_is_for_a_person_with_the_reason(
    bench: Bench, api: httpx.AsyncClient, answer: Envelope, words: str
) -> None:
    await _reminded(bench, "i1", "i2")

    await bench.feed(answer)

    (item,) = await _work(api)
    assert item["cause"] == "not_as_asked"
    assert words in item["words"]
    assert await bench.sent(HoldPlacedV1) == []


async def test_a_dispute_without_invoices_is_of_all_that_are_open(bench: Bench) -> None:
    ledger = await _reminded(bench, "i1", "i2", "i3")
    await bench.feed(ledger.paid("i3", on=NOW))

    await bench.feed(disputed(reason_code="aliens"))

    placed = await bench.sent(HoldPlacedV1)
    assert sorted(e.data["invoice_ids"][0] for e in placed) == ["i1", "i2"]
    assert {e.data["reason_code"] for e in placed} == {"other"}


async def test_a_plan_that_the_rules_accept_is_agreed_at_once(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _reminded(bench)

    days = (date(2026, 3, 20), date(2026, 4, 20))
    await bench.feed(plan("i1", days=days, each_minor=50_00))

    (placed,) = await bench.sent(HoldPlacedV1)
    assert placed.data["kind"] == "plan"
    assert [part["on"] for part in placed.data["instalments"]] == ["2026-03-20", "2026-04-20"]
    assert await _work(api) == []


async def test_a_plan_that_misses_a_rule_waits_for_a_person(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _reminded(bench)
    await api.put("/v1/plan-rules", json={"min_instalment": {"EUR": "60.00"}})

    await bench.feed(plan("i1", days=(date(2026, 3, 20), date(2026, 4, 20)), each_minor=50_00))

    (item,) = await _work(api)
    assert item["cause"] == "plan_needs_approval"
    assert item["words"].endswith("needs approval: min_instalment.")
    assert await bench.sent(HoldPlacedV1) == []


async def test_who_says_it_paid_is_left_alone_until_banks_had_their_days(bench: Bench) -> None:
    await _reminded(bench)

    # Friday the 13th and three bank days: quiet through Wednesday the 18th.
    await bench.feed(claimed("i1", paid_on=date(2026, 3, 13)))
    await _walk(bench, NOW + timedelta(days=20))

    (placed,) = await bench.sent(HoldPlacedV1)
    assert placed.data["kind"] == "pending_collection"
    assert placed.data["until"] == "2026-03-18T23:00:00Z"
    (ended,) = await bench.sent(HoldReleasedV1)
    assert ended.data["outcome"] == "ended"


async def test_no_reminder_goes_out_while_a_payment_may_be_on_its_way(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _reminded(bench)
    await api.put("/v1/plan-rules", json={"claim_days": 10})

    await bench.feed(claimed("i1", paid_on=NOW))

    assert await _walk(bench, date(2026, 3, 26)) == [("i1", "level_1", "2026-03-10")]
    assert await _walk(bench, date(2026, 3, 28)) == [
        ("i1", "level_1", "2026-03-10"),
        ("i1", "level_2", "2026-03-27"),
    ]


async def test_saying_twice_that_one_paid_rests_once(bench: Bench, api: httpx.AsyncClient) -> None:
    await _reminded(bench)
    await bench.feed(claimed("i1", paid_on=NOW))
    await _walk(bench, NOW + timedelta(days=20))

    await bench.feed(claimed("i1", paid_on=NOW + timedelta(days=20)))

    assert len(await bench.sent(HoldPlacedV1)) == 1
    assert [item["cause"] for item in await _work(api)] == ["claimed_before"]


async def test_a_payment_said_to_be_made_long_ago_is_looked_for_by_a_person(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _reminded(bench)

    await bench.feed(claimed("i1", paid_on=date(2026, 1, 5)))

    assert [item["cause"] for item in await _work(api)] == ["claim_without_payment"]
    assert await bench.sent(HoldPlacedV1) == []


@pytest.mark.parametrize("kind", [said.ContactCorrectedV1, said.ChannelOptedInV1])
async def test_a_contact_that_works_again_has_the_undeliverable_tried_again(
    bench: Bench, kind: type[said.Response]
) -> None:
    ledger = await sandbox(bench, OWN)
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    bench.postman.choose = lambda *_: "bounced"
    await _walk(bench, NOW)
    bench.postman.choose = lambda *_: "sent"
    more: dict[str, Any] = (
        {"key_id": "k", "ciphertext": "AAAA"}
        if kind is said.ContactCorrectedV1
        else {"channel": "email", "recipient_hash": "0" * 16}
    )

    await bench.feed(answered(kind, **more))
    levels = await _walk(bench, NOW + timedelta(days=1))

    assert levels == [("i1", "level_1", "2026-03-12")]
    (row,) = await bench.rows("SELECT state, body::text FROM response")
    assert row["state"] == "applied"
    assert "AAAA" not in row["body"], "nothing sealed is kept here"
    assert "recipient_hash" not in row["body"]


async def test_an_opt_out_has_the_debtor_decided_again_and_asks_nobody(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _reminded(bench)

    await bench.feed(answered(said.ChannelOptedOutV1, channel="email", recipient_hash="0" * 16))

    assert await _states(bench) == [("opt_out", "applied", None)]
    assert await _work(api) == []


async def test_a_reply_is_for_a_person_to_read(bench: Bench, api: httpx.AsyncClient) -> None:
    await _reminded(bench, "i1", "i2")
    answer = answered(said.ReplyReceivedV1, channel="email")

    await bench.feed(answer)

    (item,) = await _work(api)
    assert item["response_id"] == answer.data["response_id"]
    assert (item["cause"], item["invoices"], item["amount"]) == ("reply", 2, "200.00")


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_proposal_that_a_person_accepted_is_off_the_list(
    bench: Bench, api: httpx.AsyncClient, *, at_once: bool
) -> None:
    await _reminded(bench)
    proposed = answered(said.ReplyReceivedV1, channel="email")
    accepted = answered(said.ContactCorrectedV1, key_id="k", ciphertext="AAAA")
    accepted.data["response_id"] = proposed.data["response_id"]
    other = answered(said.ReplyReceivedV1, channel="email")

    await bench.feed(*([proposed, accepted] if at_once else [proposed]), other)
    before = len(await _work(api))
    await bench.feed(*([] if at_once else [accepted]))

    assert before == (1 if at_once else 2)
    assert [item["response_id"] for item in await _work(api)] == [other.data["response_id"]]
    assert sorted(state for _, state, _ in await _states(bench)) == ["applied", "open"]


async def test_an_answer_is_taken_once_however_often_it_comes(bench: Bench) -> None:
    await _reminded(bench)
    answer = promised("i1", on=NOW + timedelta(days=5))

    await bench.feed(answer, answer)
    await bench.feed(answer.model_copy(update={"id": uuid4()}))

    assert len(await bench.sent(HoldPlacedV1)) == 1
    assert len(await _states(bench)) == 1


async def test_an_answer_that_comes_before_its_invoice_waits_for_it(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await sandbox(bench, OWN)
    await bench.feed(disputed("i1"), claimed("i1", paid_on=START))
    waiting = await _states(bench)
    listed = {item["cause"] for item in await _work(api)}

    await bench.feed(ledger.invoice("i1", issued_on=START, due_on=DUE))

    assert waiting == [("dispute", "waiting", "unknown"), ("claim", "waiting", "unknown")]
    assert listed == {"unknown"}
    assert {kind: state for kind, state, _ in await _states(bench)}["dispute"] == "applied"
    assert [e.data["kind"] for e in await bench.sent(HoldPlacedV1)][:1] == ["dispute"]


async def test_an_answer_of_a_debtor_that_nobody_knows_is_kept_and_listed(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await sandbox(bench, OWN)
    stranger = promised(on=NOW, debtor_id="d9")

    await bench.feed(stranger)

    (item,) = await _work(api)
    assert (item["debtor_id"], item["cause"]) == ("d9", "unknown")
    assert item["response_id"] == stranger.data["response_id"]


@pytest.mark.parametrize("make", [promised, disputed, claimed])
async def test_an_answer_about_what_was_paid_meanwhile_needs_nothing(
    bench: Bench, api: httpx.AsyncClient, make: Any
) -> None:
    ledger = await _reminded(bench)
    await bench.feed(ledger.paid(on=NOW))
    await _walk(bench, NOW + timedelta(days=1))
    named: dict[str, Any] = {
        promised: {"on": NOW + timedelta(days=3)}, claimed: {"paid_on": NOW},
    }.get(make, {})  # fmt: skip

    await bench.feed(make("i1", **named))

    assert [(state, reason) for _, state, reason in await _states(bench)] == [
        ("not_needed", "nothing_owed")
    ]
    assert await _work(api) == []
    assert await bench.sent(HoldPlacedV1) == []


async def test_answers_out_of_their_order_end_alike(bench: Bench) -> None:
    await _reminded(bench, "i1", "i2")
    first = promised(
        "i1", on=NOW + timedelta(days=5), effective_at=datetime(2026, 3, 11, tzinfo=UTC)
    )
    second = disputed("i2", effective_at=datetime(2026, 3, 12, tzinfo=UTC))
    future = claimed("i2", paid_on=NOW, effective_at=datetime(2031, 1, 1, tzinfo=UTC))

    await bench.feed(future)
    await bench.feed(second, first)

    assert {kind: state for kind, state, _ in await _states(bench)} == {
        "promise": "applied", "dispute": "applied", "claim": "applied",
    }  # fmt: skip


async def test_what_was_made_of_answers_can_be_read(bench: Bench, api: httpx.AsyncClient) -> None:
    await _reminded(bench)
    answer = promised("i1", on=NOW + timedelta(days=5))
    await bench.feed(answer)

    page = (await api.get("/v1/responses", params={"debtor_id": "d1"})).json()

    (row,) = page["items"]
    (placed,) = await bench.sent(HoldPlacedV1)
    assert (row["response_id"], row["state"]) == (answer.data["response_id"], "applied")
    assert row["hold_ids"] == [placed.data["hold_id"]]
    assert (row["kind"], row["source"]) == ("promise", "portal")


async def test_another_tenants_answers_stay_its_own(bench: Bench, api: httpx.AsyncClient) -> None:
    await _reminded(bench)
    other = promised("i1", on=NOW).model_copy(
        update={"tenant": "other", "key": account_key("other", "d1")}
    )

    await bench.feed(other)

    assert await _work(api) == []
    assert (await api.get("/v1/responses", params={"debtor_id": "d1"})).json()["items"] == []
    assert UUID(other.data["response_id"]) in {
        row["response_id"] for row in await bench.rows("SELECT response_id FROM response")
    }
