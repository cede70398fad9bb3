"""Notices and their levels in PostgreSQL, as news of the notifier changes them. Sets, not rows.

What news means is decided in `handlers.fold_notifications`; this only reads and writes rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import asyncpg
import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common import outbox
from dunning_common.outbox import Outgoing
from dunning_engine.records import AccountKey, ChannelNews, LevelRow, NoticeKey

SOURCE = "dunning-engine"

log = structlog.get_logger()

_LOAD_LEVELS = """
SELECT l.tenant, l.invoice_id, l.level_no, l.try_no, l.debtor_id, l.level, l.notice_id,
    l.decided_at, l.decided_on, l.outcome, l.reason, l.served_at, l.channels::text, l.charges::text,
    coalesce(c.flight_notice = l.notice_id, false) AS in_flight,
    coalesce(c.flight_notice = l.notice_id, false) AND c.flight_revoked AS revoked,
    c.returns, a.time_source, l.bounced, l.needs, l.sent,
    -- The ladder did not go on: nothing else is on its way, and no level as high is done.
    (c.flight_notice IS NULL OR c.flight_notice = l.notice_id) AND NOT EXISTS (
        SELECT 1 FROM case_level n WHERE n.tenant = l.tenant AND n.invoice_id = l.invoice_id
        AND n.outcome IN ('served', 'lapsed')
        AND (n.level_no, n.try_no) <> (l.level_no, l.try_no)
        AND coalesce(n.rung, n.level_no) >= coalesce(l.rung, l.level_no)) AS is_last
FROM unnest($1::text[], $2::uuid[]) AS w (tenant, notice_id)
JOIN case_level l ON l.tenant = w.tenant AND l.notice_id = w.notice_id
JOIN dunning_case c ON c.tenant = l.tenant AND c.invoice_id = l.invoice_id
JOIN account a ON a.tenant = l.tenant AND a.debtor_id = l.debtor_id
ORDER BY l.tenant, l.notice_id, l.invoice_id
"""
_SAVE_LEVELS = """
UPDATE case_level l SET outcome = w.outcome, reason = w.reason, served_at = w.served_at,
    channels = w.channels::jsonb, delivered = w.delivered,
    bounced = string_to_array(w.bounced, ','), sent = string_to_array(w.sent, ',')
FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[], $6::text[],
            $7::timestamptz[], $8::text[], $9::boolean[], $10::text[], $11::text[])
    AS w (tenant, invoice_id, level_no, try_no, outcome, reason, served_at, channels, delivered,
          bounced, sent)
WHERE l.tenant = w.tenant AND l.invoice_id = w.invoice_id AND l.level_no = w.level_no
  AND l.try_no = w.try_no
"""
# The same changes as Case.completed, Case.failed and Case.returned make.
_LAND = """
UPDATE dunning_case c SET flight_notice = NULL, flight_level_no = NULL, flight_attempt = NULL,
    flight_revoked = false, returns = w.returns,
    failures = CASE w.outcome WHEN 'served' THEN 0 WHEN 'failed' THEN c.failures + 1
               ELSE c.failures END,
    excused = CASE w.outcome WHEN 'served' THEN 0 WHEN 'failed' THEN c.excused + w.excused::int
              ELSE c.excused END,
    last_failure_on = CASE w.outcome WHEN 'served' THEN NULL WHEN 'failed' THEN w.decided_on
                      ELSE c.last_failure_on END,
    failure_reason = CASE w.outcome WHEN 'served' THEN NULL WHEN 'failed' THEN w.reason
                     ELSE c.failure_reason END,
    interest_through = greatest(c.interest_through, w.interest_through),
    compensation_charged = c.compensation_charged OR w.compensated
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::date[], $7::int[],
            $8::date[], $9::boolean[], $10::boolean[])
    AS w (tenant, invoice_id, notice_id, outcome, reason, decided_on, returns, interest_through,
          compensated, excused)
WHERE c.tenant = w.tenant AND c.invoice_id = w.invoice_id AND c.flight_notice = w.notice_id
"""
# The same changes as Case.bounced makes.
_MISSED = """
UPDATE dunning_case c SET failures = 1, excused = 0, last_failure_on = w.decided_on,
    failure_reason = w.reason
FROM unnest($1::text[], $2::text[], $3::date[], $4::text[])
    AS w (tenant, invoice_id, decided_on, reason)
