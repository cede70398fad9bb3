"""The product, and the product with one bug planted: what the same checker must catch, each time.

Each variant replaces one part of the sending protocol by what a hurried author would have written.
Nothing is patched: they are subclasses and other compositions of the real parts.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from invoice_ingest.adapters.sql_permits import SqlPermits
from invoice_ingest.domain.permit import InvoiceRef, Standing
from invoice_ingest.domain.touched import Touched
from invoice_ingest.handlers.ports import PermitStore
from notifier.adapters.sql_messages import SqlMessages
from notifier.channels.base import Outcome
from notifier.domain.message import plan_again
from notifier.domain.outcome import Refused, Sent, Unknown
from notifier.handlers.send import Sender
from notifier.handlers.sweep import Sweeper
from notifier.handlers.write import Written
from notifier.ports.ledger import Denied, Granted, Ledger, PermitRequest
from notifier.ports.messages import (
    Expired,
    FrozenMessage,
    MessageKey,
    SendQueue,
    Settled,
)
from notifier.testing import Mode

Symptom = Literal["twice", "after a payment", "lost"]
Answers = Mapping[UUID, Granted | Denied]

POINTS = (
    "after_render",
    "after_sending",
    "after_permit",
    "before_bytes",
    "after_bytes",
    "before_record",
)
"""The named points of the sending protocol (`notifier.handlers.send`)."""


class LockCallMark(Sender):
    """Locks the rows, calls the provider, marks them as sent, commits: what most code does."""

    async def _send_wave(self, wave: Sequence[Written]) -> None:
        async with self._db.worker() as connection:
            raw = await driver(connection)
            await raw.execute(
                "SELECT FROM message WHERE message_id = ANY($1) ORDER BY message_id FOR UPDATE",
                [written.parcel.message.message_id for written in wave],
            )
            outcomes = await asyncio.gather(*(self._send_one(w, math.inf) for w in wave))
            self._crash("before_record")
            await self._settler.settle(
                connection, [self._judge(w, o) for w, o in zip(wave, outcomes, strict=True)]
            )


class MarksFirst(Sender):
    """Says "sent" before it sends, so that nothing is ever sent twice."""

    async def _send_one(self, written: Written, until: float) -> Outcome:
        await self._record([self._judge(written, Sent(provider_ref="surely"))])
        return await super()._send_one(written, until)


class SilenceIsNo(Sender):
    """Takes "no answer" for "not sent", and tries again."""

    def _judge(self, written: Written, outcome: Outcome) -> Settled:
        if isinstance(outcome, Unknown):
            outcome = Refused(reason=outcome.reason, retry=True)
        return super()._judge(written, outcome)


class NoDeadline(Sender):
    """Does not look at the clock before the first byte."""

    async def _send_one(self, written: Written, until: float) -> Outcome:
        return await super()._send_one(written, math.inf)


class LeavesNoDoubt(Sender):
    """Gives the permit back as soon as it loses patience, though the message may still arrive."""

    async def _send_permitted(self, *sent: Any) -> set[MessageKey]:
        await super()._send_permitted(*sent)
        return set()


class PlansAgain(Sweeper):
    """Sends again what was being sent when its worker vanished."""

    async def _judge(self, expired: Expired) -> Settled:
        judged = await super()._judge(expired)
        return Settled(
            message=judged.message,
            settlement=plan_again("lease_expired"),
            sha256=judged.sha256,
            actor=judged.actor,
            over=judged.over,
        )


class NoFence(SqlMessages):
    """Believes that whoever claimed a message still has it."""

    async def begin_sending(
        self, connection: AsyncConnection, frozen: Sequence[FrozenMessage], *, lease_s: float
    ) -> Collection[MessageKey]:
        raw = await driver(connection)
        await raw.execute(
            "UPDATE message AS m SET state = 'planned', fence = x.fence, settled_at = NULL "
            "FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS x (tenant, message_id, fence) "
            "WHERE m.tenant = x.tenant AND m.message_id = x.message_id",
            [f.message.tenant for f in frozen],
            [f.message.message_id for f in frozen],
            [f.message.fence for f in frozen],
        )
        return await super().begin_sending(connection, frozen, lease_s=lease_s)


class _Wrapped:
    """The ledger's interface, handed through."""

    def __init__(self, real: Ledger) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def permits(self, requests: Sequence[PermitRequest], *, lease_s: float) -> Answers:
        return await self._real.permits(requests, lease_s=lease_s)

    async def return_permits(self, permit_ids: Collection[UUID]) -> None:
        await self._real.return_permits(permit_ids)


