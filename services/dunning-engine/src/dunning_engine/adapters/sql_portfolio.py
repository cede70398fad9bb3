"""A tenant's debtors for simulations, read in batches: the open cases now, or the whole past.

Every batch is a transaction of its own that cannot write, so that nothing is held while others
compute. A constant number of statements for each batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from dunning_common.money import to_decimal_string
from dunning_engine.adapters.case_rows import assemble
from dunning_engine.adapters.sql_facts import balances_from_json
from dunning_engine.adapters.sql_sweep import _ACCOUNT as ACCOUNT_COLUMNS
from dunning_engine.adapters.sql_sweep import SqlSweep
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Balance, PolicyKey
from dunning_engine.domain.story import Held, PastInvoice, Released, Story, story_of
from dunning_engine.records import Dossier

ONE_DAY = timedelta(days=1)

_PAGE = f"""
SELECT {ACCOUNT_COLUMNS}, $5::timestamptz AS now FROM account a
WHERE a.tenant = $1 AND a.debtor_id > $2 AND ($4::text[] IS NULL OR a.debtor_id = ANY($4))
  AND a.kind IS NOT NULL AND a.time_source <> 'unknown'
  AND EXISTS (SELECT 1 FROM dunning_case c
              WHERE c.tenant = a.tenant AND c.debtor_id = a.debtor_id AND (c.live OR $6))
ORDER BY a.debtor_id LIMIT $3
"""
_EXTENT = """
SELECT count(*) AS invoices, min(c.issued_on) AS first_on,
    count(*) FILTER (WHERE a.kind IS NULL OR a.time_source = 'unknown') AS without_terms,
    (SELECT coalesce(k.now, statement_timestamp()) FROM (VALUES (1)) AS v
        LEFT JOIN tenant_clock k ON k.tenant = $1) AS now,
    (SELECT zone FROM tenant t WHERE t.tenant = $1) AS zone
FROM dunning_case c JOIN account a USING (tenant, debtor_id)
WHERE c.tenant = $1 AND (c.live OR $2) AND ($3::text[] IS NULL OR c.debtor_id = ANY($3))
"""
_FOLLOWED = """
SELECT DISTINCT policy_id, policy_version AS version FROM dunning_case
WHERE tenant = $1 AND (live OR $2) AND policy_id IS NOT NULL
UNION SELECT policy_id, version FROM policy_active WHERE tenant = $1
UNION SELECT policy_id, version FROM policy_activation WHERE tenant = $1 AND state = 'running'
"""
_PAST = """
SELECT c.debtor_id, c.invoice_id, c.number, c.issued_on, c.due_on, c.currency, c.amount_minor,
    c.status, c.settled_on, c.balances::text, c.tags::text, c.policy_id, c.policy_version
FROM dunning_case c WHERE c.tenant = $1 AND c.debtor_id = ANY($2)
ORDER BY c.debtor_id, c.invoice_id
"""
_ALL_HOLDS = """
SELECT h.tenant, h.debtor_id, h.hold_id, h.invoice_ids, h.kind, h.reason, h.placed_at, h.until,
    h.disputed_minor, h.currency, h.instalments::text, h.baseline_minor, h.grace_days,
    h.tolerance_minor, h.outcome, h.released_at
FROM hold h WHERE h.tenant = $1 AND h.debtor_id = ANY($2) ORDER BY h.hold_id
"""
_LEVELS_DONE = """
SELECT to_char(l.decided_on, 'YYYY-MM') AS month, c.currency, l.level, count(*) AS invoices,
    count(*) FILTER (WHERE c.status = 'paid' AND l.decided_on >= c.settled_on) AS after_payment
FROM case_level l JOIN dunning_case c USING (tenant, invoice_id)
WHERE l.tenant = $1 AND l.outcome = 'served' AND l.notice_id IS NOT NULL
  AND l.decided_on >= $2 AND l.decided_on < $3 AND ($4::text[] IS NULL OR l.debtor_id = ANY($4))
GROUP BY 1, 2, 3 ORDER BY 1, 2, min(l.level_no), 3
"""
_MESSAGES_SENT = """
SELECT to_char(l.decided_on, 'YYYY-MM') AS month, m.key AS channel,
    count(DISTINCT l.notice_id) AS messages
FROM case_level l CROSS JOIN jsonb_each(l.channels) AS m
WHERE l.tenant = $1 AND m.value ->> 0 IN ('sent', 'delivered', 'bounced', 'unknown')
  AND l.decided_on >= $2 AND l.decided_on < $3 AND ($4::text[] IS NULL OR l.debtor_id = ANY($4))
GROUP BY 1, 2 ORDER BY 1, 2
"""
_CHARGED = """
SELECT h.value ->> 'currency' AS currency, h.value ->> 'kind' AS kind,
    sum((h.value ->> 'amount_minor')::bigint)::bigint AS amount_minor
FROM case_level l CROSS JOIN jsonb_array_elements(l.charges) AS h
WHERE l.tenant = $1 AND l.outcome = 'served' AND l.charges IS NOT NULL
  AND l.decided_on >= $2 AND l.decided_on < $3 AND ($4::text[] IS NULL OR l.debtor_id = ANY($4))
