"""The routes of holds, disputes, promises and plans: lists, files, resending, refusals."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from dunning_common.auth import SCOPES
from dunning_common.events.dunning import HoldPlacedV1
from dunning_engine.entrypoints import api_disputes
from dunning_engine.entrypoints.web import to_cursor
from dunning_engine.testing import Bench, Ledger
from tests.integration.dunning_engine.conftest import Headers

START = date(2026, 3, 1)
TODAY = date(2026, 5, 4)
WHOLE = {"debtor_id": "d1", "reason": "talks"}
DISPUTE = {"debtor_id": "d1", "invoice_id": "i1", "reason_code": "price", "reason": "too dear"}
PROMISE = {"debtor_id": "d1", "pay_on": "2026-05-20", "source": "phone"}
PLAN = {"debtor_id": "d1", "instalments": 3}


@pytest.fixture
async def ledger(bench: Bench) -> Ledger:
    """Acme's debtor d1 owes i1 and i2 (100 euros each, due in April) and u1 (50, due in July)."""
    return await _tenant(bench, "acme")


async def _tenant(bench: Bench, tenant: str, **terms: Any) -> Ledger:
    ledger = Ledger(tenant)
    await bench.feed(ledger.registered(sandbox_from=TODAY), ledger.debtor(**terms))
    for name, due_on, minor in (
        ("i1", date(2026, 4, 1), 100_00),
        ("i2", date(2026, 4, 15), 100_00),
        ("u1", date(2026, 7, 1), 50_00),
    ):
        await bench.feed(ledger.invoice(name, issued_on=START, due_on=due_on, amount_minor=minor))
    return ledger


async def _ok(
    api: httpx.AsyncClient, method: str, path: str, body: Any = None, **params: Any
) -> dict[str, Any]:
    answer = await api.request(method, path, json=body, params=params)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.usefixtures("ledger")
