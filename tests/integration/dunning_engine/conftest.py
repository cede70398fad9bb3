"""A bench on a fresh database for every test, and the API of holds on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from dunning_common.auth import SCOPES, Verifier, make_key_pair, mint
from dunning_common.http import create_app
from dunning_engine.entrypoints.api_approvals import approval_routes
from dunning_engine.entrypoints.api_audit import audit_routes
from dunning_engine.entrypoints.api_bulk import bulk_routes
from dunning_engine.entrypoints.api_disputes import dispute_routes
from dunning_engine.entrypoints.api_holds import hold_routes
from dunning_engine.entrypoints.api_plans import plan_routes
from dunning_engine.entrypoints.api_promises import promise_routes
from dunning_engine.entrypoints.api_responses import response_routes
from dunning_engine.entrypoints.api_work import work_routes
from dunning_engine.schema import SCHEMA
from dunning_engine.testing import Bench
from tests.conftest import Databases

Headers = Callable[..., dict[str, str]]
"""Headers of a caller: `headers(tenant="acme", scopes=SCOPES)`."""


@pytest.fixture
async def bench(databases: Databases) -> Bench:
    return Bench(await databases.open(SCHEMA))


@pytest.fixture(scope="module")
def token_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_key_pair(folder / "private.pem", folder / "jwks.json")
    return folder


@pytest.fixture
def headers(token_keys: Path) -> Headers:
    def made(tenant: str = "acme", scopes: frozenset[str] = SCOPES, **more: str) -> dict[str, str]:
        token = mint(
            token_keys / "private.pem", subject="tester", tenant=tenant, scopes=scopes,
            now=datetime.now(UTC), lifetime=timedelta(hours=1),
        )  # fmt: skip
        return {"authorization": f"Bearer {token}", **more}

    return made


def app_of(bench: Bench, token_keys: Path) -> FastAPI:
    """The routes of people's work, on the bench's database."""
    app = create_app(
        title="work",
        version="0",
        verifier=Verifier.from_file(token_keys / "jwks.json"),
        registry=CollectorRegistry(),
        ready={"database": bench.db.ping},
    )
    for routes in (hold_routes, dispute_routes, promise_routes, plan_routes):
        app.include_router(routes(bench.rooms, bench.catch_up))
    for plain_routes in (work_routes, bulk_routes, audit_routes, response_routes):
        app.include_router(plain_routes(bench.rooms))
    app.include_router(approval_routes(bench.rooms, bench.law))
    return app


@pytest.fixture
async def api(bench: Bench, token_keys: Path, headers: Headers) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes of people's work, for the tenant `acme`."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app_of(bench, token_keys)),
        base_url="http://engine.test",
        headers=headers(),
    ) as client:
        yield client
