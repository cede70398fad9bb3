"""The work list in PostgreSQL: what the facts say has to be done, ranked, page by page.

Items are not stored. Each kind is one query over an index that holds only what is in that
situation, so that reading costs what is to be done, not what there is. What people say about an
item (who does it, not before when, done) lies in `work_mark`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import orjson

from dunning_common.money import exponent
from dunning_engine.domain.work_item import ItemKey, WorkKind
from dunning_engine.domain.work_ranking import DAYS_MAX, FACTOR_PERCENT, MONTH_DAYS
from dunning_engine.domain.work_words import Cause
from dunning_engine.work_records import (
    INVOICES_SHOWN,
    Mark,
    WorkClock,
    WorkFilter,
    WorkGroup,
    WorkItem,
    WorkPlace,
    WorkRules,
)

REASON_KEPT = 200
"""So much of a postman's reason names an item; causes of ours are told apart by less."""
BROKEN_DAYS = 90
"""So long a broken word is worth a call; after that the reminders speak."""

_CLOCK = """
SELECT coalesce(c.now, clock_timestamp()) AS now, t.base_currency,
    (coalesce(c.now, clock_timestamp()) AT TIME ZONE coalesce(t.zone, 'UTC'))::date AS today,
    coalesce(t.zone, 'UTC') AS zone
FROM (SELECT $1::text AS tenant) w
LEFT JOIN tenant t USING (tenant) LEFT JOIN tenant_clock c USING (tenant)
"""
_RULES = "SELECT weights::text, silent_days FROM work_rules WHERE tenant = $1"
_SAVE_RULES = """
INSERT INTO work_rules (tenant, weights, silent_days) VALUES ($1, $2::jsonb, $3)
ON CONFLICT (tenant) DO UPDATE SET weights = excluded.weights, silent_days = excluded.silent_days
WHERE (work_rules.weights, work_rules.silent_days) <> (excluded.weights, excluded.silent_days)
"""

# Every source: kind, target, debtor_id, invoice_ids, invoices, currency, amount_minor, since,
# renewed_at, aged_from, cause, level_no, level, policy_id, hold_id, owner, ends_on.
# $1 tenant, $2 today, $3 now, $4 silent days, $5 only this debtor.
_OWING = """c.tenant = $1 AND ($5::text IS NULL OR c.debtor_id = $5) AND c.status = 'open'
    AND c.open_minor > 0"""
_OPEN = f"{_OWING} AND c.live"
_OWED = "c.open_minor + c.charges_open_minor"
_SINCE = "coalesce(c.state_since, c.opened_at)"
_IDS = f"(array_agg(c.invoice_id ORDER BY c.due_on, c.invoice_id))[1:{INVOICES_SHOWN}]"
_SUMS = f"""{_IDS}, count(*), c.currency, sum({_OWED})::bigint, min({_SINCE}), max({_SINCE}),
    min(c.due_on)"""
_ONE = f"ARRAY[c.invoice_id], 1, c.currency, {_OWED}, {_SINCE}, {_SINCE}, c.due_on"
_DEFECTS = "'missing_rate', 'policy_missing', 'no_permitted_day'"
_UNWILLING = "'below_minimum', 'not_applicable'"

