"""The sending protocol: at most once, never without the ledger's permit, never silently forgotten.

Claim, write, commit `sending` with the frozen bytes under a lease, ask for permits, check the
deadline right before the first byte, send, record, give the permits back - in this order, in waves
small enough that a crash leaves few messages unknown. Whatever may have left is never sent again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from dunning_common.clock import Clock, monotonic
from dunning_common.db import Database
from dunning_common.ids import account_key
from notifier.channels.base import Channel, Deadline, Outcome
from notifier.content.model import Attachment
from notifier.domain.enclosure import ENCLOSED_MAX, enclose, left_out
from notifier.domain.message import Message, Settlement, State, plan_again, suppress
from notifier.domain.outcome import Late, RetryPolicy, Sent, Unknown, settle
from notifier.domain.revocation import revoke
from notifier.handlers.permission import combined, denial, permit_requests
from notifier.handlers.portal_links import Inviter, Pass
from notifier.handlers.settling import Settler
from notifier.handlers.write import Job, Written
from notifier.portal.settings import PortalSettings
from notifier.ports.ledger import Denied, Granted, Ledger, LedgerUnavailableError, PermitRequest
from notifier.ports.messages import Claimed, Facts, MessageKey, SendQueue, Settled

log = structlog.get_logger()

_DATABASE_TROUBLE = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)
_RECORD_AGAIN_AFTER_S = (0.1, 0.5, 1.0, 3.0, 10.0)
_OPEN = frozenset({State.PLANNED, State.SENDING})

Crash = Callable[[str], None]
"""Called with the name of each point of the protocol; tests raise there to play a kill."""


def no_crash(_: str) -> None:
    """The hook that does nothing."""


class CatchUp(Protocol):
    """Pulls what is missing from the producers, right now (`dunning_common.consumer.Consumer`)."""

    async def __call__(
        self, topics: Sequence[str], *, tenant: str | None = None, keys: Sequence[str] | None = None
    ) -> bool:
        """True when nothing is missing afterwards, False when a producer does not answer."""
        ...


class Writer(Protocol):
    """Writes many messages without blocking the loop."""

    async def write(self, jobs: Sequence[Job]) -> list[Written | Settlement]:
        """One answer per job, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The protocol's times in seconds, and its sizes.

    A send may take `max_send_s` and must end under the lease, with `margin_s` to spare; so there is
    `lease_s - max_send_s - margin_s` between freezing the bytes and the first byte on the wire.
    `wait_s` is the pause after something that others must mend first.
    """

    lease_s: float
    max_send_s: float
    margin_s: float
    claim_s: float = 15.0
    wait_s: float = 2.0
    batch: int = 100
    parallel: int = 25

    def __post_init__(self) -> None:
        if self.max_send_s + self.margin_s >= self.lease_s:
            raise ValueError(
                f"max_send_s ({self.max_send_s}) + margin_s ({self.margin_s}) must be less than "
                f"lease_s ({self.lease_s}): raise NOTIFIER_LEASE_S or lower NOTIFIER_MAX_SEND_S"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Papers:
    """The documents of one message, and what is to be said of those that stay behind."""

    papers: tuple[Attachment, ...] = ()
    remarks: tuple[str, ...] = ()


_NO_PAPERS = _Papers()


class Sender:
    """Sends what is due. Several may run at once, in one process or in many."""

    def __init__(
        self,
        *,
        db: Database,
        queue: SendQueue,
        settler: Settler,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        writer: Writer,
        catch_up: CatchUp,
        timing: Timing,
        retry: RetryPolicy,
        clock: Clock,
        worker: str,
        inviter: Inviter | None = None,
        crash: Crash = no_crash,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Make a sender.

        `worker` names it in the log of attempts, `now` is the monotonic clock; without an
        `inviter` messages carry no link to the debtor's page.
        """
        self._db = db
        self._queue = queue
        self._settler = settler
        self._ledger = ledger
        self._channels = channels
        self._writer = writer
        self._catch_up = catch_up
        self._timing = timing
        self._retry = retry
        self._clock = clock
        self._worker = worker
        self._inviter = inviter
        self._crash = crash
        self._now = now
        self._stopping = False

    def stop(self) -> None:
        """Finish the wave in hand and let go of the rest of the batch."""
        self._stopping = True

    async def send_due(self) -> int:
        """Take one batch through the protocol; returns how many messages were claimed."""
        timing = self._timing
        async with self._db.worker() as connection:
            claimed = await self._queue.claim(
                connection, worker=self._worker, limit=timing.batch, claim_s=timing.claim_s
            )
            facts = await self._queue.facts(connection, [c.message for c in claimed])
            rules: Mapping[str, PortalSettings] = {}
            if self._inviter and claimed:
                tenants = {c.message.tenant for c in claimed}
                rules = await self._inviter.settings_of(connection, tenants)
        if not claimed:
            return 0
        written = await self._prepare(claimed, facts, rules)
        self._crash("after_render")
        for first in range(0, len(written), timing.parallel):
            wave = written[first : first + timing.parallel]
            if self._stopping:
                await self._record([_verdict(w, plan_again("stopped")) for w in written[first:]])
                break
            await self._send_wave(wave)
        return len(claimed)

    async def _prepare(
        self, claimed: Sequence[Claimed], facts: Facts, rules: Mapping[str, PortalSettings]
    ) -> list[Written]:
        """Write the messages that can go; settle those that cannot."""
        facts, complete = await self._completed(claimed, facts)
        verdicts: list[Settled] = []
        ready: list[Claimed] = []
        for claim in claimed:
            obstacle = _obstacle(claim, facts, complete=complete, wait_s=self._timing.wait_s)
            if obstacle is None:
                ready.append(claim)
            else:
                verdicts.append(Settled(message=claim.message, settlement=obstacle))
        written: list[Written] = []
        jobs = await self._jobs(ready, facts, rules, verdicts)
        for job, result in zip(jobs, await self._writer.write(jobs), strict=True):
            if isinstance(result, Written):
                written.append(result)
            else:
                verdicts.append(Settled(message=job.message, settlement=result))
        await self._record(verdicts)
        return written

    async def _completed(self, claimed: Sequence[Claimed], facts: Facts) -> tuple[Facts, bool]:
        """Facts, after asking the producers for tenants and contacts that never arrived."""
        messages = [claim.message for claim in claimed]
        tenants = {m.tenant for m in messages} - facts.tenants.keys()
        debtors = {(m.tenant, m.debtor_id) for m in messages} - facts.contacts.keys()
        if not tenants and not debtors:
            return facts, True
        complete = True
        if tenants:
            complete = await self._catch_up(["tenants.v1"], keys=sorted(tenants))
        if debtors:
            keys = sorted(account_key(tenant, debtor) for tenant, debtor in debtors)
            complete = await self._catch_up(["contacts.v1"], keys=keys) and complete
        async with self._db.worker() as connection:
            return await self._queue.facts(connection, messages), complete

    async def _jobs(
        self,
        ready: Sequence[Claimed],
        facts: Facts,
        rules: Mapping[str, PortalSettings],
        verdicts: list[Settled],
    ) -> list[Job]:
        """Jobs for messages whose debtor's key the ledger handed out; verdicts for the others."""
        debtors = {(c.message.tenant, c.message.debtor_id) for c in ready}
        try:
            keys = await self._ledger.keys(debtors) if debtors else {}
            papers = await self._papers([claim.message for claim in ready])
        except LedgerUnavailableError as error:
            log.warning("ledger_unavailable", error=str(error))
            wait = plan_again("waiting_for_ledger", delay_s=self._timing.wait_s)
            verdicts.extend(Settled(message=c.message, settlement=wait) for c in ready)
            return []
        jobs: list[Job] = []
        now = self._clock.now()
        for claim in ready:
            message = claim.message
            debtor = (message.tenant, message.debtor_id)
            ciphertext = facts.contacts[debtor].ciphertext
            if debtor not in keys or ciphertext is None:
                verdicts.append(Settled(message=message, settlement=suppress("erased")))
                continue
            jobs.append(
                Job(
                    message=message,
                    notice=facts.notices[message.tenant, message.notice_id].notice,
                    tenant=facts.tenants[message.tenant],
                    ciphertext=ciphertext,
                    key=keys[debtor],
                    now=now,
                    age_s=claim.age_s,
                    own=facts.own_texts.get(message.tenant, {}),
                    enclosed=papers.get(message.key, _NO_PAPERS).papers,
                    remarks=papers.get(message.key, _NO_PAPERS).remarks,
                    entry=self._entry(message, rules),
                )
            )
        return jobs

    def _entry(self, message: Message, rules: Mapping[str, PortalSettings]) -> Pass:
        """The message's own link to the debtor's page, if it carries one."""
        if self._inviter is None:
            return Pass()
        return self._inviter.invite(message, rules.get(message.tenant, PortalSettings()))

    async def _papers(self, messages: Sequence[Message]) -> dict[MessageKey, _Papers]:
        """The original documents that go with the e-mails among these messages."""
        mails = [message for message in messages if message.channel == "email"]
        wanted = {
            (mail.tenant, invoice_id): None
            for mail in mails
            for invoice_id in mail.invoice_ids[:ENCLOSED_MAX]
        }
        found = await self._ledger.documents(list(wanted)) if wanted else {}
        by_tenant: defaultdict[str, dict[str, Attachment]] = defaultdict(dict)
        for (tenant, invoice), paper in found.items():
            by_tenant[tenant][invoice] = paper
        return {
            mail.key: _papers_of(mail, by_tenant[mail.tenant])
            for mail in mails
            if mail.tenant in by_tenant
        }

    async def _send_wave(self, wave: Sequence[Written]) -> None:
        """Freeze, permit, send, record, give back.

        The permit of a message of which nobody knows whether it is out is not given back: a mail
        server that fell silent after the last byte may take the message a moment later, and a
        payment must not be acknowledged in between. Such a permit ends with its lease, and so do
        all of a wave that broke off.
        """
        started = self._now()
        async with self._db.worker() as connection:
            begun = await self._queue.begin_sending(
                connection, [w.frozen for w in wave], lease_s=self._timing.lease_s
            )
            wave = [w for w in wave if w.parcel.message.key in begun]
            if self._inviter and wave:
                await self._inviter.keep(connection, [w.job.entry for w in wave])
        if not wave:
            return
        self._crash("after_sending")
        requests = [(w, permit_requests(w)) for w in wave]
        in_doubt = await self._send_permitted(requests, started)
        certain = [
            asked.permit_id
            for written, several in requests
            if written.parcel.message.key not in in_doubt
            for asked in several
        ]
        if certain:
            await self._ledger.return_permits(certain)

    async def _send_permitted(
        self, requests: Sequence[tuple[Written, list[PermitRequest]]], started: float
    ) -> set[MessageKey]:
        """Permit, send, record; returns the messages of which nobody knows whether they are out."""
        asked = self._now()
        try:
            answers = await self._ledger.permits(
                [request for _, several in requests for request in several],
                lease_s=self._timing.lease_s,
            )
        except LedgerUnavailableError as error:
            log.warning("ledger_unavailable", error=str(error))
            answers = {}
        self._crash("after_permit")
        verdicts: list[Settled] = []
        going: list[tuple[Written, float]] = []
        for written, several in requests:
            match combined([answers.get(request.permit_id) for request in several]):
                case Granted(expires_in_s=expires_in_s):
                    until = min(started + self._timing.lease_s, asked + expires_in_s)
                    going.append((written, until))
                case Denied() as denied:
                    verdicts.append(_verdict(written, denial(denied)))
                case None:
                    wait = plan_again("waiting_for_ledger", delay_s=self._timing.wait_s)
                    verdicts.append(_verdict(written, wait))
        outcomes = await asyncio.gather(*(self._send_one(w, until) for w, until in going))
        for (written, _), outcome in zip(going, outcomes, strict=True):
            verdicts.append(self._judge(written, outcome))
        self._crash("before_record")
        await self._record(verdicts)
        return {
            written.parcel.message.key
            for (written, _), outcome in zip(going, outcomes, strict=True)
            if isinstance(outcome, Unknown)
        }

    async def _send_one(self, written: Written, until: float) -> Outcome:
        timing = self._timing
        deadline = Deadline(
            at=until - timing.max_send_s - timing.margin_s,
            max_send_s=timing.max_send_s,
            now=self._now,
        )
        self._crash("before_bytes")
        try:
            outcome = await self._channels[written.parcel.message.channel].send(
                written.parcel, deadline
            )
        except Exception as error:
            message_id = str(written.parcel.message.message_id)
            log.exception("channel_failed", message_id=message_id)
            outcome = Unknown(reason=f"channel_failed: {type(error).__name__}")
        self._crash("after_bytes")
        return outcome

    def _judge(self, written: Written, outcome: Outcome) -> Settled:
        message = written.parcel.message
        verdict = settle(
            outcome,
            message_id=message.message_id,
            attempts=message.attempts + 1,
            age_s=written.job.age_s,
            retry=self._retry,
        )
        if isinstance(outcome, Late):
            log.warning("deadline_passed", message_id=str(message.message_id))
        # Our own late "taken" is evidence, even when the lease made it unknown in the meantime.
        over = _OPEN | {State.UNKNOWN} if isinstance(outcome, Sent) else _OPEN
        return Settled(
            message=message,
            settlement=verdict,
            sha256=written.parcel.sha256,
            actor=self._worker,
            over=over,
        )

    async def _record(self, verdicts: Sequence[Settled]) -> None:
        """Write verdicts in one transaction; they exist nowhere else, so try hard."""
        if not verdicts:
            return
        for pause_s in (*_RECORD_AGAIN_AFTER_S, None):
            try:
                async with self._db.worker() as connection:
                    await self._settler.settle(connection, verdicts)
            except _DATABASE_TROUBLE:
                if pause_s is None:
                    raise
                log.warning("record_failed", count=len(verdicts), exc_info=True)
                await asyncio.sleep(pause_s)
            else:
                return