class NoPermit(_Wrapped):
    """Asks nobody: the engine decided a moment ago."""

    async def permits(self, requests: Sequence[PermitRequest], *, lease_s: float) -> Answers:
        return {request.permit_id: Granted(expires_in_s=lease_s) for request in requests}


class JustLooks(_Wrapped):
    """Asks whether the invoices are open, and keeps no permit while it sends."""

    async def permits(self, requests: Sequence[PermitRequest], *, lease_s: float) -> Answers:
        answers = await super().permits(requests, lease_s=lease_s)
        await self.return_permits([request.permit_id for request in requests])
        return answers


class RowLock(_Wrapped):
    """Locks the invoices' rows while it sends, without a lease: the lock dies with the process."""

    def __init__(self, real: Ledger, url: str) -> None:
        super().__init__(real)
        self._url = url
        self._held: dict[UUID, asyncpg.Connection[Any]] = {}

    async def permits(self, requests: Sequence[PermitRequest], *, lease_s: float) -> Answers:
        connection = await asyncpg.connect(self._url, server_settings={"search_path": "ingest"})
        await connection.execute("BEGIN")
        answers: dict[UUID, Granted | Denied] = {}
        for request in sorted(requests, key=lambda request: request.invoices):
            self._held[request.permit_id] = connection
            moved = [i for i in request.invoices if not await _is_unmoved(connection, request, i)]
            answers[request.permit_id] = (
                Denied(refused=tuple((invoice_id, "changed") for invoice_id, _ in moved))
                if moved
                else Granted(expires_in_s=lease_s)
            )
        # A client that lives lets go of what is in doubt as well, when its time is over.
        asyncio.get_running_loop().call_later(lease_s, connection.terminate)
        return answers

    async def return_permits(self, permit_ids: Collection[UUID]) -> None:
        for permit_id in permit_ids:
            self._held.pop(permit_id).terminate()


async def _is_unmoved(
    connection: asyncpg.Connection[Any], request: PermitRequest, invoice: tuple[str, int]
) -> bool:
    row = await connection.fetchrow(
        "SELECT status, version FROM invoice WHERE tenant = $1 AND invoice_id = $2 FOR SHARE",
        request.tenant,
        invoice[0],
    )
    return row is not None and (row["status"], row["version"]) == ("open", invoice[1])


class WaitsForNobody(SqlPermits):
    """The ledger acknowledges a payment as soon as it is stored."""

    async def live(self, *_: object) -> Collection[str]:
        return ()


class ForgetsRepeats(SqlPermits):
    """The ledger acknowledges at once what it knows already, though the first answer was lost."""

    async def live(
        self, connection: AsyncConnection, tenant: str, touched: Touched
    ) -> Collection[str]:
        return await super().live(connection, tenant, Touched(invoices=touched.invoices))


