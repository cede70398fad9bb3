"""Fakes for tests: a ledger that writes events, a postman that answers, and the engine on a bench.

The bench runs the engine's parts on a database without broker or HTTP.

Ships with the engine so that its tests and those of the whole system speak the same language.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Literal, Self
from uuid import UUID

import httpx
from prometheus_client import CollectorRegistry

from dunning_common.consumer import Consumed
from dunning_common.db import Database, driver
from dunning_common.events import notifications as news
from dunning_common.events import receivables as ledger
from dunning_common.events.contacts import ContactsChangedV1, PostalAddress
from dunning_common.events.dunning import NoticeMessage, NoticeRequestedV1
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.events.registry import parse_payload
from dunning_common.events.tenants import BankDetails, LegalIdentity, TenantRegisteredV1
from dunning_common.feed import FeedClient
from dunning_common.ids import account_key, name_id
from dunning_engine.adapters.pg_signals import Signals, wait_for
from dunning_engine.adapters.public_law import PublicLaw
from dunning_engine.adapters.sql_stores import StoreRoom
from dunning_engine.bootstrap import recorder
from dunning_engine.domain.policy import Level, Policy
from dunning_engine.entrypoints.loops import ClockWalker, FlightWatch, Metrics, Sweeper
from dunning_engine.handlers.set_clock import set_clock
from dunning_engine.settings import Settings

FEED_TOPICS = ("tenants.v1", "receivables.v1", "contacts.v1", "notifications.v1")
Outcome = Literal["sent", "unknown", "failed", "suppressed", "returned", "silence"]


class Ledger:
    """Writes the ledger's events for one tenant, with versions and sequences as the ledger does."""

    def __init__(self, tenant: str = "acme", *, zone: str = "Europe/Paris") -> None:
        self.tenant = tenant
        self.zone = zone
        self.invoices: dict[str, ledger.InvoiceState] = {}
        self._sequences: defaultdict[tuple[str, str], int] = defaultdict(int)

    def registered(self, *, sandbox_from: date | None = None, country: str = "FR") -> Envelope:
        """The tenant, as a sandbox when it has a first day."""
        payload = TenantRegisteredV1(
            tenant_id=self.tenant,
            name="Acme SARL",
            country=country,
            zone=self.zone,
            language="fr",
            base_currency="EUR",
            legal=LegalIdentity(
                legal_name="Acme", address=PostalAddress(lines=("1 rue de la Paix",), country="FR")
            ),
            bank=BankDetails(holder="Acme", iban="FR7630006000011234567890189"),
            email_from="ar@acme.example",
            sandbox=sandbox_from is not None,
            sandbox_starts_on=sandbox_from,
        )
        return self._envelope(payload, self.tenant, self.tenant)

    def debtor(self, debtor_id: str = "d1", **terms: Any) -> Envelope:
        """A debtor's terms: a French business unless said otherwise."""
        fields = {"kind": "business", "country": "FR", "zone": "Europe/Paris", "language": "fr"}
        payload = ledger.DebtorTermsChangedV1(debtor_id=debtor_id, **(fields | terms))
        return self._about(payload, debtor_id, debtor_id)

    def contacts(self, debtor_id: str = "d1") -> Envelope:
        """New contacts of a debtor."""
        payload = ContactsChangedV1(debtor_id=debtor_id, key_id="k", ciphertext="")
        return self._about(payload, debtor_id, debtor_id)

    def invoice(
        self,
        invoice_id: str = "i1",
        *,
        debtor_id: str = "d1",
        issued_on: date,
        due_on: date,
        amount_minor: int = 100_00,
        **more: Any,
    ) -> Envelope:
        """A new invoice."""
        state = ledger.InvoiceState(
            invoice_id=invoice_id,
            debtor_id=debtor_id,
            number=f"N-{invoice_id}",
            issued_on=issued_on,
            due_on=due_on,
            currency="EUR",
            amount_minor=amount_minor,
            open_minor=amount_minor,
            status="open",
            revision=1,
            version=1,
            **more,
        )
        self.invoices[invoice_id] = state
        event = ledger.InvoiceIssuedV1(invoice=state, effective_on=issued_on)
        return self._about(event, debtor_id, invoice_id)

    def paid(
        self, invoice_id: str = "i1", *, on: date, amount_minor: int | None = None
    ) -> Envelope:
        """A payment of all that is open, or of a part."""
        before = self.invoices[invoice_id]
        paid_minor = before.open_minor if amount_minor is None else amount_minor
        open_minor = before.open_minor - paid_minor
        state = self._moved(
            invoice_id,
            open_minor=open_minor,
            status="open" if open_minor else "paid",
            settled_on=None if open_minor else on,
        )
        event = ledger.PaymentAllocatedV1(
            invoice=state, effective_on=on, payment_id=f"p-{state.version}", amount_minor=paid_minor
        )
        return self._about(event, state.debtor_id, invoice_id)

    def reversed(self, invoice_id: str = "i1", *, on: date) -> Envelope:
        """The payment bounced: everything is owed again."""
        before = self.invoices[invoice_id]
        state = self._moved(
            invoice_id, open_minor=before.amount_minor, status="open", settled_on=None
        )
        event = ledger.PaymentReversedV1(
            invoice=state, effective_on=on, payment_id="p", amount_minor=before.amount_minor
        )
        return self._about(event, state.debtor_id, invoice_id)

    def amended(self, invoice_id: str = "i1", *, on: date, **changes: Any) -> Envelope:
        """A newer revision."""
        state = self._moved(invoice_id, **changes)
        event = ledger.InvoiceAmendedV1(invoice=state, effective_on=on)
        return self._about(event, state.debtor_id, invoice_id)

    def charged(self, charge_id: UUID, invoice_id: str = "i1") -> Envelope:
        """The ledger booked a charge."""
        state = self._moved(invoice_id)
        event = ledger.ChargePostedV1(
            invoice=state,
            effective_on=state.issued_on,
            charge_id=str(charge_id),
            kind="interest",
            amount_minor=1,
        )
        return self._about(event, state.debtor_id, invoice_id)

    def cancelled(self, invoice_id: str = "i1", *, on: date) -> Envelope:
        """A cancellation."""
        state = self._moved(invoice_id, open_minor=0, status="cancelled", settled_on=on)
        event = ledger.InvoiceCancelledV1(invoice=state, effective_on=on)
        return self._about(event, state.debtor_id, invoice_id)

    def _moved(self, invoice_id: str, **changes: Any) -> ledger.InvoiceState:
        before = self.invoices[invoice_id]
        state = before.model_copy(update={**changes, "version": before.version + 1})
        self.invoices[invoice_id] = state
        return state

    def _about(self, payload: Payload, debtor_id: str, subject: str) -> Envelope:
        return self._envelope(payload, account_key(self.tenant, debtor_id), subject)

    def _envelope(self, payload: Payload, key: str, subject: str) -> Envelope:
        self._sequences[payload.topic, key] += 1
        return Envelope(
            type=type(payload).__name__,
            source="invoice-ingest",
            subject=subject,
            tenant=self.tenant,
            key=key,
            sequence=self._sequences[payload.topic, key],
            data=payload.model_dump(mode="json"),
        )


