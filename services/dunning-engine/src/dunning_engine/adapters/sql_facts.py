"""Facts in PostgreSQL: tenants, debtors' terms, invoices. Sets, not rows; no decision is made here.

Locks in one order everywhere: tenants, then accounts by (tenant, debtor), then the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import orjson

from dunning_common.events.receivables import DebtorTermsChangedV1
from dunning_common.events.tenants import TenantRegisteredV1
from dunning_engine.adapters.pg_signals import signal_accounts
from dunning_engine.domain.case import Balance
from dunning_engine.records import AccountKey, CaseKey, InvoiceFacts

# The kind of clock is fixed with the first registration: it must not change under running cases.
_REGISTER = """
INSERT INTO tenant AS t
    (tenant, name, country, zone, language, base_currency, sandbox, payments_fresh_until)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::boolean[], $8::timestamptz[])
ON CONFLICT (tenant) DO UPDATE SET name = excluded.name, country = excluded.country,
    zone = excluded.zone, language = excluded.language, base_currency = excluded.base_currency,
    sandbox = coalesce(t.sandbox, excluded.sandbox),
    payments_fresh_until = excluded.payments_fresh_until
"""
_START_CLOCKS = """
INSERT INTO tenant_clock (tenant, now, target)
SELECT w.tenant, w.starts_at, w.starts_at
FROM unnest($1::text[], $2::timestamptz[]) AS w (tenant, starts_at)
JOIN tenant t ON t.tenant = w.tenant AND t.sandbox
ON CONFLICT DO NOTHING
"""
_END_WAITING = """
UPDATE account a SET
    time_source = CASE WHEN t.sandbox THEN 'sandbox' ELSE 'real' END,
    next_action_at = CASE WHEN a.kind IS NOT NULL THEN
        CASE WHEN t.sandbox THEN c.now ELSE clock_timestamp() END END
FROM tenant t LEFT JOIN tenant_clock c ON c.tenant = t.tenant
WHERE a.tenant = t.tenant AND t.tenant = ANY($1) AND a.time_source = 'unknown'
RETURNING a.tenant, a.time_source
"""
# A place holder for a tenant that is not known yet, locked against its registration: otherwise an
# account written now could miss the registration that commits at the same moment, and wait on.
_HOLD_PLACES = "INSERT INTO tenant (tenant) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
_LOCK_PLACES = """
SELECT 1 FROM tenant WHERE tenant = ANY($1) AND sandbox IS NULL ORDER BY tenant FOR SHARE
"""
_OPEN_ACCOUNTS = """
INSERT INTO account (tenant, debtor_id, time_source)
SELECT w.tenant, w.debtor_id,
    CASE t.sandbox WHEN true THEN 'sandbox' WHEN false THEN 'real' ELSE 'unknown' END
