"""The notifier with the ledger's own interface: keys, permits, and a payment that waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dunning_common.auth import ANY_TENANT, SCOPES, make_key_pair, mint
from dunning_common.db import Database, driver
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.registry import parse_payload
from dunning_common.testing.bus import MemoryBus
from invoice_ingest.adapters.master_key import make_master_key
from invoice_ingest.bootstrap import build
from invoice_ingest.schema import SCHEMA as LEDGER
from invoice_ingest.settings import Settings
from notifier.adapters.http_ledger import HttpLedger
from notifier.channels.smtp import SmtpChannel, SmtpServer
from tests.conftest import Databases
from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE
from tests.integration.invoice_ingest.conftest import TENANT as TENANT_BODY
from tests.integration.notifier.conftest import TENANT, Postman, notice
from tests.integration.notifier.post_office import batched, batcher


@dataclass
class RealLedger:
    """The ledger's application, called over HTTP in this process."""

    db: Database
    client: httpx.AsyncClient

    async def put(self, path: str, body: dict[str, Any]) -> None:
        answer = await self.client.put(path, json=body, headers={"x-tenant": TENANT})
        assert answer.status_code in (200, 201), answer.text

    async def told(self, *topics: str) -> list[Payload]:
        async with self.db.worker() as connection:
            rows = await (await driver(connection)).fetch(
                "SELECT envelope FROM outbox WHERE topic = ANY($1) ORDER BY written_at", topics
            )
        return [parse_payload(Envelope.from_bytes(row["envelope"])) for row in rows]


@pytest.fixture
async def ledger(databases: Databases, tmp_path: Path) -> AsyncIterator[RealLedger]:
    make_key_pair(tmp_path / "key.pem", tmp_path / "jwks.json")
    make_master_key(tmp_path / "master.key")
    name = await databases.clone(LEDGER)
    urls = dict.fromkeys(
        ("ingest_url", "engine_url", "notifier_url", "kpi_url"), "http://127.0.0.1:1"
    )
    service = await build(
        Settings(
            api_database_url=SecretStr(databases.role_url(LEDGER.api_role, name)),
            worker_database_url=SecretStr(databases.role_url(LEDGER.worker_role, name)),
            public_url="http://ledger",
            token_keys_file=tmp_path / "jwks.json",
            service_token=SecretStr("t"),
            master_key_file=tmp_path / "master.key",
            **urls,  # type: ignore[arg-type]
        ),
        bus=MemoryBus(),
    )
    token = mint(
        tmp_path / "key.pem",
        subject="notifier",
        tenant=ANY_TENANT,
        scopes=SCOPES,
        now=datetime.now(UTC),
        lifetime=timedelta(minutes=5),
    )
    db = await databases.open(LEDGER, name)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(service.app),
        base_url="http://ledger",
        headers={"authorization": f"Bearer {token}"},
    ) as client:
        made = RealLedger(db=db, client=client)
        await made.put(f"/v1/tenants/{TENANT}", TENANT_BODY)
        await made.put("/v1/debtors/d1", DEBTOR)
        for invoice in ("i1", "i2"):
            await made.put(f"/v1/invoices/{invoice}", INVOICE)
        yield made
    await service.close()


def connect(postman: Postman, ledger: RealLedger) -> None:
    token = ledger.client.headers["authorization"].removeprefix("Bearer ")
    postman.ledger = HttpLedger(  # type: ignore[assignment]
        ledger.client, base_url="http://ledger", token=token, timeout_s=5.0
    )


async def test_a_notice_goes_out_with_the_ledgers_own_keys_and_permits(
    postman: Postman, ledger: RealLedger
) -> None:
    connect(postman, ledger)
    await postman.hear(*await ledger.told("tenants.v1", "contacts.v1"))
    await postman.hear(notice("n1", invoices=("i1", "i2")))

    await postman.send_all()

    assert await postman.states() == ["sent"]
    assert postman.smtp.log.accepted[0].to == "compta@petit.example.com"


async def test_a_payment_that_comes_first_sends_the_notice_back(
    postman: Postman, ledger: RealLedger
) -> None:
    connect(postman, ledger)
    await postman.hear(*await ledger.told("tenants.v1", "contacts.v1"))
    await postman.hear(notice("n1", invoices=("i1", "i2")))
    paid = {"debtor_id": "d1", "currency": "EUR", "amount": "100.00", "value_date": "2026-03-01"}
    await ledger.put(
        "/v1/payments/p1", {**paid, "allocations": [{"invoice_id": "i2", "amount": "100.00"}]}
    )

    await postman.send_all()

    row = await postman.message()
    assert row["state"] == "returned"
    assert row["reason"].startswith("permit_refused")
    assert not postman.smtp.mails


async def test_a_payment_during_the_sending_is_acknowledged_after_the_mail(
    postman: Postman, ledger: RealLedger
) -> None:
    connect(postman, ledger)
    await postman.hear(*await ledger.told("tenants.v1", "contacts.v1"))
    await postman.hear(notice("n1"))
    order: list[str] = []
    paying: list[asyncio.Task[None]] = []

    async def pay() -> None:
        body = {
            "debtor_id": "d1",
            "currency": "EUR",
            "amount": "100.00",
            "value_date": "2026-03-01",
        }
        await ledger.put("/v1/payments/p1", body)
        order.append("acknowledged")

    class PaidMeanwhile(SmtpChannel):
        async def send(self, parcel, deadline):  # type: ignore[no-untyped-def]
            paying.append(asyncio.ensure_future(pay()))
            await asyncio.sleep(0.3)
            outcome = await super().send(parcel, deadline)
            order.append("mail")
            return outcome

    server = SmtpServer(host="127.0.0.1", port=postman.smtp.port, local_hostname="x")
    postman.channels["email"] = PaidMeanwhile(server)
    await postman.send_all()
    await asyncio.gather(*paying)

    assert order == ["mail", "acknowledged"]
    assert await postman.states() == ["sent"]


async def test_a_payment_after_a_letter_was_written_keeps_it_from_leaving_with_its_batch(
    postman: Postman, ledger: RealLedger, tmp_path: Path
) -> None:
    connect(postman, ledger)
    batched(postman)
    await postman.hear(*await ledger.told("tenants.v1", "contacts.v1"))
    for name, invoice in (("n1", "i1"), ("n2", "i2")):
        await postman.hear(notice(name, invoices=(invoice,), channels={"letter": (invoice,)}))
    await postman.send_all()
    in_the_spool = await postman.states()
    paid = {"debtor_id": "d1", "currency": "EUR", "amount": "100.00", "value_date": "2026-03-01"}
    await ledger.put(
        "/v1/payments/p1", {**paid, "allocations": [{"invoice_id": "i2", "amount": "100.00"}]}
    )

    await batcher(postman, tmp_path / "batches").work()

    rows = await postman.messages()
    assert in_the_spool == ["planned", "planned"]
    assert [row["state"] for row in rows] == ["sent", "returned"]
    assert rows[1]["reason"].startswith("permit_refused")
    assert len(list((tmp_path / "batches").rglob("0*.pdf"))) == 1
    async with ledger.db.worker() as connection:
        live = await (await driver(connection)).fetchval("SELECT count(*) FROM permit")
    assert live == 0
