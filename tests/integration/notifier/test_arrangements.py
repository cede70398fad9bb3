"""The engine's rules for the page: the fake keeps the promises of the real engine's interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry

from dunning_common.auth import SCOPES, Verifier, make_key_pair, mint
from dunning_common.http import create_app
from dunning_engine.entrypoints.api_plans import plan_routes
from dunning_engine.entrypoints.api_responses import response_routes
from dunning_engine.response_records import ResponseKind, ResponseRow, ResponseState
from dunning_engine.schema import SCHEMA
from dunning_engine.testing import Bench
from notifier.adapters.http_arrangements import KNOWN_S, UNKNOWN_S, HttpArrangements
from notifier.portal.rules import OPEN, ArrangementRules, rules_of
from notifier.portal.verdicts import Verdict
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

AGREED, REFUSED, WAITS, ELSEWHERE = uuid4(), uuid4(), uuid4(), uuid4()
VERDICTS = {
    AGREED: Verdict("agreed"),
    REFUSED: Verdict("refused", "first_too_small"),
    WAITS: Verdict("waits"),
}

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
        yield FakeArrangements(
            set_rules={"strict": STRICT}, found={("strict", "d&1"): dict(VERDICTS)}
        )
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
    app.include_router(response_routes(bench.rooms))
    await answer(bench)
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


async def answer(bench: Bench) -> None:
    """What a debtor asked for, and what the engine made of it."""
    asked = [
        taken(AGREED, "promise", "applied"),
        taken(REFUSED, "plan", "open", "plan_refused", "risks, min_first_percent"),
        taken(WAITS, "plan", "open", "plan_needs_approval", "max_months"),
        taken(uuid4(), "plan", "waiting", "unknown"),
        taken(uuid4(), "dispute", "applied"),
        taken(ELSEWHERE, "promise", "applied", debtor="d2"),
    ]
    async with bench.rooms.tenant("strict") as stores:
        await stores.responses.add(asked)
        await stores.responses.settle(asked)


def taken(
    response_id: UUID,
    kind: ResponseKind,
    state: ResponseState,
    reason: str | None = None,
    detail: str | None = None,
    *,
    debtor: str = "d&1",
) -> ResponseRow:
    return ResponseRow(
        tenant="strict",
        response_id=response_id,
        debtor_id=debtor,
        kind=kind,
        source="portal",
        notice_id=None,
        invoice_ids=(),
        body={},
        effective_at=datetime(2026, 3, 10, tzinfo=UTC),
        state=state,
        reason=reason,
        detail=detail,
    )


async def test_what_became_of_promises_and_plans_is_told_of_one_debtor(
    arrangements: Arrangements,
) -> None:
    assert await arrangements.verdicts("strict", "d&1") == VERDICTS
    assert await arrangements.verdicts("strict", "d3") == {}
    assert await arrangements.verdicts("other", "d&1") == {}


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
        httpx.Response(200, json=DOCUMENT | {"min_first_percent": "NaN"}),
        httpx.Response(200, json=DOCUMENT | {"min_first_percent": "Infinity"}),
        httpx.Response(200, json=DOCUMENT | {"min_first_percent": "100.01"}),
        httpx.Response(200, json=DOCUMENT | {"min_first_percent": "-1"}),
        httpx.Response(200, json=DOCUMENT | {"max_months": 10**9}),
        httpx.Response(200, json=DOCUMENT | {"max_months": -1}),
        httpx.Response(200, json=DOCUMENT | {"promise_days_max": 10**12}),
        httpx.Response(200, json=DOCUMENT | {"min_instalment": {"EUR": "-1.00"}}),
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
            assert await arrangements.verdicts("acme", "d1") == {}


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
