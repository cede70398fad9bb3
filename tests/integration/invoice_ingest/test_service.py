"""The whole service as it is built for production, with a broker in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from dunning_common.auth import ANY_TENANT
from dunning_common.bus import Record
from dunning_common.events.dunning import ChargeAssessedV1
from dunning_common.events.envelope import Envelope
from dunning_common.service import Service
from dunning_common.testing.bus import MemoryBus
from invoice_ingest.adapters.master_key import MasterKeyError, make_master_key, read_master_key
from invoice_ingest.bootstrap import build
from invoice_ingest.schema import SCHEMA
from invoice_ingest.settings import Settings
from tests.conftest import Databases
from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE, TENANT, Tokens


@dataclass(kw_only=True)
class Running:
    service: Service
    bus: MemoryBus
    client: httpx.AsyncClient


async def settings_for(databases: Databases, tokens: Tokens, folder: Path) -> Settings:
    name = await databases.clone(SCHEMA)
    make_master_key(folder / "master.key")
    nowhere = "http://127.0.0.1:9"
    return Settings(
        api_database_url=databases.role_url(SCHEMA.api_role, name),
        worker_database_url=databases.role_url(SCHEMA.worker_role, name),
        public_url="http://ledger",
        token_keys_file=tokens.jwks,
        service_token=tokens.make(ANY_TENANT, ["internal"]),
        ingest_url=nowhere,
        engine_url=nowhere,
        notifier_url=nowhere,
        kpi_url=nowhere,
        master_key_file=folder / "master.key",
    )


@pytest.fixture
async def running(databases: Databases, tokens: Tokens, tmp_path: Path) -> AsyncIterator[Running]:
    bus = MemoryBus()
    service = await build(await settings_for(databases, tokens, tmp_path), bus=bus)
    loops = [asyncio.create_task(_run(loop)) for loop in service.loops.values()]
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=service.app),
        base_url="http://ledger",
        headers={"authorization": f"Bearer {tokens.make('acme')}"},
    )
    yield Running(service=service, bus=bus, client=client)
    for task in loops:
        task.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await client.aclose()
    await service.close()


async def _run(loop: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await loop()


async def until(found: Callable[[], Awaitable[Any]]) -> Any:
    for _ in range(600):
        value = await found()
        if value:
            return value
        await asyncio.sleep(0.05)
    raise AssertionError("it never came")


async def fill(running: Running) -> None:
    for path, body in (
        ("/v1/tenants/acme", TENANT),
        ("/v1/debtors/d1", DEBTOR),
        ("/v1/invoices/i1", INVOICE),
    ):
        answer = await running.client.put(path, json=body)
        assert answer.status_code == 200, answer.text


async def test_what_is_stored_is_published_in_order_without_personal_data(running: Running) -> None:
    await fill(running)

    async def published() -> list[tuple[str, Record]]:
        found = running.bus.published
        return found if len(found) >= 4 else []

    records = await until(published)
    types = [(topic, Envelope.from_bytes(record.value).type) for topic, record in records]
    assert ("tenants.v1", "TenantRegisteredV1") in types
    assert ("contacts.v1", "ContactsChangedV1") in types
    assert [t for topic, t in types if topic == "receivables.v1"] == [
        "DebtorTermsChangedV1",
        "InvoiceIssuedV1",
    ]
    assert all(b"Petit" not in record.value for _, record in records)


async def test_a_charge_that_the_engine_publishes_is_booked(running: Running) -> None:
    await fill(running)
    charge = ChargeAssessedV1(
        debtor_id="d1",
        invoice_id="i1",
        charge_id=uuid4(),
        kind="compensation",
        currency="EUR",
        amount_minor=4_000,
        assessed_on=date(2026, 3, 1),
        basis="D441-5",
    )
    envelope = Envelope(
        type="ChargeAssessedV1",
        source="dunning-engine",
        subject="i1",
        tenant="acme",
        key="acme:d1",
        sequence=1,
        data=charge.model_dump(mode="json"),
    )
    publisher = await running.bus.publisher()

    await publisher.publish("dunning.v1", [Record("acme:d1", envelope.to_bytes())] * 2)

    async def charged() -> bool:
        seen = (await running.client.get("/v1/invoices/i1")).json()
        return bool(seen["charges_open"] == "40.00")

    assert await until(charged)


async def test_the_broker_may_be_down_while_the_interface_accepts(running: Running) -> None:
    running.bus.down = True

    await fill(running)

    assert (await running.client.get("/v1/invoices/i1")).status_code == 200
    assert (await running.client.get("/health/ready")).json()["checks"]["database"] == "ok"


async def test_the_documentation_names_every_route_and_every_problem(running: Running) -> None:
    document = (await running.client.get("/openapi.json")).json()

    paths = document["paths"]
    assert {
        "/v1/tenants/{tenant}",
        "/v1/debtors/{debtor_id}",
        "/v1/invoices/{invoice_id}",
        "/v1/invoices/{invoice_id}/cancel",
        "/v1/payments/{payment_id}/reverse",
        "/v1/credit-notes/{credit_note_id}",
        "/v1/bulk/invoices",
        "/v1/imports",
        "/internal/permits",
        "/internal/debtor-keys",
        "/internal/feed/heads",
    } <= set(paths)
    schemas = document["components"]["schemas"]
    assert {"InvoiceItem", "DebtorItem", "PaymentItem", "CreditNoteItem"} <= set(schemas)
    for path, methods in paths.items():
        for method, route in methods.items():
            if path.startswith("/v1/"):
                assert {"401", "403", "422", "503"} <= set(route["responses"]), (path, method)
                assert route["summary"], (path, method)


def test_a_master_key_is_made_once_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "master.key"

    make_master_key(file)
    first = read_master_key(file)
    make_master_key(file)

    assert read_master_key(file) == first
    assert len(first) == 32
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "short", "not base64 at all!", "YWJj"])
def test_a_wrong_master_key_is_refused_with_a_remedy(tmp_path: Path, content: str) -> None:
    file = tmp_path / "master.key"
    file.write_text(content)

    with pytest.raises(MasterKeyError, match="restore"):
        read_master_key(file)
    with pytest.raises(MasterKeyError, match="make-master-key"):
        read_master_key(tmp_path / "none")


async def test_a_database_that_does_not_answer_is_503_with_a_time_to_come_back(
    databases: Databases, tokens: Tokens, tmp_path: Path
) -> None:
    good = await settings_for(databases, tokens, tmp_path)
    nowhere = SecretStr("postgresql+asyncpg://nobody:x@127.0.0.1:9/nothing")
    settings = good.model_copy(update={"api_database_url": nowhere, "worker_database_url": nowhere})
    service = await build(settings, bus=MemoryBus())
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=service.app),
        base_url="http://ledger",
        headers={"authorization": f"Bearer {tokens.make('acme')}"},
    )

    answers = [
        await client.put("/v1/invoices/i1", json=INVOICE),
        await client.post("/v1/bulk/debtors", json=[DEBTOR | {"debtor_id": "d1"}]),
        await client.get("/v1/invoices"),
    ]

    assert [a.status_code for a in answers] == [503, 503, 503]
    assert all(a.headers["retry-after"] for a in answers)
    assert (await client.get("/health/ready")).status_code == 503
    assert (await client.get("/health/live")).status_code == 200
    await client.aclose()
    await service.close()