def answer(
    request: Envelope, message: NoticeMessage, outcome: Outcome, *, reason: str = "no_address"
) -> Envelope:
    """What the notifier says about one message of a notice."""
    notice = NoticeRequestedV1.model_validate(request.data)
    common: dict[str, Any] = {
        "notice_id": notice.notice_id,
        "message_id": name_id("message", str(notice.notice_id), message.channel),
        "debtor_id": notice.debtor_id,
        "channel": message.channel,
        "level": message.level,
        "level_no": message.level_no,
        "invoice_ids": message.invoice_ids,
        "recipient_hash": None,
        "effective_at": notice.decided_at,
    }
    payload: Payload
    match outcome:
        case "sent":
            payload = news.NoticeSentV1(
                **common, provider="fake", provider_ref="1", sha256="0" * 64
            )
        case "unknown":
            payload = news.NoticeUnknownV1(**common, reason="timeout")
        case "failed":
            payload = news.NoticeFailedV1(**common, reason=reason)
        case "suppressed":
            payload = news.NoticeSuppressedV1(**common, reason=reason)
        case "returned":
            payload = news.NoticeReturnedV1(
                **common, reason="changed", refused_invoice_ids=message.invoice_ids
            )
        case "silence":
            raise ValueError("silence is no answer")
    return Envelope(
        type=type(payload).__name__,
        source="notifier",
        subject=str(notice.notice_id),
        tenant=request.tenant,
        key=request.key,
        sequence=1,
        data=payload.model_dump(mode="json"),
    )


