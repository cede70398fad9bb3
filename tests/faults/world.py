"""The surroundings of one run: a database, a name space on the broker, and the processes on them.

The ledger and the postmen are the real services; what the engine would ask for is written into the
engine's own outbox and travels from there as in production.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from dunning_common import outbox
from dunning_common.auth import ANY_TENANT, SCOPES, make_key_pair, mint
from dunning_common.db import Database
from dunning_common.events.dunning import NoticeItem, NoticeMessage, NoticeRequestedV1
from dunning_common.ids import account_key, name_id
from dunning_common.migrate import ServiceSchema
from dunning_common.outbox import Outgoing
from dunning_engine.schema import SCHEMA as ENGINE
from invoice_ingest.adapters.master_key import make_master_key
from invoice_ingest.schema import SCHEMA as LEDGER
from notifier.schema import SCHEMA as POSTMAN
from standalone.embedded.child import free_port
from tests.conftest import Databases
from tests.faults.checker import Asked, InvoiceRef, Stands
from tests.faults.nursery import Child, Nursery, Spec
from tests.faults.providers import PUBLIC_URL, Providers

PACE = float(os.environ.get("DUNNING_FAULTS_PACE", "1"))
"""What all times are multiplied by: more than 1 on a machine that is busy with other things."""

LEASE_S = 2.0 * PACE
MAX_SEND_S = 0.8 * PACE
MARGIN_S = 0.4 * PACE

TENANTS = ("acme", "bolt")
AMOUNT_MINOR = 10_000
WORKERS = 2
_READY_S = 60.0
_names = itertools.count(1)


@dataclass(frozen=True)
class Machine:
    """What runs share: PostgreSQL, the broker's address, the nursery and a folder."""

    databases: Databases
    kafka: str
    nursery: Nursery
    folder: Path
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class World:
    """One run's services, and ways to look into them; `eyes` are the payer's own connection."""

    machine: Machine
    variant: str
    providers: Providers
    folder: Path
    database: str
    email_via: str
    ports: dict[str, int]
    engine: Database
    admin: asyncpg.Connection[Any]
    eyes: asyncpg.Connection[Any]
    token: str
    asked: list[Asked] = field(default_factory=list)
    amounts: dict[InvoiceRef, int] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    tenant_of: dict[UUID, str] = field(default_factory=dict)

    @classmethod
    async def make(
        cls, machine: Machine, *, variant: str, providers: Providers, folder: Path, email_via: str
    ) -> World:
        """A world without processes yet."""
        make_key_pair(folder / "key.pem", folder / "jwks.json")
        make_master_key(folder / "master.key")
        async with machine.one_at_a_time:
            database = await machine.databases.clone(LEDGER, ENGINE, POSTMAN)
        roles = ["ledger", "engine", *(f"postman-{n}" for n in range(WORKERS))]
        return cls(
            machine=machine,
            variant=variant,
            providers=providers,
            folder=folder,
            database=database,
            email_via=email_via,
            ports={role: free_port() for role in roles},
            engine=await machine.databases.open(ENGINE, database),
            admin=await asyncpg.connect(machine.databases.admin_url(database)),
            eyes=await asyncpg.connect(machine.databases.admin_url(database)),
            token=mint(
                folder / "key.pem",
                subject="experiment",
                tenant=ANY_TENANT,
                scopes=SCOPES,
                now=datetime.now(UTC),
                lifetime=timedelta(hours=8),
            ),
        )

    async def start(self, role: str, plan: str = "") -> Child:
        """Start `ledger`, `engine` or `postman-N`, and wait until it answers or has ended."""
        kind = role.partition("-")[0]
        name = f"{role}.{next(_names)}"
        spec = Spec(
            name=name,
            role=kind,
            pulse=str(self.folder / f"{name}.pulse"),
            log=str(self.folder / f"{role}.log"),
            env=self._environment(kind, self.ports[role]),
            bus=self.database,
            variant=self.variant,
            crash=plan,
            extra={"ledger_url": self._url(LEDGER, LEDGER.worker_role, driver="postgresql")},
        )
        child = await self.machine.nursery.start(spec)
        self.children.append(child)
        return child

    async def await_ready(self, role: str) -> None:
        """Until a service answers."""
        async with httpx.AsyncClient() as client:
            for _ in range(int(_READY_S / 0.05)):
                try:
                    answer = await client.get(self.url(role) + "/health/ready", timeout=2.0)
                    if answer.status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.05)
        log = self.folder / f"{role}.log"
        raise AssertionError(f"{role} does not answer:\n{log.read_text()[-3000:]}")

    def url(self, role: str) -> str:
        """Where a service listens."""
        return f"http://127.0.0.1:{self.ports[role]}"

    def postmen(self) -> list[int]:
        """The ports of the postmen, dead or alive."""
        return [self.ports[f"postman-{n}"] for n in range(WORKERS)]

    async def populate(self, count: int) -> None:
        """Register both tenants, and `count` debtors with their invoices."""
        headers = {"authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(
            base_url=self.url("ledger"), headers=headers, timeout=60.0
        ) as client:
            for number, tenant in enumerate(TENANTS):
                here = {"x-tenant": tenant}
                mine = range(number, count, len(TENANTS))
                answers = [
                    await client.put(f"/v1/tenants/{tenant}", json=_tenant(tenant), headers=here),
                    await client.post(
                        "/v1/bulk/debtors", json=[_debtor(tenant, n) for n in mine], headers=here
                    ),
                    await client.post(
                        "/v1/bulk/invoices",
                        json=[_invoice(n, i) for n in mine for i in _invoices(n)],
                        headers=here,
                    ),
                ]
                for answer in answers:
                    answer.raise_for_status()

    async def ask(self, numbers: Sequence[int]) -> None:
        """Ask for the notices of these debtors, as the engine does."""
        events = []
        for number in numbers:
            tenant = TENANTS[number % len(TENANTS)]
            notice = _notice(tenant, number)
            for message in notice.messages:
                one = Asked(
                    tenant=tenant,
                    message_id=name_id("message", tenant, str(notice.notice_id), message.channel),
                    channel=message.channel,
                    to=_addresses(tenant, number)[message.channel],
                    invoice_ids=message.invoice_ids,
                )
                self.asked.append(one)
                self.tenant_of[one.message_id] = tenant
            for invoice_id in _invoices(number):
                self.amounts[tenant, invoice_id] = AMOUNT_MINOR
            key = account_key(tenant, notice.debtor_id)
            events.append(
                Outgoing(payload=notice, tenant=tenant, key=key, subject=notice.debtor_id)
            )
        async with self.engine.worker() as connection:
            await outbox.append(connection, events, source="dunning-engine")

    async def settled(self) -> int:
        """How many messages have ended."""
        return int(
            await self.admin.fetchval(
                "SELECT count(*) FROM notifier.message WHERE state NOT IN ('planned', 'sending')"
            )
        )

    async def unread_reports(self) -> int:
        """How many reports of providers are kept and not understood yet."""
        return int(
            await self.admin.fetchval(
                "SELECT count(*) FROM notifier.provider_event WHERE applied_at IS NULL"
            )
        )

    async def book(self) -> dict[UUID, Stands]:
        """How every message stands, and what happened to it."""
        rows = await self.admin.fetch("SELECT message_id, state, reason FROM notifier.message")
        steps = await self.admin.fetch(
            "SELECT message_id, phase, actor FROM notifier.attempt ORDER BY message_id, n"
        )
        history: dict[UUID, list[tuple[str, str]]] = {}
        for step in steps:
            history.setdefault(step["message_id"], []).append((step["phase"], step["actor"] or ""))
        return {
            row["message_id"]: Stands(
                state=row["state"],
                reason=row["reason"],
                history=tuple(history.get(row["message_id"], ())),
            )
            for row in rows
        }

    async def told(self) -> dict[UUID, Counter[str]]:
        """What the postman told the world of each message, by kind of event, from its outbox."""
        rows = await self.admin.fetch(
            "SELECT convert_from(envelope, 'UTF8')::jsonb->>'type' AS type, "
            "convert_from(envelope, 'UTF8')::jsonb->'data'->>'message_id' AS message_id "
            "FROM notifier.outbox WHERE topic = 'notifications.v1'"
        )
        told: dict[UUID, Counter[str]] = {}
        for row in rows:
            kind = row["type"].removeprefix("Notice").rstrip("0123456789").removesuffix("V")
            told.setdefault(UUID(row["message_id"]), Counter())[kind] += 1
        return told

    async def listed(self, state: str) -> frozenset[UUID]:
        """The messages that the API lists in a state."""
        found: set[UUID] = set()
        async with httpx.AsyncClient(base_url=self.url("postman-0"), timeout=30.0) as client:
            for tenant in TENANTS:
                cursor: str | None = ""
                while cursor is not None:
                    answer = await client.get(
                        "/v1/messages",
                        params={"state": state} | ({"cursor": cursor} if cursor else {}),
                        headers={"authorization": f"Bearer {self.token}", "x-tenant": tenant},
                    )
                    answer.raise_for_status()
                    page = answer.json()
                    found |= {UUID(item["message_id"]) for item in page["items"]}
                    cursor = page["next_cursor"]
        return frozenset(found)

    async def resolve(self, message_id: UUID, *, was_sent: bool) -> None:
        """A person says what became of an unknown message."""
        async with httpx.AsyncClient(base_url=self.url("postman-0"), timeout=30.0) as client:
            answer = await client.post(
                f"/v1/messages/{message_id}/resolve",
                json={"outcome": "sent" if was_sent else "not_sent", "note": "asked the provider"},
                headers={
                    "authorization": f"Bearer {self.token}",
                    "x-tenant": self.tenant_of[message_id],
                },
            )
            answer.raise_for_status()

    async def close(self) -> None:
        """Let go of the database; the processes belong to the nursery."""
        await self.admin.close()
        await self.eyes.close()

    def _url(self, schema: ServiceSchema, role: str, *, driver: str) -> str:
        return self.machine.databases.role_url(role, self.database).replace(
            "postgresql+asyncpg", driver
        )

    def _environment(self, kind: str, port: int) -> dict[str, str]:
        prefix, schema = _SERVICES[kind]
        values = {
            "API_DATABASE_URL": self._url(schema, schema.api_role, driver="postgresql+asyncpg"),
            "WORKER_DATABASE_URL": self._url(
                schema, schema.worker_role, driver="postgresql+asyncpg"
            ),
            "KAFKA_BOOTSTRAP": self.machine.kafka,
            "HTTP_PORT": str(port),
            "PUBLIC_URL": PUBLIC_URL,
            "TOKEN_KEYS_FILE": str(self.folder / "jwks.json"),
            "SERVICE_TOKEN": self.token,
            "INGEST_URL": self.url("ledger"),
            "ENGINE_URL": self.url("engine"),
            "NOTIFIER_URL": self.url("postman-0"),
            "KPI_URL": "http://127.0.0.1:1",
            "ANTI_ENTROPY_S": "5",
            "LOG_LEVEL": "warning",
        } | (self._of_postman() if kind == "postman" else {})
        if kind == "ledger":
            values["MASTER_KEY_FILE"] = str(self.folder / "master.key")
        return {f"{prefix}_{name}": value for name, value in values.items()}

    def _of_postman(self) -> dict[str, str]:
        providers = self.providers
        return {
            "LEASE_S": str(LEASE_S),
            "MAX_SEND_S": str(MAX_SEND_S),
            "MARGIN_S": str(MARGIN_S),
            "BATCH_SIZE": "8",
            "PARALLEL_SENDS": "4",
            "SENDERS": "2",
            "WRITER_THREADS": "1",
            "RETRY_BASE_S": "0.2",
            "RETRY_CAP_S": "1",
            "EMAIL_VIA": self.email_via,
            "SMTP_PORT": str(providers.smtp.port),
            "SMTP_LOCAL_HOSTNAME": "postman.test",
            "SENDGRID_URL": providers.sendgrid.url,
            "SENDGRID_API_KEY": "none",
            "SENDGRID_WEBHOOK_KEY": providers.sendgrid.public_key,
            "TWILIO_URL": providers.twilio.url,
            "TWILIO_ACCOUNT_SID": providers.twilio.account_sid,
            "TWILIO_AUTH_TOKEN": providers.twilio.auth_token,
            "TWILIO_FROM": "+33639980000",
            "SPOOL_FOLDER": str(providers.spool),
        }


