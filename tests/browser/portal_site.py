"""The notifier on a real port with debtors who owe something, and links to their pages."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from dunning_common.auth import make_key_pair
from dunning_common.consumer import Consumed
from dunning_common.db import Database, driver
from dunning_common.events.contacts import Contacts, ContactsChangedV1, PostalAddress
from dunning_common.events.dunning import NoticeItemV2, NoticeMessageV2, NoticeRequestedV2
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.registry import parse_payload
from dunning_common.events.tenants import BankDetails, LegalIdentity, TenantRegisteredV1
from dunning_common.ids import account_key, name_id
from dunning_common.service import serve
from dunning_common.testing.bus import MemoryBus
from dunning_common.vault import new_key, seal_contacts
from notifier.adapters.sql_inbox import SqlInbox
from notifier.adapters.sql_messages import SqlMessages
from notifier.adapters.sql_portal import SqlLinks, SqlPortalReading
from notifier.bootstrap import build
from notifier.handlers.record_events import RecordEvents
from notifier.handlers.settling import Settler
from notifier.portal.account import Account, Owed
from notifier.portal.link import Link, new_token, token_hash
from notifier.portal.rules import ArrangementRules
from notifier.portal.settings import PortalSettings
from notifier.ports.portal import Document, NewLink
from notifier.schema import SCHEMA
from notifier.settings import Settings
from notifier.testing import FakeAccounts, FakeArrangements, FakeLedger
from tests.conftest import Databases

TENANT = "atelier"
TODAY = date(2026, 3, 16)
RULES = ArrangementRules(
    promise_days_max=30, max_months=6, min_first_percent=Decimal(20), refuse=frozenset()
)
NAMES = {
    "fr": "Boulangerie Petit",
    "en": "Harbour Books Ltd",
    "de": "Bäckerei Schönfeld GmbH",
    "es": "Librería del Puerto S.L.",
    "pl": "Księgarnia Portowa sp. z o.o.",
}


@dataclass
class PortalSite:
    """A running notifier: its address, its books, and ways to look behind the pages."""

    url: str
    db: Database
    accounts: FakeAccounts
    ledger: FakeLedger
    tokens: dict[str, str] = field(default_factory=dict)

    def page(self, debtor: str, part: str = "") -> str:
        """The address of a debtor's page."""
        return f"{self.url}/p/{self.tokens[debtor]}" + (f"/{part}" if part else "")

    async def link_to_many(self, count: int) -> str:
        """The address of the page of a debtor who owes that many invoices."""
        debtor, token = "debtor-many", new_token()
        contacts = self.accounts.accounts[TENANT, "debtor-en"].contacts
        (model, *_) = _owed("many")
        owed = tuple(
            replace(model, invoice_id=f"many-{number}", number=f"N-{number:04}")
            for number in range(count)
        )
        self.accounts.accounts[TENANT, debtor] = Account(contacts=contacts, owed=owed)
        self.ledger.debtor_keys[TENANT, debtor] = new_key()
        link = Link(tenant=TENANT, link_id=name_id("many"), debtor_id=debtor, invoice_ids=None)
        made = NewLink(link=link, token_hash=token_hash(token), made_by="test", days=90)
        async with self.db.worker() as connection:
            await SqlLinks().keep(connection, [made])
        return f"{self.url}/p/{token}"

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """A table as it is now."""
        async with self.db.worker() as connection:
            found = await (await driver(connection)).fetch(f"SELECT * FROM {table} ORDER BY 1, 2")
        return [dict(row) for row in found]

    async def told(self) -> list[Payload]:
        """The events in the outbox."""
        return [
            parse_payload(Envelope.from_bytes(row["envelope"])) for row in await self.rows("outbox")
        ]

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """What a reader must not change."""
        names = ("response", "response_file", "response_log", "portal_link", "outbox", "message",
                 "suppression", "attempt", "notice", "contact")  # fmt: skip
        return {name: await self.rows(name) for name in names}


@asynccontextmanager
async def portal_site(databases: Databases, folder: Path) -> AsyncIterator[PortalSite]:
    """The service on a database of its own; its loops do not run."""
    database = await databases.clone(SCHEMA)
    make_key_pair(folder / "key.pem", folder / "jwks.json")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        api_database_url=SecretStr(databases.role_url(SCHEMA.api_role, database)),
        worker_database_url=SecretStr(databases.role_url(SCHEMA.worker_role, database)),
        http_port=port,
        public_url=url,
        token_keys_file=folder / "jwks.json",
        service_token=SecretStr("none"),
        ingest_url="http://127.0.0.1:1",
        engine_url="http://127.0.0.1:1",
        notifier_url=url,
        kpi_url="http://127.0.0.1:1",
        spool_folder=folder / "spool",
    )
    accounts, ledger = FakeAccounts(), FakeLedger()
    service = replace(
        await build(
            settings,
            bus=MemoryBus(),
            ledger=ledger,
            accounts=accounts,
            arrangements=FakeArrangements(set_rules={TENANT: RULES}),
        ),
        loops={},
    )
    stop = asyncio.Event()
    running = asyncio.create_task(serve([service], stop=stop))
    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(200):
            try:
                await client.get("/health/live")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
    db = Database(
        api_url=databases.role_url(SCHEMA.api_role, database),
        worker_url=databases.role_url(SCHEMA.worker_role, database),
        schema=SCHEMA.schema,
    )
    site = PortalSite(url, db, accounts, ledger)
    try:
        await _furnish(site)
        yield site
    finally:
        await db.close()
        stop.set()
        await running