_APPROVAL = f"""
SELECT 'approval', c.invoice_id || E'\\x1f' || c.next_level_no, c.debtor_id, {_ONE},
    'awaiting_approval', c.next_level_no, c.next_level, NULL, NULL::uuid, NULL, NULL::date
FROM dunning_case c
WHERE {_OPEN} AND c.work_state = 'awaiting_approval'
  AND c.approval_level_no IS DISTINCT FROM c.next_level_no
"""
# Cases whose level went out by some of its channels and lacks one that it needs: listed at once,
# whether it is tried again or not.
_PART_SENT = f"""
SELECT DISTINCT ON (c.invoice_id) c.* FROM case_level l
JOIN dunning_case c ON c.tenant = l.tenant AND c.invoice_id = l.invoice_id
WHERE l.tenant = $1 AND l.sent IS NOT NULL AND ($5::text IS NULL OR l.debtor_id = $5) AND {_OPEN}
  AND c.failures > 0 AND c.excused = 0 AND c.state IN ('scheduled', 'in_flight')
  AND coalesce(l.rung, l.level_no) = coalesce(c.flight_level_no, c.next_level_no)
"""
_UNDELIVERABLE = f"""
SELECT 'undeliverable', c.debtor_id || E'\\x1f' || c.currency, c.debtor_id, {_SUMS},
    min(coalesce(c.work_reason, c.failure_reason)), NULL, NULL, NULL, NULL::uuid, NULL, NULL::date
FROM (
    SELECT c.* FROM dunning_case c
    WHERE {_OPEN} AND c.work_state = 'blocked' AND c.work_reason NOT IN ({_DEFECTS}, {_UNWILLING})
      AND c.failures > 0  -- not what is about to be tried again
    UNION ALL {_PART_SENT}) c
GROUP BY c.debtor_id, c.currency
"""
# What fails for a cause of ours, one item for all that it delays; tried again day by day.
_DELAYED = f"""
SELECT 'delayed', left(c.failure_reason, {REASON_KEPT}) || E'\\x1f' || c.currency, NULL, {_IDS},
    count(*), c.currency, sum({_OWED})::bigint, min(c.last_failure_on)::timestamptz,
    max(c.last_failure_on)::timestamptz, min(c.due_on), left(c.failure_reason, {REASON_KEPT}),
    NULL::int, NULL, NULL, NULL::uuid, NULL, NULL::date
FROM dunning_case c
WHERE {_OPEN} AND c.excused > 0 AND c.failures > 0 AND c.state IN ('scheduled', 'in_flight')
GROUP BY left(c.failure_reason, {REASON_KEPT}), c.currency
"""
_DEFECT = f"""
SELECT c.state_reason, coalesce(c.policy_id, c.wanted_policy_id, '') || E'\\x1f' || c.currency,
    NULL, {_SUMS}, c.state_reason, NULL, NULL, coalesce(c.policy_id, c.wanted_policy_id),
    NULL::uuid, NULL, NULL::date
FROM dunning_case c
WHERE {_OPEN} AND c.work_state = 'blocked' AND c.work_reason IN ({_DEFECTS})
GROUP BY c.state_reason, coalesce(c.policy_id, c.wanted_policy_id), c.currency,
    coalesce(c.policy_id, c.wanted_policy_id, '')
"""
_STALE = f"""
SELECT 'stale_feed', c.currency, NULL, {_SUMS}, 'stale_feed', NULL, NULL, NULL, NULL::uuid, NULL,
    NULL::date
FROM dunning_case c
WHERE {_OPEN} AND c.work_state = 'held' AND c.work_reason = 'stale_feed' GROUP BY c.currency
"""
_UNMATCHED = f"""
SELECT 'unmatched_receipt', c.debtor_id || E'\\x1f' || c.currency, c.debtor_id, {_SUMS},
    'unmatched_receipt', NULL, NULL, NULL, NULL::uuid, NULL, NULL::date
FROM dunning_case c
WHERE {_OPEN} AND c.work_state = 'held' AND c.work_reason = 'unmatched_receipt'
GROUP BY c.debtor_id, c.currency
"""
_BROKEN = f"""
SELECT 'broken_' || h.kind, h.hold_id::text, h.debtor_id, o.invoice_ids, o.invoices, o.currency,
    o.amount_minor, h.released_at, h.released_at, o.aged_from, h.outcome, NULL, NULL, NULL,
    h.hold_id, h.owner, NULL::date
FROM hold h CROSS JOIN LATERAL (
    SELECT {_IDS} AS invoice_ids, count(*) AS invoices, c.currency,
        sum({_OWED})::bigint AS amount_minor, min(c.due_on) AS aged_from
    FROM dunning_case c
    WHERE {_OPEN} AND c.invoice_id = ANY(h.invoice_ids) GROUP BY c.currency) o
WHERE h.tenant = $1 AND h.outcome IN ('broken', 'partly_kept')
  AND h.released_at > $3::timestamptz - interval '{BROKEN_DAYS} days'
  AND NOT EXISTS (SELECT 1 FROM hold n
      WHERE n.tenant = h.tenant AND n.debtor_id = h.debtor_id AND n.released_at IS NULL
      AND n.kind IN ('promise', 'plan') AND n.placed_at >= h.released_at)
"""
_DISPUTES = f"""
SELECT 'dispute_overdue', h.hold_id::text, h.debtor_id, ARRAY[c.invoice_id], 1, c.currency,
    coalesce(least(h.disputed_minor, c.open_minor), {_OWED}), h.placed_at,
    coalesce((h.deadline_on + 1)::timestamp AT TIME ZONE 'UTC', h.placed_at), c.due_on,
    'dispute_overdue', NULL, NULL, NULL, h.hold_id, h.owner, h.deadline_on
FROM hold h JOIN dunning_case c ON c.invoice_id = h.invoice_ids[1]
WHERE h.tenant = $1 AND {_OWING} AND h.kind = 'dispute' AND h.released_at IS NULL
  AND h.resolution IS NULL AND h.deadline_on < $2
"""
_PROPOSALS = f"""
SELECT CASE c.final_action WHEN 'agency' THEN 'hand_over' ELSE c.final_action END, c.invoice_id,
    c.debtor_id, ARRAY[c.invoice_id], 1, c.currency, {_OWED}, c.closed_at, c.closed_at, c.due_on,
    c.final_action, NULL, NULL, NULL, NULL::uuid, NULL, NULL::date
FROM dunning_case c
WHERE {_OWING} AND c.closed = 'handed_over' AND c.final_action IS NOT NULL
"""
_SILENT = f"""
SELECT 'silent_overdue', c.invoice_id, c.debtor_id, {_ONE},
    CASE WHEN a.trouble IS NOT NULL THEN 'undecidable' WHEN c.state = 'waiting' THEN 'facts_missing'
        ELSE coalesce(c.state_reason, c.state) END,
    c.next_level_no, c.next_level, NULL, NULL::uuid, NULL, NULL::date
FROM dunning_case c JOIN account a ON a.tenant = c.tenant AND a.debtor_id = c.debtor_id
WHERE {_OPEN} AND c.work_state IN ('waiting', 'held', 'blocked', 'exhausted')
  AND c.due_on <= $2::date - $4::int
  AND (c.work_state <> 'blocked' OR c.work_reason IN ({_UNWILLING}))
  AND (c.work_state <> 'held' OR c.work_reason NOT IN ('stale_feed', 'unmatched_receipt'))
  AND NOT EXISTS (SELECT 1 FROM case_level l WHERE l.tenant = c.tenant
      AND l.invoice_id = c.invoice_id AND l.outcome <> 'lapsed'
      AND l.decided_on > $2::date - $4::int)
"""
_UNDECIDABLE = f"""
SELECT 'silent_overdue', c.invoice_id, c.debtor_id, {_ONE}, 'undecidable', c.next_level_no,
    c.next_level, NULL, NULL::uuid, NULL, NULL::date
FROM account a JOIN dunning_case c ON c.debtor_id = a.debtor_id
WHERE a.tenant = $1 AND a.trouble IS NOT NULL AND {_OPEN} AND c.due_on < $2
  AND c.work_state IS NULL
"""
_UNHEARD = f"""
SELECT 'silent_overdue', c.invoice_id, c.debtor_id, ARRAY[c.invoice_id], 1, c.currency, {_OWED},
    n.decided_at, n.decided_at, c.due_on, 'notifier_silent', c.flight_level_no, c.next_level, NULL,
    NULL::uuid, NULL, NULL::date
FROM notice n JOIN dunning_case c ON c.debtor_id = n.debtor_id AND c.flight_notice = n.notice_id
WHERE n.tenant = $1 AND NOT n.settled AND n.heard_at < clock_timestamp() - interval '1 day'
  AND {_OPEN} AND c.due_on < $2 AND c.state = 'in_flight'
"""
# Answers that a person has to look at; a dispute until it was decided.
_RESPONSES = f"""
SELECT 'response', r.response_id::text, r.debtor_id,
    coalesce(o.invoice_ids, r.invoice_ids[1:{INVOICES_SHOWN}]),
    coalesce(o.invoices, cardinality(r.invoice_ids)),
    coalesce(o.currency, r.body #>> '{{data,currency}}',
        (SELECT t.base_currency FROM tenant t WHERE t.tenant = $1), 'EUR'),
    coalesce(o.amount_minor, 0), r.taken_at, r.taken_at, coalesce(o.aged_from, r.taken_at::date),
    r.reason, NULL, NULL, NULL, r.hold_ids[1], NULL, NULL::date
FROM response r LEFT JOIN LATERAL (
    SELECT {_IDS} AS invoice_ids, count(*) AS invoices, c.currency,
        sum({_OWED})::bigint AS amount_minor, min(c.due_on) AS aged_from
    FROM dunning_case c
    WHERE {_OWING} AND c.debtor_id = r.debtor_id
      AND (cardinality(r.invoice_ids) = 0 OR c.invoice_id = ANY(r.invoice_ids))
    GROUP BY c.currency
    ORDER BY (c.currency = coalesce(r.body #>> '{{data,currency}}', '')) DESC, c.currency LIMIT 1
) o ON true
WHERE r.tenant = $1 AND ($5::text IS NULL OR r.debtor_id = $5)
  AND (r.state IN ('waiting', 'open') OR (r.kind = 'dispute' AND EXISTS (
      SELECT 1 FROM hold h WHERE h.tenant = $1 AND h.hold_id = ANY(r.hold_ids)
      AND h.released_at IS NULL AND h.resolution IS NULL)))
"""
_DETAILS = """
SELECT response_id::text, detail FROM response
WHERE tenant = $1 AND response_id = ANY($2::uuid[]) AND detail IS NOT NULL
"""
_SOURCES: Mapping[str, tuple[frozenset[WorkKind], str]] = {
    "approval": (frozenset({"approval"}), _APPROVAL),
    "undeliverable": (frozenset({"undeliverable"}), _UNDELIVERABLE),
    "delayed": (frozenset({"delayed"}), _DELAYED),
    "defect": (frozenset({"missing_rate", "policy_missing", "no_permitted_day"}), _DEFECT),
    "stale": (frozenset({"stale_feed"}), _STALE),
    "unmatched": (frozenset({"unmatched_receipt"}), _UNMATCHED),
    "broken": (frozenset({"broken_promise", "broken_plan"}), _BROKEN),
    "disputes": (frozenset({"dispute_overdue"}), _DISPUTES),
    "proposals": (frozenset({"hand_over", "court_file", "write_off"}), _PROPOSALS),
    "silent": (frozenset({"silent_overdue"}), _SILENT),
    "undecidable": (frozenset({"silent_overdue"}), _UNDECIDABLE),
    "unheard": (frozenset({"silent_overdue"}), _UNHEARD),
    "responses": (frozenset({"response"}), _RESPONSES),
}
_COLUMNS = """kind, target, debtor_id, invoice_ids, invoices, currency, amount_minor, since,
    renewed_at, aged_from, cause, level_no, level, policy_id, hold_id, owner, ends_on"""
