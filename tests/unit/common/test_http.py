"""What every service's application does: health, metrics, limits, traces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request
from jwt.algorithms import OKPAlgorithm
from opentelemetry import trace
from prometheus_client import CollectorRegistry

from dunning_common import http
from dunning_common.auth import Verifier
from dunning_common.http import Check, create_app
from dunning_common.telemetry import configure_tracing


def no_keys() -> Verifier:
    jwk: dict[str, Any] = OKPAlgorithm.to_jwk(
        Ed25519PrivateKey.generate().public_key(), as_dict=True
    )
    return Verifier({"keys": [jwk | {"kid": "1"}]})


async def fine() -> None:
    return


async def broken() -> None:
    raise ConnectionRefusedError


def app(ready: dict[str, Check] | None = None) -> FastAPI:
    made = create_app(
        title="ledger", version="1.2", verifier=no_keys(), registry=CollectorRegistry(),
        ready=ready or {}, degraded=("broker",),
    )  # fmt: skip

    @made.get("/things/{thing}")
    async def read(thing: str) -> dict[str, str]:
        return {
            "thing": thing,
            "trace": f"{trace.get_current_span().get_span_context().trace_id:032x}",
        }

    @made.post("/things")
    async def write(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @made.get("/broken")
    async def break_() -> None:
        raise RuntimeError

    return made


def client(made: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(made, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://here")


async def test_a_process_that_answers_is_alive() -> None:
    answer = await client(app({"database": broken})).get("/health/live")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("checks", "status", "word"),
    [
        ({"database": fine, "broker": fine}, 200, "ok"),
        ({"database": fine, "broker": broken}, 200, "degraded"),
        ({"database": broken, "broker": fine}, 503, "failed"),
        ({"database": broken, "broker": broken}, 503, "failed"),
        ({}, 200, "ok"),
    ],
)
async def test_readiness_depends_on_what_is_needed(
    checks: dict[str, Check], status: int, word: str
) -> None:
    answer = await client(app(checks)).get("/health/ready")

    assert (answer.status_code, answer.json()["status"]) == (status, word)


async def test_a_failed_check_is_named_without_its_details() -> None:
    body = (await client(app({"database": broken})).get("/health/ready")).json()

    assert body["checks"] == {"database": "failed: ConnectionRefusedError"}


async def test_requests_are_counted_by_route_not_by_address() -> None:
    made = client(app())
    for thing in ("a", "b"):
        await made.get(f"/things/{thing}")
    await made.get("/nowhere")
    await made.get("/broken")

    metrics = (await made.get("/metrics")).text

    counted = 'dunning_http_requests_total{method="GET",route="%s",status="%d"} %d.0'
    assert counted % ("/things/{thing}", 200, 2) in metrics
    assert counted % ("unmatched", 404, 1) in metrics
    assert counted % ("/broken", 500, 1) in metrics


async def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    answer = await client(app()).post(
        "/things", content=b"x", headers={"content-length": str(http.MAX_BODY_BYTES + 1)}
    )

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_that_announces_nothing_is_refused_when_it_grows_too_large() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(http.MAX_BODY_BYTES // 2**20 + 1):
            yield b"x" * 2**20

    answer = await client(app()).post("/things", content=endless())

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("length", ["many", "-1", "1e3", "٣".encode()])
async def test_a_length_that_is_no_number_is_refused(length: str | bytes) -> None:
    answer = await client(app()).post("/things", headers={b"content-length": length})

    assert answer.status_code == 413


async def test_a_body_within_the_limit_is_read_whole() -> None:
    answer = await client(app()).post("/things", content=b"x" * 100_000)

    assert answer.json() == {"bytes": 100_000}


async def test_the_callers_trace_goes_on() -> None:
    configure_tracing()
    trace_id = "0af7651916cd43dd8448eb211c80319c"

    answer = await client(app()).get(
        "/things/a", headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    )

    assert answer.json()["trace"] == trace_id
