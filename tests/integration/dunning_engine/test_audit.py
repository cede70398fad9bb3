"""The audit: every write of the API is in it, with who and what changed, and nobody can change it."""

from __future__ import annotations

from datetime import date
from typing import Any

import asyncpg
import httpx
import pytest

from dunning_common.auth import SCOPES
from dunning_common.db import driver
from dunning_common.values import replace
from dunning_engine.testing import Bench, Ledger, Running, always_open
from tests.integration.dunning_engine.conftest import Headers

START, DUE = date(2026, 3, 1), date(2026, 4, 1)

NOT_AUDITED = {
    # the flow of events, and what follows from decisions: no person wrote it
    "stream_head", "outbox", "stream_position", "parked_event", "account", "case_level", "notice",
    "charge", "stray_notification", "decision", "case_pin", "case_to_migrate", "tenant",
    "audit_entry", "response",
}  # fmt: skip


async def prepared(bench: Bench) -> None:
    ledger = Ledger()
    policy = always_open("ours")
    careful = replace(policy, levels=tuple(replace(x, needs_approval=True) for x in policy.levels))
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", careful, source="", stored_by="me")
        await stores.policies.set_default("acme", "ours")
    await bench.feed(ledger.registered(sandbox_from=START), ledger.debtor())
    await bench.feed(ledger.invoice(issued_on=START, due_on=DUE))
    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 5))


async def entries(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_writes_are_kept_with_who_and_what_changed_but_without_free_text(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await prepared(bench)
    hold = (
        await api.post("/v1/holds", json={"debtor_id": "d1", "reason": "Mrs. Secret called"})
    ).json()
    await api.post(f"/v1/holds/{hold['hold_id']}/release", json={"note": "Secret"})
    await api.post("/v1/cases/i1/approve", json={"level_no": 1, "note": "Secret"})

    placed, *_ = await entries(api, action="hold.insert")
    released, *_ = await entries(api, action="hold.update")
    approved, *_ = await entries(api, action="dunning_case.update")
    noted, *_ = await entries(api, action="debtor_note.insert")

    assert (placed["subject"], placed["target"], placed["debtor_id"]) == (
        "tester", hold["hold_id"], "d1",
    )  # fmt: skip
    assert placed["before"] is None
    assert placed["after"]["kind"] == "manual"
    assert released["before"] == {}
    assert released["after"]["outcome"] == "released"
    assert approved["before"] == {}
    assert approved["after"] == {
        "approved": True, "approval_by": "tester", "approval_level_no": 1,
        "approval_at": approved["after"]["approval_at"],
    }  # fmt: skip
    assert noted["after"].keys() == {
        "note_id", "debtor_id", "invoice_id", "written_at", "written_by",
    }  # fmt: skip
    assert "Secret" not in str(await entries(api))


async def test_parts_of_a_bulk_action_are_marked_as_such(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await prepared(bench)

    done = await api.post(
        "/v1/bulk-actions", json={"action": "approve", "invoice_ids": ["i1"], "dry_run": False}
    )

    (entry,) = await entries(api, action="dunning_case.update")
    assert entry["context"] == f"bulk:{done.json()['bulk_id']}"


async def test_what_the_engine_does_by_itself_is_not_in_the_audit(
    bench: Bench, api: httpx.AsyncClient
) -> None:
    await prepared(bench)
    await api.post(
        "/v1/holds",
        json={"debtor_id": "d1", "reason": "x", "until": "2026-04-10T00:00:00+02:00"},
    )

    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 20))

    assert await entries(api, action="hold.update") == []


async def test_entries_are_found_by_who_what_and_when_page_by_page(
    bench: Bench, api: httpx.AsyncClient, headers: Headers
) -> None:
    await prepared(bench)
    for n in range(5):
        await api.post("/v1/debtors/d1/notes", json={"text": str(n)})

    found, cursor = [], None
    while True:
        query = {"limit": 2, "debtor_id": "d1"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/audit", params=query)).json()
        found += page["items"]
        if not (cursor := page["next_cursor"]):
            break

    assert len(found) == 5
    assert [e["entry"] for e in found] == sorted((e["entry"] for e in found), reverse=True)
    assert len(await entries(api, subject="tester")) == 5
    assert await entries(api, subject="nobody") == []
    assert await entries(api, since="2200-01-01T00:00:00Z") == []
    assert len(await entries(api, until="2200-01-01T00:00:00Z", action="debtor_note.insert")) == 5
    assert await entries(api, target=found[0]["target"]) == [found[0]]
    other = await api.get("/v1/audit", headers=headers(tenant="other"))
    assert other.json()["items"] == []
    clerk = await api.get("/v1/audit", headers=headers(scopes=SCOPES - {"audit:read"}))
    assert clerk.status_code == 403


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET subject = 'x'",
                                       "DELETE FROM audit_entry", "TRUNCATE audit_entry"])  # fmt: skip
@pytest.mark.parametrize("role", ["api", "worker"])
async def test_no_role_of_the_service_changes_an_entry(
    bench: Bench, api: httpx.AsyncClient, statement: str, role: str
) -> None:
    await prepared(bench)
    await api.post("/v1/debtors/d1/notes", json={"text": "x"})

    with pytest.raises(
        (asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError, asyncpg.PostgresError)
    ):
        async with bench.db.tenant("acme") if role == "api" else bench.db.worker() as connection:
            await (await driver(connection)).execute(statement)

    assert (await entries(api))[0]["subject"] == "tester"


async def test_a_write_that_fails_leaves_no_entry(bench: Bench, api: httpx.AsyncClient) -> None:
    await prepared(bench)

    await api.post("/v1/holds", json={"debtor_id": "d7", "reason": "x"})
    await api.post("/v1/cases/i1/approve", json={"level_no": 9})

    assert [e for e in await entries(api) if e["subject"] == "tester"] == []


async def test_every_table_that_people_write_is_audited(bench: Bench) -> None:
    rows = await bench.rows(
        """
        SELECT c.relname AS name, EXISTS (SELECT 1 FROM pg_trigger t
            WHERE t.tgrelid = c.oid AND t.tgname = c.relname || '_audit') AS audited
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'engine' AND c.relkind = 'r'
          AND has_table_privilege('engine_api', c.oid, 'INSERT')
        """
    )

    assert {row["name"] for row in rows if not row["audited"]} == NOT_AUDITED