_NEW_EVENTS = """
SELECT position, envelope, txid < pg_snapshot_xmin(pg_current_snapshot()) AS ended FROM outbox
WHERE position > $1 AND topic = 'dunning.v1' ORDER BY position
"""
HandOver = Callable[..., Awaitable[None]]
Chooser = Callable[[Envelope, NoticeMessage], Outcome]


@dataclass(slots=True)
class Postman:
    """Answers every message of every notice in the outbox; `choose` says how."""

    bench: Bench
    choose: Chooser = lambda _request, _message: "sent"
    seen: set[UUID] = field(default_factory=set)
    read_until: int = 0
    hand_over: HandOver | None = None
    letters: list[Envelope] = field(default_factory=list)

    async def deliver(self) -> int:
        """Answer what was requested since the last time. Returns the number of notices."""
        requests = [e for e in await self._new() if e.id not in self.seen]
        answers = []
        for request in requests:
            self.seen.add(request.id)
            self.letters.append(request)
            notice = NoticeRequestedV1.model_validate(request.data)
            for message in notice.messages:
                outcome = self.choose(request, message)
                if outcome != "silence":
                    answers.append(answer(request, message, outcome))
        await (self.hand_over or self.bench.feed)(*answers)
        return len(requests)

    async def _new(self) -> list[Envelope]:
        """Requests written since the last time, also by transactions that ended late."""
        rows = await self.bench.rows(_NEW_EVENTS, self.read_until)
        ended = [row["position"] for row in rows if row["ended"]]
        self.read_until = max(ended, default=self.read_until)
        envelopes = [Envelope.from_bytes(row["envelope"]) for row in rows]
        return [e for e in envelopes if e.type == NoticeRequestedV1.__name__]

    async def run(self) -> None:
        """Deliver until cancelled, whenever something was written into the outbox."""
        written = asyncio.Event()
        self.bench.db.on_outbox_commit(written.set)
        while True:
            written.clear()
            if not await self.deliver():
                await wait_for(written, 0.5)


class Bench:
    """The engine's parts on a database: events are fed by hand, sweeps are run by hand."""

    def __init__(self, db: Database, *, settings: Settings | None = None) -> None:
        self.db = db
        self.settings = settings or quiet_settings()
        self.rooms = StoreRoom(db, patience_s=self.settings.ledger_patience_s)
        self.law = PublicLaw()
        self.signals = Signals(db)
        self.pending: list[Envelope] = []
        self.asked: list[tuple[tuple[str, ...], str | None, tuple[str, ...] | None]] = []
        self.answering = True
        parts: dict[str, Any] = {
            "rooms": self.rooms,
            "settings": self.settings,
            "catch_up": self.catch_up,
            "metrics": Metrics(CollectorRegistry()),
        }
        self.watch = FlightWatch(**parts)
        parts |= {"law": self.law, "signals": self.signals}
        self.sweeper = Sweeper(**parts)
        self.walker = ClockWalker(**parts)
        self.postman = Postman(self)

    async def feed(self, *envelopes: Envelope) -> None:
        """Apply events as the consumer would: one batch, one transaction."""
        if not envelopes:
            return
        events = [Consumed(envelope, parse_payload(envelope)) for envelope in envelopes]
        async with self.db.worker() as connection:
            await recorder(self.rooms)(connection, events)

    async def catch_up(
        self,
        topics: Sequence[str],
        *,
        tenant: str | None = None,
        keys: Sequence[str] | None = None,
    ) -> bool:
        """Stands for the consumer's: brings what is `pending`, unless the feeds do not answer."""
        self.asked.append((tuple(topics), tenant, None if keys is None else tuple(keys)))
        if not self.answering:
            return False
        wanted = [e for e in self.pending if parse_payload(e).topic in topics]
        self.pending = [e for e in self.pending if e not in wanted]
        await self.feed(*wanted)
        return True

    async def sweep(self) -> int:
        """Decide about everything that is due by the real clock."""
        return await self.sweeper.sweep_once()

    async def sent(self, *types: type[Payload]) -> list[Envelope]:
        """The engine's own events in the order in which they were written."""
        async with self.db.worker() as connection:
            rows = await (await driver(connection)).fetch(
                "SELECT envelope FROM outbox ORDER BY position"
            )
        envelopes = [Envelope.from_bytes(row["envelope"]) for row in rows]
        names = {kind.__name__ for kind in types}
        return [envelope for envelope in envelopes if not names or envelope.type in names]

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of a query across tenants."""
        async with self.db.worker() as connection:
            found = await (await driver(connection)).fetch(query, *arguments)
        return [dict(row) for row in found]

    async def advance(self, tenant: str, to: datetime | date, *, timeout_s: float = 60) -> datetime:
        """Move a sandbox clock and wait until it has arrived. Returns where it stands."""
        async with self.rooms.tenant(tenant) as stores:
            await set_clock(stores.clock, tenant, to)
        async with asyncio.timeout(timeout_s):
            await self.walker.walk(tenant)
        return await self.clock(tenant)

    async def walk_for(self, tenant: str, seconds: float) -> None:
        """Walk until nothing moves any more without somebody else, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.walker.walk(tenant)

    async def clock(self, tenant: str) -> datetime:
        """Where a sandbox clock stands."""
        (row,) = await self.rows("SELECT now FROM tenant_clock WHERE tenant = $1", tenant)
        now: datetime = row["now"]
        return now

    async def levels(self) -> list[tuple[str, str, date, str]]:
        """(invoice, level, day, outcome) of every level, in the order of decisions."""
        rows = await self.rows(
            "SELECT invoice_id, level, decided_on, outcome FROM case_level "
            "ORDER BY decided_at, invoice_id, level_no, try_no"
        )
        return [(r["invoice_id"], r["level"], r["decided_on"], r["outcome"]) for r in rows]


