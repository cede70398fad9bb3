"""What choosing a policy for new cases reads and writes: rules, offers, tallies of stages, pins.

Sets, not rows; who gets which version is the domain's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import asyncpg
import orjson

from dunning_common.canonical import canonical_json
from dunning_engine.adapters.builtin_policies import builtin_policies
from dunning_engine.domain.activation import Offer, Stage, StopRule, Tally
from dunning_engine.domain.plain import from_plain
from dunning_engine.domain.selection import Facts, Rules
from dunning_engine.domain.selection_document import rules_document, stored_rules
from dunning_engine.policy_records import NewPin, PinRow, StageKey, StageStop

STOP_RULE = "stop rule"
"""Who ended a stage that nobody stopped by hand."""
FRESH_S = 15.0
"""Who opens cases relies on a tally of a real tenant's stage that is not older."""

_RULES = """
SELECT DISTINCT ON (tenant) tenant, version, document::text FROM policy_rules
WHERE tenant = ANY($1) ORDER BY tenant, version DESC
"""
_RULES_OF = """
SELECT version, source, document::text, stored_at, stored_by FROM policy_rules
WHERE tenant = $1 AND ($2::int IS NULL OR version = $2) ORDER BY version DESC LIMIT 1
"""
_ADD_RULES = """
INSERT INTO policy_rules (tenant, version, source, document, sha256, stored_by)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_OFFERS = """
SELECT w.tenant, w.policy_id, p.version AS active_version, s.number, s.version, s.percent,
    s.segments, s.after_notices, s.failed_percent, s.disputed_percent
FROM unnest($1::text[], $2::text[]) AS w (tenant, policy_id)
LEFT JOIN policy_active p ON p.tenant = w.tenant AND p.policy_id = w.policy_id
LEFT JOIN policy_activation s
    ON s.tenant = w.tenant AND s.policy_id = w.policy_id AND s.state = 'running'
WHERE p.tenant IS NOT NULL OR s.tenant IS NOT NULL
"""
# A try of a level counts for the version that its case followed when the notice was asked for.
COUNT_NOTICES = """
SELECT count(DISTINCT l.notice_id) AS notices,
    count(DISTINCT l.notice_id) FILTER (WHERE l.outcome = 'failed') AS failed,
    count(DISTINCT l.invoice_id) AS invoices,
    count(DISTINCT l.invoice_id) FILTER (WHERE EXISTS (
        SELECT 1 FROM hold h
        WHERE h.tenant = l.tenant AND h.debtor_id = l.debtor_id AND h.kind = 'dispute'
          AND h.placed_at >= l.decided_at
          AND (h.invoice_ids = '{}' OR l.invoice_id = ANY (h.invoice_ids)))) AS disputed
FROM case_pin p
JOIN case_level l ON l.tenant = p.tenant AND l.invoice_id = p.invoice_id
    AND l.notice_id IS NOT NULL AND l.outcome IN ('served', 'failed')
    AND l.try_no > p.after_try AND l.decided_at >= s.started_at
WHERE p.tenant = s.tenant AND p.policy_id = s.policy_id AND p.policy_version = s.version
  AND NOT EXISTS (
    SELECT 1 FROM case_pin q
    WHERE q.tenant = p.tenant AND q.invoice_id = p.invoice_id AND q.pin_no = p.pin_no + 1
      AND q.after_try >= l.try_no)
"""
_TALLIES = f"""
SELECT s.tenant, s.policy_id, s.number, t.notices, t.failed, t.invoices, t.disputed
FROM unnest($1::text[], $2::text[], $3::int[]) AS w (tenant, policy_id, number)
JOIN policy_activation s USING (tenant, policy_id, number)
LEFT JOIN tenant_clock k ON k.tenant = s.tenant
CROSS JOIN LATERAL ({COUNT_NOTICES}) AS t
WHERE s.state = 'running' AND (k.tenant IS NOT NULL OR s.tallied_at IS NULL
    OR s.tallied_at < clock_timestamp() - make_interval(secs => $4))
"""
_STOP = """
UPDATE policy_activation s SET state = 'stopped', ended_at = w.at, ended_by = $5, ended_why = w.why
FROM unnest($1::text[], $2::text[], $3::int[], $4::timestamptz[], $6::text[])
    AS w (tenant, policy_id, number, at, why)
WHERE s.tenant = w.tenant AND s.policy_id = w.policy_id AND s.number = w.number
  AND s.state = 'running'
RETURNING s.tenant, s.policy_id, s.number
"""
# The case of a try that could not be written is opened again: its later pin counts.
_ADD_PINS = """
INSERT INTO case_pin (tenant, invoice_id, pin_no, policy_id, policy_version, pinned_at, why,
    rules_version, facts)
SELECT w.tenant, w.invoice_id, 1, w.policy_id, w.policy_version, w.pinned_at, w.why,
    w.rules_version, w.facts::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::timestamptz[], $6::text[],
    $7::int[], $8::text[])
    AS w (tenant, invoice_id, policy_id, policy_version, pinned_at, why, rules_version, facts)
ON CONFLICT (tenant, invoice_id, pin_no) DO UPDATE SET policy_id = excluded.policy_id,
    policy_version = excluded.policy_version, pinned_at = excluded.pinned_at, why = excluded.why,
    rules_version = excluded.rules_version, facts = excluded.facts
"""
_PINS = """
SELECT policy_id, policy_version, pinned_at, why, rules_version, facts::text, from_policy_id,
    from_version