# $6, $7 kinds and factors; $8, $9 currencies and weights of a minor unit; $10 base currency;
# $11 assignee ('' nobody); $12 currency; $13 also what is put off; $14, $15 only these items;
# $16 to $20 the place after which to begin; $21 how many.
_RANKED = f"""
    SELECT i.*, coalesce(m.assignee, i.owner) AS assignee, m.snoozed_until,
        CASE WHEN w.weight IS NOT NULL THEN 0 WHEN i.currency = $10 THEN 1 ELSE 2 END AS shelf,
        CASE WHEN w.weight IS NOT NULL THEN '' ELSE i.currency END COLLATE "C" AS shelf_currency,
        i.amount_minor::numeric * f.factor * coalesce(w.weight, 1)
            * ({MONTH_DAYS} + least(greatest($2::date - i.aged_from, 0), {DAYS_MAX})) AS value,
        $2::date AS ranked_on
    FROM ({{sources}}) AS i ({_COLUMNS})
    JOIN unnest($6::text[], $7::int[]) AS f (kind, factor) USING (kind)
    LEFT JOIN unnest($8::text[], $9::numeric[]) AS w (currency, weight) USING (currency)
    LEFT JOIN work_mark m ON m.tenant = $1 AND m.kind = i.kind AND m.target = i.target
    WHERE $3::timestamptz IS NOT NULL AND $4::int IS NOT NULL  -- which not every source reads
      AND (m.done_at IS NULL OR i.renewed_at > m.done_at)
      AND ($13 OR m.snoozed_until IS NULL OR m.snoozed_until <= $2)
      AND ($11::text IS NULL OR coalesce(m.assignee, i.owner, '') = $11)
      AND ($12::text IS NULL OR i.currency = $12)
      AND ($14::text[] IS NULL OR (i.kind, i.target) IN (SELECT * FROM unnest($14, $15::text[])))
"""
_LIST = f"""
SELECT r.* FROM ({_RANKED}) AS r
WHERE $16::int IS NULL
   OR (r.shelf, r.shelf_currency, -r.value, r.kind COLLATE "C", r.target COLLATE "C")
       > ($16, $17, -$18::numeric, $19, $20)
ORDER BY r.shelf, r.shelf_currency, r.value DESC, r.kind COLLATE "C", r.target COLLATE "C"
LIMIT $21
"""
# As the list, but what is of one kind, debtor and currency is one row: that of the most valuable
# item, with the sums of all. The place after which to begin names the debtor instead of a target.
_GROUPS = f"""
SELECT g.* FROM (
    SELECT DISTINCT ON (r.kind, r.debtor_id, r.currency) r.*,
        count(*) OVER w AS items, sum(r.invoices) OVER w AS all_invoices,
        sum(r.amount_minor) OVER w AS all_minor, min(r.since) OVER w AS first_since,
        min(r.aged_from) OVER w AS oldest_from, sum(r.value) OVER w AS all_value
    FROM ({_RANKED}) AS r
    WINDOW w AS (PARTITION BY r.kind, r.debtor_id, r.currency)
    ORDER BY r.kind, r.debtor_id, r.currency, r.value DESC, r.target COLLATE "C"
) AS g
WHERE $16::int IS NULL
   OR (g.shelf, g.shelf_currency, -g.all_value, g.kind COLLATE "C",
       (coalesce(g.debtor_id, '') || g.currency) COLLATE "C") > ($16, $17, -$18::numeric, $19, $20)
ORDER BY g.shelf, g.shelf_currency, g.all_value DESC, g.kind COLLATE "C",
    (coalesce(g.debtor_id, '') || g.currency) COLLATE "C"
LIMIT $21
"""
_HOLDERS = """
SELECT w.invoice_id, h.hold_id, h.placed_by, h.owner,
    (h.until AT TIME ZONE coalesce(a.zone, 'UTC'))::date AS ends_on
FROM unnest($2::text[], $3::text[], $4::text[]) AS w (invoice_id, debtor_id, kind)
JOIN account a ON a.tenant = $1 AND a.debtor_id = w.debtor_id
CROSS JOIN LATERAL (
    SELECT * FROM hold h
    WHERE h.tenant = $1 AND h.debtor_id = w.debtor_id AND h.released_at IS NULL
      AND h.kind = w.kind AND (cardinality(h.invoice_ids) = 0 OR w.invoice_id = ANY(h.invoice_ids))
    ORDER BY h.until DESC NULLS FIRST, h.hold_id DESC LIMIT 1) h
"""
_TROUBLES = "SELECT debtor_id, trouble FROM account WHERE tenant = $1 AND debtor_id = ANY($2)"
_MARKABLE = ("assignee", "snoozed_until", "done_at")
_MARK = """
INSERT INTO work_mark AS m (tenant, kind, target, {names}, marked_at, marked_by)
SELECT $1, kind, target, {values}, $2, $3 FROM unnest($4::text[], $5::text[]) AS w (kind, target)
ON CONFLICT (tenant, kind, target) DO UPDATE SET {sets}, marked_at = excluded.marked_at,
    marked_by = excluded.marked_by
"""