_SERVICES = {
    "ledger": ("INGEST", LEDGER),
    "engine": ("ENGINE", ENGINE),
    "postman": ("NOTIFIER", POSTMAN),
}
_ADDRESS = {"lines": ["1 rue de la Paix"], "postcode": "75002", "city": "Paris", "country": "FR"}


def _tenant(tenant: str) -> dict[str, Any]:
    return {
        "name": tenant, "country": "FR", "zone": "Europe/Paris", "language": "fr",
        "base_currency": "EUR", "legal": {"legal_name": tenant, "form": "SAS", "address": _ADDRESS},
        "bank": {"holder": tenant, "iban": "FR7630006000011234567890189"},
        "email_from": f"billing@{tenant}.example.com", "sms_from": "+33639980000",
    }  # fmt: skip


def _addresses(tenant: str, number: int) -> dict[str, str]:
    """Where a debtor is reached, by channel: nobody else is reached there."""
    return {
        "email": f"d{number}@{tenant}.example.com",
        "sms": f"+33639{number:06d}",
        "letter": f"Debtor {number}",
    }


def _debtor(tenant: str, number: int) -> dict[str, Any]:
    to = _addresses(tenant, number)
    return {
        "debtor_id": f"d{number}", "name": to["letter"], "kind": "business", "country": "FR",
        "contacts": {"emails": [to["email"]], "phones": [to["sms"]], "address": _ADDRESS},
    }  # fmt: skip