FROM case_pin WHERE tenant = $1 AND invoice_id = $2 ORDER BY pin_no
"""


class SqlOpenings:
    """What opening cases reads and writes, inside one transaction of either role."""

    def __init__(self, sql: asyncpg.Connection[Any]) -> None:
        self._sql = sql

    async def rules(self, tenants: Sequence[str]) -> dict[str, Rules]:
        """The newest selection rules by tenant; those without any are missing."""
        rows = await self._sql.fetch(_RULES, list(tenants))
        return {row["tenant"]: _rules(row["document"], row["version"]) for row in rows}

    async def rules_version(self, tenant: str, version: int) -> Rules | None:
        """Exactly that version of a tenant's rules."""
        row = await self._sql.fetchrow(_RULES_OF, tenant, version)
        return None if row is None else _rules(row["document"], version)

    async def read_rules(self, tenant: str, version: int | None) -> dict[str, Any] | None:
        """A stored version with its text, the newest unless one is named."""
        row = await self._sql.fetchrow(_RULES_OF, tenant, version)
        return None if row is None else {**row, "document": orjson.loads(row["document"])}

    async def add_rules(self, tenant: str, rules: Rules, *, source: str, stored_by: str) -> None:
        """Store a new version; the caller has chosen its number."""
        document = orjson.dumps(rules_document(rules)).decode()
        sha256 = hashlib.sha256(document.encode()).hexdigest()
        await self._sql.execute(
            _ADD_RULES, tenant, rules.version, source, document, sha256, stored_by
        )

    async def offers(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Offer]:
        """The versions that new cases can get; policies nobody stored are missing."""
        known = builtin_policies()
        found = {
            key: Offer(active_version=known[key[1]].version) for key in wanted if key[1] in known
        }
        asked = [key for key in wanted if key not in found]
        if asked:
            rows = await self._sql.fetch(_OFFERS, [t for t, _ in asked], [p for _, p in asked])
            found |= {(row["tenant"], row["policy_id"]): _offer(row) for row in rows}
        return found

    async def active_policies(self, tenant: str) -> set[str]:
        """Ids of the tenant's policies and of the built-in ones that new cases can get."""
        rows = await self._sql.fetch(
            "SELECT policy_id FROM policy_active WHERE tenant = $1", tenant
        )
        return {row["policy_id"] for row in rows} | set(builtin_policies())

    async def tallies(self, stages: Sequence[StageKey]) -> dict[StageKey, Tally]:
        """What came of running stages; those that were counted just now are missing.

        A sandbox tenant's are always counted, so that nothing depends on how fast anything runs.
        """
        rows = await self._sql.fetch(
            _TALLIES,
            [key.tenant for key in stages],
            [key.policy_id for key in stages],
            [key.number for key in stages],
            FRESH_S,
        )
        return {stage_key(row): tally_of(row) for row in rows}

    async def stop_stages(self, stops: Sequence[StageStop]) -> list[StageKey]:
        """End running stages; tells which of them were running."""
        ordered = sorted(stops, key=lambda stop: (stop.key.tenant, stop.key.policy_id))
        rows = await self._sql.fetch(
            _STOP,
            [stop.key.tenant for stop in ordered],
            [stop.key.policy_id for stop in ordered],
            [stop.key.number for stop in ordered],
            [stop.at for stop in ordered],
            STOP_RULE,
            [stop.why for stop in ordered],
        )
        return [stage_key(row) for row in rows]

    async def add_pins(self, pins: Sequence[NewPin]) -> None:
        """Keep which version each case was opened with, and why."""
        await self._sql.execute(
            _ADD_PINS,
            [pin.key.tenant for pin in pins],
            [pin.key.invoice_id for pin in pins],
            [pin.policy[0] for pin in pins],
            [pin.policy[1] for pin in pins],
            [pin.at for pin in pins],
            [pin.why for pin in pins],
            [pin.rules_version for pin in pins],
            [canonical_json(pin.facts).decode() for pin in pins],
        )

    async def pins(self, tenant: str, invoice_id: str) -> list[PinRow]:
        """Every version that a case has followed, the first one first."""
        rows = await self._sql.fetch(_PINS, tenant, invoice_id)
        return [
            PinRow(
                **{
                    **row,
                    "facts": row["facts"] and from_plain(Facts, orjson.loads(row["facts"])),
                }
            )
            for row in rows
        ]


def stop_rule_of(row: Mapping[str, Any]) -> StopRule | None:
    """The stop rule in the columns of an activation."""
    if row["after_notices"] is None:
        return None
    return StopRule(
        after_notices=row["after_notices"],
        failed_percent=row["failed_percent"],
        disputed_percent=row["disputed_percent"],
    )


def stage_of(row: Mapping[str, Any]) -> Stage:
    """The stage in the columns of an activation."""
    return Stage(
        version=row["version"],
        percent=row["percent"],
        segments=tuple(row["segments"]),
        stop_rule=stop_rule_of(row),
        number=row["number"],
    )


def tally_of(row: Mapping[str, Any]) -> Tally:
    """The tally in the columns of an activation, or in what was just counted."""
    return Tally(
        notices=row["notices"],
        failed=row["failed"],
        invoices=row["invoices"],
        disputed=row["disputed"],
    )


def stage_key(row: Mapping[str, Any]) -> StageKey:
    """The key in the columns of an activation."""
    return StageKey(tenant=row["tenant"], policy_id=row["policy_id"], number=row["number"])


def _offer(row: Mapping[str, Any]) -> Offer:
    stage = stage_of(row) if row["number"] is not None else None
    return Offer(active_version=row["active_version"], stage=stage)


@lru_cache(maxsize=256)
def _rules(document: str, version: int) -> Rules:
    return stored_rules(orjson.loads(document), version=version)