async def test_holds_are_listed_by_debtor_invoice_kind_and_state(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    other = Ledger()
    await bench.feed(other.debtor("d2"))
    whole = await _ok(api, "POST", "/v1/holds", WHOLE)
    one = await _ok(api, "POST", "/v1/holds", WHOLE | {"invoice_id": "i1"})
    two = await _ok(api, "POST", "/v1/holds", WHOLE | {"debtor_id": "d2"})
    dispute = await _ok(api, "POST", "/v1/disputes", DISPUTE | {"invoice_id": "i2"})
    await _ok(api, "POST", f"/v1/holds/{two['hold_id']}/release", {"note": "a mistake"})

    async def found(**filters: Any) -> list[str]:
        return [
            hold["hold_id"] for hold in (await _ok(api, "GET", "/v1/holds", **filters))["items"]
        ]

    everything = [hold["hold_id"] for hold in (whole, one, two)] + [dispute["dispute_id"]]
    assert sorted(await found(released=True)) == sorted(everything)
    assert set(await found()) == set(everything) - {two["hold_id"]}
    assert await found(debtor_id="d2") == []
    assert await found(debtor_id="d2", released=True) == [two["hold_id"]]
    assert set(await found(invoice_id="i1")) == {whole["hold_id"], one["hold_id"]}
    assert await found(kind="dispute") == [dispute["dispute_id"]]
    assert await found(kind="dispute", invoice_id="i1") == []
    assert (await _ok(api, "GET", f"/v1/holds/{two['hold_id']}"))["note"] == "a mistake"


@pytest.mark.usefixtures("ledger")
async def test_a_long_list_comes_in_pages(api: httpx.AsyncClient) -> None:
    made = [(await _ok(api, "POST", "/v1/holds", WHOLE))["hold_id"] for _ in range(5)]

    seen, cursor = [], None
    for _ in range(3):
        page = await _ok(api, "GET", "/v1/holds", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [hold["hold_id"] for hold in page["items"]]
        cursor = page["next_cursor"]

    assert cursor is None
    assert sorted(seen) == sorted(made)
    assert len(set(seen)) == 5


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/holds", WHOLE),
        ("/v1/disputes", DISPUTE),
        ("/v1/promises", PROMISE),
        ("/v1/plans", PLAN),
    ],
)
async def test_the_same_request_sent_again_places_one_hold(
    bench: Bench, api: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    key = {"idempotency-key": "mine-1"}

    both = await asyncio.gather(*(api.post(path, json=body, headers=key) for _ in range(2)))
    later = await api.post(path, json=body, headers=key)
    other = await api.post(path, json=body | {"debtor_id": "d9"}, headers=key)
    changed = body | {"debtor_id": "d1", "invoice_ids": ["i2"]}
    if path == "/v1/disputes":
        changed = body | {"reason": "another"}
    clash = await api.post(path, json=changed, headers=key)

    assert sorted(answer.status_code for answer in both) == [200, 201], both[0].text
    assert later.status_code == 200
    assert both[0].json() == both[1].json() == later.json()
    await _problem(other, 422)
    assert (await _problem(clash, 409))["type"].endswith("idempotency-key-reused")
    assert len(await bench.rows("SELECT 1 FROM hold")) == 1
    assert len(await bench.sent(HoldPlacedV1)) == 1


@pytest.mark.usefixtures("ledger")
async def test_the_same_key_of_another_tenant_is_another_hold(
    bench: Bench, api: httpx.AsyncClient, headers: Headers
) -> None:
    await _tenant(bench, "other")
    key = {"idempotency-key": "mine-1"}

    first = await api.post("/v1/holds", json=WHOLE, headers=key)
    second = await api.post("/v1/holds", json=WHOLE, headers=headers("other", **key))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["hold_id"] != second.json()["hold_id"]


@pytest.mark.usefixtures("ledger")
async def test_nothing_of_a_hold_is_seen_or_touched_by_another_tenant(
    bench: Bench, api: httpx.AsyncClient, headers: Headers
) -> None:
    await _tenant(bench, "other")
    hold = (await _ok(api, "POST", "/v1/holds", WHOLE))["hold_id"]
    dispute = (await _ok(api, "POST", "/v1/disputes", DISPUTE))["dispute_id"]
    promise = (await _ok(api, "POST", "/v1/promises", PROMISE | {"invoice_ids": ["i2"]}))["hold_id"]
    plan = (await _ok(api, "POST", "/v1/plans", PLAN | {"invoice_ids": ["i2"]}))["plan_id"]
    await _ok(api, "PUT", "/v1/plan-rules", {"max_months": 3})
    foreign = headers("other")

    for method, path, body in (
        ("GET", f"/v1/holds/{hold}", None),
        ("POST", f"/v1/holds/{hold}/release", None),
        ("GET", f"/v1/disputes/{dispute}", None),
        ("POST", f"/v1/disputes/{dispute}/assign", {"owner": "x"}),
        ("POST", f"/v1/disputes/{dispute}/resolve", {"resolution": "accepted", "note": "x"}),
        ("GET", f"/v1/promises/{promise}", None),
        ("GET", f"/v1/plans/{plan}", None),
    ):
        await _problem(await api.request(method, path, json=body, headers=foreign), 404)
    for path in ("/v1/holds", "/v1/disputes"):
        assert (await api.get(path, headers=foreign)).json()["items"] == []
    assert len((await api.get("/v1/disputes.csv", headers=foreign)).text.splitlines()) == 1
    assert (await api.get("/v1/plan-rules", headers=foreign)).json()["max_months"] == 12
    assert {row["released_at"] for row in await bench.rows("SELECT released_at FROM hold")} == {
        None
    }


@pytest.mark.usefixtures("ledger")
async def test_every_route_asks_for_its_scope(api: httpx.AsyncClient, headers: Headers) -> None:
    reader = headers(scopes=frozenset({"dunning:read"}))
    writer = headers(scopes=frozenset({"dunning:write"}))

    for path, body in (
        ("/v1/holds", WHOLE),
        ("/v1/disputes", DISPUTE),
        ("/v1/promises", PROMISE),
        ("/v1/plans", PLAN),
    ):
        await _problem(await api.post(path, json=body, headers=reader), 403)
    for path in ("/v1/holds", "/v1/disputes", "/v1/disputes.csv", "/v1/plan-rules"):
        await _problem(await api.get(path, headers=writer), 403)
    await _problem(await api.put("/v1/plan-rules", json={}, headers=writer), 403)


@pytest.mark.usefixtures("ledger")
async def test_the_file_of_disputes_is_filtered_and_kept_up(api: httpx.AsyncClient) -> None:
    ids = {}
    for name, changes in {
        "late": {"owner": "zoe", "deadline_on": "2026-05-04"},
        "fine": {"invoice_id": "i2", "amount": "10.00", "reason_code": "quality"},
        "done": {"invoice_id": "i2", "amount": "20.00", "reason_code": "duplicate"},
        "gone": {"invoice_id": "u1", "reason_code": "other"},
    }.items():
        made = await _ok(api, "POST", "/v1/disputes", DISPUTE | changes)
        ids[made["dispute_id"]] = name
    by_name = {name: dispute_id for dispute_id, name in ids.items()}
    await _ok(
        api, "POST", f"/v1/disputes/{by_name['fine']}/assign",
        {"owner": "max", "deadline_on": "2026-06-01"},
    )  # fmt: skip
    await _ok(
        api, "POST", f"/v1/disputes/{by_name['done']}/resolve",
        {"resolution": "partly_accepted", "note": "half of it"},
    )  # fmt: skip
    await _ok(api, "POST", f"/v1/holds/{by_name['gone']}/release")

    async def found(**filters: Any) -> set[str]:
        listed = await _ok(api, "GET", "/v1/disputes", **filters)
        return {ids[item["dispute_id"]] for item in listed["items"]}

    assert await found() == set(by_name)
    assert await found(state="open") == {"late", "fine"}
    assert await found(state="resolved") == {"done"}
    assert await found(state="withdrawn") == {"gone"}
    assert await found(owner="max") == {"fine"}
    assert await found(reason_code="price") == {"late"}
    assert await found(invoice_id="i2", state="open") == {"fine"}
    assert await found(debtor_id="d2") == set()
    assert await found(overdue=True) == set()
    done = await _ok(api, "GET", f"/v1/disputes/{by_name['done']}")
    assert (done["resolution"], done["note"], done["resolved_by"]) == (
        "partly_accepted", "half of it", "tester",
    )  # fmt: skip
    assert (done["disputed"], done["owed_when_opened"], done["whole"]) == ("20.00", "100.00", False)


@pytest.mark.usefixtures("ledger")
async def test_a_dispute_that_changes_hands_keeps_its_deadline_unless_told_otherwise(
    api: httpx.AsyncClient,
) -> None:
    dispute = await _ok(api, "POST", "/v1/disputes", DISPUTE | {"deadline_on": "2026-05-20"})
    path = f"/v1/disputes/{dispute['dispute_id']}/assign"

    kept = await _ok(api, "POST", path, {"owner": "max"})
    gone = await _ok(api, "POST", path, {"owner": None, "deadline_on": None})

    assert (kept["owner"], kept["deadline_on"]) == ("max", "2026-05-20")
    assert (gone["owner"], gone["deadline_on"]) == (None, None)
    past = await api.post(path, json={"owner": "max", "deadline_on": "2026-05-03"})
    assert (await _problem(past, 422))["errors"][0]["pointer"] == "/deadline_on"


@pytest.mark.usefixtures("ledger")
async def test_disputes_at_the_same_time_never_take_out_more_than_is_owed(
    api: httpx.AsyncClient,
) -> None:
    part = DISPUTE | {"amount": "60.00"}

    answers = await asyncio.gather(*(api.post("/v1/disputes", json=part) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [201, 422, 422]


async def test_a_dispute_is_overdue_by_the_tenants_clock(
    bench: Bench, api: httpx.AsyncClient, ledger: Ledger
) -> None:
    dispute = await _ok(api, "POST", "/v1/disputes", DISPUTE | {"deadline_on": str(TODAY)})
    await _ok(api, "POST", "/v1/holds", WHOLE)
    on_time = await _ok(api, "GET", "/v1/disputes", overdue=True)

    await bench.advance(ledger.tenant, TODAY + timedelta(days=1))

    late = await _ok(api, "GET", "/v1/disputes", overdue=True)
    assert on_time["items"] == []
    assert [item["dispute_id"] for item in late["items"]] == [dispute["dispute_id"]]
    assert late["items"][0]["overdue"] is True


async def test_a_resolved_dispute_cannot_be_resolved_in_another_way(
    api: httpx.AsyncClient, ledger: Ledger
) -> None:
    path = f"/v1/disputes/{(await _ok(api, 'POST', '/v1/disputes', DISPUTE))['dispute_id']}"
    said = {"resolution": "rejected", "note": "no"}
    first = await api.post(f"{path}/resolve", json=said)
    again = await api.post(f"{path}/resolve", json=said)
    other = await api.post(f"{path}/resolve", json=said | {"resolution": "accepted"})
    assigned = await api.post(f"{path}/assign", json={"owner": "max"})

    assert ledger.tenant == "acme"
    assert first.headers["x-status"] == "resolved"
    assert again.headers["x-status"] == "unchanged"
    assert first.json() == again.json()
    await _problem(other, 409)
    await _problem(assigned, 409)


@pytest.mark.usefixtures("ledger")
async def test_the_csv_file_has_every_dispute_and_runs_nothing(api: httpx.AsyncClient) -> None:
    evil = '=HYPERLINK("http://x","y")'
    for reason in (evil, "Fenêtre cassée, 2×"):
        await _ok(api, "POST", "/v1/disputes", DISPUTE | {"reason": reason, "amount": "1.00"})

    answer = await api.get("/v1/disputes.csv", params={"state": "open"})

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert [row["reason"] for row in rows] == [f"'{evil}", "Fenêtre cassée, 2×"]
    assert {row["disputed"] for row in rows} == {"1.00"}
    assert set(rows[0]) == set(api_disputes.COLUMNS)


@pytest.mark.usefixtures("ledger")
async def test_the_csv_file_goes_on_after_its_first_page(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await _ok(api, "POST", "/v1/disputes", DISPUTE)
    await bench.rows(
        "INSERT INTO hold (tenant, hold_id, debtor_id, invoice_ids, kind, reason, placed_at, "
        "placed_by, currency, baseline_minor) SELECT 'acme', gen_random_uuid(), 'd1', '{i1}', "
        "'dispute', n::text, '2026-05-01'::timestamptz, 'me', 'EUR', 1 "
        "FROM generate_series(1, $1::int) n",
        2 * api_disputes.PAGE,
    )

    answer = await api.get("/v1/disputes.csv")

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len({row["dispute_id"] for row in rows}) == len(rows) == 2 * api_disputes.PAGE + 1


@pytest.mark.usefixtures("ledger")
async def test_a_promise_covers_what_is_due_by_then_unless_invoices_are_named(
    api: httpx.AsyncClient,
) -> None:
    due = await _ok(api, "POST", "/v1/promises", PROMISE)
    named = await _ok(api, "POST", "/v1/promises", PROMISE | {"invoice_ids": ["u1"]})

    assert due["invoice_ids"] == ["i1", "i2"]
    assert due["instalments"] == [{"on": "2026-05-20", "amount": "200.00"}]
    assert named["instalments"] == [{"on": "2026-05-20", "amount": "50.00"}]


@pytest.mark.usefixtures("ledger")
async def test_what_is_disputed_is_not_promised(api: httpx.AsyncClient) -> None:
    await _ok(api, "POST", "/v1/disputes", DISPUTE)
    await _ok(api, "POST", "/v1/disputes", DISPUTE | {"invoice_id": "i2", "amount": "30.00"})

    promise = await _ok(api, "POST", "/v1/promises", PROMISE)

    assert promise["invoice_ids"] == ["i2"]
    assert promise["instalments"][0]["amount"] == "70.00"


@pytest.mark.usefixtures("ledger")
async def test_a_proposal_is_scored_rule_by_rule_with_a_counter_proposal(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    rules = {
        "max_months": 6, "min_instalment": {"EUR": "40.00"}, "min_first_percent": "10",
        "refuse": ["min_instalment"],
    }  # fmt: skip
    stored = await _ok(api, "PUT", "/v1/plan-rules", rules)
    ask = {"debtor_id": "d1", "instalments": 8}

    found = await _ok(api, "POST", "/v1/plans/proposals", ask)
    agreed = await _problem(await api.post("/v1/plans", json=ask), 422)

    assert {name: stored[name] for name in rules} == rules
    assert stored["stored_by"] == "tester"
    assert await _ok(api, "GET", "/v1/plan-rules") == stored
    assert (found["rating"], found["total"], found["invoice_ids"]) == (
        "refused", "200.00", ["i1", "i2"],
    )  # fmt: skip
    answers = {rule["rule"]: rule for rule in found["rules"]}
    assert answers["max_months"] == {
        "rule": "max_months", "answer": "needs_approval", "found": "2027-01-04",
        "limit": "2026-11-04",
    }  # fmt: skip
    assert answers["min_instalment"] == {
        "rule": "min_instalment", "answer": "refused", "found": "25.00", "limit": "40.00",
    }  # fmt: skip
    assert answers["min_first_percent"]["answer"] == "met"
    assert [part["amount"] for part in found["counter_proposal"]] == ["40.00"] * 5
    assert agreed["type"].endswith("plan-refused")
    assert agreed["proposal"] == found
    assert await bench.rows("SELECT 1 FROM hold") == []
    taken = await _ok(
        api, "POST", "/v1/plans", {"debtor_id": "d1", "instalments": found["counter_proposal"]}
    )
    assert taken["assessment"]["rating"] == "accepted"


@pytest.mark.usefixtures("ledger")
async def test_a_plan_that_needs_approval_takes_somebody_who_may_give_it(
    api: httpx.AsyncClient, headers: Headers
) -> None:
    ask = PLAN | {"instalments": 24}
    clerk = headers(scopes=SCOPES - {"dunning:approve"})

    without = await _problem(await api.post("/v1/plans", json=ask), 422)
    clerks = await api.post("/v1/plans", json=ask | {"approve": True}, headers=clerk)
    approved = await api.post("/v1/plans", json=ask | {"approve": True})

    assert without["type"].endswith("plan-needs-approval")
    await _problem(clerks, 403)
    assert approved.status_code == 201
    assert approved.json()["approved_by"] == "tester"
    assert approved.json()["assessment"]["rating"] == "needs_approval"


@pytest.mark.usefixtures("ledger")
async def test_a_first_payment_is_due_today_and_the_rest_a_month_apart(
    api: httpx.AsyncClient,
) -> None:
    plan = await _ok(
        api, "POST", "/v1/plans",
        PLAN | {"first_payment": "100.00", "instalments": 4, "invoice_ids": ["i1", "i2"]},
    )  # fmt: skip

    assert [(part["on"], part["amount"]) for part in plan["instalments"]] == [
        ("2026-05-04", "100.00"),
        ("2026-06-04", "33.34"),
        ("2026-07-04", "33.33"),
        ("2026-08-04", "33.33"),
    ]


@pytest.mark.usefixtures("ledger")
async def test_an_invoice_is_in_one_plan_at_a_time(api: httpx.AsyncClient) -> None:
    await _ok(api, "PUT", "/v1/plan-rules", {"max_open_plans": 2})
    first = await _ok(api, "POST", "/v1/plans", PLAN | {"invoice_ids": ["i1"]})

    twice = await _problem(await api.post("/v1/plans", json=PLAN), 422)
    other = await api.post("/v1/plans", json=PLAN | {"invoice_ids": ["i2"]})
    third = await api.post("/v1/plans", json=PLAN | {"invoice_ids": ["u1"]})
    await _ok(api, "POST", f"/v1/holds/{first['plan_id']}/release")
    again = await api.post("/v1/plans", json=PLAN | {"invoice_ids": ["i1"]})

    assert first["plan_id"] in twice["errors"][0]["detail"]
    assert (other.status_code, again.status_code) == (201, 201)
    assert (await _problem(third, 422))["type"].endswith("plan-refused")


async def test_a_released_plan_tells_what_was_paid(
    bench: Bench, api: httpx.AsyncClient, ledger: Ledger
) -> None:
    plan = await _ok(api, "POST", "/v1/plans", PLAN | {"invoice_ids": ["i1"]})
    await bench.feed(ledger.paid("i1", on=TODAY, amount_minor=20_00))

    await _ok(api, "POST", f"/v1/holds/{plan['plan_id']}/release")

    shown = await _ok(api, "GET", f"/v1/plans/{plan['plan_id']}")
    assert (shown["state"], shown["paid"]) == ("released", "20.00")
    assert shown["instalments"][0]["state"] == "partly_paid"


async def test_invoices_of_several_currencies_need_a_promise_each(
    bench: Bench, api: httpx.AsyncClient, ledger: Ledger
) -> None:
    await bench.feed(ledger.invoice("x1", issued_on=START, due_on=date(2026, 4, 1)))
    await bench.feed(ledger.amended("x1", on=START, currency="USD"))

    both = await _problem(await api.post("/v1/promises", json=PROMISE), 422)
    one = await _ok(api, "POST", "/v1/promises", PROMISE | {"invoice_ids": ["x1"]})

    assert both["errors"][0]["pointer"] == "/invoice_ids"
    assert "EUR and USD" in both["errors"][0]["detail"]
    assert one["currency"] == "USD"


async def test_whoever_owes_nothing_promises_nothing(
    bench: Bench, api: httpx.AsyncClient, ledger: Ledger
) -> None:
    await bench.feed(ledger.paid("i1", on=TODAY))

    answers = [
        await api.post(path, json=body)
        for path, body in (
            ("/v1/promises", PROMISE | {"invoice_ids": ["i1"]}),
            ("/v1/plans", PLAN | {"invoice_ids": ["i1"]}),
            ("/v1/disputes", DISPUTE),
        )
    ]

    for answer in answers:
        assert "owe" in (await _problem(answer, 422))["errors"][0]["detail"]


async def test_a_promise_to_whom_the_claim_was_handed_over_is_not_ours_to_take(
    bench: Bench, api: httpx.AsyncClient, ledger: Ledger
) -> None:
    await bench.rows(
        "UPDATE dunning_case SET closed = 'handed_over' WHERE tenant = $1 AND invoice_id = 'i1'",
        ledger.tenant,
    )

    named = await api.post("/v1/promises", json=PROMISE | {"invoice_ids": ["i1"]})
    rest = await _ok(api, "POST", "/v1/promises", PROMISE)

    assert (await _problem(named, 422))["errors"][0]["pointer"] == "/invoice_ids/0"
    assert rest["invoice_ids"] == ["i2"]


BAD: list[tuple[str, str, Any, int, str | None]] = [
    ("POST", "/v1/holds", WHOLE | {"kind": "dispute"}, 422, "/kind"),
    ("POST", "/v1/holds", WHOLE | {"kind": "plan"}, 422, "/kind"),
    ("POST", "/v1/holds", WHOLE | {"invoice_ids": ["i1", "no"]}, 422, "/invoice_ids/1"),
    ("POST", "/v1/holds", WHOLE | {"invoice_id": "no"}, 422, "/invoice_id"),
    ("POST", "/v1/holds", WHOLE | {"invoice_ids": ["i1", "i1"]}, 422, "/invoice_ids"),
    ("POST", "/v1/holds", WHOLE | {"invoice_ids": ["i1"] * 1001}, 422, "/invoice_ids"),
    ("POST", "/v1/holds", WHOLE | {"invoice_id": "i1", "invoice_ids": ["i2"]}, 422, ""),
    ("POST", "/v1/holds", WHOLE | {"debtor_id": "d9"}, 422, "/debtor_id"),
    ("POST", "/v1/holds", WHOLE | {"until": "2026-05-04T00:00:00+02:00"}, 422, "/until"),
    ("POST", "/v1/holds", WHOLE | {"until": "2400-05-04T00:00:00+02:00"}, 422, "/until"),
    ("POST", "/v1/holds", WHOLE | {"kind": "breathing_space"}, 422, "/until"),
    ("POST", "/v1/holds", WHOLE | {"deadline_on": "2026-06-01"}, 422, "/deadline_on"),
    ("POST", "/v1/holds", WHOLE | {"jurisdiction": "FR"}, 422, "/jurisdiction"),
    (
        "POST",
        "/v1/holds",
        WHOLE | {"kind": "insolvency", "jurisdiction": "fr"},
        422,
        "/jurisdiction",
    ),
    ("POST", "/v1/holds", WHOLE | {"began_on": "2026-06-01"}, 422, "/began_on"),
    ("POST", "/v1/holds", WHOLE | {"surprise": 1}, 422, "/surprise"),
    ("POST", "/v1/holds", WHOLE | {"owner": "a\nb"}, 422, "/owner"),
    ("GET", "/v1/holds?kind=nonsense", None, 422, "/kind"),
    ("GET", "/v1/holds?invoice_id=%00", None, 422, "/invoice_id"),
    ("GET", f"/v1/holds?cursor={to_cursor(['2026-05-04', 'x'])}", None, 422, None),
    ("GET", f"/v1/holds?cursor={to_cursor([7])}", None, 422, None),
    ("GET", f"/v1/holds?cursor={to_cursor([1e300, 'x'])}", None, 422, None),
    ("GET", "/v1/holds/nonsense", None, 422, "/hold_id"),
    ("GET", "/v1/holds/00000000-0000-0000-0000-000000000000", None, 404, None),
    ("POST", "/v1/disputes", DISPUTE | {"reason_code": "because"}, 422, "/reason_code"),
    ("POST", "/v1/disputes", DISPUTE | {"reason": ""}, 422, "/reason"),
    ("POST", "/v1/disputes", DISPUTE | {"invoice_id": "no"}, 422, "/invoice_id"),
    ("POST", "/v1/disputes", DISPUTE | {"amount": "0.00"}, 422, "/amount"),
    ("POST", "/v1/disputes", DISPUTE | {"amount": "-1.00"}, 422, "/amount"),
    ("POST", "/v1/disputes", DISPUTE | {"amount": "100.01"}, 422, "/amount"),
    ("POST", "/v1/disputes", DISPUTE | {"amount": "1.001"}, 422, "/amount"),
    ("POST", "/v1/disputes", DISPUTE | {"amount": "much"}, 422, "/amount"),
    ("POST", "/v1/disputes", DISPUTE | {"amount": 1.5}, 422, "/amount"),
    ("POST", "/v1/disputes", DISPUTE | {"deadline_on": "2026-05-03"}, 422, "/deadline_on"),
    ("POST", "/v1/disputes", DISPUTE | {"deadline_on": "9999-12-31"}, 422, "/deadline_on"),
    ("GET", "/v1/disputes?state=lost", None, 422, "/state"),
    ("GET", "/v1/disputes/00000000-0000-0000-0000-000000000000", None, 404, None),
    ("GET", f"/v1/disputes?cursor={to_cursor([7])}", None, 422, None),
    ("POST", "/v1/promises", PROMISE | {"pay_on": "2026-05-03"}, 422, "/pay_on"),
    ("POST", "/v1/promises", PROMISE | {"pay_on": "2026-06-04"}, 422, "/pay_on"),
    ("POST", "/v1/promises", PROMISE | {"pay_on": "soon"}, 422, "/pay_on"),
    ("POST", "/v1/promises", PROMISE | {"source": "dream"}, 422, "/source"),
    ("POST", "/v1/promises", PROMISE | {"amount": "200.01"}, 422, "/amount"),
    ("POST", "/v1/promises", PROMISE | {"amount": "0"}, 422, "/amount"),
    ("POST", "/v1/promises", PROMISE | {"grace_days": -1}, 422, "/grace_days"),
    ("POST", "/v1/promises", PROMISE | {"invoice_ids": ["no"]}, 422, "/invoice_ids/0"),
    ("POST", "/v1/plans", PLAN | {"instalments": 0}, 422, "/instalments"),
    ("POST", "/v1/plans", PLAN | {"instalments": 121}, 422, "/instalments"),
    ("POST", "/v1/plans", PLAN | {"instalments": None}, 422, "/instalments"),
    ("POST", "/v1/plans", PLAN | {"instalments": []}, 422, "/instalments"),
    ("POST", "/v1/plans", PLAN | {"instalments": "three"}, 422, "/instalments"),
    ("POST", "/v1/plans", PLAN | {"instalments": [{"on": "x"}]}, 422, "/instalments/0/on"),
    (
        "POST",
        "/v1/plans",
        PLAN | {"instalments": [{"on": "2026-06-01"}]},
        422,
        "/instalments/0/amount",
    ),
    ("POST", "/v1/plans", {"debtor_id": "d1"}, 422, "/instalments"),
    ("POST", "/v1/plans", PLAN | {"amount": "0.02"}, 422, "/instalments"),
    ("POST", "/v1/plans", PLAN | {"amount": "300.00"}, 422, "/amount"),
    ("POST", "/v1/plans", PLAN | {"first_payment": "200.00"}, 422, "/first_payment"),
    ("POST", "/v1/plans", PLAN | {"starts_on": "2026-05-03"}, 422, "/starts_on"),
    ("POST", "/v1/plans", PLAN | {"interval": "yearly"}, 422, "/interval"),
    ("POST", "/v1/plans", PLAN | {"debtor_id": "d9"}, 422, "/debtor_id"),
    (
        "POST",
        "/v1/plans",
        PLAN | {"instalments": [{"on": "2026-06-01", "amount": "1.00"}]},
        422,
        "/instalments",
    ),
    (
        "POST",
        "/v1/plans",
        PLAN | {"instalments": [{"on": "2026-05-01", "amount": "200.00"}]},
        422,
        "/instalments/0/on",
    ),
    (
        "POST",
        "/v1/plans",
        PLAN | {"instalments": [{"on": "2026-06-01", "amount": "1.0.0"}]},
        422,
        "/instalments/0/amount",
    ),
    (
        "POST",
        "/v1/plans",
        PLAN
        | {"instalments": [{"on": "2026-06-01", "amount": "200.00"}], "starts_on": "2026-06-01"},
        422,
        "/starts_on",
    ),
    ("GET", "/v1/plans/00000000-0000-0000-0000-000000000000", None, 404, None),
    ("PUT", "/v1/plan-rules", {"min_instalment": {"EURO": "1"}}, 422, "/min_instalment/EURO"),
    ("PUT", "/v1/plan-rules", {"tolerance": {"EUR": "-1"}}, 422, "/tolerance/EUR"),
    ("PUT", "/v1/plan-rules", {"min_first_percent": "101"}, 422, "/min_first_percent"),
    ("PUT", "/v1/plan-rules", {"min_first_percent": "NaN"}, 422, "/min_first_percent"),
    ("PUT", "/v1/plan-rules", {"max_months": 0}, 422, "/max_months"),
    ("PUT", "/v1/plan-rules", {"refuse": ["everything"]}, 422, "/refuse/0"),
    ("PUT", "/v1/plan-rules", {"max_month": 3}, 422, "/max_month"),
]


@pytest.mark.usefixtures("ledger")
async def test_every_bad_input_is_a_problem_that_points_to_its_field(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    for method, path, body, status, pointer in BAD:
        answer = await api.request(method, path, json=body)

        problem = await _problem(answer, status)
        if pointer is not None:
            assert pointer in [error["pointer"] for error in problem["errors"]], (
                path,
                body,
                problem,
            )
            assert all(error["detail"] for error in problem["errors"])
    assert await bench.rows("SELECT 1 FROM hold") == []
    assert await bench.rows("SELECT 1 FROM plan_rules") == []
