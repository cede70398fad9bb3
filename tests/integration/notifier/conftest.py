"""A postman with fake surroundings: database, ledger, mail server, spool; and ways to look at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from dunning_common.clock import SystemClock
from dunning_common.consumer import Consumed
from dunning_common.db import Database, driver
from dunning_common.events.contacts import (
    Contacts,
    ContactsChangedV1,
    DebtorErasedV1,
    PostalAddress,
)
from dunning_common.events.dunning import (
    NoticeItemV2,
    NoticeMessageV2,
    NoticeRequestedV2,
    NoticeRevokedV1,
)
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.registry import parse_payload
from dunning_common.events.tenants import BankDetails, LegalIdentity, TenantRegisteredV1
from dunning_common.ids import account_key, name_id
from dunning_common.vault import new_key, seal_contacts
from notifier.adapters.sql_feedback import SqlFeedback
from notifier.adapters.sql_inbox import SqlInbox
from notifier.adapters.sql_issues import SqlIssues
from notifier.adapters.sql_messages import SqlMessages
from notifier.adapters.sql_reading import SqlReading
from notifier.adapters.sql_suppressions import Consult, SqlSuppressions
from notifier.adapters.thread_pool import ThreadPool
from notifier.channels.base import Channel
from notifier.channels.letter_spool import LetterSpoolChannel
from notifier.channels.smtp import SmtpChannel, SmtpServer
from notifier.domain.outcome import RetryPolicy
from notifier.handlers.record_events import RecordEvents
from notifier.handlers.resolve import Resolver
from notifier.handlers.send import Crash, Sender, Timing, no_crash
from notifier.handlers.settling import Settler
from notifier.handlers.suppressing import SuppressingVerdicts, Suppressor
from notifier.handlers.sweep import Sweeper
from notifier.handlers.take_feedback import FeedbackReader
from notifier.handlers.write import Scribe
from notifier.schema import SCHEMA
from notifier.testing import AcceptLog, FakeLedger, FakeSmtp, PlainRenderer
from tests.conftest import Databases

TENANT = "acme"
DECIDED = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

CONTACTS = Contacts(
    name="Dupont SARL",
    language="fr",
    emails=("compta@dupont.example",),
    phones=("+33 6 12 34 56 78",),
    address=PostalAddress(
        lines=("1 rue de la Paix",), postcode="75002", city="Paris", country="FR"
    ),
)


class Midday:
    """Today at noon in Paris: texts and calls may go whenever the tests run."""

    def now(self) -> datetime:
        return datetime.now(UTC).replace(hour=11, minute=0)


class Killed(BaseException):
    """Stands for kill -9 at a point of the protocol."""


def killing_at(point: str, *, times: int = 1) -> Crash:
    left = [times]

    def crash(where: str) -> None:
        if where == point and left[0] > 0:
            left[0] -= 1
            raise Killed(where)

    return crash


def tenant_event(tenant: str = TENANT) -> TenantRegisteredV1:
    return TenantRegisteredV1(
        tenant_id=tenant,
        name="Acme Fournitures",
        country="FR",
        zone="Europe/Paris",
        language="fr",
        base_currency="EUR",
        legal=LegalIdentity(
            legal_name="Acme SAS",
            address=PostalAddress(lines=("2 quai",), postcode="69001", city="Lyon", country="FR"),
        ),
        bank=BankDetails(holder="Acme SAS", iban="FR7630006000011234567890189"),
        email_from="facturation@acme.example",
        sms_from="+33700000000",
    )


def notice(
    name: str,
    *,
    debtor: str = "d1",
    invoices: Sequence[str] = ("i1",),
    channels: Mapping[str, Sequence[str]] | None = None,
    template: str = "first_reminder",
    versions: int = 1,
) -> NoticeRequestedV2:
    chosen = channels or {"email": invoices}
    return NoticeRequestedV2(
        notice_id=name_id("notice", name),
        debtor_id=debtor,
        decided_at=DECIDED,
        zone="Europe/Paris",
        policy_id="france-b2b",
        policy_version=1,
        decision_id=name_id("decision", name),
        items=tuple(
            NoticeItemV2(
                invoice_id=invoice,
                number=invoice,
                level=template,
                level_no=2,
                issued_on=date(2026, 1, 1),
                due_on=date(2026, 2, 1),
                days_late=29,
                currency="EUR",
                amount_minor=10000,
                open_minor=10000,
                version=versions,
            )
            for invoice in invoices
        ),
        messages=tuple(
            NoticeMessageV2(
                channel=channel,
                template=template,
                level=template,
                level_no=2,
                invoice_ids=tuple(covered),
            )
            for channel, covered in chosen.items()
        ),
    )


@dataclass
class Postman:
    """The notifier's parts on one database, and what the world heard of it."""

    db: Database
    ledger: FakeLedger
    smtp: FakeSmtp
    spool: Path
    channels: dict[str, Channel]
    timing: Timing
    settler: Settler
    record: RecordEvents
    feedback: FeedbackReader
    resolver: Resolver
    sweeper: Sweeper
    writer: Scribe
    caught_up: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    on_catch_up: Callable[[Sequence[str]], Any] | None = None
    feeds_answer: bool = True
    sequences: dict[tuple[str, str], int] = field(default_factory=dict)

    def sender(self, crash: Crash = no_crash, *, worker: str = "w", **more: Any) -> Sender:
        return Sender(
            db=self.db,
            queue=SqlMessages(),
            settler=self.settler,
            ledger=self.ledger,
            channels=self.channels,
            writer=self.writer,
            catch_up=self.catch_up,
            timing=more.pop("timing", self.timing),
            retry=more.pop("retry", RetryPolicy(base_s=0.0)),
            clock=more.pop("clock", Midday()),
            worker=worker,
            crash=crash,
            **more,
        )

    async def catch_up(
        self, topics: Sequence[str], *, tenant: str | None = None, keys: Sequence[str] | None = None
    ) -> bool:
        self.caught_up.append((tuple(topics), tuple(keys or ())))
        if self.on_catch_up:
            await self.on_catch_up(topics)
        return self.feeds_answer

    async def hear(self, *payloads: Payload, tenant: str = TENANT) -> None:
        """Consume events in one batch."""
        events = []
        for payload in payloads:
            debtor = getattr(payload, "debtor_id", None)
            key = account_key(tenant, debtor) if debtor else tenant
            place = (payload.topic, key)
            self.sequences[place] = self.sequences.get(place, 0) + 1
            envelope = Envelope(
                type=type(payload).__name__,
                source="test",
                subject="test",
                tenant=tenant,
                key=key,
                sequence=self.sequences[place],
                data=payload.model_dump(mode="json"),
            )
            events.append(Consumed(envelope, parse_payload(envelope)))
        async with self.db.worker() as connection:
            await self.record(connection, events)

    def contacts(
        self, debtor: str = "d1", contacts: Contacts = CONTACTS, *, tenant: str = TENANT
    ) -> ContactsChangedV1:
        """The event of a debtor's contacts; the ledger learns the key."""
        key = self.ledger.debtor_keys.setdefault((tenant, debtor), new_key())
        return ContactsChangedV1(
            debtor_id=debtor,
            key_id="k1",
            ciphertext=seal_contacts(key, contacts, tenant=tenant, debtor_id=debtor),
        )

    async def know(self, *debtors: str) -> None:
        """A tenant and some debtors with all kinds of contacts."""
        await self.hear(tenant_event(), *(self.contacts(debtor) for debtor in debtors or ("d1",)))

    async def send_all(self, sender: Sender | None = None) -> None:
        """Send until nothing is due."""
        sender = sender or self.sender()
        while await sender.send_due():
            pass

    async def messages(self) -> list[dict[str, Any]]:
        async with self.db.worker() as connection:
            rows = await (await driver(connection)).fetch("SELECT * FROM message ORDER BY seq")
        return [dict(row) for row in rows]

    async def message(self) -> dict[str, Any]:
        (only,) = await self.messages()
        return only

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.messages()]

    async def phases(self) -> list[str]:
        async with self.db.worker() as connection:
            rows = await (await driver(connection)).fetch("SELECT phase FROM attempt ORDER BY n")
        return [row["phase"] for row in rows]

    async def told(self) -> list[Payload]:
        """Events in the outbox, in order."""
        async with self.db.worker() as connection:
            rows = await (await driver(connection)).fetch(
                "SELECT envelope FROM outbox ORDER BY written_at, key, sequence"
            )
        return [parse_payload(Envelope.from_bytes(row["envelope"])) for row in rows]

    async def told_types(self) -> list[str]:
        return [type(payload).__name__ for payload in await self.told()]

    async def expire_leases(self) -> None:
        """Let time pass over all leases."""
        async with self.db.worker() as connection:
            await (await driver(connection)).execute(
                "UPDATE message SET lease_until = clock_timestamp() - interval '1 s' "
                "WHERE lease_until IS NOT NULL"
            )

    async def recover(self) -> None:
        """What a new process does after a kill, once the leases ran out."""
        await self.expire_leases()
        while await self.sweeper.sweep():
            pass
        await self.send_all()

    def letters(self) -> list[Path]:
        return sorted(self.spool.rglob("*.pdf"))


