"""The notifier of the simulation: its real sender and sweeper on rows in memory, and a provider.

The rows obey the rules of `notifier.adapters.sql_messages`: a verdict counts under its fence and in
its state only. Two workers compete; each may be killed at every point of the protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from dunning_common.events.dunning import NoticeRequestedV2, NoticeRevokedV1
from dunning_common.events.envelope import Payload
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_common.ids import name_id
from dunning_common.values import replace
from notifier.channels.base import (
    Deadline,
    DeadlinePassedError,
    Late,
    Outcome,
    Parcel,
    Recipient,
    Refused,
    Sent,
    Unknown,
)
from notifier.channels.base import Sender as From
from notifier.domain.feedback import Report, Stage, learn
from notifier.domain.message import Message, Settlement, State, plan_again, suppress
from notifier.domain.outcome import RetryPolicy
from notifier.domain.revocation import revoke
from notifier.handlers.notifications import announce, announce_feedback
from notifier.handlers.send import Sender, Timing
from notifier.handlers.sweep import Sweeper
from notifier.handlers.write import Job, Written
from notifier.ports.inbox import SealedContact
from notifier.ports.messages import Claimed, Expired, Facts, FrozenMessage, NoticeFacts, Settled
from tests.simulation.ledger import Ledger
from tests.simulation.nature import KilledError, Nature
from tests.simulation.wire import Topic

TIMING = Timing(lease_s=30, max_send_s=10, margin_s=2, claim_s=20, wait_s=5, batch=5, parallel=1)
RETRY = RetryPolicy(base_s=60, cap_s=1800, give_up_after_s=4 * 3600)
TENANT: Any = TenantRegisteredV1.model_construct(tenant_id="acme")
_PROVABLE = frozenset({State.UNKNOWN, State.FAILED, State.PLANNED})


@dataclass
class Row:
    """A message as it is stored."""

    message: Message
    planned_at: float
    not_before: float
    lease_until: float | None = None
    stage: Stage = Stage.NONE
    reason: str | None = None


@dataclass(frozen=True)
class Accepted:
    """What the provider took, and when; `versions` are of the invoices that it speaks of."""

    at: float
    message: Message
    versions: dict[str, int]


class Rows:
    """The notifier's tables; also its ports for the queue, the verdicts and what expired."""

    def __init__(self, nature: Nature, topic: Topic) -> None:
        self._nature = nature
        self._topic = topic
        self.messages: dict[UUID, Row] = {}
        self.notices: dict[UUID, NoticeFacts] = {}
        self.news = asyncio.Event()

    def hear(self, events: Sequence[Payload]) -> None:
        """The engine's decisions: notices to send, and invoices that must not be spoken of."""
        for event in events:
            if isinstance(event, NoticeRequestedV2):
                self._plan(event)
            elif isinstance(event, NoticeRevokedV1):
                self._revoke(event)

    def _plan(self, notice: NoticeRequestedV2) -> None:
        if notice.notice_id in self.notices:
            return
        self.notices[notice.notice_id] = NoticeFacts(notice=notice, revoked=frozenset())
        for asked in notice.messages:
            message = Message(
                tenant="acme",
                message_id=name_id("message", "acme", str(notice.notice_id), asked.channel),
                notice_id=notice.notice_id,
                debtor_id=notice.debtor_id,
                channel=asked.channel,
                template=asked.template,
                level=asked.level,
                level_no=asked.level_no,
                invoice_ids=asked.invoice_ids,
                effective_at=notice.decided_at,
                state=State.PLANNED,
                fence=0,
                attempts=0,
            )
            now = self._nature.loop.clock
            self.messages[message.message_id] = Row(message, planned_at=now, not_before=now)
        self.news.set()

    def _revoke(self, event: NoticeRevokedV1) -> None:
        known = self.notices[event.notice_id]
        revoked = known.revoked | set(event.invoice_ids)
        self.notices[event.notice_id] = replace(known, revoked=revoked)
        self.write(
            Settled(message=row.message, settlement=verdict)
            for row in list(self.messages.values())
            if row.message.notice_id == event.notice_id
            and row.message.state is State.PLANNED
            and (verdict := revoke(row.message.invoice_ids, event.invoice_ids))
        )

    # --- ports

    async def claim(self, _: Any, *, worker: str, limit: int, claim_s: float) -> list[Claimed]:
        """Planned messages that are due, under a new fence."""
        now, claimed = self._nature.loop.clock, []
        for row in list(self.messages.values()):
            if row.message.state is not State.PLANNED or row.not_before > now:
                continue
            if row.lease_until is not None and row.lease_until > now:
                continue
            row.message = replace(row.message, fence=row.message.fence + 1)
            row.lease_until = now + claim_s
            claimed.append(Claimed(message=row.message, age_s=now - row.planned_at))
        return claimed[:limit]

    async def facts(self, _: Any, messages: Sequence[Message]) -> Facts:
        """Everything is known."""
        return Facts(
            notices={("acme", key): facts for key, facts in self.notices.items()},
            tenants={"acme": TENANT},
            contacts={
                ("acme", m.debtor_id): SealedContact(
                    tenant="acme", debtor_id=m.debtor_id, ciphertext="sealed"
                )
                for m in messages
            },
        )

    async def begin_sending(
        self, _: Any, frozen: Sequence[FrozenMessage], *, lease_s: float
    ) -> Collection[tuple[str, UUID]]:
        """`sending`, where the claim still holds."""
        begun = []
        for each in frozen:
            row = self.messages[each.message.message_id]
            now = row.message
            holds = now.fence == each.message.fence and now.state is State.PLANNED
            if not holds and self._nature.bug != "no_fence":
                continue
            row.message = replace(now, state=State.SENDING, attempts=now.attempts + 1)
            row.lease_until = self._nature.loop.clock + lease_s
            begun.append(now.key)
            if self._nature.bug == "mark_before_send":
                self.write([Settled(message=row.message, settlement=Settlement(state=State.SENT))])
        return begun

    async def settle(self, _: Any, verdicts: Sequence[Settled]) -> int:
        """Verdicts and their events, in one transaction."""
        return self.write(verdicts)

    async def expired(self, _: Any, *, limit: int) -> list[Expired]:
        """`sending` beyond the lease."""
        now = self._nature.loop.clock
        return [
            Expired(message=row.message, sha256="", on=date(2026, 1, 1))
            for row in self.messages.values()
            if row.message.state is State.SENDING and (row.lease_until or 0) <= now
        ][:limit]

    def write(self, verdicts: Any) -> int:
        """What a verdict changes, if its fence and its state still hold."""
        written = 0
        for verdict in verdicts:
            row = self.messages[verdict.message.message_id]
            stale = row.message.fence != verdict.message.fence
            stale = stale and self._nature.bug != "no_fence"
            if stale or row.message.state not in verdict.over:
                continue
            settlement = self._bent(verdict.settlement)
            row.message = replace(row.message, state=settlement.state)
            row.lease_until, row.reason = None, settlement.reason
            if settlement.state is State.PLANNED:
                row.not_before = self._nature.loop.clock + settlement.delay_s
            about = f"{row.message.level} by {row.message.channel}"
            self._nature.note(f"{about}: {settlement.state} ({settlement.reason or ''})")
            for event in announce(row.message, settlement, sha256="", currency="EUR"):
                self._topic.publish(row.message.debtor_id, event.payload)
            written += 1
        self.news.set()
        return written

    def _bent(self, settlement: Settlement) -> Settlement:
        if self._nature.bug == "resend_unknown" and settlement.state is State.UNKNOWN:
            return plan_again("perhaps it did not arrive", delay_s=60)
        return settlement

    def report(self, message_id: UUID, reports: Sequence[Report]) -> None:
        """The provider calls back: late, twice, in any order."""
        row = self.messages[message_id]
        if row.message.state is State.SENDING:
            self._nature.loop.soon(60, lambda: self.report(message_id, reports))
            return
        known = learn(row.message.state, row.stage, attempts=row.message.attempts, reports=reports)
        row.stage = known.stage
        if known.proves_sent:
            proof = Settlement(state=State.SENT, reason="proved_by_provider")
            self.write([Settled(message=row.message, settlement=proof, over=_PROVABLE)])
        for event in announce_feedback(row.message, "provider", known):
            self._topic.publish(row.message.debtor_id, event.payload)

    def next_work(self) -> float | None:
        """When the next message may be claimed, or will have expired."""
        moments = []
        for row in self.messages.values():
            if row.message.state is State.PLANNED:
                moments.append(max(row.not_before, row.lease_until or 0))
            elif row.message.state is State.SENDING:
                moments.append(row.lease_until or 0)
        return min(moments, default=None)