WHERE c.tenant = w.tenant AND c.invoice_id = w.invoice_id
"""
_HEARD = """
UPDATE notice n SET heard_at = clock_timestamp(), settled = n.settled OR w.settled
FROM unnest($1::text[], $2::uuid[], $3::boolean[]) AS w (tenant, notice_id, settled)
WHERE n.tenant = w.tenant AND n.notice_id = w.notice_id
"""
_RETURNED = """
UPDATE account a SET returns = a.returns + 1
FROM unnest($1::text[], $2::text[]) AS w (tenant, debtor_id)
WHERE a.tenant = w.tenant AND a.debtor_id = w.debtor_id
"""
# Of several notices of one day, and of several days, only those that did not go out are forgotten.
_UNSENT = """
WITH unsent AS (
    SELECT tenant, debtor_id, day, count(*) AS notices
    FROM unnest($1::text[], $2::text[], $3::date[]) AS w (tenant, debtor_id, day)
    GROUP BY tenant, debtor_id, day)
UPDATE account a SET contacted_on = ARRAY(
    SELECT c.day FROM (
        SELECT u.day, u.place, row_number() OVER (PARTITION BY u.day ORDER BY u.place) AS nth
        FROM unnest(a.contacted_on) WITH ORDINALITY AS u (day, place)) AS c
    WHERE c.nth > coalesce((SELECT w.notices FROM unsent w
        WHERE w.tenant = a.tenant AND w.debtor_id = a.debtor_id AND w.day = c.day), 0)
    ORDER BY c.place)
FROM (SELECT DISTINCT tenant, debtor_id FROM unsent) AS k
WHERE a.tenant = k.tenant AND a.debtor_id = k.debtor_id
"""
_ANNOUNCE_CHARGES = """
INSERT INTO charge (tenant, charge_id, invoice_id, kind, basis, open_minor)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
ON CONFLICT DO NOTHING
"""
_POSTED = """
UPDATE charge c SET posted = true FROM unnest($1::text[], $2::text[]) AS w (tenant, charge_id)
WHERE c.tenant = w.tenant AND c.charge_id = w.charge_id
"""
_OPEN_CHARGES = """
UPDATE charge c SET open_minor = w.open_minor
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS w (tenant, charge_id, open_minor)
WHERE c.tenant = w.tenant AND c.charge_id = w.charge_id
"""
_STRAYS = """
INSERT INTO stray_notification (tenant, event_id, notice_id, debtor_id, type, envelope)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bytea[])
ON CONFLICT DO NOTHING
"""
# The same changes as Case.contacts_changed makes.
_FORGET_FAILURES = """
WITH forgiven AS (
    UPDATE case_level l SET forgiven = true
    FROM unnest($1::text[], $2::text[]) AS w (tenant, debtor_id)
    WHERE l.tenant = w.tenant AND l.debtor_id = w.debtor_id AND l.bounced IS NOT NULL)