def _obstacle(claim: Claimed, facts: Facts, *, complete: bool, wait_s: float) -> Settlement | None:
    """Why a message cannot be written now, if so. `complete`: nobody knows more than we do."""
    message = claim.message
    revoked = facts.notices[message.tenant, message.notice_id].revoked
    if verdict := revoke(message.invoice_ids, revoked):
        return verdict
    if message.tenant not in facts.tenants:
        if complete:
            return suppress("unknown_tenant")
        return plan_again("waiting_for_tenant", delay_s=wait_s)
    contact = facts.contacts.get((message.tenant, message.debtor_id))
    if contact is None:
        if complete:
            return suppress("no_address")
        return plan_again("waiting_for_contacts", delay_s=wait_s)
    return suppress("erased") if contact.ciphertext is None else None


def _papers_of(mail: Message, found: Mapping[str, Attachment]) -> _Papers:
    own = {invoice: found[invoice] for invoice in mail.invoice_ids if invoice in found}
    papers = enclose(mail.invoice_ids, own)
    return _Papers(papers=papers, remarks=left_out(mail.invoice_ids, own, papers))


def _verdict(written: Written, settlement: Settlement) -> Settled:
    return Settled(
        message=written.parcel.message, settlement=settlement, sha256=written.parcel.sha256
    )
