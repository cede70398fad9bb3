"""Fold the notifier's news into levels: what became of each item of each notice. Pure.

A level is served when one of its messages went out, or may have, and none is pending; one that
needs certain channels, when those did. A message that came back unsent, or was revoked, is no
failed try: the item goes back and is decided again.
A message whose address is dead reached nobody: when it was the last that had gone out, the level
does not count as served any more, unless the ladder went on meanwhile. What came later stands then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, assert_never

from dunning_common.events.dunning import ChargeAssessedV1, LevelServedV1, LevelUndeliveredV1
from dunning_common.events.envelope import Envelope
from dunning_common.events.notifications import (
    NoticeBounced,
    NoticeDelivered,
    NoticeFailed,
    NoticeReturned,
    NoticeSent,
    NoticeSuppressed,
    NoticeUnknown,
    NotificationsEvent,
)
from dunning_common.ids import account_key
from dunning_common.outbox import Outgoing
from dunning_common.values import replace
from dunning_engine.domain.failure_cause import is_ours
from dunning_engine.domain.notice import MessageState, NoticeOutcome, outcome_of
from dunning_engine.records import AccountKey, ChannelNews, LevelOutcome, LevelRow, NoticeKey

RETURNS_MAX = 5
"""After so many returns in a row a level counts as failed: ledger and engine do not agree."""
REVOKED = "revoked"
_WENT_OUT = frozenset({"sent", "delivered", "unknown"})


@dataclass(frozen=True, slots=True)
class News:
    """One event of the notifier about one message."""

    envelope: Envelope
    payload: NotificationsEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What news changed.

    `levels` are the rows as they are now; `finished` those whose case is not in flight any more.
    `missed` are rows that had counted as served and do not any more: nothing of them arrived.
    `unsent` are the contact days of notices of which nothing reached the debtor, one for each.
    `returned` are the accounts about which the ledger must be asked before they are decided again.
    `strays` are news of notices that nobody asked for.
    """

    levels: tuple[LevelRow, ...]
    finished: tuple[LevelRow, ...]
    missed: tuple[LevelRow, ...]
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
        if isinstance(item.payload, NoticeReturned):
            returned.add(AccountKey(item.envelope.tenant, item.payload.debtor_id))
    old = [row for items in before.values() for row in items]
    after = [
        _unannounced(was, row)
        for was, row in zip(old, (row for items in rows.values() for row in items), strict=True)
    ]
    changed = [now for was, now in zip(old, after, strict=True) if now != was]
    finished = [
        now
        for was, now in zip(old, after, strict=True)
        if was.outcome == "in_flight" != now.outcome
    ]
    missed = [
        now for was, now in zip(old, after, strict=True) if was.outcome == "served" != now.outcome
    ]
    return Folded(
        levels=tuple(changed),
        finished=tuple(finished),
        missed=tuple(missed),
        heard=tuple(sorted(rows)),
        settled=tuple(
            key
            for key, items in sorted(rows.items())
            if all(row.outcome != "in_flight" for row in items)
        ),
        unsent=tuple(sorted(_unsent(rows.values(), [*finished, *missed]))),
        returned=tuple(sorted(returned)),
        strays=tuple(strays),
        events=(
            *(event for row in finished for event in _announce(row)),
            *(_took_back(row, news) for row in missed),
        ),
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
        and all(row.outcome in ("failed", "returned") and not row.sent for row in items)
    ]


def _hear(row: LevelRow, news: News) -> LevelRow:
    payload = news.payload
    if payload.channel not in row.channels:
        return row
    covered = row.invoice_id in payload.invoice_ids or isinstance(payload, NoticeReturned)
    if covered:
        heard = _channel_news(payload)
    else:  # the message went its way without the invoice, if that had been taken out of it
        heard = ChannelNews(state="returned", reason=REVOKED) if row.revoked else None
    if heard is None:
        return row
    channels = {**row.channels, payload.channel: _later(row.channels[payload.channel], heard)}
    row = replace(row, channels=channels)
    if row.outcome == "in_flight":
        return _settle(row, at=_moment(row, news))
    if row.outcome == "served" and row.is_last:
        return _check_arrival(row)
    return row  # late news: kept on the level, which stays what it was


def _later(before: ChannelNews, heard: ChannelNews) -> ChannelNews:
    """What is known of a message after more was heard of it, in whatever order."""
    weaker = _WEAKER.get(before.state, frozenset())
    return before if heard.state in weaker else heard


_WEAKER = {
    "delivered": frozenset({"sent", "unknown"}),
    "bounced": frozenset({"sent", "unknown", "delivered"}),
}
"""What a provider said to the end is not undone by what it had said before."""