GROUP BY 1, 2 ORDER BY 1, 2
"""


class Extent(NamedTuple):
    """How much there is to simulate. `now` is the tenant's clock; `zone` None: tenant unknown.

    Invoices `without_terms` cannot be played: nothing is known of their debtor yet.
    """

    invoices: int
    first_on: date | None
    without_terms: int
    now: datetime
    zone: str | None


class SqlPortfolio(SqlSweep):
    """Reads dossiers as the sweep does, but for everybody, and locks nothing."""

    async def extent(
        self, tenant: str, *, all_cases: bool, debtors: Sequence[str] | None
    ) -> Extent:
        """How many invoices there are; of the past with `all_cases`."""
        (row,) = await self._sql.fetch(_EXTENT, tenant, all_cases, debtors)
        return Extent(**row)

    async def followed(self, tenant: str, *, all_cases: bool) -> list[tuple[str, PolicyKey]]:
        """The policy versions that cases follow or new ones could get, as the shelf wants them."""
        rows = await self._sql.fetch(_FOLLOWED, tenant, all_cases)
        return sorted((tenant, (row["policy_id"], row["version"])) for row in rows)

    async def open_page(
        self,
        tenant: str,
        *,
        after: str,
        limit: int,
        debtors: Sequence[str] | None,
        now: datetime,
    ) -> list[Dossier]:
        """Debtors with their open cases, in the order of their ids."""
        await self._sql.execute("SET TRANSACTION READ ONLY")
        accounts = await self._sql.fetch(_PAGE, tenant, after, limit, debtors, now, False)
        return await self._dossiers(accounts)

    async def past_page(
        self,
        tenant: str,
        *,
        after: str,
        limit: int,
        debtors: Sequence[str] | None,
        now: datetime,
        known_after_days: int,
    ) -> list[Story]:
        """Debtors with everything that happened to them, in the order of their ids."""
        await self._sql.execute("SET TRANSACTION READ ONLY")
        accounts = await self._sql.fetch(_PAGE, tenant, after, limit, debtors, now, True)
        ids = [row["debtor_id"] for row in accounts]
        cases = await self._sql.fetch(_PAST, tenant, ids)
        holds = await self._sql.fetch(_ALL_HOLDS, tenant, ids)
        invoices: defaultdict[str, list[PastInvoice]] = defaultdict(list)
        for row in cases:
            invoices[row["debtor_id"]].append(past_invoice(row))
        ends = {str(r["hold_id"]): r["released_at"] for r in holds if r["outcome"] == "released"}
        dossiers = assemble(accounts, cases=(), levels=(), holds=holds)
        return [
            story_of(
                _at_the_beginning(dossier.account),
                invoices[dossier.account.debtor_id],
                holds=_hold_facts(dossier.account, ends),
                known_after_days=known_after_days,
            )
            for dossier in dossiers
        ]

    async def really(
        self, tenant: str, *, since: date, until: date, debtors: Sequence[str] | None
    ) -> dict[str, Any]:
        """What was really done in those days (until exclusive), to be laid beside a simulation."""
        bounds = (tenant, since, until, debtors)
        charged = await self._sql.fetch(_CHARGED, *bounds)
        return {
            "levels": [dict(row) for row in await self._sql.fetch(_LEVELS_DONE, *bounds)],
            "messages": [dict(row) for row in await self._sql.fetch(_MESSAGES_SENT, *bounds)],
            "charges": [
                {
                    "currency": row["currency"],
                    "kind": row["kind"],
                    "amount": to_decimal_string(row["amount_minor"], row["currency"]),
                }
                for row in charged
            ],
        }


def past_invoice(row: Mapping[str, Any]) -> PastInvoice:
    """An invoice as the history of its principal tells it."""
    balances = balances_from_json(row["balances"])
    ended = None
    if row["status"] in ("cancelled", "written_off"):
        on = row["settled_on"] or row["due_on"]
        ended = (on, row["status"])
        # What was still owed fell with the invoice; nobody paid it.
        if balances and balances[-1].open_minor == 0 and balances[-1].since > on:
            balances = balances[:-1]
    return PastInvoice(
        invoice_id=row["invoice_id"],
        number=row["number"],
        issued_on=row["issued_on"],
        due_on=row["due_on"],
        currency=row["currency"],
        amount_minor=balances[0].open_minor if balances else row["amount_minor"],
        payments=_payments(balances),
        ended=ended,
        tags=tuple(orjson.loads(row["tags"])),
        policy=(row["policy_id"] or "", row["policy_version"] or 0),
    )


def _payments(balances: Sequence[Balance]) -> tuple[tuple[date, int], ...]:
    """(value date, minor units) of each change of a principal; money that went back is negative."""
    found = []
    for before, after in pairwise(balances):
        paid_minor = before.open_minor - after.open_minor
        found.append((after.since - ONE_DAY if paid_minor > 0 else after.since, paid_minor))
    return tuple(found)


def _at_the_beginning(account: Account) -> Account:
    """The debtor as its story begins: what it has come to since then is not known yet."""
    return Account(
        tenant=account.tenant,
        debtor_id=account.debtor_id,
        kind=account.kind,
        country=account.country,
        region=account.region,
        zone=account.zone,
        language=account.language,
        segment=account.segment,
        risk=account.risk,
        tags=account.tags,
    )


def _hold_facts(account: Account, ends: Mapping[str, datetime]) -> list[Held | Released]:
    """When holds were placed, and when somebody released them; the others end by themselves."""
    facts: list[Held | Released] = []
    for hold in account.holds:
        facts.append(Held(at=hold.placed_at, hold=hold))
        if ended_at := ends.get(hold.hold_id):
            facts.append(Released(at=max(ended_at, hold.placed_at), hold_id=hold.hold_id))
    return facts
