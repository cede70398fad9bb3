"""A ledger called over HTTP in the same process: one database for all tests, a tenant for each.

Row-level security keeps the tests apart, as it keeps tenants apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from dunning_common import vault
from dunning_common.auth import ANY_TENANT, SCOPES, Verifier, make_key_pair, mint
from dunning_common.db import Database, driver
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.registry import parse_payload
from invoice_ingest.adapters.permit_bell import PermitBell
from invoice_ingest.bootstrap import make_desk
from invoice_ingest.entrypoints.api import make_app
from invoice_ingest.handlers.ports import Desk
from invoice_ingest.schema import SCHEMA
from tests.conftest import Databases

_numbers = itertools.count(1)

NOW = datetime(2026, 3, 15, 23, 30, tzinfo=UTC)
"""In Paris it is the 16th already."""

TENANT: dict[str, Any] = {
    "name": "Atelier Dubois",
    "country": "FR",
    "zone": "Europe/Paris",
    "language": "fr",
    "base_currency": "EUR",
    "legal": {
        "legal_name": "Atelier Dubois SARL",
        "form": "SARL",
        "address": {
            "lines": ["1 rue de la Paix"],
            "postcode": "75002",
            "city": "Paris",
            "country": "FR",
        },
    },
    "bank": {"holder": "Atelier Dubois SARL", "iban": "FR7630006000011234567890189"},
    "email_from": "compta@dubois.example.com",
}
DEBTOR: dict[str, Any] = {
    "name": "Boulangerie Petit",
    "kind": "business",
    "country": "FR",
    "contacts": {
        "emails": ["compta@petit.example.com"],
        "phones": ["06 39 98 12 34"],
        "address": {
            "lines": ["2 place du Marché"],
            "postcode": "69001",
            "city": "Lyon",
            "country": "FR",
        },
    },
}
INVOICE: dict[str, Any] = {
    "debtor_id": "d1",
    "issued_on": "2026-01-01",
    "due_on": "2026-01-31",
    "currency": "EUR",
    "amount": "100.00",
}


class FixedClock:
    def now(self) -> datetime:
        return NOW


@dataclass
class Tokens:
    """Makes tokens that the ledger accepts."""

    private_key: Path
    jwks: Path

    def make(self, tenant: str, scopes: Sequence[str] = tuple(SCOPES)) -> str:
        return mint(
            self.private_key,
            subject="test",
            tenant=tenant,
            scopes=frozenset(scopes),
            now=datetime.now(UTC),
            lifetime=timedelta(hours=1),
        )


@dataclass(kw_only=True)
class House:
    """The running service."""

    app: FastAPI
    db: Database
    desk: Desk
    tokens: Tokens


@dataclass(kw_only=True)
class Ledger:
    """The service as one test sees it; `name` is its tenant."""

    house: House
    name: str
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(
        self, tenant: str | None = None, scopes: Sequence[str] = tuple(SCOPES)
    ) -> httpx.AsyncClient:
        """A client whose token speaks for the tenant (the test's own by default)."""
        token = self.house.tokens.make(tenant or self.name, scopes)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.house.app, raise_app_exceptions=False),
            base_url="http://ledger",
            headers={"authorization": f"Bearer {token}"},
            timeout=60,
        )
        self.clients.append(client)
        return client

    async def registered(self, tenant: str | None = None, **changes: Any) -> httpx.AsyncClient:
        """A client of a tenant that exists."""
        client = self.client(tenant)
        answer = await client.put(f"/v1/tenants/{tenant or self.name}", json=TENANT | changes)
        assert answer.status_code == 200, answer.text
        return client

    async def events(self, topic: str = "receivables.v1") -> list[tuple[Envelope, Payload]]:
        """Everything in the tenant's outbox, in order of sequence."""
        rows = await self.rows(
            "SELECT envelope FROM outbox WHERE topic = $1 ORDER BY key, sequence", topic
        )
        envelopes = [Envelope.from_bytes(row["envelope"]) for row in rows]
        return [(envelope, parse_payload(envelope)) for envelope in envelopes]

    async def types(self, topic: str = "receivables.v1") -> list[str]:
        return [envelope.type for envelope, _ in await self.events(topic)]

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows of the test's tenant."""
        async with self.house.db.tenant(self.name) as connection:
            return list(await (await driver(connection)).fetch(sql, *arguments))

    async def money_is_conserved(self) -> None:
        """Each credit = its covers + its rest, Σ rests = cash, and each balance is a sum of rows."""
        wrong = await self.rows(
            """
            SELECT tenant, currency FROM (
                SELECT tenant, currency, amount_minor AS paid, 0 AS used FROM credit
                WHERE reversed_on IS NULL
                UNION ALL SELECT tenant, currency, 0, unallocated_minor FROM cash
                UNION ALL SELECT c.tenant, i.currency, 0, c.amount_minor FROM cover c
                    JOIN invoice i USING (tenant, invoice_id)
                UNION ALL SELECT c.tenant, i.currency, 0, c.amount_minor FROM charge_cover c
                    JOIN invoice i USING (tenant, invoice_id)
            ) AS flow GROUP BY 1, 2 HAVING sum(paid) <> sum(used)
            """
        )
        assert wrong == []
        wrong = await self.rows(
            """
            SELECT kind, credit_id FROM (
                SELECT kind, credit_id, CASE WHEN reversed_on IS NULL THEN amount_minor ELSE 0 END
                    - unallocated_minor AS rest FROM credit
                UNION ALL SELECT kind, credit_id, -amount_minor FROM cover
                UNION ALL SELECT kind, credit_id, -amount_minor FROM charge_cover
            ) AS flow GROUP BY 1, 2 HAVING sum(rest) <> 0
            """
        )
        assert wrong == []
        wrong = await self.rows(
            """
            SELECT charge_id FROM charge LEFT JOIN charge_cover c USING (tenant, charge_id)
            GROUP BY tenant, charge_id, covered_minor
            HAVING covered_minor <> coalesce(sum(c.amount_minor), 0)
            """
        )
        assert wrong == []
        wrong = await self.rows(
            """
            SELECT i.invoice_id FROM invoice i LEFT JOIN charge c USING (tenant, invoice_id)
            GROUP BY i.tenant, i.invoice_id HAVING i.charges_open_minor
                <> coalesce(sum(c.amount_minor - c.covered_minor - c.given_up_minor), 0)
            """
        )
        assert wrong == []
        wrong = await self.rows(
            """
            SELECT i.invoice_id FROM invoice i LEFT JOIN cover c USING (tenant, invoice_id)
            GROUP BY i.tenant, i.invoice_id
            HAVING i.covered_minor <> coalesce(sum(c.amount_minor), 0)
            """
        )
        assert wrong == []