def _unannounced(was: LevelRow, row: LevelRow) -> LevelRow:
    """A try that went out and bounced before anybody was told of it: just a failed one."""
    if was.outcome == "in_flight" and row.outcome == "failed":
        return replace(row, served_at=None, bounced=_bounced(row) or None)
    return row


def _outcome(row: LevelRow) -> NoticeOutcome:
    states = {channel: _message_state(news.state) for channel, news in row.channels.items()}
    needed = [states[channel] for channel in row.needs]
    return outcome_of(states.values(), needed=needed, revoked=row.revoked)


def _came_to_nothing(row: LevelRow, outcome: LevelOutcome) -> LevelRow:
    """A try that did not serve its level: why, whose doing that was, and what went out anyway."""
    failed = {
        channel: news
        for channel, news in row.channels.items()
        if news.state not in _WENT_OUT and (not row.needs or channel in row.needs)
    }
    sent = tuple(sorted(c for c, news in row.channels.items() if news.state in _WENT_OUT))
    return replace(
        row,
        outcome=outcome,
        reason=_reason(failed),
        excused=outcome == "failed" and any(is_ours(news.reason) for news in failed.values()),
        sent=sent or None,
    )


def _check_arrival(row: LevelRow) -> LevelRow:
    """A served level that is the last of its ladder, after news: it failed if nothing arrived."""
    if _outcome(replace(row, revoked=False)) in ("in_flight", "served"):
        return row
    missed = _came_to_nothing(row, "failed")
    return replace(missed, bounced=_bounced(row), excused=False)


def _bounced(row: LevelRow) -> tuple[str, ...]:
    return tuple(channel for channel, news in row.channels.items() if news.state == "bounced")


def _channel_news(payload: NotificationsEvent) -> ChannelNews | None:
    """What the event makes of the channel; None when it changes nothing."""
    match payload:
        case NoticeSent():
            news = ChannelNews(state="sent")
        case NoticeDelivered():
            news = ChannelNews(state="delivered")
        case NoticeBounced(hard=True):
            news = ChannelNews(state="bounced", reason=payload.reason)
        case NoticeBounced():  # it may still arrive
            return None
        case NoticeUnknown():
            news = ChannelNews(state="unknown", reason=payload.reason)
        case NoticeFailed():
            news = ChannelNews(state="failed", reason=payload.reason)
        case NoticeSuppressed(reason="revoked"):
            news = ChannelNews(state="returned", reason=REVOKED)
        case NoticeSuppressed():
            news = ChannelNews(state="suppressed", reason=payload.reason)
        case NoticeReturned():
            news = ChannelNews(state="returned", reason=payload.reason)
        case _:
            assert_never(payload)
    return news


def _settle(row: LevelRow, *, at: datetime) -> LevelRow:
    """The row with its outcome, once no message is pending."""
    outcome = _outcome(row)
    if outcome == "returned" and not row.revoked and row.returns + 1 >= RETURNS_MAX:
        outcome = "failed"
    match outcome:
        case "in_flight":
            return row
        case "served":
            return replace(row, outcome="served", served_at=at)
        case "failed" | "returned":
            return _came_to_nothing(row, outcome)
        case _:
            assert_never(outcome)


def _message_state(state: str) -> MessageState:
    match state:
        case "delivered":
            return "sent"
        case "pending" | "sent" | "unknown" | "failed" | "suppressed" | "bounced" | "returned":
            return state
        case _:
            raise ValueError(f"{state!r} is not a state of a message")


def _reason(channels: Mapping[str, ChannelNews]) -> str:
    # What a provider says of a bounce is kept with the channel; lists sort by our own word for it.
    reasons = {
        news.state if news.state == "bounced" else news.reason or news.state
        for news in channels.values()
    }
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


def _took_back(row: LevelRow, news: Sequence[News]) -> Outgoing:
    """The event of a level that does not count as served any more."""
    last = next(n for n in reversed(news) if n.payload.notice_id == row.notice_id)
    undelivered = LevelUndeliveredV1(
        debtor_id=row.debtor_id,
        invoice_id=row.invoice_id,
        level=row.level,
        level_no=row.level_no,
        notice_id=row.notice_id,
        reason=row.reason or "",
        effective_at=_moment(row, last),
    )
    return _outgoing(row, undelivered)


def _outgoing(row: LevelRow, payload: Any) -> Outgoing:
    return Outgoing(
        payload=payload,
        tenant=row.tenant,
        key=account_key(row.tenant, row.debtor_id),
        subject=row.invoice_id,
    )