FROM unnest($1::text[], $2::text[]) AS w (tenant, debtor_id) JOIN tenant t USING (tenant)
ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
_LOCK_ACCOUNTS = """
SELECT 1 FROM account
JOIN unnest($1::text[], $2::text[]) AS w (tenant, debtor_id) USING (tenant, debtor_id)
ORDER BY tenant, debtor_id FOR NO KEY UPDATE OF account
"""
_SAVE_TERMS = """
UPDATE account a SET kind = w.kind, country = w.country, region = w.region, zone = w.zone,
    language = w.language, segment = w.segment, risk = w.risk, policy_id = w.policy_id,
    tags = w.tags::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::text[])
    AS w (tenant, debtor_id, kind, country, region, zone, language, segment, risk, policy_id, tags)
WHERE a.tenant = w.tenant AND a.debtor_id = w.debtor_id
"""
_LOAD_INVOICES = """
SELECT tenant, invoice_id, debtor_id, number, issued_on, due_on, currency, amount_minor, open_minor,
    charges_open_minor, status, settled_on, version, wanted_policy_id, tags::text, balances::text
FROM dunning_case
JOIN unnest($1::text[], $2::text[]) AS w (tenant, invoice_id) USING (tenant, invoice_id)
"""
_SAVE_INVOICES = """
INSERT INTO dunning_case AS c (tenant, invoice_id, debtor_id, number, issued_on, due_on, currency,
    amount_minor, open_minor, charges_open_minor, status, settled_on, version, wanted_policy_id,
    tags, balances)
SELECT tenant, invoice_id, debtor_id, number, issued_on, due_on, currency, amount_minor, open_minor,
    charges_open_minor, status, settled_on, version, wanted_policy_id, tags::jsonb, balances::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::date[], $6::date[], $7::text[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::date[], $13::bigint[],
    $14::text[], $15::text[], $16::text[])
    AS w (tenant, invoice_id, debtor_id, number, issued_on, due_on, currency, amount_minor,
    open_minor, charges_open_minor, status, settled_on, version, wanted_policy_id, tags, balances)
ON CONFLICT (tenant, invoice_id) DO UPDATE SET debtor_id = excluded.debtor_id,
    number = excluded.number, issued_on = excluded.issued_on, due_on = excluded.due_on,
    currency = excluded.currency, amount_minor = excluded.amount_minor,
    open_minor = excluded.open_minor, charges_open_minor = excluded.charges_open_minor,
    status = excluded.status, settled_on = excluded.settled_on, version = excluded.version,
    wanted_policy_id = excluded.wanted_policy_id, tags = excluded.tags,
    balances = excluded.balances
WHERE c.version < excluded.version
"""
_SAVE_CASH = """
UPDATE account a SET unallocated = jsonb_strip_nulls(
    a.unallocated || jsonb_build_object(w.currency, nullif(w.minor, 0)))
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    AS w (tenant, debtor_id, currency, minor)
WHERE a.tenant = w.tenant AND a.debtor_id = w.debtor_id
"""
# What was held back because payments were not known far enough is looked at again.
_WAKE_WAITING = """
UPDATE account a SET next_action_at = least(a.next_action_at,
    CASE a.time_source WHEN 'real' THEN clock_timestamp() WHEN 'sandbox' THEN
        (SELECT c.now FROM tenant_clock c WHERE c.tenant = a.tenant) END)
FROM (
    SELECT tenant, debtor_id FROM account WHERE waits_for_feed AND tenant = ANY($1)
    ORDER BY tenant, debtor_id FOR NO KEY UPDATE
) AS w
WHERE a.tenant = w.tenant AND a.debtor_id = w.debtor_id
RETURNING a.tenant, a.time_source
"""
_WAKE = """
UPDATE account a SET trouble = NULL, next_action_at = least(a.next_action_at,
    CASE a.time_source WHEN 'real' THEN clock_timestamp() + make_interval(secs => w.settle_s)
    WHEN 'sandbox' THEN
        (SELECT c.now FROM tenant_clock c WHERE c.tenant = a.tenant) END)
FROM unnest($1::text[], $2::text[], $3::float8[]) AS w (tenant, debtor_id, settle_s)
WHERE a.tenant = w.tenant AND a.debtor_id = w.debtor_id AND a.kind IS NOT NULL
RETURNING a.tenant, a.time_source
"""


