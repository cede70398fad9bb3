"""Fold the notifier's news into levels: what became of each item of each notice. Pure.

A level is served when one of its messages went out, or may have, and none is pending. A message
that came back unsent, or was revoked, is no failed try: the item goes back and is decided again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, assert_never

from dunning_common.events.dunning import ChargeAssessedV1, LevelServedV1
from dunning_common.events.envelope import Envelope
from dunning_common.events.notifications import (
    NoticeBouncedV1,
    NoticeDeliveredV1,
    NoticeFailedV1,
    NoticeReturnedV1,
    NoticeSentV1,
    NoticeSuppressedV1,
    NoticeUnknownV1,
    NotificationsEvent,
)
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from dunning_common.values import replace
from dunning_engine.domain.notice import MessageState, outcome_of
from dunning_engine.records import AccountKey, ChannelNews, LevelRow, NoticeKey

RETURNS_MAX = 5
"""After so many returns in a row a level counts as failed: ledger and engine do not agree."""
REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class News:
    """One event of the notifier about one message."""

    envelope: Envelope
    payload: NotificationsEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What news changed.

    `levels` are the rows as they are now; `finished` those whose case is not in flight any more.
    `unsent` are the contact days of notices of which nothing reached the debtor, one for each.
    `returned` are the accounts about which the ledger must be asked before they are decided again.
    `strays` are news of notices that nobody asked for.
    """

    levels: tuple[LevelRow, ...]
    finished: tuple[LevelRow, ...]
    heard: tuple[NoticeKey, ...]
    settled: tuple[NoticeKey, ...]
    unsent: tuple[tuple[AccountKey, date], ...]
    returned: tuple[AccountKey, ...]
    strays: tuple[News, ...]
    events: tuple[Outgoing, ...]


def fold_notifications(levels: Iterable[LevelRow], news: Sequence[News]) -> Folded:
    """Apply the news, in order, to all items of the notices that they are about."""
    before: defaultdict[NoticeKey, list[LevelRow]] = defaultdict(list)
    for level in levels:
        before[level.notice_key].append(level)
    rows = {key: list(items) for key, items in before.items()}
    strays, returned = [], set()
    for item in news:
        key = NoticeKey(item.envelope.tenant, item.payload.notice_id)
        if key not in rows:
            strays.append(item)
            continue
        rows[key] = [_hear(row, item) for row in rows[key]]
        if isinstance(item.payload, NoticeReturnedV1):
            returned.add(AccountKey(item.envelope.tenant, item.payload.debtor_id))
    after = [row for items in rows.values() for row in items]
    old = [row for items in before.values() for row in items]
    changed = [now for was, now in zip(old, after, strict=True) if now != was]
    finished = [
        now
        for was, now in zip(old, after, strict=True)
        if was.outcome == "in_flight" != now.outcome
    ]
    return Folded(
        levels=tuple(changed),
        finished=tuple(finished),
        heard=tuple(sorted(rows)),
        settled=tuple(
            key
            for key, items in sorted(rows.items())
            if all(row.outcome != "in_flight" for row in items)
        ),
        unsent=tuple(sorted(_unsent(rows.values(), finished))),
        returned=tuple(sorted(returned)),
        strays=tuple(strays),
        events=tuple(event for row in finished for event in _announce(row)),
    )


def _unsent(
    notices: Iterable[Sequence[LevelRow]], finished: Sequence[LevelRow]
) -> list[tuple[AccountKey, date]]:
    """Contacts that were counted and did not happen: they go back into the budget."""
    now_finished = {row.notice_key for row in finished}
    return [
        (items[0].account_key, items[0].decided_on)
        for items in notices
        if items[0].notice_key in now_finished
        and all(row.outcome in ("failed", "returned") for row in items)
    ]


def _hear(row: LevelRow, news: News) -> LevelRow:
    payload = news.payload
    if payload.channel not in row.channels:
        return row
    covered = row.invoice_id in payload.invoice_ids or isinstance(payload, NoticeReturnedV1)
    if covered:
        heard = _channel_news(payload)
    else:  # the message went its way without the invoice, if that had been taken out of it
        heard = ChannelNews(state="returned", reason=REVOKED) if row.revoked else None
    if heard is None:
        return row
    channels = {**row.channels, payload.channel: heard}
    row = replace(row, channels=channels)
    if row.outcome != "in_flight":
        return row  # late news: kept on the level, which stays what it was
    return _settle(row, at=_moment(row, news))


def _channel_news(payload: NotificationsEvent) -> ChannelNews | None:
    """What the event makes of the channel; None when it changes nothing."""
    match payload:
        case NoticeSentV1():
            news = ChannelNews(state="sent")
        case NoticeDeliveredV1():
            news = ChannelNews(state="delivered")
        case NoticeBouncedV1(hard=True):
            news = ChannelNews(state="bounced", reason=payload.reason)
        case NoticeBouncedV1():  # it may still arrive
            return None
        case NoticeUnknownV1():
            news = ChannelNews(state="unknown", reason=payload.reason)
        case NoticeFailedV1():
            news = ChannelNews(state="failed", reason=payload.reason)
        case NoticeSuppressedV1(reason="revoked"):
            news = ChannelNews(state="returned", reason=REVOKED)
        case NoticeSuppressedV1():
            news = ChannelNews(state="suppressed", reason=payload.reason)
        case NoticeReturnedV1():
            news = ChannelNews(state="returned", reason=payload.reason)
        case _:
            assert_never(payload)
    return news


def _settle(row: LevelRow, *, at: datetime) -> LevelRow:
    """The row with its outcome, once no message is pending."""
    states = [_message_state(news.state) for news in row.channels.values()]
    outcome = outcome_of(states, revoked=row.revoked)
    if outcome == "returned" and not row.revoked and row.returns + 1 >= RETURNS_MAX:
        outcome = "failed"
    match outcome:
        case "in_flight":
            return row
        case "served":
            return replace(row, outcome="served", served_at=at)
        case "failed" | "returned":
            return replace(row, outcome=outcome, reason=_reason(row.channels))
        case _:
            assert_never(outcome)


def _message_state(state: str) -> MessageState:
    match state:
        case "delivered" | "bounced":
            return "sent"
        case "pending" | "sent" | "unknown" | "failed" | "suppressed" | "returned":
            return state
        case _:
            raise ValueError(f"{state!r} is not a state of a message")


def _reason(channels: Mapping[str, ChannelNews]) -> str:
    reasons = {news.reason or news.state for news in channels.values()}
    return ", ".join(sorted(reasons))


def _moment(row: LevelRow, news: News) -> datetime:
    """When it happened, on the tenant's clock: a sandbox clock stands still during a flight."""
    return row.decided_at if row.time_source == "sandbox" else news.envelope.time


def _announce(row: LevelRow) -> list[Outgoing]:
    """Events of an item that is settled now: a served level is announced, with its charges."""
    if row.outcome != "served" or row.served_at is None:
        return []
    served = LevelServedV1(
        debtor_id=row.debtor_id,
        invoice_id=row.invoice_id,
        level=row.level,
        level_no=row.level_no,
        notice_id=row.notice_id,
        effective_at=row.served_at,
    )
    return [
        _outgoing(row, served),
        *(_outgoing(row, ChargeAssessedV1.model_validate(charge)) for charge in row.charges),
    ]


def _outgoing(row: LevelRow, payload: Any) -> Outgoing:
    return Outgoing(
        payload=payload,
        tenant=row.tenant,
        key=account_key(row.tenant, row.debtor_id),
        subject=row.invoice_id,
    )
