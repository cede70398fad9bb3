"""A notifier that answers every notice as a test wants it. Sends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from dunning_common.events import notifications as news
from dunning_common.events.dunning import NoticeMessageV2, NoticeRequestedV3
from dunning_common.events.envelope import Envelope, Payload
from dunning_common.ids import name_id
from dunning_engine.adapters.pg_signals import wait_for

if TYPE_CHECKING:
    from dunning_engine.testing.bench import Bench

Outcome = Literal[
    "sent", "delivered", "bounced", "unknown", "failed", "suppressed", "returned", "silence"
]
"""`delivered` and `bounced` are what the provider reports after it took the message."""
HandOver = Callable[..., Awaitable[None]]
Chooser = Callable[[Envelope, NoticeMessageV2], Outcome]
# By transactions, not by positions: one that ends late may have the smaller position.
_NEW_EVENTS = """
SELECT envelope, pg_snapshot_xmin(pg_current_snapshot())::text AS xmin FROM outbox
WHERE txid >= $1::text::xid8 AND topic = 'dunning.v1' ORDER BY position
"""


@dataclass(slots=True)
class Postman:
    """Answers every message of every notice in the outbox; `choose` says how."""

    bench: Bench
    choose: Chooser = lambda _request, _message: "sent"
    seen: set[UUID] = field(default_factory=set)
    read_from: str = "0"
    hand_over: HandOver | None = None
    letters: list[Envelope] = field(default_factory=list)

    async def deliver(self) -> int:
        """Answer what was requested since the last time. Returns the number of notices."""
        requests = [e for e in await self._new() if e.id not in self.seen]
        answers = []
        for request in requests:
            self.seen.add(request.id)
            self.letters.append(request)
            notice = NoticeRequestedV3.model_validate(request.data)
            for message in notice.messages:
                outcome = self.choose(request, message)
                if outcome in ("delivered", "bounced"):
                    answers.append(answer(request, message, "sent"))
                if outcome != "silence":
                    answers.append(answer(request, message, outcome))
        await (self.hand_over or self.bench.feed)(*answers)
        return len(requests)

    async def _new(self) -> list[Envelope]:
        """Requests written since the last time, also by transactions that ended late."""
        rows = await self.bench.rows(_NEW_EVENTS, self.read_from)
        self.read_from = rows[0]["xmin"] if rows else self.read_from
        envelopes = [Envelope.from_bytes(row["envelope"]) for row in rows]
        return [e for e in envelopes if e.type.startswith("NoticeRequested")]

    async def run(self) -> None:
        """Deliver until cancelled, whenever something was written into the outbox."""
        written = asyncio.Event()
        self.bench.db.on_outbox_commit(written.set)
        while True:
            written.clear()
            if not await self.deliver():
                await wait_for(written, 0.5)


def answer(
    request: Envelope, message: NoticeMessageV2, outcome: Outcome, *, reason: str = "no_address"
) -> Envelope:
    """What the notifier says about one message of a notice."""
    notice = NoticeRequestedV3.model_validate(request.data)
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
            payload = news.NoticeSentV2(
                **common, provider="fake", provider_ref="1", sha256="0" * 64
            )
        case "delivered":
            payload = news.NoticeDeliveredV2(**common, provider="fake")
        case "bounced":
            payload = news.NoticeBouncedV2(**common, provider="fake", reason=reason, hard=True)
        case "unknown":
            payload = news.NoticeUnknownV2(**common, reason="timeout")
        case "failed":
            payload = news.NoticeFailedV2(**common, reason=reason)
        case "suppressed":
            payload = news.NoticeSuppressedV2(**common, reason=reason)
        case "returned":
            payload = news.NoticeReturnedV2(
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