class SqlFacts:
    """Tenants, terms and invoices, inside one transaction of the worker role.

    `settle_s` is how long an account that follows the real clock waits for more invoices.
    """

    def __init__(self, connection: asyncpg.Connection[Any], *, settle_s: float) -> None:
        self._sql = connection
        self._settle_s = settle_s

    async def register_tenants(self, tenants: Sequence[TenantRegisteredV1]) -> None:
        """Write tenants, start sandbox clocks, and wake the accounts that waited for them."""
        ids = [tenant.tenant_id for tenant in tenants]
        await self._sql.execute(
            _REGISTER,
            ids,
            [tenant.name for tenant in tenants],
            [tenant.country for tenant in tenants],
            [tenant.zone for tenant in tenants],
            [tenant.language for tenant in tenants],
            [tenant.base_currency for tenant in tenants],
            [tenant.sandbox for tenant in tenants],
            [tenant.payments_fresh_until for tenant in tenants],
        )
        today = await self._sql.fetchval("SELECT clock_timestamp()")
        await self._sql.execute(
            _START_CLOCKS, ids, [_midnight(t.sandbox_starts_on, t.zone, today) for t in tenants]
        )
        await signal_accounts(self._sql, await self._sql.fetch(_END_WAITING, ids))
        await signal_accounts(self._sql, await self._sql.fetch(_WAKE_WAITING, ids))

    async def lock_accounts(self, keys: Sequence[AccountKey]) -> None:
        """Make sure that the accounts exist, and lock them in their order."""
        tenants = sorted({key.tenant for key in keys})
        await self._sql.execute(_HOLD_PLACES, tenants)
        await self._sql.execute(_LOCK_PLACES, tenants)
        await self._sql.execute(_OPEN_ACCOUNTS, *_columns(keys))
        await self._sql.execute(_LOCK_ACCOUNTS, *_columns(keys))

    async def save_terms(self, terms: Mapping[AccountKey, DebtorTermsChangedV1]) -> None:
        """Write the debtors' terms; the last ones win."""
        values = list(terms.values())
        await self._sql.execute(
            _SAVE_TERMS,
            *_columns(list(terms)),
            [value.kind for value in values],
            [value.country for value in values],
            [value.region for value in values],
            [value.zone for value in values],
            [value.language for value in values],
            [value.segment for value in values],
            [value.risk for value in values],
            [value.policy_id for value in values],
            [orjson.dumps(value.tags).decode() for value in values],
        )

    async def save_cash(self, cash: Mapping[tuple[AccountKey, str], int]) -> None:
        """Write the debtors' money that covers no invoice, by currency (minor units)."""
        by_currency: dict[str, dict[AccountKey, int]] = {}
        for (key, currency), minor in cash.items():
            by_currency.setdefault(currency, {})[key] = minor
        for currency, minors in by_currency.items():  # one row of an account a statement
            await self._sql.execute(
                _SAVE_CASH,
                *_columns(list(minors)),
                [currency] * len(minors),
                list(minors.values()),
            )

    async def load_invoices(self, keys: Sequence[CaseKey]) -> list[InvoiceFacts]:
        """What is known of these invoices."""
        rows = await self._sql.fetch(_LOAD_INVOICES, *_columns(keys))
        return [
            InvoiceFacts(
                **{
                    **row,
                    "tags": tuple(orjson.loads(row["tags"])),
                    "balances": balances_from_json(row["balances"]),
                }
            )
            for row in rows
        ]

    async def save_invoices(self, invoices: Sequence[InvoiceFacts]) -> None:
        """Write invoices; a row of a later version stays as it is."""
        if not invoices:
            return
        await self._sql.execute(
            _SAVE_INVOICES,
            [i.tenant for i in invoices],
            [i.invoice_id for i in invoices],
            [i.debtor_id for i in invoices],
            [i.number for i in invoices],
            [i.issued_on for i in invoices],
            [i.due_on for i in invoices],
            [i.currency for i in invoices],
            [i.amount_minor for i in invoices],
            [i.open_minor for i in invoices],
            [i.charges_open_minor for i in invoices],
            [i.status for i in invoices],
            [i.settled_on for i in invoices],
            [i.version for i in invoices],
            [i.wanted_policy_id for i in invoices],
            [orjson.dumps(i.tags).decode() for i in invoices],
            [balances_to_json(i.balances) for i in invoices],
        )

    async def wake(
        self, keys: Sequence[AccountKey], *, settling: AbstractSet[AccountKey] = frozenset()
    ) -> None:
        """Have the accounts decided at the next opportunity, each on its tenant's clock.

        Those that are `settling` are decided a moment later, so that invoices which arrive one
        after the other are asked for in one notice; a sandbox clock waits for all facts anyway.
        """
        settle_s = [self._settle_s if key in settling else 0.0 for key in keys]
        woken = await self._sql.fetch(_WAKE, *_columns(keys), settle_s)
        await signal_accounts(self._sql, woken)


def balances_to_json(balances: Sequence[Balance]) -> str:
    """The history of a principal as it lies in the table."""
    return orjson.dumps([[b.since, b.open_minor] for b in balances]).decode()


def balances_from_json(text: str) -> tuple[Balance, ...]:
    """The history of a principal as the domain knows it."""
    if text == "[]":
        return ()
    return tuple(
        Balance(since=date.fromisoformat(since), open_minor=open_minor)
        for since, open_minor in orjson.loads(text)
    )


def _columns(keys: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [key[0] for key in keys], [key[1] for key in keys]


def _midnight(day: date | None, zone: str, now: datetime) -> datetime:
    place = ZoneInfo(zone)
    day = day or now.astimezone(place).date()
    return datetime.combine(day, time(), place).astimezone(UTC)