@pytest.fixture(scope="session")
def tokens(scratch: Path) -> Tokens:
    made = Tokens(scratch / "ingest-token.pem", scratch / "ingest-jwks.json")
    make_key_pair(made.private_key, made.jwks)
    return made


@pytest.fixture(scope="session")
async def house(_databases: Databases, tokens: Tokens) -> AsyncIterator[House]:
    name = await _databases.clone(SCHEMA)
    db = Database(
        api_url=_databases.role_url(SCHEMA.api_role, name),
        worker_url=_databases.role_url(SCHEMA.worker_role, name),
        schema=SCHEMA.schema,
        pool_size=10,
    )
    bell = PermitBell(db)
    listening = asyncio.create_task(bell.run())
    desk = make_desk(db, master_key=vault.new_key(), bell=bell, clock=FixedClock())
    app = make_app(desk, verifier=Verifier.from_file(tokens.jwks), registry=CollectorRegistry())
    yield House(app=app, db=db, desk=desk, tokens=tokens)
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    await db.close()


@pytest.fixture
async def ledger(house: House) -> AsyncIterator[Ledger]:
    made = Ledger(house=house, name=f"acme-{next(_numbers)}")
    yield made
    for client in made.clients:
        await client.aclose()


@pytest.fixture
async def acme(ledger: Ledger) -> httpx.AsyncClient:
    """A client of the test's tenant, which has the debtors d1 and d2."""
    client = await ledger.registered()
    for debtor_id in ("d1", "d2"):
        answer = await client.put(f"/v1/debtors/{debtor_id}", json=DEBTOR)
        assert answer.status_code == 200, answer.text
    return client


@pytest.fixture
async def platform(ledger: Ledger) -> httpx.AsyncClient:
    """A client that acts for all tenants, as the other services do."""
    return ledger.client(ANY_TENANT)


def ndjson(*items: Any) -> bytes:
    return b"\n".join(orjson.dumps(item) for item in items)