class Provider:
    """Takes messages; sometimes it does not answer, or says no, or is late."""

    provider = "provider"

    def __init__(self, nature: Nature, rows: Rows) -> None:
        self._nature = nature
        self._rows = rows
        self.accepted: list[Accepted] = []

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        """As the channels of the notifier do: look at the deadline, then write the bytes once."""
        try:
            deadline.check()
        except DeadlinePassedError:
            return Late()
        fate = self._nature.chance.random() if not self._nature.calm else 1.0
        if fate < 0.05:
            return Refused(reason="busy", retry=True)
        if fate < 0.08:
            return Refused(reason="550", retry=False)
        await asyncio.sleep(0.05)
        if fate < 0.11:
            return Unknown(reason="cut before it was taken")
        self._accept(parcel)
        if fate < 0.17:
            await asyncio.sleep(deadline.max_send_s)
            return Unknown(reason="no answer")
        await asyncio.sleep(9 if fate < 0.25 else 0.1)
        return Sent(provider_ref=str(parcel.message.message_id))

    def _accept(self, parcel: Parcel) -> None:
        message = parcel.message
        notice = self._rows.notices[message.notice_id].notice
        versions = {
            item.invoice_id: item.version
            for item in notice.items
            if item.invoice_id in message.invoice_ids
        }
        self.accepted.append(Accepted(self._nature.loop.clock, message, versions))
        self._nature.note(f"{message.level} by {message.channel}: TAKEN {sorted(versions)}")
        chance = self._nature.chance
        if chance.random() < 0.5:
            last = Stage.DELIVERED if chance.random() < 0.8 else Stage.BOUNCED
            stages = [Stage.ACCEPTED, last, last]
            chance.shuffle(stages)
            for stage in stages:
                report = Report(stage=stage, hard=stage is Stage.BOUNCED)
                late = chance.expovariate(1 / 40000)
                tell = partial(self._rows.report, message.message_id, [report])
                self._nature.loop.soon(late, tell)