def _invoices(number: int) -> list[str]:
    return [f"i{number}-{part}" for part in range(1 + number % 2)]


def _invoice(number: int, invoice_id: str) -> dict[str, Any]:
    return {
        "invoice_id": invoice_id, "debtor_id": f"d{number}", "issued_on": "2026-01-01",
        "due_on": "2026-01-31", "currency": "EUR", "amount": f"{AMOUNT_MINOR // 100}.00",
    }  # fmt: skip


def _channels(number: int) -> tuple[str, ...]:
    """One debtor in ten gets a letter, two a text, two an e-mail and a text, the others an e-mail."""
    match number // 2 % 10:
        case 0:
            return ("letter",)
        case 1 | 2:
            return ("sms",)
        case 3 | 4:
            return ("email", "sms")
        case _:
            return ("email",)


def where_it_is_day(now: datetime) -> str:
    """A zone in which it is early afternoon: texts do not go out at night."""
    ahead_h = 13 - now.hour
    return f"Etc/GMT{-ahead_h:+d}"  # POSIX signs: Etc/GMT-5 is five hours ahead


def _notice(tenant: str, number: int) -> NoticeRequestedV1:
    level = "first_reminder"
    invoices = _invoices(number)
    return NoticeRequestedV1(
        notice_id=name_id("notice", tenant, str(number)),
        debtor_id=f"d{number}",
        decided_at=datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
        zone=where_it_is_day(datetime.now(UTC)),
        policy_id="france-b2b",
        policy_version=1,
        decision_id=name_id("decision", tenant, str(number)),
        items=tuple(
            NoticeItem(
                invoice_id=invoice, number=invoice, level=level, level_no=2,
                issued_on=date(2026, 1, 1), due_on=date(2026, 1, 31), days_late=30,
                currency="EUR", amount_minor=AMOUNT_MINOR, open_minor=AMOUNT_MINOR, version=1,
            )
            for invoice in invoices
        ),
        messages=tuple(
            NoticeMessage(
                channel=channel, template=level, level=level, level_no=2,
                invoice_ids=tuple(invoices),
            )
            for channel in _channels(number)
        ),
    )  # fmt: skip
