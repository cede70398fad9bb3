"""The engine's rules for the page: the fake keeps the promises of the real engine's interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from dunning_common.auth import SCOPES, Verifier, make_key_pair, mint
from dunning_common.http import create_app
from dunning_engine.entrypoints.api_plans import plan_routes
from dunning_engine.schema import SCHEMA
from dunning_engine.testing import Bench
from notifier.adapters.http_arrangements import KNOWN_S, UNKNOWN_S, HttpArrangements
from notifier.portal.rules import OPEN, ArrangementRules, rules_of
from notifier.ports.portal import Arrangements
from notifier.testing import FakeArrangements
from tests.conftest import Databases

STRICT = ArrangementRules(
    promise_days_max=10,
    max_months=6,
    min_first_percent=Decimal("12.5"),
    min_instalment_minor=(("EUR", 5_000),),
    refuse=frozenset({"max_months", "min_instalment"}),
)

DOCUMENT = {
    "promise_days_max": 10, "max_months": 6, "min_first_percent": "0",
    "min_instalment": {}, "refuse": [],
}  # fmt: skip


@pytest.fixture(params=["fake", "real"])
async def arrangements(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path
) -> AsyncIterator[Arrangements]:
    """The tenant `strict` has set its rules; others have not."""
    if request.param == "fake":
        yield FakeArrangements(set_rules={"strict": STRICT})
        return
    make_key_pair(tmp_path / "private.pem", tmp_path / "jwks.json")
    token = mint(
        tmp_path / "private.pem", subject="notifier", tenant="*", scopes=SCOPES,
        now=datetime.now(UTC), lifetime=timedelta(hours=1),
    )  # fmt: skip
    bench = Bench(await databases.open(SCHEMA))
    app = create_app(
        title="engine",
        version="0",
        verifier=Verifier.from_file(tmp_path / "jwks.json"),
        registry=CollectorRegistry(),
        ready={},
    )
    app.include_router(plan_routes(bench.rooms, bench.catch_up))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        body = {
            "promise_days_max": 10, "max_months": 6, "min_first_percent": "12.5",
            "min_instalment": {"EUR": "50.00"}, "refuse": ["max_months", "min_instalment"],
        }  # fmt: skip
        stored = await client.put(
            "http://engine/v1/plan-rules",
            json=body,
            headers={"authorization": f"Bearer {token}", "x-tenant": "strict"},
        )
        assert stored.status_code == 200, stored.text
        yield HttpArrangements(client, base_url="http://engine/", token=token, timeout_s=5.0)


async def test_the_rules_that_a_tenant_set_are_those_of_the_page(
    arrangements: Arrangements,
) -> None:
    assert await arrangements.rules("strict") == STRICT


async def test_a_tenant_that_set_none_has_the_engines_defaults(arrangements: Arrangements) -> None:
    found = await arrangements.rules("other")

    assert (found.promise_days_max, found.max_months) == (30, 12)
    assert found.refuse == frozenset({"max_open_plans"})
    assert found.min_first_percent == 0
    assert found.min_instalment_minor == ()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"unexpected": True}),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, json=DOCUMENT | {"min_instalment": [50]}),
        httpx.Response(200, json=DOCUMENT | {"min_first_percent": "a tenth"}),
        httpx.Response(503),
        httpx.ConnectError("down"),
    ],
)
async def test_without_a_usable_answer_the_rules_are_the_widest_and_there_is_no_time(
    answer: httpx.Response | httpx.ConnectError,
) -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, httpx.ConnectError):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(broken)) as client:
        over_http = HttpArrangements(client, base_url="http://x", token="t", timeout_s=1.0)
        for arrangements in (over_http, FakeArrangements(down=True)):
            assert await arrangements.rules("acme") == OPEN
            assert await arrangements.now("acme") is None


@pytest.mark.parametrize("dead", [httpx.Response(502), httpx.ConnectError("down")])
async def test_rules_are_asked_for_once_a_minute_and_a_dead_engine_is_left_alone_for_a_moment(
    dead: httpx.Response | httpx.ConnectError,
) -> None:
    asked: list[str] = []
    time_s, is_dead = [1000.0], [False]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.headers['x-tenant']}{request.url.path}")
        if is_dead[0]:
            if isinstance(dead, httpx.ConnectError):
                raise dead
            return dead
        if request.url.path == "/v1/clock":
            return httpx.Response(200, json={"now": "2026-03-11T00:00:00+01:00"})
        return httpx.Response(200, json=DOCUMENT)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        arrangements = HttpArrangements(
            client, base_url="http://x", token="t", timeout_s=1.0, now_s=lambda: time_s[0]
        )
        for _ in range(3):
            assert (await arrangements.rules("a")).promise_days_max == 10
        assert asked == ["a/v1/plan-rules"]
        assert await arrangements.now("a") == datetime(2026, 3, 10, 23, tzinfo=UTC)

        time_s[0] += KNOWN_S
        is_dead[0] = True
        asked.clear()
        for _ in range(3):
            assert await arrangements.rules("a") == rules_of(DOCUMENT)  # as last known
            assert await arrangements.rules("b") == OPEN
            assert await arrangements.now("a") is None
        assert asked == ["a/v1/plan-rules"]

        time_s[0] += UNKNOWN_S
        is_dead[0] = False
        assert (await arrangements.rules("b")).promise_days_max == 10