class NoLock(SqlPermits):
    """The ledger looks at the invoices without locking them."""

    async def standings(
        self, connection: AsyncConnection, refs: Collection[InvoiceRef]
    ) -> dict[InvoiceRef, Standing]:
        raw = await driver(connection)
        tenants, ids = zip(*refs, strict=True)
        rows = await raw.fetch(
            "SELECT tenant, invoice_id, status, version FROM invoice "
            "JOIN unnest($1::text[], $2::text[]) AS x (tenant, invoice_id) "
            "USING (tenant, invoice_id)",
            tenants,
            ids,
        )
        await asyncio.sleep(0.1)  # a busy machine
        return {
            (row["tenant"], row["invoice_id"]): Standing(
                status=row["status"], version=row["version"]
            )
            for row in rows
        }


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One composition: which parts are replaced, what must come of it, and under which faults.

    `says` is the row of the table. `faults` are what a short run begins with, as cards of the
    saboteur's deck; `modes` are weights of the providers' behaviour beside the usual ones, and
    those that take late do so after `late_in_leases`.
    """

    says: str
    symptom: Symptom | None = None
    sender: Callable[..., Sender] = Sender
    sweeper: Callable[..., Sweeper] = Sweeper
    ledger: Callable[[Any, Mapping[str, str]], Any] = lambda real, _: real
    queue: Callable[[SendQueue], SendQueue] = lambda real: real
    permit_store: Callable[[], PermitStore | None] = lambda: None
    faults: tuple[str, ...] = ()
    modes: Mapping[Mode, int] = field(default_factory=dict)
    late_in_leases: float = 0.5


VARIANTS: dict[str, Variant] = {
    "": Variant(says="the product"),
    "A": Variant(
        says="lock the row, call, mark, commit; whatever is not marked is sent again",
        symptom="twice",
        sender=LockCallMark,
        faults=("kill:after_bytes", "kill:before_record") * 4,
    ),
    "B": Variant(
        says="no permit: the engine decided a moment ago",
        symptom="after a payment",
        ledger=lambda real, _: NoPermit(real),
        modes={Mode.LATE: 40},
        late_in_leases=0.8,
    ),
    "C": Variant(
        says="the invoice's row locked during the call, without a lease",
        symptom="after a payment",
        ledger=lambda real, extra: RowLock(real, extra["ledger_url"]),
        faults=("kill:after_bytes",) * 8,
        modes={Mode.LATE: 200},
        late_in_leases=0.8,
    ),
    "C1": Variant(
        says="the permit given back before the message is out",
        symptom="after a payment",
        ledger=lambda real, _: JustLooks(real),
        modes={Mode.LATE: 40},
        late_in_leases=0.8,
    ),
    "C2": Variant(
        says="the permit given back when patience ends, though the message may still arrive",
        symptom="after a payment",
        sender=LeavesNoDoubt,
        modes={Mode.LATE: 100},
        late_in_leases=0.8,
    ),
    "D": Variant(
        says="what was being sent when its worker vanished is sent again after the lease",
        symptom="twice",
        sweeper=PlansAgain,
        faults=("kill:after_bytes", "kill:before_record") * 4,
    ),
    "D1": Variant(
        says="no answer taken for a no, and tried again",
        symptom="twice",
        sender=SilenceIsNo,
        modes={Mode.LOST: 100, Mode.BROKEN: 100},
    ),
    "E": Variant(
        says="marked as sent before it is sent",
        symptom="lost",
        sender=MarksFirst,
        faults=("kill:before_bytes",) * 4,
        modes={Mode.CUT: 10},
    ),
    "F": Variant(
        says="no look at the clock before the first byte",
        symptom="after a payment",
        sender=NoDeadline,
        faults=("stop:after_permit", "stop:before_bytes") * 4,
    ),
    "G": Variant(
        says="the fence ignored: a worker that was paused goes on where it was",
        symptom="twice",
        queue=lambda _: NoFence(),
        faults=("stop:after_render",) * 8,
    ),
    "H": Variant(
        says="the ledger acknowledges a payment without waiting for permits",
        symptom="after a payment",
        permit_store=WaitsForNobody,
        modes={Mode.LATE: 40},
        late_in_leases=0.8,
    ),
    "I": Variant(
        says="the ledger acknowledges at once a payment that is sent again",
        symptom="after a payment",
        permit_store=ForgetsRepeats,
        modes={Mode.LATE: 100},
        late_in_leases=0.8,
    ),
    "J": Variant(
        says="the ledger grants a permit without locking the invoices",
        symptom="after a payment",
        permit_store=NoLock,
        modes={Mode.LATE: 40},
        late_in_leases=0.8,
    ),
}
