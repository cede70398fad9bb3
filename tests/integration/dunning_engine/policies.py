"""For tests of policies: the engine's API and its parts on one database, without broker or loops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from dunning_common.auth import SCOPES, make_key_pair, mint
from dunning_common.testing.bus import MemoryBus
from dunning_engine.bootstrap import build
from dunning_engine.entrypoints.policy_loop import PolicyWatch
from dunning_engine.schema import SCHEMA
from dunning_engine.testing import Bench, FakeFeed, quiet_settings
from tests.conftest import Databases

YAML = {"content-type": "application/yaml"}


@dataclass(frozen=True)
class Office:
    """The API as tenant acme, and a bench on the same database."""

    client: httpx.AsyncClient
    bench: Bench
    watch: PolicyWatch
    app: FastAPI
    token: str

    async def put(self, policy_id: str, text: str, **query: Any) -> dict[str, Any]:
        """Store a policy."""
        answered = await self.client.put(
            f"/v1/policies/{policy_id}", content=text, headers=YAML, params=query
        )
        assert answered.status_code == 200, answered.text
        return answered.json()

    async def activate(self, policy_id: str, **body: Any) -> dict[str, Any]:
        """Start or widen a stage."""
        answered = await self.client.post(f"/v1/policies/{policy_id}/activations", json=body)
        assert answered.status_code == 200, answered.text
        return answered.json()

    async def refused(self, method: str, path: str, status: int, **more: Any) -> dict[str, Any]:
        """The problem of a request that must be refused."""
        answered = await self.client.request(method, path, **more)
        assert answered.status_code == status, answered.text
        assert answered.headers["content-type"] == "application/problem+json"
        return answered.json()

    async def get(self, path: str, **query: Any) -> Any:
        """JSON of a page that must be there."""
        answered = await self.client.get(path, params=query)
        assert answered.status_code == 200, answered.text
        return answered.json()

    async def versions(self) -> dict[str, tuple[str | None, int | None]]:
        """Policy id and version of every case, by invoice."""
        rows = await self.bench.rows(
            "SELECT invoice_id, policy_id, policy_version FROM dunning_case"
        )
        return {r["invoice_id"]: (r["policy_id"], r["policy_version"]) for r in rows}


@asynccontextmanager
async def open_office(databases: Databases, folder: Path) -> AsyncIterator[Office]:
    """An office on a fresh database."""
    name = await databases.clone(SCHEMA)
    make_key_pair(folder / "private.pem", folder / "jwks.json")
    settings = quiet_settings(
        api_database_url=databases.role_url(SCHEMA.api_role, name),
        worker_database_url=databases.role_url(SCHEMA.worker_role, name),
        token_keys_file=folder / "jwks.json",
        migration_batch=3,
    )
    token = mint(
        folder / "private.pem", subject="ann", tenant="acme", scopes=SCOPES,
        now=datetime.now(UTC), lifetime=timedelta(hours=1),
    )  # fmt: skip
    service = await build(settings, bus=MemoryBus(), feeds=FakeFeed().clients())
    bench = Bench(await databases.open(SCHEMA, name), settings=settings)
    watch = PolicyWatch(rooms=bench.rooms, signals=bench.signals, settings=settings)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(service.app),
        base_url="http://engine.test",
        headers={"authorization": f"Bearer {token}"},
    ) as client:
        yield Office(client, bench, watch, service.app, token)
    await service.close()


def ladder(*levels: tuple[str, int], name: str = "Ours") -> str:
    """A policy that may speak at any hour: (code, threshold) pairs."""
    lines = "\n".join(
        f"  - {{code: {code}, threshold_days: {days}, channels: [email], template: first_reminder}}"
        for code, days in levels
    )
    return (
        f"name: {name}\nlevels:\n{lines}\n"
        "calendar: {weekdays: [mon, tue, wed, thu, fri, sat, sun], opens: '00:00',"
        " closes: '23:59', holidays: ignore}\n"
    )