class FakeFeed:
    """The feeds of ledger and notifier, as far as a consumer can tell: heads and replay."""

    def __init__(self) -> None:
        self.events: defaultdict[tuple[str, str], list[Envelope]] = defaultdict(list)

    def add(self, envelope: Envelope) -> None:
        """Keep an event; its sequence must be the next of its key."""
        self.events[parse_payload(envelope).topic, envelope.key].append(envelope)

    def next_sequence(self, envelope: Envelope) -> int:
        """The sequence that an event of this topic and key must have."""
        return len(self.events[parse_payload(envelope).topic, envelope.key]) + 1

    def clients(self) -> dict[str, FeedClient]:
        """A feed client per topic."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return {topic: FeedClient("http://feed.test", "token", http) for topic in FEED_TOPICS}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        if request.url.path.endswith("/heads"):
            return httpx.Response(200, json=self._heads(asked))
        found = [
            envelope
            for key, after in sorted(asked["after"].items())
            for envelope in self.events[asked["topic"], key]
            if envelope.sequence > after
        ]
        events = b",".join(envelope.to_bytes() for envelope in found)
        return httpx.Response(200, content=b'{"events":[' + events + b'],"more":false}')

    def _heads(self, asked: dict[str, Any]) -> dict[str, Any]:
        heads = {
            key: len(events)
            for (topic, key), events in self.events.items()
            if topic == asked["topic"]
            and events
            and (asked["keys"] is None or key in asked["keys"])
            and asked["tenant"] in (None, events[0].tenant)
        }
        return {"heads": heads, "txid": 1, "next_key": None}


class Running:
    """A bench whose signals are heard and whose postman answers in the background."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start."""
        for work in (self._bench.signals.run(), self._bench.postman.run()):
            task = asyncio.create_task(work)
            self._stack.push_async_callback(_stop, task)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self._stack.aclose()


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task  # a fake that died must not go unnoticed


def quiet_settings(**changes: Any) -> Settings:
    """Settings for tests: nothing is connected by them."""
    fields: dict[str, Any] = {
        "api_database_url": "postgresql+asyncpg://unused",
        "worker_database_url": "postgresql+asyncpg://unused",
        "public_url": "http://engine.test",
        "token_keys_file": "unused",
        "service_token": "unused",
        "ingest_url": "http://ingest.test",
        "engine_url": "http://engine.test",
        "notifier_url": "http://notifier.test",
        "kpi_url": "http://kpi.test",
        "ledger_patience_s": 0.0,
        "clock_silence_s": 0.2,
    }
    return Settings(**(fields | changes))


def always_open(policy_id: str, version: int = 1) -> Policy:
    """A policy that may speak at any hour: first at the due date, then every ten days."""
    return Policy(
        policy_id=policy_id,
        version=version,
        name="Always open",
        country=None,
        levels=tuple(
            Level(
                code=f"level_{number}",
                level_no=number,
                threshold_days=10 * (number - 1),
                gap_days=0 if number == 1 else 10,
                channels=("email",),
                template="first_reminder",
            )
            for number in (1, 2, 3)
        ),
        weekdays=frozenset(range(7)),
        opens=time(0),
        closes=time(23, 59),
        observe_holidays=False,
    )