class SqlWork:
    """The work list, inside one transaction of the api role."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        self._sql = sql

    async def clock(self, tenant: str) -> WorkClock:
        """What time it is for the tenant, and its base currency."""
        (row,) = await self._sql.fetch(_CLOCK, tenant)
        return WorkClock(**row)

    async def rules(self, tenant: str) -> WorkRules:
        """What the tenant says about its list, or the defaults."""
        row = await self._sql.fetchrow(_RULES, tenant)
        if row is None:
            return WorkRules()
        weights = {name: Decimal(text) for name, text in orjson.loads(row["weights"]).items()}
        return WorkRules(weights=weights, silent_days=row["silent_days"])

    async def save_rules(self, tenant: str, rules: WorkRules) -> None:
        """Store what the tenant says."""
        weights = orjson.dumps({name: str(weight) for name, weight in rules.weights.items()})
        await self._sql.execute(_SAVE_RULES, tenant, weights.decode(), rules.silent_days)

    async def listing(
        self,
        tenant: str,
        wanted: WorkFilter,
        *,
        clock: WorkClock,
        rules: WorkRules,
        after: WorkPlace | None = None,
        limit: int,
    ) -> list[WorkItem]:
        """Items in the order of their expected value; see `domain.work_ranking`."""
        query = list_query(wanted)
        if query is None:
            return []
        rows = await self._sql.fetch(
            query, *list_arguments(tenant, wanted, clock, rules, after, limit)
        )
        return await self._told(tenant, rows)

    async def groups(
        self,
        tenant: str,
        wanted: WorkFilter,
        *,
        clock: WorkClock,
        rules: WorkRules,
        after: WorkPlace | None = None,
        limit: int,
    ) -> list[WorkGroup]:
        """The same items, those of one kind, debtor and currency as one."""
        query = list_query(wanted, _GROUPS)
        if query is None:
            return []
        rows = await self._sql.fetch(
            query, *list_arguments(tenant, wanted, clock, rules, after, limit)
        )
        first = await self._told(tenant, rows)
        return [_group(row, item) for row, item in zip(rows, first, strict=True)]

    async def mark(self, tenant: str, marks: Sequence[Mark], *, at: Any, by: str) -> None:
        """Keep what somebody said about items; all of them say the same."""
        if not marks:
            return
        sets = marks[0].sets
        names = [name for name in _MARKABLE if name in sets]
        statement = _MARK.format(
            names=", ".join(names),
            values=", ".join(f"${n + 6}" for n in range(len(names))),
            sets=", ".join(f"{name} = excluded.{name}" for name in names),
        )
        await self._sql.execute(
            statement,
            tenant,
            at,
            by,
            [mark.key.kind for mark in marks],
            [mark.key.target for mark in marks],
            *(sets[name] for name in names),
        )

    async def _told(self, tenant: str, rows: Sequence[Mapping[str, Any]]) -> list[WorkItem]:
        """The rows as items; those about a hold or a defect say who placed it, or what is wrong."""
        silent = [row for row in rows if row["kind"] == "silent_overdue"]
        holders: dict[str, Mapping[str, Any]] = {}
        troubles: dict[str, str] = {}
        if silent:
            found = await self._sql.fetch(
                _HOLDERS,
                tenant,
                [row["invoice_ids"][0] for row in silent],
                [row["debtor_id"] for row in silent],
                [row["cause"] for row in silent],
            )
            holders = {row["invoice_id"]: row for row in found}
        if undecidable := [r["debtor_id"] for r in silent if r["cause"] == "undecidable"]:
            found = await self._sql.fetch(_TROUBLES, tenant, undecidable)
            troubles = {row["debtor_id"]: row["trouble"] for row in found}
        if answers := [row["target"] for row in rows if row["kind"] == "response"]:
            found = await self._sql.fetch(_DETAILS, tenant, answers)
            details = {row["response_id"]: row["detail"] for row in found}
        else:
            details = {}
        return [
            _item(
                row,
                holders.get(_only(row)),
                details.get(row["target"])
                if row["kind"] == "response"
                else troubles.get(row["debtor_id"] or "")
                if row["cause"] == "undecidable"
                else None,
            )
            for row in rows
        ]


def list_query(wanted: WorkFilter, query: str = _LIST) -> str | None:
    """The statement for these kinds; None when it would find nothing."""
    if wanted.keys is not None and not wanted.keys:
        return None
    sources = [source for kinds, source in _SOURCES.values() if kinds & set(wanted.kinds)]
    return query.format(sources=" UNION ALL ".join(sources)) if sources else None


def list_arguments(
    tenant: str,
    wanted: WorkFilter,
    clock: WorkClock,
    rules: WorkRules,
    after: WorkPlace | None,
    limit: int,
) -> list[Any]:
    """The arguments of `list_query`."""
    on: date = after.on if after else clock.today
    kinds = sorted(set(wanted.kinds))
    weights = sorted(weights_of_minor_units(rules.weights).items())
    keys = wanted.keys
    return [
        tenant,
        on,
        clock.now,
        rules.silent_days,
        wanted.debtor_id,
        kinds,
        [FACTOR_PERCENT[kind] for kind in kinds],
        [currency for currency, _ in weights],
        [weight for _, weight in weights],
        clock.base_currency,
        wanted.assignee,
        wanted.currency,
        wanted.snoozed,
        None if keys is None else [key.kind for key in keys],
        None if keys is None else [key.target for key in keys],
        *(after[1:] if after else (None, None, None, None, None)),
        limit,
    ]


def weights_of_minor_units(weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Weights per whole unit as weights per minor unit."""
    return {name: weight.scaleb(-exponent(name)) for name, weight in weights.items()}


