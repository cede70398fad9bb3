"""The work list: what has to be done is on it, ranked; what is settled is not; marks and notes."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import httpx
import orjson
import pytest

from dunning_common.auth import SCOPES
from dunning_common.db import driver
from dunning_common.events.contacts import DebtorErasedV1
from dunning_common.values import replace
from dunning_engine.adapters.sql_work import list_arguments, list_query
from dunning_engine.domain.policy import Policy
from dunning_engine.domain.work_item import WORK_KINDS, item_key
from dunning_engine.domain.work_ranking import Ranked, Scale, place_of
from dunning_engine.testing import Bench, Ledger, Running, always_open
from dunning_engine.work_records import WorkFilter, WorkRules
from tests.integration.dunning_engine.conftest import Headers

START, DUE = date(2026, 3, 1), date(2026, 4, 1)
LATER = date(2026, 6, 1)


async def settle(bench: Bench, to: date = LATER) -> None:
    async with Running(bench):
        await bench.advance("acme", to)


async def tenant_of(bench: Bench, policy: Policy | None = None, **terms: Any) -> Ledger:
    """A sandbox tenant on the first of March whose invoices follow a policy."""
    ledger = Ledger()
    if policy:
        async with bench.rooms.tenant("acme") as stores:
            await stores.policies.add("acme", policy, source="", stored_by="me")
            await stores.policies.set_default("acme", policy.policy_id)
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor(**terms))
    return ledger


async def work(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/work", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def seen(api: httpx.AsyncClient, **query: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    """(kind, cause, invoices) of every item, in order."""
    items = await work(api, **query)
    return [(item["kind"], item["cause"], tuple(item["invoice_ids"])) for item in items]


def with_level(number: int, **changes: Any) -> Policy:
    policy = always_open("ours")
    levels = tuple(
        replace(level, **changes) if level.level_no == number else level for level in policy.levels
    )
    return replace(policy, levels=levels)


async def test_an_invoice_that_is_being_reminded_is_nobodys_work(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, always_open("ours"))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    await settle(bench, date(2026, 4, 15))

    assert await seen(api) == []


async def test_a_level_that_waits_for_approval_is_work(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, with_level(2, needs_approval=True))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    await settle(bench, date(2026, 4, 12))

    (item,) = await work(api)
    assert (item["kind"], item["level"], item["amount"]) == ("approval", "level_2", "100.00")
    assert item["since"] == "2026-04-10T22:00:00Z"
    assert item["expected_value"] == "136.66"
    assert item["words"] == (
        "The policy wants a person to approve the level first (level 2, level_2)."
    )


async def test_debtors_without_an_address_are_one_item_each(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, replace(always_open("ours"), max_attempts=1))
    await bench.feed(*(ledger.invoice(name, issued_on=START, due_on=DUE) for name in ("i1", "i2")))
    async with bench.db.worker() as connection:
        await (await driver(connection)).execute(
            "UPDATE dunning_case SET state = 'blocked', state_reason = 'no_address', failures = 1, "
            "failure_reason = 'no_address', policy_id = 'ours', policy_version = 1"
        )

    (item,) = await work(api)

    assert (item["kind"], item["cause"], item["invoices"]) == ("undeliverable", "no_address", 2)
    assert (item["debtor_id"], item["amount"]) == ("d1", "200.00")
    assert item["next_step"].startswith("Find an address")


async def test_a_broken_promise_is_work_until_the_money_comes(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, always_open("ours"))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await settle(bench, DUE)
    promise = await api.post(
        "/v1/promises",
        json={"debtor_id": "d1", "invoice_ids": ["i1"], "pay_on": "2026-04-08", "source": "phone"},
    )
    assert promise.status_code == 201, promise.text
    assert await seen(api) == []

    await settle(bench, date(2026, 4, 20))

    (item,) = [i for i in await work(api) if i["kind"] == "broken_promise"]
    assert (item["cause"], item["invoice_ids"], item["amount"]) == ("broken", ["i1"], "100.00")
    assert item["hold_id"] == promise.json()["hold_id"]
    await bench.feed(ledger.paid(on=date(2026, 4, 20)))
    assert await seen(api) == []


async def test_a_dispute_past_its_deadline_belongs_to_its_owner(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, always_open("ours"))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await settle(bench, DUE)
    opened = await api.post(
        "/v1/disputes",
        json={
            "debtor_id": "d1", "invoice_id": "i1", "amount": "40.00", "reason_code": "price",
            "reason": "too dear", "owner": "anna", "deadline_on": "2026-04-10",
        },
    )  # fmt: skip
    assert opened.status_code == 201, opened.text
    await settle(bench, date(2026, 4, 10))
    on_the_day = await seen(api)

    await settle(bench, date(2026, 4, 11))

    assert on_the_day == []
    (item,) = await work(api)
    assert (item["kind"], item["amount"], item["assignee"]) == ("dispute_overdue", "40.00", "anna")
    assert item["words"] == "The dispute was to be decided by 2026-04-10."
    assert await seen(api, assignee="anna") == [("dispute_overdue", "dispute_overdue", ("i1",))]
    assert await seen(api, assignee="") == []


@pytest.mark.parametrize(
    ("action", "kind"),
    [("agency", "hand_over"), ("court_file", "court_file"), ("write_off", "write_off")],
)
async def test_what_a_ladder_ends_with_is_proposed(
    bench: Bench, api: httpx.AsyncClient, action: str, kind: str
) -> None:
    ladder = with_level(3, final=action, channels=(), template=None)
    ledger = await tenant_of(bench, ladder)
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    await settle(bench)

    assert await seen(api) == [(kind, action, ("i1",))]
    await bench.feed(ledger.paid(on=LATER))
    assert await seen(api) == []


async def test_a_missing_policy_is_one_item_for_all_its_invoices(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench)
    await bench.feed(ledger.debtor("d2"))
    await bench.feed(
        ledger.invoice("i1", issued_on=START, due_on=DUE, policy_id="lost"),
        ledger.invoice("i2", debtor_id="d2", issued_on=START, due_on=DUE, policy_id="lost"),
    )

    await settle(bench)

    (item,) = await work(api)
    assert (item["kind"], item["policy_id"], item["invoices"]) == ("policy_missing", "lost", 2)
    assert (item["debtor_id"], item["amount"]) == (None, "200.00")
    (part,) = await work(api, debtor_id="d2")
    assert (part["invoice_ids"], part["item_id"]) == (["i2"], item["item_id"])


async def test_payments_that_are_not_known_far_enough_are_one_item(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, replace(always_open("ours"), payment_feed_hours=24))
    await bench.feed(*(ledger.invoice(name, issued_on=START, due_on=DUE) for name in ("i1", "i2")))

    await settle(bench, date(2026, 4, 3))

    assert await seen(api) == [("stale_feed", "stale_feed", ("i1", "i2"))]


async def test_an_overdue_invoice_that_is_quiet_for_long_says_what_holds_it(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, always_open("ours"))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await settle(bench, date(2026, 3, 15))
    await api.post("/v1/holds", json={"debtor_id": "d1", "reason": "talks", "owner": "ben"})
    await settle(bench, date(2026, 4, 30))
    before = await seen(api)

    await settle(bench, date(2026, 5, 1))

    assert before == []
    (item,) = await work(api)
    assert (item["kind"], item["cause"]) == ("silent_overdue", "manual")
    assert item["words"] == "Held by a hold, placed by tester, without an end."
    assert item["assignee"] == "ben"
    assert item["hold_id"] is not None


async def test_silence_counts_from_the_last_thing_that_was_done(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, with_level(3, minimum_minor=(("EUR", 500_00),)))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await settle(bench, date(2026, 5, 10))
    before = await seen(api)  # the second level was served on the 11th of April

    await settle(bench, date(2026, 5, 11))

    assert before == []
    (item,) = await work(api)
    assert (item["kind"], item["cause"]) == ("silent_overdue", "below_minimum")
    assert "less" in item["words"].lower()


async def test_a_ladder_without_a_further_level_is_silent(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, always_open("ours"))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))

    await settle(bench)

    assert await seen(api) == [("silent_overdue", "exhausted", ("i1",))]


async def test_a_debtor_about_whom_nothing_is_known_is_silent(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench)
    await bench.feed(ledger.invoice(debtor_id="d9", issued_on=START, due_on=DUE))

    await settle(bench)

    assert await seen(api) == [("silent_overdue", "facts_missing", ("i1",))]


async def test_a_debtor_about_whom_deciding_fails_is_silent_with_the_defect(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, always_open("ours"))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await settle(bench, date(2026, 4, 5))
    async with bench.db.worker() as connection:
        await (await driver(connection)).execute("UPDATE account SET trouble = 'KeyError: x'")

    (item,) = await work(api)

    assert (item["kind"], item["cause"]) == ("silent_overdue", "undecidable")
    assert item["words"].endswith("KeyError: x.")


async def many(bench: Bench) -> None:
    """Waiting invoices of three currencies, different sums and ages."""
    ledger = await tenant_of(bench, with_level(1, needs_approval=True))
    sizes = (("EUR", 90_00), ("GBP", 80_00), ("JPY", 7000), ("EUR", 10_00), ("EUR", 90_00))
    await bench.feed(
        *(
            ledger.invoice(
                f"i{n}", issued_on=START, due_on=DUE - timedelta(days=n % 3), amount_minor=minor,
                currency=currency,
            )
            for n, (currency, minor) in enumerate(sizes * 3)
        )
    )  # fmt: skip
    await settle(bench, date(2026, 5, 20))


@pytest.mark.parametrize(
    "weights", [{}, {"EUR": "1", "GBP": "1.17"}, {"EUR": "1", "GBP": "1.17", "JPY": "0.006"}]
)
async def test_the_list_is_ranked_as_the_formula_says_page_by_page(
    bench: Bench, api: httpx.AsyncClient, weights: dict[str, str]
) -> None:
    await many(bench)
    stored = await api.put("/v1/work-rules", json={"weights": weights})
    assert stored.json() == {"weights": weights, "silent_days": 30}

    pages, cursor = [], None
    while True:
        query = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        answer = (await api.get("/v1/work", params=query)).json()
        pages += answer["items"]
        if not (cursor := answer["next_cursor"]):
            break

    decimals = {"EUR": 2, "GBP": 2, "JPY": 0}
    scale = Scale(
        today=date(2026, 5, 20),
        base_currency="EUR",
        weights={c: Fraction(w) / 10 ** decimals[c] for c, w in weights.items()},
    )
    ranked = [
        Ranked(
            kind=item["kind"], target=item_key(item["item_id"]).target, currency=item["currency"],
            amount_minor=round(Fraction(item["amount"]) * 10 ** decimals[item["currency"]]),
            aged_from=date.fromisoformat(item["oldest_due_on"]),
        )
        for item in pages
    ]  # fmt: skip
    assert len(ranked) == 15
    assert ranked == sorted(ranked, key=lambda item: place_of(item, scale))


async def test_filters_find_only_what_they_say(bench: Bench, api: httpx.AsyncClient) -> None:
    await many(bench)

    assert len(await work(api, currency="GBP")) == 3
    assert await work(api, kind="stale_feed") == []
    assert len(await work(api, kind=["stale_feed", "approval"])) == 15
    assert await work(api, debtor_id="d2") == []


async def test_an_item_keeps_its_id_and_can_be_given_to_somebody(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await many(bench)
    (first, *_), again = await work(api), await work(api)

    given = await api.put(f"/v1/work/{first['item_id']}/assignee", json={"assignee": "anna"})

    assert again[0] == first
    assert given.json() == first | {"assignee": "anna"}
    assert [i["item_id"] for i in await work(api, assignee="anna")] == [first["item_id"]]
    assert (await api.get(f"/v1/work/{first['item_id']}")).json()["assignee"] == "anna"
    assert len(await work(api, assignee="")) == 14
    await api.put(f"/v1/work/{first['item_id']}/assignee", json={"assignee": None})
    assert len(await work(api, assignee="")) == 15


async def test_an_item_that_is_put_off_comes_back_on_its_day(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, with_level(1, needs_approval=True))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await settle(bench, date(2026, 4, 5))
    (item,) = await work(api)

    put_off = await api.post(f"/v1/work/{item['item_id']}/snooze", json={"until": "2026-04-08"})

    assert put_off.status_code == 200, put_off.text
    assert await seen(api) == []
    assert len(await work(api, snoozed=True)) == 1
    await settle(bench, date(2026, 4, 7))
    assert await seen(api) == []
    await settle(bench, date(2026, 4, 8))
    assert len(await seen(api)) == 1


async def test_what_is_done_comes_back_only_when_it_happens_anew(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench, always_open("ours"))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await settle(bench, START)
    hold = await api.post("/v1/holds", json={"debtor_id": "d1", "reason": "talks"})
    await settle(bench)
    (item,) = await work(api)

    done = await api.post(f"/v1/work/{item['item_id']}/done")

    assert done.json()["done"] is True
    assert await seen(api) == []
    again = await api.post(f"/v1/work/{item['item_id']}/done")
    assert again.status_code == 404
    await settle(bench, LATER + timedelta(days=1))
    await api.post(f"/v1/holds/{hold.json()['hold_id']}/release")
    await api.post(
        "/v1/disputes",
        json={"debtor_id": "d1", "invoice_id": "i1", "reason_code": "price", "reason": "x"},
    )
    await settle(bench, LATER + timedelta(days=2))
    assert [(i["item_id"], i["cause"]) for i in await work(api)] == [(item["item_id"], "dispute")]


@pytest.mark.parametrize("until", ["2026-04-05", "2026-01-01", "2028-01-01", "x", 5])
async def test_a_day_that_makes_no_sense_is_refused(
    bench: Bench, api: httpx.AsyncClient, until: Any
) -> None:
    ledger = await tenant_of(bench, with_level(1, needs_approval=True))
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await settle(bench, date(2026, 4, 5))
    (item,) = await work(api)

    refused = await api.post(f"/v1/work/{item['item_id']}/snooze", json={"until": until})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/until"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/work/x", "/v1/work/WyJhcHByb3ZhbCIsMV0", "/v1/work/WyJub25lIiwieCJd",
        "/v1/work/WyJhcHByb3ZhbCIsIngiXQ",
    ],
)  # fmt: skip
async def test_an_unknown_item_is_not_there(api: httpx.AsyncClient, path: str) -> None:
    assert (await api.get(path)).status_code == 404
    assert (await api.put(f"{path}/assignee", json={"assignee": "x"})).status_code == 404


@pytest.mark.parametrize(
    "query",
    ["limit=0", "kind=x", "currency=euro", "cursor=x", "cursor=WzFd",
     "cursor=WyIyMDI2LTAxLTAxIiwxLCJFVVIiLCIxRSs5OTk5OSIsImEiLCJiIl0="],
)  # fmt: skip
async def test_a_bad_query_is_a_problem(api: httpx.AsyncClient, query: str) -> None:
    answer = await api.get(f"/v1/work?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [{"weights": {"XXZ": "1"}}, {"weights": {"EUR": "0"}}, {"weights": {"EUR": "-1"}},
     {"weights": {"EUR": "NaN"}}, {"silent_days": 0}, {"silent_days": 10**9}, {"more": 1}],
)  # fmt: skip
async def test_bad_rules_are_refused(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await api.put("/v1/work-rules", json=body)).status_code == 422


async def test_notes_are_kept_about_debtors_and_invoices(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ledger = await tenant_of(bench)
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    await settle(bench, DUE)

    written = [
        await api.post("/v1/debtors/d1/notes", json={"text": text, "invoice_id": invoice})
        for text, invoice in (("called", None), ("wants a copy", "i1"), ("sent it", "i1"))
    ]

    assert [answer.status_code for answer in written] == [201, 201, 201]
    first = (await api.get("/v1/debtors/d1/notes", params={"limit": 2})).json()
    rest = (
        await api.get("/v1/debtors/d1/notes", params={"limit": 2, "cursor": first["next_cursor"]})
    ).json()
    assert [n["text"] for n in first["items"] + rest["items"]] == [
        "sent it", "wants a copy", "called",
    ]  # fmt: skip
    assert first["items"][0]["written_by"] == "tester"
    about = (await api.get("/v1/debtors/d1/notes", params={"invoice_id": "i1"})).json()["items"]
    assert len(about) == 2
    assert (await api.post("/v1/debtors/d7/notes", json={"text": "x"})).status_code == 404
    foreign = await api.post("/v1/debtors/d1/notes", json={"text": "x", "invoice_id": "i7"})
    assert foreign.json()["errors"][0]["pointer"] == "/invoice_id"


async def test_notes_go_when_the_debtor_is_erased(bench: Bench, api: httpx.AsyncClient) -> None:
    ledger = await tenant_of(bench)
    await bench.feed(ledger.debtor("d2"))
    await settle(bench, DUE)
    for debtor_id in ("d1", "d2"):
        await api.post(f"/v1/debtors/{debtor_id}/notes", json={"text": "lives with her mother"})

    erased = DebtorErasedV1(debtor_id="d1")
    await bench.feed(
        ledger.contacts().model_copy(
            update={"type": "DebtorErasedV1", "data": erased.model_dump(mode="json")}
        )
    )

    assert (await api.get("/v1/debtors/d1/notes")).json()["items"] == []
    assert len((await api.get("/v1/debtors/d2/notes")).json()["items"]) == 1


async def test_marks_and_notes_take_the_scope_of_writing(
    bench: Bench, api: httpx.AsyncClient, headers: Headers
) -> None:
    await many(bench)
    (first, *_) = await work(api)
    reader = headers(scopes=SCOPES - {"dunning:write"})

    for verb, path, body in (
        ("PUT", f"/v1/work/{first['item_id']}/assignee", {"assignee": "x"}),
        ("POST", f"/v1/work/{first['item_id']}/snooze", {"until": None}),
        ("POST", f"/v1/work/{first['item_id']}/done", None),
        ("POST", "/v1/debtors/d1/notes", {"text": "x"}),
        ("PUT", "/v1/work-rules", {}),
    ):
        refused = await api.request(verb, path, json=body, headers=reader)
        assert refused.status_code == 403, path


async def test_another_tenant_sees_none_of_it(
    bench: Bench, api: httpx.AsyncClient, headers: Headers
) -> None:
    await many(bench)

    answer = await api.get("/v1/work", headers=headers(tenant="other"))

    assert answer.json() == {"items": [], "next_cursor": None}


async def test_the_list_reads_no_case_that_needs_nobody(bench: Bench) -> None:
    """Twenty thousand cases are on their way by themselves; the list must not look at them."""
    await many(bench)
    async with bench.db.worker() as connection:
        sql = await driver(connection)
        await sql.execute(
            "INSERT INTO dunning_case (tenant, invoice_id, debtor_id, number, issued_on, due_on, "
            "currency, amount_minor, open_minor, charges_open_minor, status, version, state, "
            "next_at) SELECT 'acme', 's' || n, 'd1', 's', '2026-01-01', '2026-01-10', 'EUR', 100, "
            "100, 0, 'open', 1, 'scheduled', now() FROM generate_series(1, 20000) AS n"
        )
    async with bench.rooms.tenant("acme") as stores:
        query = list_query(WorkFilter())
        arguments = list_arguments(
            "acme", WorkFilter(), await stores.work.clock("acme"), WorkRules(), None, 100
        )
        (row,) = await stores.sql.fetch(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *arguments
        )

    found = orjson.loads(row[0]) if isinstance(row[0], str | bytes) else row[0]
    plan = found[0]["Plan"]
    assert plan["Actual Rows"] == 15
    read = sum(node.get("Rows Removed by Filter", 0) * node["Actual Loops"] for node in nodes(plan))
    assert read < 1000
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 1000


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


def test_every_kind_is_asked_for_by_the_list() -> None:
    for kind in WORK_KINDS:
        assert list_query(WorkFilter(kinds=(kind,))) is not None
    assert list_query(WorkFilter(keys=())) is None


async def test_a_thousand_hand_overs_of_one_debtor_are_one_row(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    ladder = with_level(3, final="agency", channels=(), template=None)
    ledger = await tenant_of(bench, ladder)
    await bench.feed(ledger.debtor("d2"))
    await bench.feed(
        *(
            ledger.invoice(f"i{n:02}", issued_on=START, due_on=DUE + timedelta(days=n))
            for n in range(12)
        ),
        ledger.invoice("pounds", issued_on=START, due_on=DUE, currency="GBP"),
        ledger.invoice("other", debtor_id="d2", issued_on=START, due_on=DUE),
    )
    await settle(bench, date(2026, 8, 1))

    found = (await api.get("/v1/work-groups")).json()["items"]

    assert [
        (g["kind"], g["debtor_id"], g["currency"], g["items"], g["invoices"], g["amount"])
        for g in found
    ] == [
        ("hand_over", "d1", "EUR", 12, 12, "1200.00"),
        ("hand_over", "d2", "EUR", 1, 1, "100.00"),
        ("hand_over", "d1", "GBP", 1, 1, "100.00"),
    ]
    assert found[0]["oldest_due_on"] == DUE.isoformat()
    assert found[0]["first"]["invoice_ids"] == ["i00"], "the one that is worth most"
    details = (await api.get("/v1/work", params={"debtor_id": "d1"})).json()["items"]
    assert len(details) == 13


async def test_groups_come_page_by_page(bench: Bench, api: httpx.AsyncClient) -> None:
    ladder = with_level(3, final="agency", channels=(), template=None)
    ledger = await tenant_of(bench, ladder)
    await bench.feed(*(ledger.debtor(f"d{n}") for n in range(2, 6)))
    await bench.feed(
        *(
            ledger.invoice(f"i{n}{m}", debtor_id=f"d{n}", issued_on=START, due_on=DUE)
            for n in range(2, 6)
            for m in range(2)
        )
    )
    await settle(bench, date(2026, 8, 1))

    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        found = (await api.get("/v1/work-groups", params=query)).json()
        seen += [group["debtor_id"] for group in found["items"]]
        cursor = found["next_cursor"]
        if not cursor:
            break

    assert seen == ["d2", "d3", "d4", "d5"]