@pytest.fixture
async def smtp(tmp_path: Path) -> AsyncIterator[FakeSmtp]:
    async with FakeSmtp(AcceptLog(tmp_path / "accepted.jsonl")) as server:
        yield server


@pytest.fixture
async def postman(databases: Databases, smtp: FakeSmtp, tmp_path: Path) -> AsyncIterator[Postman]:
    db = await databases.open(SCHEMA)
    spool = tmp_path / "spool"
    channels: dict[str, Channel] = {
        "email": SmtpChannel(
            SmtpServer(host="127.0.0.1", port=smtp.port, local_hostname="postman.test")
        ),
        "letter": LetterSpoolChannel(spool, kind="letter", cost_minor=150),
        "registered_letter": LetterSpoolChannel(spool, kind="registered_letter", cost_minor=600),
    }
    registry = CollectorRegistry()
    settler = Settler(
        SuppressingVerdicts(SqlMessages(), SqlSuppressions()), currency="EUR", registry=registry
    )
    threads = ThreadPool(1)
    writer = Scribe(PlainRenderer(), channels, threads, Consult(db))
    made = Postman(
        db=db,
        ledger=FakeLedger(),
        smtp=smtp,
        spool=spool,
        channels=channels,
        timing=Timing(lease_s=5.0, max_send_s=2.0, margin_s=0.5, wait_s=0.0),
        settler=settler,
        record=RecordEvents(SqlInbox(), settler),
        feedback=FeedbackReader(
            db=db,
            feedback=SqlFeedback(),
            settler=settler,
            suppressor=Suppressor(SqlSuppressions(), SystemClock()),
            issues=SqlIssues(),
        ),
        resolver=Resolver(db=db, reading=SqlReading(), settler=settler),
        sweeper=Sweeper(db=db, messages=SqlMessages(), settler=settler, channels=channels),
        writer=writer,
    )
    yield made
    for channel in channels.values():
        await channel.close()
    threads.close()
    await asyncio.sleep(0)


def revoked(name: str, *invoices: str, debtor: str = "d1") -> NoticeRevokedV1:
    return NoticeRevokedV1(
        notice_id=name_id("notice", name), debtor_id=debtor, invoice_ids=invoices, reason="paid"
    )


def erased(debtor: str = "d1") -> DebtorErasedV1:
    return DebtorErasedV1(debtor_id=debtor)


def message_id_of(row: Mapping[str, Any]) -> UUID:
    return UUID(str(row["message_id"]))