class Writer:
    """Writes in no time; some debtors have no address for some channels."""

    def __init__(self, no_address: set[str]) -> None:
        self.no_address = no_address

    async def write(self, jobs: Sequence[Job]) -> list[Written | Settlement]:
        """Bytes, or the verdict why there are none."""
        return [self._write(job) for job in jobs]

    def _write(self, job: Job) -> Written | Settlement:
        message = job.message
        if message.channel in self.no_address:
            return suppress("no_address")
        recipient = Recipient(name="debtor", hash="hash")
        parcel = Parcel(
            message=message,
            sender=From(name="creditor"),
            recipient=recipient,
            on=message.effective_at.date(),
            media_type="text/plain",
            body=b"",
            sha256="",
        )
        frozen = FrozenMessage(
            message=message,
            media_type="text/plain",
            content=b"",
            sha256="",
            size_bytes=0,
            provider="provider",
            recipient_hash="hash",
        )
        return Written(job=job, parcel=parcel, frozen=frozen)


class _NoDatabase:
    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        yield None


class Postman:
    """The processes of the notifier."""

    def __init__(self, nature: Nature, rows: Rows, ledger: Ledger, writer: Writer) -> None:
        self._nature = nature
        self._rows = rows
        self._ledger = ledger
        self._writer = writer
        self.provider = Provider(nature, rows)

    async def work(self, name: str) -> None:
        """A worker: sends and sweeps what is due, dies, is started again."""
        while True:
            try:
                await self._work(name)
            except KilledError:
                self._nature.note(f"worker {name} was killed")
                await asyncio.sleep(self._nature.chance.choice([1, 20, 600]))

    async def _work(self, name: str) -> None:
        db: Any = _NoDatabase()
        rows: Any = self._rows
        channels: Any = dict.fromkeys(
            ("email", "sms", "letter", "registered_letter"), self.provider
        )
        sender = Sender(
            db=db,
            queue=rows,
            settler=rows,
            ledger=self._ledger,
            channels=channels,
            writer=self._writer,
            catch_up=_nothing_is_missing,
            timing=TIMING,
            retry=RETRY,
            clock=self._nature,  # type: ignore[arg-type]
            worker=name,
            crash=self._maybe_die,
            now=lambda: self._nature.loop.clock,
        )
        sweeper = Sweeper(db=db, messages=rows, settler=rows, channels={})
        while True:
            if self._nature.bug != "no_sweeper":
                await sweeper.sweep()
            await sender.send_due()
            await self._until_work()

    async def _until_work(self) -> None:
        at = self._rows.next_work()
        self._rows.news.clear()
        now = self._nature.loop.clock
        if at is not None and at <= now and self._nature.bug != "no_sweeper":
            return
        wait = 30 * 86400.0 if at is None or at <= now else at - now
        alarm = self._nature.loop.call_later(wait, self._rows.news.set)
        await self._rows.news.wait()
        alarm.cancel()

    def _maybe_die(self, point: str) -> None:
        if self._nature.happens(0.02):
            raise KilledError(point)


async def _nothing_is_missing(*_: object, **__: object) -> bool:
    return True
