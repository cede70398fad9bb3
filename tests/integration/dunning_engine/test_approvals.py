"""Levels that wait for a person: listed with what they would send, approved, rejected, refused."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import httpx
import pytest

from dunning_common.auth import SCOPES
from dunning_common.db import driver
from dunning_common.values import replace
from dunning_engine.domain.policy import Policy
from dunning_engine.testing import Bench, Ledger, Running, always_open
from tests.integration.dunning_engine.conftest import Headers

START, DUE = date(2026, 3, 1), date(2026, 4, 1)
LATER = date(2026, 4, 5)


def careful(**changes: Any) -> Policy:
    """Each of its levels waits for a person."""
    policy = always_open("careful")
    levels = tuple(replace(level, needs_approval=True, **changes) for level in policy.levels)
    return replace(policy, levels=levels)


async def waiting(bench: Bench, *invoices: str, policy: Policy | None = None) -> Ledger:
    """Invoices whose first level waits for a person since their due date."""
    ledger = Ledger()
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", policy or careful(), source="", stored_by="me")
        await stores.policies.set_default("acme", "careful")
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await bench.feed(
        *(ledger.invoice(name, issued_on=START, due_on=DUE) for name in invoices or ("i1",))
    )
    async with Running(bench):
        await bench.advance("acme", LATER)
    return ledger


async def walk(bench: Bench, to: date) -> list[tuple[str, str, date, str]]:
    async with Running(bench):
        await bench.advance("acme", to)
    return await bench.levels()


async def test_a_level_that_waits_is_listed_with_what_it_would_send(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await waiting(bench, "i1", "i2")

    first = (await api.get("/v1/approvals", params={"limit": 1})).json()
    second = (
        await api.get("/v1/approvals", params={"limit": 1, "cursor": first["next_cursor"]})
    ).json()

    (item,) = first["items"]
    assert [item["invoice_id"], second["items"][0]["invoice_id"]] == ["i1", "i2"]
    assert second["next_cursor"] is None
    assert (item["level_no"], item["level"], item["open"]) == (1, "level_1", "100.00")
    assert item["since"] == "2026-03-31T22:00:00Z"
    assert item["would_send"] == {
        "channels": ["email"], "template": "first_reminder", "final": None, "asks_for": "100.00",
        "disputed": "0.00", "charges": [], "pay_by": None, "missing_rate": None,
    }  # fmt: skip


async def test_nothing_goes_out_before_somebody_approves_and_then_at_once(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await waiting(bench)
    before = await bench.levels()

    said = await api.post("/v1/cases/i1/approve", json={"level_no": 1, "note": "fine by me"})

    assert before == []
    assert said.status_code == 200, said.text
    assert said.json() | {"by": "tester"} == {
        "invoice_id": "i1", "level_no": 1, "level": "level_1", "approved": True, "status": "done",
        "by": "tester",
    }  # fmt: skip
    assert await walk(bench, LATER) == [("i1", "level_1", LATER, "served")]
    (row,) = await bench.rows(
        "SELECT approval_level_no, approved, approval_by, approval_at FROM dunning_case"
    )
    assert (row["approval_level_no"], row["approved"], row["approval_by"]) == (1, True, "tester")
    assert row["approval_at"] == await bench.clock("acme")
    notes = (await api.get("/v1/debtors/d1/notes")).json()["items"]
    assert [note["text"] for note in notes] == ["Level 1 approved: fine by me"]


async def test_a_rejected_level_is_skipped_and_the_next_one_waits_again(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await waiting(bench)

    said = await api.post("/v1/cases/i1/reject", json={"level_no": 1})

    assert said.json()["status"] == "done"
    assert await walk(bench, date(2026, 4, 12)) == [("i1", "level_1", LATER, "lapsed")]
    (item,) = (await api.get("/v1/approvals")).json()["items"]
    assert item["level_no"] == 2


async def test_an_old_screen_is_refused_and_told_what_waits(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await waiting(bench)
    await api.post("/v1/cases/i1/approve", json={"level_no": 1})
    await walk(bench, date(2026, 4, 20))

    refused = await api.post("/v1/cases/i1/reject", json={"level_no": 1})
    too_early = await api.post("/v1/cases/i1/approve", json={"level_no": 3})

    assert (refused.status_code, too_early.status_code) == (409, 409)
    assert refused.json()["type"].endswith("stale-level")
    assert refused.json()["waiting_level_no"] == 2
    assert await bench.levels() == [("i1", "level_1", LATER, "served")]


async def test_saying_the_same_twice_changes_nothing(bench: Bench, api: httpx.AsyncClient) -> None:
    await waiting(bench)

    answers = [await api.post("/v1/cases/i1/approve", json={"level_no": 1}) for _ in range(2)]
    await walk(bench, LATER)
    answers.append(await api.post("/v1/cases/i1/approve", json={"level_no": 1}))

    assert [answer.json()["status"] for answer in answers] == ["done", "unchanged", "unchanged"]
    audit = (await api.get("/v1/audit", params={"action": "dunning_case.update"})).json()["items"]
    assert len(audit) == 1


async def test_approving_waits_for_whoever_decides_at_this_moment_and_then_looks_again(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await waiting(bench)

    async with bench.db.worker() as connection:
        sql = await driver(connection)
        await sql.execute("SELECT 1 FROM account FOR NO KEY UPDATE")
        saying = asyncio.create_task(api.post("/v1/cases/i1/approve", json={"level_no": 1}))
        blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await sql.fetchval(blocked):  # noqa: ASYNC110 -- only the database knows
            await asyncio.sleep(0.01)
        await sql.execute("UPDATE dunning_case SET state = 'held'")

    assert (await saying).status_code == 409
    (row,) = await bench.rows("SELECT approved FROM dunning_case")
    assert row["approved"] is None


async def test_an_approved_level_is_not_listed_while_it_is_on_its_way(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await waiting(bench)

    await api.post("/v1/cases/i1/approve", json={"level_no": 1})

    assert (await api.get("/v1/approvals")).json()["items"] == []
    assert (await api.get("/v1/work", params={"kind": "approval"})).json()["items"] == []


async def test_a_paid_invoice_waits_for_nobody(bench: Bench, api: httpx.AsyncClient) -> None:
    ledger = await waiting(bench)

    await bench.feed(ledger.paid(on=LATER))

    assert (await api.get("/v1/approvals")).json()["items"] == []
    await walk(bench, LATER)
    said = await api.post("/v1/cases/i1/approve", json={"level_no": 1})
    assert said.status_code == 409
    assert said.json()["waiting_level_no"] is None


async def test_approving_takes_its_own_scope_and_not_that_of_writing(
    bench: Bench, api: httpx.AsyncClient, headers: Headers
) -> None:
    await waiting(bench)
    clerk = headers(scopes=SCOPES - {"dunning:approve"})
    head = headers(scopes=frozenset({"dunning:read", "dunning:approve"}))

    refused = await api.post("/v1/cases/i1/approve", json={"level_no": 1}, headers=clerk)
    taken = await api.post("/v1/cases/i1/approve", json={"level_no": 1}, headers=head)

    assert refused.status_code == 403
    assert taken.json()["status"] == "done"


async def test_another_tenants_case_is_not_there(
    bench: Bench, api: httpx.AsyncClient, headers: Headers
) -> None:
    await waiting(bench)

    said = await api.post(
        "/v1/cases/i1/approve", json={"level_no": 1}, headers=headers(tenant="other")
    )

    assert said.status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"level_no": 0}, {"level_no": "x"}, {"level_no": 1, "more": 1}, {"level_no": 10**9}],
)
async def test_bad_input_is_a_problem_and_approves_nothing(
    bench: Bench, api: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    await waiting(bench)

    said = await api.post("/v1/cases/i1/approve", json=body)

    assert said.status_code == 422
    assert said.headers["content-type"] == "application/problem+json"
    (row,) = await bench.rows("SELECT approved FROM dunning_case")
    assert row["approved"] is None


async def test_charges_that_a_yes_would_add_are_shown(bench: Bench, api: httpx.AsyncClient) -> None:
    charging = replace(
        careful(charges=frozenset({"interest", "compensation"}), pay_within_days=8), country="FR"
    )
    await waiting(bench, policy=charging)

    (item,) = (await api.get("/v1/approvals")).json()["items"]

    sends = item["would_send"]
    assert [charge["kind"] for charge in sends["charges"]] == ["interest", "compensation"]
    assert sends["charges"][1]["amount"] == "40.00"
    assert sends["pay_by"] == "2026-04-13"