UPDATE dunning_case c SET failures = 0, excused = 0, last_failure_on = NULL, failure_reason = NULL
FROM unnest($1::text[], $2::text[]) AS w (tenant, debtor_id)
WHERE c.tenant = w.tenant AND c.debtor_id = w.debtor_id AND c.live AND c.failures > 0
"""


class _Folded(Protocol):
    """What `handlers.fold_notifications` hands over."""

    @property
    def levels(self) -> Sequence[LevelRow]: ...
    @property
    def finished(self) -> Sequence[LevelRow]: ...
    @property
    def missed(self) -> Sequence[LevelRow]: ...
    @property
    def heard(self) -> Sequence[NoticeKey]: ...
    @property
    def settled(self) -> Sequence[NoticeKey]: ...
    @property
    def unsent(self) -> Sequence[tuple[AccountKey, date]]: ...
    @property
    def returned(self) -> Sequence[AccountKey]: ...
    @property
    def strays(self) -> Sequence[Any]: ...


class SqlNews:
    """Notices and levels, inside one transaction of the worker role."""

    def __init__(self, connection: AsyncConnection, sql: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._sql = sql

    async def load_levels(self, notices: Sequence[NoticeKey]) -> list[LevelRow]:
        """Every item of these notices."""
        rows = await self._sql.fetch(
            _LOAD_LEVELS, [n.tenant for n in notices], [n.notice_id for n in notices]
        )
        return [
            LevelRow(
                **{
                    **row,
                    "channels": channels_from_json(row["channels"]),
                    "charges": orjson.loads(row["charges"] or "[]"),
                    "bounced": None if row["bounced"] is None else tuple(row["bounced"]),
                    "needs": tuple(row["needs"] or ()),
                    "sent": None if row["sent"] is None else tuple(row["sent"]),
                }
            )
            for row in rows
        ]

    async def save_folded(self, folded: _Folded) -> None:
        """Write what the news changed."""
        await self._save_levels(folded.levels)
        await self._land([row for row in folded.finished if row.in_flight])
        if folded.missed:
            await self._sql.execute(
                _MISSED,
                [r.tenant for r in folded.missed],
                [r.invoice_id for r in folded.missed],
                [r.decided_on for r in folded.missed],
                [r.reason for r in folded.missed],
            )
        settled = set(folded.settled)
        await self._sql.execute(
            _HEARD,
            [n.tenant for n in folded.heard],
            [n.notice_id for n in folded.heard],
            [n in settled for n in folded.heard],
        )
        await self._sql.execute(
            _RETURNED, [a.tenant for a in folded.returned], [a.debtor_id for a in folded.returned]
        )
        if folded.unsent:
            await self._sql.execute(
                _UNSENT,
                [key.tenant for key, _ in folded.unsent],
                [key.debtor_id for key, _ in folded.unsent],
                [on for _, on in folded.unsent],
            )
        await self._announce_charges([r for r in folded.finished if r.outcome == "served"])
        await self._keep_strays(folded.strays)

    async def forget_failures(self, keys: Sequence[AccountKey]) -> None:
        """New contacts: what failed for lack of an address may be tried again."""
        await self._sql.execute(
            _FORGET_FAILURES, [k.tenant for k in keys], [k.debtor_id for k in keys]
        )

    async def charges_posted(self, charges: Sequence[tuple[str, str]]) -> None:
        """The ledger booked these charges (tenant, charge id)."""
        await self._sql.execute(_POSTED, [t for t, _ in charges], [c for _, c in charges])

    async def charges_moved(self, open_minor: Mapping[tuple[str, str], int]) -> None:
        """So much is still owed of these charges (tenant, charge id), in minor units."""
        await self._sql.execute(
            _OPEN_CHARGES,
            [tenant for tenant, _ in open_minor],
            [charge_id for _, charge_id in open_minor],
            list(open_minor.values()),
        )

    async def emit(self, events: Sequence[Outgoing]) -> None:
        """Write events into the outbox; the last thing in the transaction."""
        await outbox.append(self._connection, events, source=SOURCE)

    async def _save_levels(self, levels: Sequence[LevelRow]) -> None:
        if not levels:
            return
        await self._sql.execute(
            _SAVE_LEVELS,
            [r.tenant for r in levels],
            [r.invoice_id for r in levels],
            [r.level_no for r in levels],
            [r.try_no for r in levels],
            [r.outcome for r in levels],
            [r.reason for r in levels],
            [r.served_at for r in levels],
            [channels_to_json(r.channels) for r in levels],
            [any(news.state == "delivered" for news in r.channels.values()) for r in levels],
            [None if r.bounced is None else ",".join(r.bounced) for r in levels],
            [None if r.sent is None else ",".join(r.sent) for r in levels],
        )

    async def _land(self, finished: Sequence[LevelRow]) -> None:
        if not finished:
            return
        charges = [_charged(row) for row in finished]
        await self._sql.execute(
            _LAND,
            [r.tenant for r in finished],
            [r.invoice_id for r in finished],
            [r.notice_id for r in finished],
            [r.outcome for r in finished],
            [r.reason for r in finished],
            [r.decided_on for r in finished],
            [_returns(row) for row in finished],
            [through for through, _ in charges],
            [compensated for _, compensated in charges],
            [r.excused for r in finished],
        )

    async def _announce_charges(self, served: Sequence[LevelRow]) -> None:
        charges = [
            (r.tenant, c["charge_id"], r.invoice_id, c["kind"], c["basis"], c["amount_minor"])
            for r in served
            for c in r.charges
        ]
        if charges:
            await self._sql.execute(_ANNOUNCE_CHARGES, *map(list, zip(*charges, strict=True)))

    async def _keep_strays(self, strays: Sequence[Any]) -> None:
        if not strays:
            return
        log.warning("stray_notifications", count=len(strays))
        await self._sql.execute(
            _STRAYS,
            [n.envelope.tenant for n in strays],
            [n.envelope.id for n in strays],
            [n.payload.notice_id for n in strays],
            [n.payload.debtor_id for n in strays],
            [n.envelope.type for n in strays],
            [n.envelope.to_bytes() for n in strays],
        )


def channels_to_json(channels: Mapping[str, ChannelNews]) -> str:
    """What became of each message, as it lies in the table."""
    return orjson.dumps(
        {channel: [news.state, news.reason] for channel, news in channels.items()}
    ).decode()


def channels_from_json(text: str) -> dict[str, ChannelNews]:
    """What became of each message."""
    return {
        channel: ChannelNews(state=state, reason=reason)
        for channel, (state, reason) in orjson.loads(text).items()
    }


def _returns(row: LevelRow) -> int:
    """How often in a row the case came back because the ledger refused."""
    if row.outcome != "returned":
        return 0
    return row.returns if row.revoked else row.returns + 1


def _charged(row: LevelRow) -> tuple[date | None, bool]:
    """The last day of interest that the notice charged, and whether it charged the fixed sum."""
    if row.outcome != "served":
        return None, False
    through = [date.fromisoformat(c["assessed_on"]) for c in row.charges if c["kind"] == "interest"]
    return max(through, default=None), any(c["kind"] == "compensation" for c in row.charges)