async def _furnish(site: PortalSite) -> None:
    """A tenant whose clock stands in March, five debtors in five languages, a notice to each."""
    events: list[Payload] = [_tenant()]
    for language, name in NAMES.items():
        debtor = f"debtor-{language}"
        contacts = Contacts(
            name=name,
            language=language,
            emails=("post@example.com",),
            phones=("+33639981234",),
            address=PostalAddress(
                lines=("2 place du Marché",), postcode="69001", city="Lyon", country="FR"
            ),
        )
        key = site.ledger.debtor_keys[TENANT, debtor] = new_key()
        sealed = seal_contacts(key, contacts, tenant=TENANT, debtor_id=debtor)
        events.append(ContactsChangedV1(debtor_id=debtor, key_id="k1", ciphertext=sealed))
        owed = _owed(language)
        site.accounts.accounts[TENANT, debtor] = Account(
            contacts=contacts, owed=owed, unallocated=(("EUR", 5_000),)
        )
        site.accounts.documents[TENANT, owed[0].invoice_id] = Document(
            file_name="invoice.pdf", media_type="application/pdf", content=b"%PDF-1.7\n%%EOF\n"
        )
        events.extend(_notices(language, owed))
    settler = Settler(SqlMessages(), currency="EUR", registry=CollectorRegistry())
    async with site.db.worker() as connection:
        await RecordEvents(SqlInbox(), settler)(connection, [_consumed(e) for e in events])
        raw = await driver(connection)
        await raw.execute("UPDATE message SET state = 'sent', sent_at = now()")
        messages = await raw.fetch("SELECT * FROM message ORDER BY seq")
        links = []
        for row in messages:
            token = site.tokens[row["debtor_id"]] = new_token()
            link = Link(
                tenant=TENANT,
                link_id=name_id("link", str(row["message_id"])),
                debtor_id=row["debtor_id"],
                invoice_ids=tuple(row["invoice_ids"]),
                notice_id=UUID(bytes=row["notice_id"].bytes),
                message_id=UUID(bytes=row["message_id"].bytes),
                channel=row["channel"],
            )
            links.append(NewLink(link=link, token_hash=token_hash(token), made_by="test", days=90))
        await SqlLinks().keep(connection, links)
        settings = PortalSettings(
            pay_link="https://pay.example.com/atelier?ref={reference}&amount={amount}{currency}"
        )
        await SqlPortalReading().store_settings(connection, TENANT, settings, by="test")


def _tenant() -> TenantRegisteredV1:
    return TenantRegisteredV1(
        tenant_id=TENANT,
        name="Atelier Dubois & Fils",
        country="FR",
        zone="Europe/Paris",
        language="fr",
        base_currency="EUR",
        legal=LegalIdentity(
            legal_name="Atelier Dubois et Fils SARL",
            register_entry="RCS Paris 552 100 554",
            vat_id="FR40303265045",
            email="facturation@dubois.example.com",
            phone="+33 1 99 00 12 34",
            address=PostalAddress(
                lines=("1 rue de la Paix",), postcode="75002", city="Paris", country="FR"
            ),
        ),
        bank=BankDetails(
            holder="Atelier Dubois et Fils SARL",
            iban="FR7630006000011234567890189",
            bic="AGRIFRPP",
        ),
        email_from="facturation@dubois.example.com",
        sandbox=True,
        sandbox_starts_on=date(2026, 1, 1),
    )


def _owed(language: str) -> tuple[Owed, ...]:
    return (
        Owed(
            invoice_id=f"{language}-1",
            number="F-2026-0117",
            issued_on=date(2026, 1, 12),
            due_on=date(2026, 2, 11),
            currency="EUR",
            amount_minor=124_050,
            open_minor=104_050,
            charges_minor=4_812,
        ),
        Owed(
            invoice_id=f"{language}-2",
            number="F-2026-0142",
            issued_on=date(2026, 1, 30),
            due_on=date(2026, 3, 1),
            currency="EUR",
            amount_minor=38_900,
            open_minor=38_900,
        ),
    )


def _notices(language: str, owed: tuple[Owed, ...]) -> list[Payload]:
    """A first reminder some weeks ago, a second one today."""
    told: list[Payload] = []
    steps = ((date(2026, 2, 19), "first_reminder", 2), (TODAY, "second_reminder", 3))
    for day, level, level_no in steps:
        items = tuple(
            NoticeItemV2(
                invoice_id=item.invoice_id,
                number=item.number,
                level=level,
                level_no=level_no,
                issued_on=item.issued_on,
                due_on=item.due_on,
                days_late=(day - item.due_on).days,
                currency=item.currency,
                amount_minor=item.amount_minor,
                open_minor=item.open_minor,
                version=1,
            )
            for item in owed
        )
        told.append(
            NoticeRequestedV2(
                notice_id=name_id("notice", language, level),
                debtor_id=f"debtor-{language}",
                decided_at=datetime(day.year, day.month, day.day, 8, tzinfo=UTC),
                zone="Europe/Paris",
                policy_id="france-b2b",
                policy_version=1,
                decision_id=name_id("decision", language, level),
                items=items,
                messages=(
                    NoticeMessageV2(
                        channel="email",
                        template=level,
                        level=level,
                        level_no=level_no,
                        invoice_ids=tuple(item.invoice_id for item in items),
                    ),
                ),
            )
        )
    return told


_sequences: dict[str, int] = {}


def _consumed(payload: Payload) -> Consumed:
    debtor = getattr(payload, "debtor_id", None)
    key = account_key(TENANT, debtor) if debtor else TENANT
    _sequences[key] = _sequences.get(key, 0) + 1
    envelope = Envelope(
        type=type(payload).__name__,
        source="test",
        subject="test",
        tenant=TENANT,
        key=key,
        sequence=_sequences[key],
        data=payload.model_dump(mode="json"),
    )
    return Consumed(envelope, parse_payload(envelope))