def _group(row: Mapping[str, Any], first: WorkItem) -> WorkGroup:
    return WorkGroup(
        kind=row["kind"],
        debtor_id=row["debtor_id"],
        currency=row["currency"],
        items=row["items"],
        invoices=int(row["all_invoices"]),
        amount_minor=int(row["all_minor"]),
        since=row["first_since"],
        aged_from=row["oldest_from"],
        first=first,
        shelf=row["shelf"],
        shelf_currency=row["shelf_currency"],
        value=row["all_value"],
        ranked_on=row["ranked_on"],
    )


def _only(row: Mapping[str, Any]) -> str:
    return row["invoice_ids"][0] if row["invoice_ids"] else ""


def _item(row: Mapping[str, Any], holder: Mapping[str, Any] | None, detail: str | None) -> WorkItem:
    held = holder if row["kind"] == "silent_overdue" else None
    return WorkItem(
        key=ItemKey(row["kind"], row["target"]),
        debtor_id=row["debtor_id"],
        invoice_ids=tuple(row["invoice_ids"]),
        invoices=row["invoices"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        since=row["since"],
        aged_from=row["aged_from"],
        cause=Cause(
            code=row["cause"],
            level=row["level"],
            level_no=row["level_no"],
            policy_id=row["policy_id"],
            held_by=held["placed_by"] if held else None,
            ends_on=held["ends_on"] if held else row["ends_on"],
            detail=detail,
        ),
        hold_id=held["hold_id"] if held else row["hold_id"],
        assignee=row["assignee"] or (held["owner"] if held else None),
        snoozed_until=row["snoozed_until"],
        shelf=row["shelf"],
        shelf_currency=row["shelf_currency"],
        value=row["value"],
        ranked_on=row["ranked_on"],
    )
