"""Simulations of a tenant's own invoices: what they foretell, the engine then does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from dunning_common.auth import Verifier
from dunning_common.http import create_app
from dunning_engine.entrypoints.api_simulations import Queue, simulation_routes
from dunning_engine.settings import Settings
from dunning_engine.testing import Bench, Ledger, Running, quiet_settings
from tests.integration.dunning_engine.conftest import Headers

START = date(2026, 3, 1)
STRICT = """
name: Strict
country: FR
levels:
  - code: formal_notice
    threshold_days: 2
    channels: [email]
    template: formal_notice
    charges: [compensation]
"""
TABLES = ("account", "dunning_case", "case_level", "notice", "decision", "outbox", "policy")


@pytest.fixture
async def client(
    bench: Bench, token_keys: Path, headers: Headers
) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(bench, token_keys, headers, quiet_settings()) as made:
        yield made


def _client(
    bench: Bench, token_keys: Path, headers: Headers, settings: Settings
) -> httpx.AsyncClient:
    app = create_app(
        title="simulations",
        version="0",
        verifier=Verifier.from_file(token_keys / "jwks.json"),
        registry=CollectorRegistry(),
        ready={"database": bench.db.ping},
    )
    app.include_router(simulation_routes(bench.rooms, settings))
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(
        transport=transport, base_url="http://engine.test", headers=headers(), timeout=120
    )


async def _portfolio(bench: Bench, ledger: Ledger, *, debtors: int = 3) -> None:
    """Debtors with three invoices each, of different ages."""
    await bench.feed(ledger.registered(sandbox_from=START))
    for number in range(debtors):
        await bench.feed(ledger.debtor(f"d{number}"))
        await bench.feed(
            *(
                ledger.invoice(
                    f"i{number}-{n}",
                    debtor_id=f"d{number}",
                    issued_on=START,
                    due_on=START + timedelta(days=10 * n + number % 3),
                )
                for n in range(3)
            )
        )


async def _simulated(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/simulations", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _foretold(report: dict[str, Any]) -> dict[str, int]:
    """Levels with how often they are served, hand-overs included."""
    levels = {row["level"]: row["invoices"] for row in report["by_level"]}
    handed_over = report["totals"]["hand_overs"]
    return levels | ({"hand_over": handed_over} if handed_over else {})


async def _done(bench: Bench, since: date) -> dict[str, int]:
    """What the engine really did from a day on."""
    rows = await bench.rows(
        "SELECT level, count(*) AS n FROM case_level WHERE outcome = 'served' AND decided_on >= $1 "
        "GROUP BY level",
        since,
    )
    return {row["level"]: row["n"] for row in rows}


async def test_what_a_simulation_foretells_the_engine_then_does(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    await _portfolio(bench, Ledger())
    async with Running(bench):
        await bench.advance("acme", date(2026, 3, 20))
        report = await _simulated(client, kind="forward", days=40)
        await bench.advance("acme", date(2026, 4, 29))

    assert _foretold(report) == await _done(bench, date(2026, 3, 20))
    assert report["period"] == {"from": "2026-03-20", "to": "2026-04-29"}
    assert report["totals"]["invoices"] == 9
    assert any("nobody pays" in words for words in report["assumed"])


async def test_the_past_played_again_is_what_was_done(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    ledger = Ledger()
    await _portfolio(bench, ledger)
    async with Running(bench):
        await bench.advance("acme", date(2026, 3, 25))
        await bench.feed(
            ledger.paid("i1-0", on=date(2026, 3, 25)),
            ledger.cancelled("i2-0", on=date(2026, 3, 25)),
        )
        await bench.advance("acme", date(2026, 4, 20))

    report = await _simulated(client, kind="backtest", until="2026-04-20")

    assert _foretold(report) == await _done(bench, START)
    really = report["really"]
    assert {(row["month"], row["level"]): row["invoices"] for row in really["levels"]} == {
        (row["month"], row["level"]): row["invoices"] for row in report["levels"]
    }
    assert sum(row["messages"] for row in really["messages"]) == report["totals"]["messages"]
    assert [row["after_payment"] for row in really["levels"]] == [0] * len(really["levels"])
    assert report["totals"]["contacts_after_payment"] == 0
    closed = {
        row["reason"]: row["invoices"] for row in report["standing"] if row["state"] == "closed"
    }
    assert closed == {"cancelled": 1, "paid": 1} | (
        {"handed_over": closed["handed_over"]} if "handed_over" in closed else {}
    )


async def test_a_hold_is_a_hold_in_a_simulation_too(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    await _portfolio(bench, Ledger(), debtors=1)
    async with Running(bench):
        await bench.advance("acme", date(2026, 3, 20))
        async with bench.db.worker() as connection:
            from dunning_common.db import driver

            sql = await driver(connection)
            await sql.execute(
                "INSERT INTO hold (tenant, hold_id, debtor_id, kind, reason, placed_at, placed_by) "
                "VALUES ('acme', gen_random_uuid(), 'd0', 'manual', 'x', '2026-03-19', 'me')"
            )

        report = await _simulated(client, kind="forward", days=30)

    assert report["totals"]["messages"] == 0
    assert {(row["state"], row["reason"]) for row in report["obstacles"]} == {("held", "manual")}


async def test_a_policy_that_nobody_stored_is_compared_with_a_stored_one(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    await _portfolio(bench, Ledger())
    async with Running(bench):
        await bench.advance("acme", date(2026, 4, 20))

    report = await _simulated(
        client,
        kind="compare",
        policy={"policy_id": "france-b2b"},
        other={"policy_id": "strict", "yaml": STRICT},
        prices={"email": "0.05"},
    )

    assert report["a"]["policies"] == ["france-b2b v1"]
    assert report["b"]["policies"] == ["strict v1"]
    assert report["invoices"]["total"] == 9
    more = {
        row["level"]: row["more_under_b"]
        for row in report["differences"]
        if row["measure"] == "compensation" and row["month"] == "2026-03"
    }
    assert more == {"formal_notice": "360.00"}


async def test_the_blast_radius_names_who_would_hear_from_us(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    await _portfolio(bench, Ledger(), debtors=2)
    async with Running(bench):
        await bench.advance("acme", date(2026, 3, 4))

    report = await _simulated(
        client,
        kind="blast_radius",
        policy={"policy_id": "strict", "yaml": STRICT},
        replaces="france-b2b",
        days=3,
    )

    # Under its own policy d0 gets a courtesy on the 6th, d1 nothing before the 9th.
    assert report["contacts"]["newly_contacted"] == 1
    assert [row["debtor_id"] for row in report["contacts"]["items"]] == ["d1"]
    assert report["levels"]["total"] == 6
    assert {row["next_b"] for row in report["levels"]["items"]} == {"formal_notice"}
    untouched = await _simulated(
        client, kind="blast_radius", policy={"policy_id": "strict", "yaml": STRICT}, days=3
    )
    assert untouched["differences"] == []


async def test_nothing_is_written(bench: Bench, client: httpx.AsyncClient) -> None:
    await _portfolio(bench, Ledger())
    async with Running(bench):
        await bench.advance("acme", date(2026, 3, 20))
    before = [await bench.rows(f"SELECT t::text FROM {table} t ORDER BY 1") for table in TABLES]

    for kind in ("forward", "backtest"):
        await _simulated(client, kind=kind)

    after = [await bench.rows(f"SELECT t::text FROM {table} t ORDER BY 1") for table in TABLES]
    assert after == before


async def test_another_tenants_invoices_are_not_seen(
    bench: Bench, client: httpx.AsyncClient, headers: Headers
) -> None:
    await _portfolio(bench, Ledger())

    answer = await client.post(
        "/v1/simulations", json={"kind": "forward"}, headers=headers(tenant="other")
    )

    assert answer.status_code == 200
    assert answer.json()["totals"]["invoices"] == 0


async def test_some_debtors_can_be_named(bench: Bench, client: httpx.AsyncClient) -> None:
    await _portfolio(bench, Ledger())

    report = await _simulated(client, kind="backtest", debtor_ids=["d0", "d2", "nobody"])

    assert (report["totals"]["debtors"], report["totals"]["invoices"]) == (2, 6)


async def test_many_invoices_are_played_in_processes_of_their_own(
    bench: Bench, client: httpx.AsyncClient
) -> None:
    await _portfolio(bench, Ledger(), debtors=110)

    report = await _simulated(client, kind="forward", days=20)

    assert report["totals"]["invoices"] == 330
    assert report["totals"]["contacted_debtors"] == 110


async def test_too_many_invoices_are_refused_with_the_limit(
    bench: Bench, token_keys: Path, headers: Headers
) -> None:
    await _portfolio(bench, Ledger())

    settings = quiet_settings(simulation_invoices_max=8)
    async with _client(bench, token_keys, headers, settings) as client:
        answer = await client.post("/v1/simulations", json={"kind": "forward"})

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("too-many-invoices")
    assert "9 invoices" in answer.json()["detail"]
    assert "debtor_ids" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "oracle"}, "kind"),
        ({"kind": "compare", "policy": {"policy_id": "france-b2b"}}, "needs policy and other"),
        ({"kind": "backtest", "days": 3}, "a backtest goes back"),
        ({"kind": "forward", "since": "2026-01-01"}, "days go ahead"),
        ({"kind": "blast_radius"}, "needs policy"),
        ({"kind": "forward", "days": 0}, "days"),
        ({"kind": "backtest", "since": "2026-02-01", "until": "2026-02-01"}, "later than since"),
        ({"kind": "forward", "policy": {"policy_id": "none"}}, "no policy 'none'"),
        ({"kind": "forward", "policy": {"policy_id": "x", "version": 1, "yaml": "a"}}, "not both"),
        ({"kind": "forward", "policy": {"policy_id": "x", "yaml": "levels: ["}}, "not valid YAML"),
        ({"kind": "forward", "prices": {"email": "-1.00"}}, "not negative"),
        ({"kind": "forward", "prices": {"email": "1.234"}}, "decimals"),
        ({"kind": "forward", "surprise": 1}, "surprise"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused_with_the_reason(
    client: httpx.AsyncClient, body: dict[str, Any], words: str
) -> None:
    answer = await client.post("/v1/simulations", json=body)

    assert answer.status_code == 422, answer.text
    assert words in answer.text


async def test_reading_is_all_it_takes_and_less_is_not_enough(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    wish = {"kind": "forward"}
    reader = headers(scopes=frozenset({"dunning:read"}))
    other = headers(scopes=frozenset({"kpi:read"}))

    assert (await client.post("/v1/simulations", json=wish, headers=reader)).status_code == 200
    assert (await client.post("/v1/simulations", json=wish, headers=other)).status_code == 403


async def test_one_simulation_runs_at_a_time_and_too_many_are_sent_away() -> None:
    from dunning_common.problems import ProblemError

    queue, running = Queue(1), asyncio.Event()

    async def take_turn() -> None:
        async with queue.turn():
            await running.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(take_turn())
        group.create_task(take_turn())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(ProblemError) as refused:
            async with queue.turn():
                pass
        running.set()

    assert refused.value.status == 429
    assert refused.value.headers == {"Retry-After": "30"}
