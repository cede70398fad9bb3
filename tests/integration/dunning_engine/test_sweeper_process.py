"""The sweeper in a process of its own: it decides what is due, and only that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from dunning_common.auth import make_key_pair
from dunning_common.events.dunning import NoticeRequestedV2
from dunning_engine.bootstrap import build_sweeper
from dunning_engine.schema import SCHEMA
from dunning_engine.testing import Bench, Ledger, always_open, quiet_settings
from tests.conftest import Databases


async def test_a_sweeper_of_its_own_asks_for_the_notices_that_are_due(
    databases: Databases, tmp_path: Path
) -> None:
    make_key_pair(tmp_path / "private.pem", tmp_path / "jwks.json")
    name = await databases.clone(SCHEMA)
    bench, ledger = Bench(await databases.open(SCHEMA, name)), Ledger()
    settings = quiet_settings(
        api_database_url=databases.role_url(SCHEMA.api_role, name),
        worker_database_url=databases.role_url(SCHEMA.worker_role, name),
        token_keys_file=tmp_path / "jwks.json",
    )
    async with bench.rooms.tenant("acme") as stores:
        await stores.policies.add("acme", always_open("always"), source="", stored_by="me")
        await stores.policies.set_default("acme", "always")

    sweeper = build_sweeper(settings)
    loops = [asyncio.ensure_future(loop()) for loop in sweeper.loops.values()]
    due_on = datetime.now(UTC).date() - timedelta(days=1)
    await bench.feed(ledger.registered(), ledger.debtor("d1", zone="UTC"))
    await bench.feed(ledger.invoice("i1", debtor_id="d1", issued_on=due_on, due_on=due_on))
    async with asyncio.timeout(30):
        while not await bench.sent(NoticeRequestedV2):  # noqa: ASYNC110 -- asks the database
            await asyncio.sleep(0.02)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(sweeper.app), base_url="http://sweeper.test"
    ) as client:
        ready = await client.get("/health/ready")
        assert ready.json()["checks"] == {"database": "ok"}
        assert (await client.get("/v1/cases")).status_code == 404
    for loop in loops:
        loop.cancel()
    await asyncio.wait(loops)
    await sweeper.close()
