"""Bulk actions: the preview says what would change, and only that is done, or nothing at all."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
import pytest

from dunning_common.auth import SCOPES
from dunning_common.events.dunning import HoldPlacedV1, HoldReleasedV1, NoticeRevokedV1
from dunning_common.values import replace
from dunning_engine.domain.policy import Policy
from dunning_engine.handlers.set_clock import set_clock
from dunning_engine.testing import Bench, Ledger, Running, always_open
from tests.integration.dunning_engine.conftest import Headers

START, DUE = date(2026, 3, 1), date(2026, 4, 1)
LATER = date(2026, 4, 5)


def careful() -> Policy:
    policy = always_open("ours")
    return replace(policy, levels=tuple(replace(x, needs_approval=True) for x in policy.levels))


async def portfolio(bench: Bench, policy: Policy | None = None, *, to: date = LATER) -> Ledger:
    """Two debtors with two invoices each, of 100.00 EUR but for one of 50.00 GBP."""
    ledger = Ledger()
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", policy or careful(), source="", stored_by="me")
        await stores.policies.set_default("acme", "ours")
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor(), ledger.debtor("d2"))
    await bench.feed(
        ledger.invoice("i1", issued_on=START, due_on=DUE),
        ledger.invoice("i2", issued_on=START, due_on=DUE, currency="GBP", amount_minor=50_00),
        ledger.invoice("i3", debtor_id="d2", issued_on=START, due_on=DUE),
        ledger.invoice("i4", debtor_id="d2", issued_on=START, due_on=DUE),
    )
    async with Running(bench):
        await bench.advance("acme", to)
    return ledger


async def act(api: httpx.AsyncClient, action: str, **body: Any) -> dict[str, Any]:
    answer = await api.post("/v1/bulk-actions", json={"action": action, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(api: httpx.AsyncClient, status: int, **body: Any) -> dict[str, Any]:
    answer = await api.post("/v1/bulk-actions", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


WAITING = {"state": "awaiting_approval"}


async def test_a_preview_says_what_would_change_and_changes_nothing(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await portfolio(bench)

    shown = await act(api, "approve", filter=WAITING)

    assert (shown["count"], shown["refused"], shown["invoices"]) == (4, 0, 4)
    assert shown["amounts"] == {"EUR": "300.00", "GBP": "50.00"}
    assert [item["target"] for item in shown["items"]] == ["i1", "i2", "i3", "i4"]
    assert shown["items"][0]["change"] == "level 1 (level_1) goes out"
    assert await bench.rows("SELECT 1 FROM dunning_case WHERE approved IS NOT NULL") == []


async def test_what_the_preview_showed_is_done_with_one_result_an_item(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await portfolio(bench)
    shown = await act(api, "approve", filter=WAITING)

    done = await act(api, "approve", filter=WAITING, dry_run=False, expected=shown["token"])

    assert done["summary"] == {"done": 4, "unchanged": 0, "refused": 0}
    assert [item["status"] for item in done["items"]] == ["done"] * 4
    async with Running(bench):
        await bench.advance("acme", LATER)
    assert [level[0] for level in await bench.levels()] == ["i1", "i2", "i3", "i4"]


async def test_nothing_is_done_when_the_set_changed_since_the_preview(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await portfolio(bench)
    shown = await act(api, "reject", filter=WAITING)
    await bench.feed(ledger.paid("i3", on=LATER))

    problem = await refused(
        api, 409, action="reject", filter=WAITING, dry_run=False, expected=shown["token"]
    )

    assert problem["type"].endswith("set-changed")
    assert await bench.rows("SELECT 1 FROM dunning_case WHERE approved IS NOT NULL") == []


async def test_the_token_of_other_parameters_is_not_taken(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await portfolio(bench)
    shown = await act(api, "hold", debtor_ids=["d1"], params={"reason": "x"})

    await refused(
        api, 409, action="hold", debtor_ids=["d1"], params={"reason": "y"}, dry_run=False,
        expected=shown["token"],
    )  # fmt: skip

    assert await bench.rows("SELECT 1 FROM hold") == []


async def test_cases_that_wait_for_nobody_are_refused_one_by_one(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await portfolio(bench)
    await bench.feed(ledger.paid("i3", on=LATER))
    await api.post("/v1/cases/i2/approve", json={"level_no": 1})

    done = await act(api, "approve", invoice_ids=["i1", "i2", "i3", "no"], dry_run=False)

    assert {item["target"]: item["status"] for item in done["items"]} == {
        "i1": "done", "i2": "refused", "i3": "refused", "no": "refused",
    }  # fmt: skip
    why = {item["target"]: item["why"] for item in done["items"]}
    assert why["i2"] == "tester said so already"
    assert why["no"] == "there is nothing open of that id"
    assert done["amounts"] == {"EUR": "100.00"}


async def test_many_debtors_are_held_at_once_and_their_notices_called_back(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await portfolio(bench, always_open("ours"), to=date(2026, 3, 20))
    async with bench.rooms.tenant("acme") as stores:
        await set_clock(stores.clock, "acme", date(2026, 4, 2))
    await bench.walk_for("acme", 1.0)  # nobody answers: the notices stay on their way
    flying = await bench.rows("SELECT DISTINCT flight_notice FROM dunning_case")

    done = await act(
        api, "hold", filter={"overdue_days": 0}, params={"reason": "talks", "owner": "anna"},
        dry_run=False,
        expected=(
            await act(
                api, "hold", filter={"overdue_days": 0},
                params={"reason": "talks", "owner": "anna"},
            )
        )["token"],
    )  # fmt: skip

    assert [item["target"] for item in done["items"]] == ["d1", "d2"]
    assert len(flying) == 2
    holds = await bench.rows("SELECT * FROM hold ORDER BY debtor_id")
    assert [(h["debtor_id"], h["invoice_ids"], h["reason"], h["owner"]) for h in holds] == [
        ("d1", ["i1", "i2"], "talks", "anna"), ("d2", ["i3", "i4"], "talks", "anna"),
    ]  # fmt: skip
    assert {str(h["hold_id"]) for h in holds} == {item["hold_id"] for item in done["items"]}
    assert len(await bench.sent(HoldPlacedV1)) == 2
    revoked = await bench.sent(NoticeRevokedV1)
    assert sorted(event.data["invoice_ids"] for event in revoked) == [["i1", "i2"], ["i3", "i4"]]


async def test_a_hold_of_debtors_covers_invoices_that_come_later(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await portfolio(bench, always_open("ours"), to=date(2026, 3, 20))

    await act(api, "hold", debtor_ids=["d1", "d9"], params={"reason": "x"}, dry_run=False)

    await bench.feed(ledger.invoice("i9", issued_on=START, due_on=DUE))
    async with Running(bench):
        await bench.advance("acme", LATER)
    assert {level[0] for level in await bench.levels()} == {"i3", "i4"}


async def test_a_token_holds_nobody_twice(bench: Bench, api: httpx.AsyncClient) -> None:
    await portfolio(bench)
    hold = {"action": "hold", "filter": {"overdue_days": 1}, "params": {"reason": "x"}}
    shown = await act(api, **hold)
    hold |= {"dry_run": False, "expected": shown["token"]}
    await act(api, **hold)

    await refused(api, 409, **hold)

    assert len(await bench.rows("SELECT 1 FROM hold")) == 2


async def test_simple_holds_are_released_at_once_and_reminders_go_on_after_their_rest(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await portfolio(bench, replace(always_open("ours"), resume_days=3), to=date(2026, 3, 20))
    await act(api, "hold", debtor_ids=["d1", "d2"], params={"reason": "x"}, dry_run=False)
    async with Running(bench):
        await bench.advance("acme", LATER)
    only = {"hold_kind": "manual", "placed_by": "tester"}
    shown = await act(api, "release", filter=only)

    done = await act(api, "release", filter=only, params={}, dry_run=False, expected=shown["token"])

    assert shown["amounts"] == {"EUR": "300.00", "GBP": "50.00"}
    assert done["summary"] == {"done": 2, "unchanged": 0, "refused": 0}
    assert [e.data["outcome"] for e in await bench.sent(HoldReleasedV1)] == ["released"] * 2
    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 9))
    assert {level[2] for level in await bench.levels()} == {date(2026, 4, 8)}


async def test_promises_are_not_released_in_bulk(bench: Bench, api: httpx.AsyncClient) -> None:
    await portfolio(bench)
    promise = await api.post(
        "/v1/promises", json={"debtor_id": "d1", "invoice_ids": ["i1"], "pay_on": "2026-04-08",
                              "source": "phone"},
    )  # fmt: skip
    assert promise.status_code == 201, promise.text

    shown = await act(api, "release", debtor_ids=["d1"])

    assert shown["count"] == 0


async def test_work_is_given_to_somebody_in_bulk(bench: Bench, api: httpx.AsyncClient) -> None:
    await portfolio(bench)
    only = {"kinds": ["approval"], "debtor_id": "d2"}
    shown = await act(api, "assign", filter=only, params={"assignee": "anna"})

    done = await act(
        api, "assign", filter=only, params={"assignee": "anna"}, dry_run=False,
        expected=shown["token"],
    )  # fmt: skip

    assert done["summary"]["done"] == 2
    items = (await api.get("/v1/work", params={"assignee": "anna"})).json()["items"]
    assert sorted(item["invoice_ids"][0] for item in items) == ["i3", "i4"]
    again = await act(
        api, "assign", item_ids=[items[0]["item_id"], "WyJhcHByb3ZhbCIsIngiXQ"],
        params={"assignee": None}, dry_run=False,
    )  # fmt: skip
    assert again["summary"] == {"done": 1, "unchanged": 0, "refused": 1}


async def test_each_action_takes_its_scope(
    bench: Bench, api: httpx.AsyncClient, headers: Headers
) -> None:
    await portfolio(bench)
    clerk = headers(scopes=SCOPES - {"dunning:approve"})
    head = headers(scopes=frozenset({"dunning:read", "dunning:approve"}))

    async def status(who: dict[str, str], **body: Any) -> int:
        return (await api.post("/v1/bulk-actions", json=body, headers=who)).status_code

    hold = {"action": "hold", "debtor_ids": ["d1"], "params": {"reason": "x"}}
    approve = {"action": "approve", "invoice_ids": ["i1"]}
    assert [await status(clerk, **hold), await status(clerk, **approve)] == [200, 403]
    assert [await status(head, **hold), await status(head, **approve)] == [403, 200]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "hold"},
        {"action": "burn", "debtor_ids": ["d1"]},
        {"action": "approve", "invoice_ids": []},
        {"action": "approve", "invoice_ids": ["i1"], "debtor_ids": ["d1"]},
        {"action": "approve", "filter": {}},
        {"action": "approve", "filter": {"state": "nowhere"}},
        {"action": "approve", "filter": {"hold_kind": "manual"}},
        {"action": "approve", "filter": WAITING, "dry_run": False},
        {"action": "approve", "item_ids": ["x"]},
        {"action": "approve", "invoice_ids": ["i1"], "params": {"assignee": "x"}},
        {"action": "approve", "invoice_ids": ["i1"], "expected": "x"},
        {"action": "hold", "debtor_ids": ["d1"], "params": {}},
        {"action": "hold", "debtor_ids": ["d\x00"], "params": {"reason": "x"}},
        {"action": "hold", "debtor_ids": ["d1"], "params": {"reason": "x", "kind": "promise"}},
        {"action": "assign", "item_ids": ["x"], "params": {"assignee": "a"}},
        {"action": "assign", "item_ids": ["x"]},
        {"action": "release", "hold_ids": ["x"]},
        {"action": "approve", "invoice_ids": ["x"] * 1001},
        {
            "action": "hold", "debtor_ids": ["d1"], "dry_run": False,
            "params": {"reason": "x", "until": "2020-01-01T00:00:00Z"},
        },
    ],
)  # fmt: skip
async def test_bad_input_is_a_problem_and_changes_nothing(
    bench: Bench, api: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    await portfolio(bench, to=date(2026, 3, 20))

    await refused(api, 422, **body)

    assert await bench.rows("SELECT 1 FROM hold") == []


async def test_more_than_a_call_takes_is_refused(bench: Bench, api: httpx.AsyncClient) -> None:
    ledger = await portfolio(bench, to=date(2026, 3, 20))
    await bench.feed(*(ledger.invoice(f"m{n}", issued_on=START, due_on=DUE) for n in range(1001)))

    problem = await refused(
        api, 422, action="hold", filter={"debtor_id": "d1"}, params={"reason": "x"}
    )

    assert problem["type"].endswith("too-many-items")
